"""The projector on a Jacobian whose rows differ in size by more than floats tell apart.

Constants beside the inputs and the outputs stretch the rows of the Jacobian `J`, one for each pair.
So it is `D J_0`, with powers of two in the diagonal `D` and a `J_0` of moderate numbers. Gaussian
elimination of `J_0` takes the greatest entry of `D J_0` as its pivot, and leaves its columns as
products with multipliers: `D J_0 = L U`, where `L` has entries of at most 1 and is
well-conditioned. The columns of `L` span what those of `J` do.
"""

import numpy as np
from jaxtyping import Float, Int

# The share of a row's greatest entry up to which one is what rounding left of a zero.
NOISE = 1e-11


def graded_basis(
    columns: Float[np.ndarray, "pairs kept"], powers: Int[np.ndarray, " pairs"], rank: int
) -> Float[np.ndarray, "pairs rank"] | None:
    """Well-conditioned columns that span those of `columns`, each row times 2 to its power.

    Cost: O(pairs * kept * rank).

    Returns:
        None where fewer than `rank` are told apart.
    """
    rest = columns.copy()
    least = NOISE * np.abs(rest).max(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        scales = (np.log2(np.abs(rest)) + powers[:, None]).max(axis=0)  # those of columns are free
    basis = np.zeros((len(rest), rank))
    for place in range(rank):
        rest[np.abs(rest) <= least] = 0.0
        with np.errstate(divide="ignore"):
            sizes = np.log2(np.abs(rest)) + powers[:, None] - scales
        row, column = np.unravel_index(np.argmax(sizes), sizes.shape)
        if rest[row, column] == 0:
            return None
        shares = rest[:, column] / rest[row, column]
        basis[:, place] = np.ldexp(shares, powers - powers[row])
        rest -= np.outer(shares, rest[row])
        rest[row], rest[:, column] = 0.0, 0.0
    return basis
