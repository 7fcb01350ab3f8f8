"""Docstrings as data: help of commands and meanings of numbers, so that each is said once.

Where Python leaves docstrings out (`python -OO`), they are read from the source; where there is
none either, nothing is said.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain
from textwrap import dedent
from typing import Any


def described(documented: object) -> str:
    """A docstring as it stands."""
    return "\n".join(_lines(documented))


def summary(documented: object) -> str:
    """First line of a docstring, without markup and full stop."""
    return _plain(_lines(documented)[0]).rstrip(".")


def entries(documented: object, section: str) -> dict[str, str]:
    """The entries `name: text` of a section such as `Args` or `Attributes`.

    Those of a class come behind those of its parents.
    """
    found: dict[str, list[str]] = {}
    name = ""
    parents = reversed(documented.__mro__) if isinstance(documented, type) else [documented]
    for line in chain.from_iterable(_section(parent, section) for parent in parents):
        if entry := re.match(r" {4}(\w+): (.*)", line):
            name = entry[1]
            found[name] = [entry[2]]
        elif name:
            found[name].append(line.strip())
    return {name: _plain(" ".join(lines)) for name, lines in found.items()}


def meanings(kind: type) -> dict[str, str]:
    """What each attribute of a class is, in a clause: its entry up to the first stop."""
    texts = dict.fromkeys(getattr(kind, "__dataclass_fields__", ()), "")
    texts |= entries(kind, "Attributes")
    return {name: re.split(r"[;.] ", text)[0].rstrip(".") for name, text in texts.items()}


def _section(documented: object, section: str) -> Iterator[str]:
    inside = False
    for line in _lines(documented):
        if line and not line.startswith(" "):
            inside = line == f"{section}:"
        elif inside and line:
            yield line


def _lines(documented: object) -> list[str]:
    read = _from_source if sys.flags.optimize > 1 else inspect.getdoc
    return (read(documented) or "").split("\n")


@cache
def _from_source(documented: Any) -> str | None:
    try:
        definition = ast.parse(dedent(inspect.getsource(documented))).body[0]
    except (OSError, TypeError, SyntaxError):  # there is no source of it
        return None
    documentable = isinstance(definition, ast.FunctionDef | ast.ClassDef)
    return ast.get_docstring(definition) if documentable else None


def _plain(text: str) -> str:
    return text.replace("`", "")
