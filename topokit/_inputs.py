"""What examples of inputs say about them: how much they vary, and in which directions.

An error of an end-to-end matrix costs what it does to the outputs: over examples `x` the mean of
`|x (W_O - W_d)|^2` is the squared size of `R (W_O - W_d)`, for any root `R` of the second moments
`S = R^T R = mean of x^T x`. The one taken here has the principal components of the inputs as rows,
in which a target of independent entries stays one: each row is as large as its component.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from topokit._limits import check_memory
from topokit._records import brief

LIMIT = 2**31

# Numbers for each entry of the second moments: those, their axes, and what finds them.
COPIES = 5

# How far variances may differ that are all the same but for rounding: then inputs are their own
# components, as any others would do.
ALIKE = 1e-9


class Components(NamedTuple):
    """The principal components of inputs.

    Attributes:
        variances: Mean square of each, in units in which that of an input is 1 on average.
        axes: Each as a row of unit length.
    """

    variances: Float[np.ndarray, " n_in"]
    axes: Float[np.ndarray, "n_in n_in"]

    @property
    def alike(self) -> bool:
        """Whether inputs vary alike, and each on its own."""
        return bool(np.ptp(self.variances) == 0)

    @property
    def root(self) -> Float[np.ndarray, "n_in n_in"]:
        """Their root `R`, with `R^T R` the second moments of the inputs."""
        return np.sqrt(self.variances)[:, None] * self.axes

    @property
    def moments(self) -> Float[np.ndarray, "n_in n_in"]:
        """The second moments of the inputs."""
        return (self.axes.T * self.variances) @ self.axes


def components_of(inputs: Any, n_in: int) -> Components:
    """The principal components of examples, one a row, or a ValueError that says what is wrong."""
    expected = f"inputs must be examples, an array (n, {n_in}) of finite numbers, one a row"
    if np.ma.isMaskedArray(inputs):
        raise ValueError(f"{expected}; given a masked array: leave out rows with masked entries")
    try:
        x = np.asarray(inputs)
    except ValueError as error:
        raise ValueError(f"{expected}; given rows of different lengths") from error
    if x.dtype.kind not in "biuf" or x.ndim != 2 or x.shape[1] != n_in or not len(x):
        raise ValueError(f"{expected}; given {brief(x)}")
    with np.errstate(over="ignore"):  # of long doubles
        x = x.astype(float)
    if not np.isfinite(x).all():
        raise ValueError(f"{expected}; given some that are infinite or missing, as doubles")
    _check_memory(n_in)
    size = np.abs(x).max()
    if size == 0:
        raise ValueError(f"{expected}; given zeros alone")
    moments = (x / size).T @ (x / size)
    variances, axes = np.linalg.eigh(moments * (n_in / np.trace(moments)))
    if np.ptp(variances) < ALIKE:
        return Components(np.ones(n_in), np.eye(n_in))
    return Components(np.maximum(variances, 0.0), axes.T)


def _check_memory(n_in: int) -> None:
    """Refuse more inputs than their second moments fit memory for."""
    check_memory(
        "the second moments",
        8 * COPIES * n_in**2,
        LIMIT,
        "leave inputs= out",
        of=f"{n_in} inputs",
    )
