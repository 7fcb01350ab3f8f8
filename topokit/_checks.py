"""One voice for arguments that cannot be right: what was given, what was expected."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from numbers import Integral, Number, Real
from typing import Any

import numpy as np

from topokit._records import brief

LARGEST = 2**63 - 1  # what an integer of an array holds: no number of anything is greater

SEEDS = 2**32  # that `jax.random.key` tells apart: of a greater one it takes the remainder

MOST_STEPS = 10**9  # of a descent, which JAX counts in 32 bits
JOBS_A_CORE = 4  # processes that are plausible for a core: more only take memory


def check_count(name: str, value: int, *, least: int = 1, most: int = LARGEST) -> int:
    """Return an integer in `[least, most]`, or raise a ValueError that names the argument."""
    if isinstance(value, Integral) and value > most:
        raise ValueError(f"{name} must be an integer of at most {most}; given {_said(value)}")
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; given {_said(value)}")
    return int(value)


def check_seed(name: str, value: int, *, draws: int = 1) -> int:
    """Return a seed that JAX tells from all others, with those after it for so many draws.

    Raises:
        ValueError: If it is none; it names the argument.
    """
    return check_count(name, value, least=0, most=SEEDS - draws)


def check_flag(name: str, value: bool) -> bool:
    """Return a truth value, or raise a ValueError that names the argument: every text is true."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False; given {brief(value)}")
    return bool(value)


def check_jobs(jobs: int) -> int:
    """Return a number of processes that this machine bears, or raise a ValueError."""
    most = JOBS_A_CORE * (os.cpu_count() or 1)
    if check_count("jobs", jobs) > most:
        raise ValueError(
            f"jobs must be an integer of at most {most}, {JOBS_A_CORE} for each core of this "
            f"machine, because each process takes memory for a JAX of its own; given {_said(jobs)}"
        )
    return int(jobs)


def _said(value: Any) -> str:
    """A value as Python writes it; an integer of more digits than one reads by its size."""
    huge = isinstance(value, Integral) and abs(int(value)) > LARGEST
    return brief(value) if huge else repr(value)


def check_counts(name: str, values: Iterable[int], *, least: int = 1) -> list[int]:
    """Return a list of integers of at least `least`, or raise a ValueError that names one."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list of integers; given {values!r}")
    return [check_count(f"{name}[{place}]", v, least=least) for place, v in enumerate(values)]


def check_real(
    name: str, value: float, *, least: float, most: float, above: bool = False, below: bool = False
) -> float:
    """Return a finite number from `least` to `most`, or raise a ValueError that names the argument.

    With `above` it has to be more than `least`, with `below` less than `most`.
    """
    below = below or most == inf
    beyond = (above and value == least) or (below and value == most)
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or beyond or not least <= value <= most:
        ends = f"{'(' if above else '['}{least}, {most}{')' if below else ']'}"
        raise ValueError(f"{name} must be a number in {ends}; given {value!r}")
    return float(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise a ValueError that names the argument unless it is one of these words."""
    if not isinstance(value, str) or value not in choices:
        *others, last = map(repr, choices)
        raise ValueError(f"{name} must be {', '.join(others)} or {last}; given {value!r}")


def check_instance(name: str, value: Any, kind: type | tuple[type, ...], said: str) -> None:
    """Raise a ValueError that names the argument unless it is of a class, `said` in words."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be {said}; given a {type(value).__name__}")


def check_init(init: Any) -> None:
    """Refuse what is no function, such as the name of one."""
    if not isinstance(init, Callable):
        raise ValueError(
            f"init must be a function of a recipe, such as topokit.networks.kaiming; given {init!r}"
        )


def check_wiring(wiring: Any) -> None:
    """Refuse what is neither a rule for all layers nor a mapping from their names."""
    if isinstance(wiring, Mapping | Callable):
        return
    share = wiring if isinstance(wiring, Real) else 0.25
    raise ValueError(
        f"wiring must be a rule, such as topokit.networks.clos_with({share}), or a dict from names "
        f"of layers to topologies; given a {type(wiring).__name__}"
    )


def check_budget(budget: Any, n: int) -> int:
    """Return trainable edges that the default set of `n` inputs can have, or raise a ValueError."""
    least, most = 2 * n, 2 * n * n
    whole = isinstance(budget, Integral) and not isinstance(budget, bool)
    if not whole or not least <= int(budget) <= most:
        raise ValueError(
            f"budget must be an integer from {least}, without which {n} inputs and outputs cannot "
            f"all be joined, to {most}, two dense layers; given {budget!r}"
        )
    return int(budget)


def check_key(key: Any) -> None:
    """Refuse what is neither a JAX random key, an integer seed for one, nor None."""
    if key is None or (hasattr(key, "dtype") and not isinstance(key, Number)):
        return
    if isinstance(key, bool) or not isinstance(key, Integral):
        raise ValueError(f"key must be a JAX random key or an integer seed; given {key!r}")
    check_seed("key", int(key))


def check_power_of_two(name: str, value: int) -> int:
    """Return log2 of a power of two, at least 2, or raise a ValueError that names the argument."""
    bits = check_count(name, value, least=2).bit_length() - 1
    if value != 2**bits:
        raise ValueError(
            f"{name} must be a power of two; given {value} (near it: {2**bits}, {2 ** (bits + 1)})"
        )
    return bits
