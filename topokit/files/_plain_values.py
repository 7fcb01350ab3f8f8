"""Attributes as text that reads back equal: JSON, with numpy's numbers as Python's, and tuples.

JSON has no tuples; one is written as an object of the one key `TUPLE`. What JSON cannot hold, or
would change, is refused by the name of its place.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from topokit._strict_json import from_json

TUPLE = "__tuple__"
DEEPEST = 100
MOST_BITS = 13_000  # Of an integer: Python turns no more than 4,300 digits into a number.
KEPT = frozenset({type(None), bool, float, str})


def plain_attributes(
    place: tuple[Any, ...], attributes: Mapping[Any, Any], reserved: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The attributes of a graph, a node or an edge as values that JSON keeps as they are.

    Raises:
        ValueError: If there are none; the words of `place` say whose they are, `reserved` the names
            that mean something else in the file.
    """
    try:
        found = plain(dict(attributes))
        taken = next((name for name in reserved if name in found), None)
        if taken is None:
            return found
        raise ValueError(f"the name {taken!r} has a meaning of its own in such a file; rename it")
    except ValueError as error:
        whose = " ".join(map(str, place))
        raise ValueError(f"{whose}: an attribute cannot be saved: {error}") from error


def plain(value: Any, depth: int = 0) -> Any:
    """A value that JSON keeps as it is, or a ValueError."""
    if type(value) in KEPT:
        return value
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} times")
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in KEPT or _is_short(value):
        return value
    if type(value) in (list, tuple):
        items = [plain(item, depth + 1) for item in value]
        return items if type(value) is list else {TUPLE: items}
    if type(value) is dict:
        return {_key(key): plain(item, depth + 1) for key, item in value.items()}
    raise ValueError(
        f"{str(value)[:60]} is of {type(value).__name__}; files hold text, numbers, booleans, "
        "None, and lists, tuples and dictionaries of them"
    )


def from_plain(text: str | bytes) -> Any:
    """The value of a JSON text."""
    return from_json(text, _untupled)


def _untupled(found: dict[str, Any]) -> Any:
    items = found.get(TUPLE)
    return tuple(items) if isinstance(items, list) and len(found) == 1 else found


def _is_short(value: Any) -> bool:
    """Whether it is an integer that Python turns into text and back."""
    return type(value) is int and value.bit_length() < MOST_BITS


def _key(key: Any) -> str:
    if isinstance(key, str) and key != TUPLE:
        return str(key)
    raise ValueError(f"the key {key!r} must be {'another' if key == TUPLE else 'a'} text")
