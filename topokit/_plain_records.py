"""Records as plain values, such as JSON holds, and back: fields exactly, each of a declared kind.

Paths of deep networks are integers of thousands of digits, more than Python writes or reads, unless
to a base that is a power of two.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from sys import float_info
from typing import Any, TypeVar, get_args, get_type_hints

from topokit._records import Record, brief

Made = TypeVar("Made", bound=Record)

# Integers of more bits are kept as texts, and the most bits that one is read with.
EXACT, MOST = 2**11, 2**24

HEXADECIMAL, ROUNDED = re.compile(r"0x[0-9a-f]{1,4194304}"), re.compile(r"~2\^([0-9]{1,8})")


def values_of(record: Record) -> dict[str, Any]:
    """The fields of a record by name, very long integers as texts, which `record_of` reads."""
    return {
        name: hex(value) if isinstance(value, int) and value.bit_length() > EXACT else value
        for name, value in record._asdict().items()
    }


def record_of(kind: type[Made], values: Any) -> Made:
    """A record of values by name; an integer may stand where a float is declared.

    A text of an integer may, too: to the base 16 or, as `brief` rounds it, as a power of two.

    Raises:
        ValueError: If it is no mapping, lacks a field, or has another name or kind of value.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"expected values by name; found {brief(values)}")
    declared = declared_kinds(kind)
    values = {
        name: _integer(value) if int in declared.get(name, ()) else value
        for name, value in values.items()
    }
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
    """Whether a value is of a kind; an integer is a float's unless it is beyond all of them."""
    is_real = type(value) is int and float in kinds and abs(value) <= float_info.max
    return type(value) in kinds or is_real


def _integer(value: Any) -> Any:
    """The integer that a text means, or what it is."""
    if isinstance(value, str) and HEXADECIMAL.fullmatch(value):
        return int(value, 16)
    power = ROUNDED.fullmatch(value) if isinstance(value, str) else None
    return 2 ** int(power[1]) if power and int(power[1]) <= MOST else value
