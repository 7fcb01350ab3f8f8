"""Models at the door: shapes of examples, and whether there is memory for so many parameters."""

from collections.abc import Sequence

from topokit._checks import check_counts
from topokit._limits import check_memory
from topokit._records import brief

LIMIT, BYTES = 2**34, 4  # bytes of all parameters, and of one


def check_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of an example as plain integers, or raise a ValueError."""
    return tuple(check_counts("shape", shape))


def check_image(model: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the shape of an image, or raise a ValueError that names the model."""
    sides = check_shape(shape)
    if len(sides) != 3:
        raise ValueError(f"{model} takes images (channels, height, width); given {sides}")
    return sides[0], sides[1], sides[2]


def check_model(model: str, widths: Sequence[int], n_parameters: int) -> None:
    """Raise `TooLargeError` if a model of at least so many parameters should not be built.

    `widths` are those of what it takes, holds and returns that a caller can choose.
    """
    n_bytes, remedy = BYTES * n_parameters, "take smaller ones"
    check_memory(model, n_bytes, LIMIT, remedy, of=f"widths {brief(tuple(widths))}")
