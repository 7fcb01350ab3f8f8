"""The public names: what is reached from `topokit.__all__`, room by room, by what each shows."""

import inspect
from collections.abc import Iterator
from types import FunctionType, ModuleType

import topokit as tk
from topokit._extras import MissingExtraError


def names(package: ModuleType) -> list[str]:
    """What a package shows: its `__all__`, or else all that has no underscore."""
    return [name for name in getattr(package, "__all__", dir(package)) if name[0].isalpha()]


class NotInstalled:
    """What stands at a path of a room whose package is not installed here."""


def walk(package: ModuleType = tk) -> Iterator[tuple[str, object]]:
    """Every path with what stands there; rooms are entered."""
    for name in names(package):
        try:
            value = getattr(package, name)
        except MissingExtraError:
            value = NotInstalled()
        if inspect.ismodule(value):
            yield from walk(value) if value.__name__.startswith("topokit.") else ()
        else:
            yield f"{package.__name__}.{name}", value


PUBLIC = dict(walk())
"""Every public name, by its path."""

DEFINED = {
    path: value
    for path, value in PUBLIC.items()
    if isinstance(value, type | FunctionType) and value.__module__.startswith("topokit.")
}
"""The functions and classes of these: all but constants and names of types."""
