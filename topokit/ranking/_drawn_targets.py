"""What a sweep reconstructs: Gaussian matrices drawn from its seed, or matrices of the user."""

import hashlib
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from jaxtyping import Array, Float

from topokit._checks import check_count
from topokit._limits import check_memory
from topokit.layers import Layers

LIMIT = 2**33


@dataclass(frozen=True)
class Targets:
    """The matrices of every seed, or how many to draw for each.

    Attributes:
        number: How many there are.
        matrices: The matrices, or None where they are drawn.
        text: Equal for equal targets.
    """

    number: int
    matrices: Float[np.ndarray, "number n_in n_out"] | None
    text: str

    def for_seed(self, layers: Layers, seed: int) -> Float[np.ndarray, "number n_in n_out"]:
        """The stack that a topology meets with a seed."""
        if self.matrices is not None:
            return self.matrices
        return gaussian_targets(self.number, layers.n_in, layers.n_out, seed=seed)


def gaussian_targets(
    n_targets: int, n_in: int, n_out: int, *, seed: int
) -> Float[np.ndarray, "n_targets n_in n_out"]:
    """The matrices to rebuild: independent entries of mean 0 and standard deviation 1.

    The first targets of a longer list are those of a shorter one.

    Examples:
        >>> import topokit as tk
        >>> tk.ranking.gaussian_targets(3, 8, 4, seed=0).shape
        (3, 8, 4)

    See Also:
        `topokit.reconstruct`, which rebuilds them.
    """
    check_memory(
        f"{n_targets} targets",
        8 * n_targets * n_in * n_out,
        LIMIT,
        "take fewer; topokit.predicted_loss needs none",
        of=f"{n_in} x {n_out}",
    )
    return np.random.default_rng(seed).normal(size=(n_targets, n_in, n_out))


def drawn_targets(number: int) -> Targets:
    """So many Gaussian matrices for each seed."""
    if not isinstance(number, Integral):
        given = (
            f"shape {np.shape(number)}" if isinstance(number, np.ndarray | Array) else repr(number)
        )
        raise ValueError(
            "targets must be an integer, how many matrices to draw, "
            f"or for topokit.ranking.sweep the matrices; given {given}"
        )
    number = check_count("targets", number)
    return Targets(number, None, f"{number} Gaussian")


def given_targets(stack: Float[np.ndarray, "number n_in n_out"]) -> Targets:
    """Matrices of the user, the same for each seed."""
    digest = hashlib.sha256(stack.tobytes()).hexdigest()
    return Targets(len(stack), stack, f"{stack.shape} {digest}")
