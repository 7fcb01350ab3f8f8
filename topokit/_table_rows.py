"""Rows of tables from files of strangers: records whose values are such as can have been found."""

from collections.abc import Mapping
from math import inf, isnan
from sys import float_info
from typing import Any, TypeVar

from topokit._names import check_name
from topokit._plain_records import declared_kinds, record_of
from topokit._records import Record, brief

Row = TypeVar("Row", bound=Record)

# What counts stay below, but those of paths; what none is of; what no share is above; and what is
# no number where a descent diverged.
MOST, PATHS = 2**28, "paths_"
POSITIVE = ("n_in", "n_out", "depth", "edges", "targets")
SHARES, LOSSES = ("density", "reachable"), ("loss", "loss_error")
SEEDS = 2**63


def row_of(kind: type[Row], values: Mapping[str, Any]) -> Row:
    """A record of values by name, each of the kind and in the range that such a field has.

    Raises:
        ValueError: If it is none; with the field.
    """
    found, declared = record_of(kind, values), declared_kinds(kind)
    for name, value in found._asdict().items():
        if isinstance(value, str) and (name == "name" or name == "family" and value):
            check_name(value, f"the {name}")
        if not _fits(name, value, declared[name]):
            raise ValueError(f"{name} is {brief(value)}")
    return found


def _fits(name: str, value: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a number is in the range that such a field has."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    if int in kinds:
        most = SEEDS if name == "seed" else MOST
        return value >= (name in POSITIVE) and (value < most or name.startswith(PATHS))
    if isnan(value):
        return name not in (*SHARES, "seconds")
    least = 0 if name in (*LOSSES, *SHARES, "seconds") else -float_info.max
    most = 1 if name in SHARES else inf if name in LOSSES else float_info.max
    return least <= value <= most
