"""Projection on the range of an operator that can only be multiplied with.

Golub-Kahan bidiagonalization and the recurrence of LSQR (Paige and Saunders, ACM Transactions on
Mathematical Software 8, 1982, section 4), followed on the side of the image: of all images within
the Krylov space so far, the nearest to the vector. Its distance falls with every step and is never
less than that of the projection.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

ROUNDING = 1e-12
LEAST_STEPS = 4


class Operator(NamedTuple):
    """A matrix that can be multiplied with.

    Attributes:
        shape: Rows and columns.
        forward: The product with a vector of columns.
        backward: The product of the transpose with a vector of rows.
    """

    shape: tuple[int, int]
    forward: Callable[[np.ndarray], np.ndarray]
    backward: Callable[[np.ndarray], np.ndarray]


class Projection(NamedTuple):
    """A vector's projection on the range of an operator, as far as the steps went.

    Attributes:
        image: The projection.
        rest: Square of the distance between the vector and its image.
        drift: By how much `rest` fell in the second half of the steps; 0 where there is nothing
            left to find, as the steps have come to an end of themselves.
        steps: Products with the operator and with its transpose, each.
        settled: Whether it stopped by itself, not by the limit of steps.
    """

    image: Float[np.ndarray, " n"]
    rest: float
    drift: float
    steps: int
    settled: bool


def project(
    operator: Operator,
    vector: Float[np.ndarray, " n"],
    *,
    tolerance: float,
    max_steps: int,
) -> Projection:
    """Project until the second half of the steps found less than `tolerance` of what all found.

    Each step costs a product with the operator and one with its transpose.
    """
    image, rests = np.zeros_like(vector), [float(vector @ vector)]
    left, beta = _unit(vector)
    right, alpha = _unit(operator.backward(left))
    bar, rest = alpha, beta  # the last diagonal entry and the distance, as in the paper
    if alpha < ROUNDING or beta < ROUNDING:
        return Projection(image, rests[0], 0.0, 0, True)
    pushed = direction = operator.forward(right)
    settled = complete = False
    while not settled and len(rests) <= max_steps:
        left, beta = _unit(pushed - alpha * left)
        diagonal = np.hypot(bar, beta)
        cosine, sine = bar / diagonal, beta / diagonal
        image += cosine * rest / diagonal * direction
        rest *= sine
        rests.append(float(rest**2))
        right, alpha = _unit(operator.backward(left) - beta * right)
        complete = min(alpha, beta) < ROUNDING
        settled = complete or _settled(rests, tolerance)
        pushed = operator.forward(right)
        direction = pushed - sine * alpha / diagonal * direction
        bar = -cosine * alpha
    drift = 0.0 if complete else _drift(rests)
    return Projection(image, rests[-1], drift, len(rests) - 1, settled)


def _unit(vector: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], float]:
    """A vector at length 1, and its length."""
    length = float(np.linalg.norm(vector))
    return vector / (length or 1.0), length


def _drift(rests: list[float]) -> float:
    return rests[(len(rests) - 1) // 2] - rests[-1]


def _settled(rests: list[float], tolerance: float) -> bool:
    return len(rests) > LEAST_STEPS and _drift(rests) <= tolerance * (rests[0] - rests[-1])
