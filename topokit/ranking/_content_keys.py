"""What decides a result, as text: the same in every process, different for every difference.

A topology is its arrays; its name is none of it. A solver is its class with its fields. What lies
in topokit is told by the version of topokit; of a class or a function from elsewhere the text of
its source counts too, where Python can read it. What that text calls is not looked into.
"""

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import reduce
from pkgutil import resolve_name
from typing import Any

import numpy as np
from jax.stages import Wrapped

from topokit import __version__
from topokit.layers import Layers


def content_of(layers: Layers) -> str:
    """A hash of the arrays of a topology; cost O(E)."""
    digest = hashlib.sha256(repr(layers.widths).encode())
    for column in layers.columns:
        for array in column:
            digest.update(array.tobytes())
            digest.update(b";")
    return digest.hexdigest()


def key_of(*parts: str) -> str:
    """A hash of some texts and of the version of topokit."""
    return hashlib.sha256("\n".join([__version__, *parts]).encode()).hexdigest()


def describe(name: str, value: Any) -> str:
    """Settings as text.

    Args:
        name: What they are called, for the error.
        value: A number, a string, None, an array, a function or a class that a module holds; or a
            NamedTuple, a dataclass, a tuple, a list or a dict of such.

    Raises:
        ValueError: If there is something else, which another process could not tell from others.
    """
    match value:
        case None | bool() | str():
            return repr(value)
        case int():
            return repr(int(value))
        case float():
            return repr(float(value))
        case np.generic():
            return f"{value.dtype} {value.item()!r}"
        case _ if hasattr(value, "__array__"):
            return _array(np.asarray(value))
        case dict():
            return f"{{{_all(name, [item for pair in value.items() for item in pair])}}}"
        case tuple() if hasattr(value, "_fields"):
            return f"{_object(name, type(value))}({_all(name, value)})"
        case tuple() | list():
            return f"({_all(name, value)})"
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = [getattr(value, field.name) for field in fields(value)]
            return f"{_object(name, type(value))}({_all(name, parts)})"
    return _object(name, value)


def packed(function: Callable[..., Any]) -> Callable[..., Any] | str:
    """The function, or its place where `pickle` does not take it: functions compiled by JAX."""
    module, place = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if isinstance(function, Wrapped) and _found(module, place) is function:
        return f"{module}:{place}"
    return function


def unpacked(function: Callable[..., Any] | str) -> Callable[..., Any]:
    """The function itself."""
    return resolve_name(function) if isinstance(function, str) else function


def _all(name: str, values: Iterable[Any]) -> str:
    return ", ".join(describe(name, value) for value in values)


def _array(array: np.ndarray) -> str:
    if array.dtype.hasobject:
        raise ValueError("an array of Python objects cannot be told from another one")
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return f"{array.dtype} {array.shape} {digest}"


def _object(name: str, value: Any) -> str:
    """A class or a function: where it is, and what it says unless it is our own."""
    module, place = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if place is None or _found(module, place) is not value:
        raise ValueError(
            f"{name}: a store cannot tell {value!r} from another one; write it as a NamedTuple or "
            "a frozen dataclass of plain settings, or as a function at the top of a module"
        )
    ours = str(module).split(".")[0] == "topokit"
    return f"{module}.{place}" + ("" if ours else f" {_source(value)}")


def _found(module: str | None, place: str) -> Any:
    try:
        return reduce(getattr, place.split("."), sys.modules[str(module)])
    except (KeyError, AttributeError):
        return None


def _source(value: Any) -> str:
    try:
        return hashlib.sha256(inspect.getsource(value).encode()).hexdigest()
    except (OSError, TypeError):
        return ""
