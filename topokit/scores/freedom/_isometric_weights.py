"""Random weights whose layers are as near to isometries as their wiring allows.

The degrees of freedom are the rank of the Jacobian at almost all weights, so that an estimate may
choose weights at which small singular values are not too small. A product of random layers has
singular values that spread exponentially with depth; a product of isometries has not. Descent on
`tr((M M^T)^2) / tr(M M^T)^2`, least where all singular values of a layer `M` are equal, brings each
layer near to one; a pull of the magnitudes towards one another keeps edges from dying where the
wiring allows no isometry.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from topokit.layers import Layers, Matrix, as_matrix, each_layer
from topokit.scores.freedom._balanced_constants import balanced

STEPS = 50
RATE = 0.2
PULL = 0.05


def flat_weights(layers: Layers, rng: np.random.Generator) -> list[Float[np.ndarray, " _edges"]]:
    """Random weights, near-isometric layers, each scaled to a mean square singular value of 1.

    Constant edges of a layer keep their ratios, at the size of the free weights; where some are
    very large or very small, they are `balanced` before. Cost: `STEPS` times two products of each
    layer with itself.
    """
    result = []
    for number, (senders, receivers, free, constant) in enumerate(each_layer(balanced(layers))):
        places, shape = (senders, receivers), layers.widths[number : number + 2]
        degrees = [np.bincount(place) for place in places]
        rank = min(int(np.count_nonzero(degree)) for degree in degrees)
        fans = degrees[0][senders] * degrees[1][receivers]
        drawn = rng.choice([-1.0, 1.0], free.size) * rng.uniform(0.7, 1.3, free.size) * fans**-0.25
        start = np.where(free, drawn, constant / _typical(constant[~free]))
        result.append(_flatten(start, free, places, shape, rank))
    return result


def _flatten(
    weights: Float[np.ndarray, " edges"],
    free: Bool[np.ndarray, " edges"],
    places: tuple[Int[np.ndarray, " edges"], Int[np.ndarray, " edges"]],
    shape: tuple[int, ...],
    rank: int,
) -> Float[np.ndarray, " edges"]:
    """Descend; constants move with the scale of the layer alone."""
    constant = weights.copy()
    for _ in range(STEPS if free.any() else 0):
        scale = np.sqrt(rank / (weights @ weights))
        unit = weights * scale
        matrix = as_matrix(unit, places, shape)
        cube = matrix @ (matrix.T @ matrix) if shape[0] > shape[1] else (matrix @ matrix.T) @ matrix
        slope = _entries(cube, places)
        unit -= RATE * (slope - unit * (slope @ unit) / rank)
        middle = np.sqrt(np.mean(unit[free] ** 2))
        unit = np.sign(unit) * middle * (np.abs(unit) / middle) ** (1 - PULL)
        weights = np.where(free, unit / scale, constant)
    return weights * np.sqrt(rank / (weights @ weights))


def _typical(constants: Float[np.ndarray, " constants"]) -> float:
    """The mean magnitude, of constants so large that squares overflow too."""
    most = float(np.abs(constants).max(initial=0.0)) or 1.0
    return most * float(np.mean(np.abs(constants) / most)) if constants.size else 1.0


def _entries(
    matrix: Matrix, places: tuple[Int[np.ndarray, " edges"], Int[np.ndarray, " edges"]]
) -> Float[np.ndarray, " edges"]:
    return np.asarray(matrix[places]).ravel()
