"""One voice for arguments that cannot be right: what was given, what was expected."""

from collections.abc import Iterable
from math import inf
from numbers import Integral, Real


def check_count(name: str, value: int, *, least: int = 1, most: int | None = None) -> int:
    """Return an integer in `[least, most]`, or raise a ValueError that names the argument."""
    if most is not None and isinstance(value, Integral) and value > most:
        raise ValueError(f"{name} must be an integer of at most {most}; given {value!r}")
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; given {value!r}")
    return int(value)


def check_counts(name: str, values: Iterable[int], *, least: int = 1) -> list[int]:
    """Return a list of integers of at least `least`, or raise a ValueError that names one."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list of integers; given {values!r}")
    return [check_count(f"{name}[{place}]", v, least=least) for place, v in enumerate(values)]


def check_real(name: str, value: float, *, least: float, most: float) -> float:
    """Return a finite number in `[least, most]`, or raise a ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, Real) or not least <= value <= most:
        raise ValueError(f"{name} must be a number in [{least}, {most}]; given {value!r}")
    return float(value)


def check_positive(name: str, value: float) -> float:
    """Return a finite number above 0, or raise a ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < inf:
        raise ValueError(f"{name} must be a finite number above 0; given {value!r}")
    return float(value)


def check_power_of_two(name: str, value: int) -> int:
    """Return log2 of a power of two, at least 2, or raise a ValueError that names the argument."""
    bits = check_count(name, value, least=2).bit_length() - 1
    if value != 2**bits:
        raise ValueError(
            f"{name} must be a power of two; given {value} (near it: {2**bits}, {2 ** (bits + 1)})"
        )
    return bits
