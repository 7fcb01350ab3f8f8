"""Projection on the range of an operator that can only be multiplied with.

Golub-Kahan bidiagonalization and the recurrence of LSQR (Paige and Saunders, ACM Transactions on
Mathematical Software 8, 1982, section 4), followed on the side of the image: of all images within
the Krylov space so far, the nearest to the vector. Its distance falls with every step and is never
less than that of the projection.
"""

from collections.abc import Callable, Sequence
from math import hypot
from typing import Any, NamedTuple

import numpy as np

ROUNDING = 1e-12
LEAST_STEPS = 4


Vector = Any
"""An array of one axis, of NumPy or of JAX: whichever the operator takes."""


class Operator(NamedTuple):
    """A matrix that can be multiplied with.

    Attributes:
        shape: Rows and columns.
        forward: The product with a vector of columns.
        backward: The product of the transpose with a vector of rows.
    """

    shape: tuple[int, int]
    forward: Callable[[Vector], Vector]
    backward: Callable[[Vector], Vector]


class Projection(NamedTuple):
    """A vector's projection on the range of an operator, as far as the steps went.

    Attributes:
        image: The projection.
        rest: Square of the distance between the vector and its image.
        drift: By how much `rest` fell in the second half of the steps; 0 where there is nothing
            left to find, as the steps have come to an end of themselves.
        steps: Products with the operator and with its transpose, each.
        settled: Whether it stopped by itself, not by the limit of steps.
        left: By how much `rest` would fall if all further steps went on as the last: a guess.
    """

    image: Vector
    rest: float
    drift: float
    steps: int
    settled: bool
    left: float


Enough = Callable[[Sequence[float]], bool]
"""Whether a projection may stop, by `rest` after each step so far, the vector's own first."""


def project(operator: Operator, vector: Vector, *, enough: Enough, max_steps: int) -> Projection:
    """Project until it is `enough`, or `max_steps` are done.

    Each step costs a product with the operator and one with its transpose. Whatever arrays the
    operator takes, the vector may be.
    """
    image, rests = 0 * vector, [float(vector @ vector)]
    left, beta = _unit(vector)
    right, alpha = _unit(operator.backward(left))
    bar, rest = alpha, beta  # the last diagonal entry and the distance, as in the paper
    if alpha < ROUNDING or beta < ROUNDING:
        return Projection(image, rests[0], 0.0, 0, True, 0.0)
    pushed = direction = operator.forward(right)
    settled = complete = False
    while not settled and len(rests) <= max_steps:
        left, beta = _unit(pushed - alpha * left)
        diagonal = hypot(bar, beta)
        cosine, sine = bar / diagonal, beta / diagonal
        image = image + cosine * rest / diagonal * direction
        rest *= sine
        rests.append(float(rest**2))
        right, alpha = _unit(operator.backward(left) - beta * right)
        complete = min(alpha, beta) < ROUNDING
        settled = complete or (len(rests) > LEAST_STEPS and enough(rests))
        pushed = operator.forward(right)
        direction = pushed - sine * alpha / diagonal * direction
        bar = -cosine * alpha
    drift, ahead = (0.0, 0.0) if complete else (second_half(rests), left_to_find(rests))
    return Projection(image, rests[-1], drift, len(rests) - 1, settled, ahead)


def written_down(operator: Operator, dtype: type) -> Operator:
    """The same as one matrix, by a product for each of its rows or columns, whichever are fewer."""
    n_rows, n_columns = operator.shape
    if n_columns <= n_rows:
        matrix = np.array([operator.forward(unit) for unit in np.eye(n_columns, dtype=dtype)])
        matrix = matrix.reshape(n_columns, n_rows).T
    else:
        matrix = np.array([operator.backward(unit) for unit in np.eye(n_rows, dtype=dtype)])
    return Operator(operator.shape, matrix.__matmul__, matrix.T.__matmul__)


def little_of_all(tolerance: float) -> Enough:
    """Stop once the second half of the steps found less than this share of what all found."""
    return lambda rests: second_half(rests) <= tolerance * (rests[0] - rests[-1])


def second_half(rests: Sequence[float]) -> float:
    """What the second half of the steps found."""
    return rests[(len(rests) - 1) // 2] - rests[-1]


def left_to_find(rests: Sequence[float]) -> float:
    """What further steps would find if they go on as the last two quarters of all steps did.

    The sum of a geometric series: a guess, and too low where small singular values are many.
    """
    window = max(1, (len(rests) - 1) // 4)
    if len(rests) <= 2 * window:
        return rests[0]
    earlier, later = rests[-1 - 2 * window] - rests[-1 - window], rests[-1 - window] - rests[-1]
    return later**2 / (earlier - later) if later < earlier else rests[-1]


def _unit(vector: Vector) -> tuple[Vector, float]:
    """A vector at length 1, and its length."""
    length = float(vector @ vector) ** 0.5
    return vector / (length or 1.0), length
