"""Records from plain values, such as JSON holds: their fields exactly, each of a declared kind."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_type_hints

from topokit._records import Record, brief

Made = TypeVar("Made", bound=Record)


def record_of(kind: type[Made], values: Any) -> Made:
    """A record of values by name; an integer may stand where a float is declared.

    Raises:
        ValueError: If it is no mapping, lacks a field, or has another name or kind of value.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"expected values by name; found {brief(values)}")
    declared = declared_kinds(kind)
    for name in {**declared, **values}:
        if name not in values:
            raise ValueError(f"{name} is missing")
        if name not in declared:
            raise ValueError(f"{brief(name)} is no field of {kind.__name__}")
        if not _is_of(values[name], declared[name]):
            raise ValueError(f"{name} is {brief(values[name])}")
    return kind(**values)


def declared_kinds(kind: type[Record]) -> dict[str, tuple[type, ...]]:
    """Of which types each field of a record of plain values may be."""
    hints = get_type_hints(kind)
    return {
        field.name: get_args(hints[field.name]) or (hints[field.name],) for field in fields(kind)
    }


def _is_of(value: Any, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds or (type(value) is int and float in kinds)
