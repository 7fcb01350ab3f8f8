"""Docstrings as data: help of commands and meanings of numbers, so that each is said once."""

import inspect
import re
from collections.abc import Iterator
from itertools import chain


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
    texts = entries(kind, "Attributes").items()
    return {name: re.split(r"[;.] ", text)[0].rstrip(".") for name, text in texts}


def _section(documented: object, section: str) -> Iterator[str]:
    inside = False
    for line in _lines(documented):
        if line and not line.startswith(" "):
            inside = line == f"{section}:"
        elif inside and line:
            yield line


def _lines(documented: object) -> list[str]:
    return (inspect.getdoc(documented) or "").split("\n")


def _plain(text: str) -> str:
    return text.replace("`", "")
