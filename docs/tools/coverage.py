"""Check that every public name has a docstring and a place in the built documentation.

The names that the documentation explains are read from its inventory, `site/objects.inv`, so build
it first. A name counts where its object does, under whichever of its paths.
"""

import importlib
import inspect
import pkgutil
import sys
import zlib
from pathlib import Path
from types import ModuleType

INVENTORY = Path(__file__).parents[2] / "site" / "objects.inv"
PACKAGES = (
    "topokit",
    "topokit.topologies",
    "topokit.scores",
    "topokit.reconstruction",
    "topokit.products",
    "topokit.ranking",
    "topokit.networks",
    "topokit.challenge",
    "topokit.plotting",
)


def public(module: ModuleType) -> dict[str, object]:
    """The public names of a package with what they stand for, modules left out."""
    names = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    return {
        f"{module.__name__}.{name}": value
        for name, value in names.items()
        if not inspect.ismodule(value) and _origin(value).startswith("topokit")
    }


def documented(inventory: Path) -> set[str]:
    """The paths of a Sphinx inventory: four lines of header, then one object a line."""
    packed = inventory.read_bytes().split(b"\n", 4)[4]
    return {line.split(" ", 1)[0] for line in zlib.decompress(packed).decode().splitlines()}


def problems(inventory: Path) -> list[str]:
    """One line for each name without a docstring or without a place."""
    shown = {id(value) for path in documented(inventory) if (value := _resolve(path)) is not None}
    names: dict[str, object] = {}
    for package in PACKAGES:
        names |= public(importlib.import_module(package))
    bare = [f"{name} has no docstring" for name, value in names.items() if not value.__doc__]
    lost = [name for name, value in names.items() if id(value) not in shown]
    return bare + [f"{name} is on no page of docs/api" for name in lost]


def _origin(value: object) -> str:
    return str(getattr(value, "__module__", ""))


def _resolve(path: str) -> object | None:
    try:
        return pkgutil.resolve_name(path)
    except (AttributeError, ImportError, ValueError):
        return None


if __name__ == "__main__":
    sys.exit("\n".join(problems(INVENTORY)) or None)
