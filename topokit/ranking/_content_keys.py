"""What decides a result, as text: the same in every process, different for every difference.

A topology is its arrays; its name is none of it. Settings are what can be compared of them
(`topokit._comparable`). What lies in topokit is told by the version of topokit; of a class or a
function from elsewhere the text of its source counts too, where Python can read it. What that text
calls is not looked into.
"""

import hashlib
import inspect
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from jax.stages import Wrapped

from topokit import __version__
from topokit._comparable import comparable_lines, is_array, name_of
from topokit.layers import Layers


def content_of(layers: Layers) -> str:
    """A hash of the arrays of a topology; cost O(E)."""
    return _hash(describe("topology", (layers.widths, layers.columns)))


def key_of(*parts: str) -> str:
    """A hash of some texts and of the version of topokit."""
    return _hash("\n".join([__version__, *parts]))


def describe(name: str, value: Any) -> str:
    """Settings as text.

    Args:
        name: What they are called, for the error.
        value: A number, a string, None, an array, a function or a class that a module holds; or a
            NamedTuple, a dataclass, a tuple, a list or a dict of such.

    Raises:
        ValueError: If there is something else, which another process could not tell from others.
    """
    lines = [*comparable_lines(name, value)]
    for place, text, part in lines:
        if text is None:
            raise ValueError(
                f"{place}: a store cannot tell {part!r} from another one; write it as a NamedTuple "
                "or a frozen dataclass of plain settings, or as a function at the top of a module"
            )
    return "\n".join(f"{place} {text}{_source(part)}" for place, text, part in lines)


def packed(function: Callable[..., Any]) -> Callable[..., Any] | str:
    """The function, or its place where `pickle` does not take it: functions compiled by JAX."""
    if isinstance(function, Wrapped) and name_of(function):
        return f"{function.__module__}:{getattr(function, '__qualname__', '')}"
    return function


def unpacked(function: Callable[..., Any] | str) -> Callable[..., Any]:
    """The function itself."""
    return resolve_name(function) if isinstance(function, str) else function


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _source(value: Any) -> str:
    """A hash of what a function says, or the class of a value, unless it is our own."""
    place = name_of(value) or name_of(type(value)) or ""
    if place.startswith("topokit.") or is_array(value):
        return ""
    try:
        text = inspect.getsource(value if name_of(value) else type(value))
    except (OSError, TypeError):
        return ""
    return f" {_hash(text)}"
