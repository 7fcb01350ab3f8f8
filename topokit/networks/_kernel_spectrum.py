"""What the eigenvalues of a kernel say, without labels: in how many directions it can learn."""

from typing import Any

import numpy as np
from jaxtyping import Array, Float, Shaped

from topokit._records import brief

# What rounding may leave of symmetry, and below 0, relative to the greatest entry and eigenvalue.
ROUNDING = 1e-4


def effective_rank(kernel: Shaped[np.ndarray | Array, "..."]) -> float:
    """How many directions of its examples a kernel tells apart, from 1 to their number.

    The exponential of the entropy of the eigenvalues as shares of their sum: k where k of them are
    equal and all others 0. Source: Roy and Vetterli, "The effective rank: a measure of effective
    dimensionality" (EUSIPCO 2007). It says nothing of labels; more is meant to be better. Cost
    O(n^3).

    Args:
        kernel: A symmetric, positive semidefinite matrix, such as from `tangent_kernel`.

    Raises:
        ValueError: If it is no such matrix of finite numbers, or zero.

    Examples:
        >>> import numpy as np
        >>> from topokit import networks
        >>> round(networks.effective_rank(np.diag([1.0, 1.0, 1.0, 0.0])), 6)
        3.0

    See Also:
        `condition_number`, of the extremes alone.
    """
    values = _eigenvalues(kernel)
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def condition_number(kernel: Shaped[np.ndarray | Array, "..."]) -> float:
    """The greatest eigenvalue of a kernel over the least, from 1 to infinity.

    How unequally fast a network learns in different directions; lower is meant to be better.
    Source: Chen, Gong and Wang, "Neural architecture search on ImageNet in four GPU hours" (ICLR
    2021, arXiv:2102.11535), section 3.1. Infinity where the least is below the rounding of the
    greatest, in the precision of the kernel: then as many examples as these cannot be told apart.
    Cost O(n^3).

    Args:
        kernel: As in `effective_rank`.

    Raises:
        ValueError: As `effective_rank`.

    Examples:
        >>> import numpy as np
        >>> from topokit import networks
        >>> networks.condition_number(np.diag([4.0, 1.0, 2.0]))
        4.0

    See Also:
        `effective_rank`, of all eigenvalues.
    """
    values = _eigenvalues(kernel)
    hidden = values[0] <= np.finfo(kernel.dtype).eps * values[-1]
    return np.inf if hidden else float(values[-1] / values[0])


def _eigenvalues(kernel: Any) -> Float[np.ndarray, " n"]:
    """In rising order, relative to the greatest entry; what rounding leaves below 0 is 0."""
    if not isinstance(kernel, np.ndarray | Array) or not _is_finite_square(kernel):
        raise ValueError(
            f"kernel must be a symmetric matrix of finite floats; given {brief(kernel)}"
        )
    whole = np.asarray(kernel, float)
    scale = np.abs(whole).max()
    whole = whole / (scale or 1.0)
    if scale == 0 or not np.allclose(whole, whole.T, rtol=0, atol=ROUNDING):
        raise ValueError("kernel must be symmetric, and not zero")
    values = np.linalg.eigvalsh(whole)
    left = max(ROUNDING, len(whole) * float(np.finfo(kernel.dtype).eps))
    if values[0] < -left * values[-1]:
        raise ValueError(
            "kernel must be positive semidefinite, but for rounding; given one whose least "
            f"eigenvalue is {values[0]:.3g} times its greatest entry"
        )
    return np.maximum(values, 0.0)


def _is_finite_square(kernel: np.ndarray | Array) -> bool:
    square = kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1] and kernel.size > 0
    return square and kernel.dtype.kind == "f" and bool(np.isfinite(kernel).all())
