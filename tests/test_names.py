"""Every public name has one path, which code, texts and reference use, and a docstring."""

import pkgutil
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from foreign import by_room
from public import DEFINED, PUBLIC, names

import topokit as tk

ROOT = Path(__file__).parents[1]
TEXTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *(p for room in ("topokit", "analyses", "tests") for p in sorted((ROOT / room).rglob("*.py"))),
]
PATH = re.compile(r"(?<![\w.])(?:tk|topokit)((?:\.[A-Za-z]\w*)+)(?![\w(]*/)")
IMPORT = re.compile(r"^ *from (topokit[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE)
ONE_PATH = {id(value): path for path, value in PUBLIC.items()}


def paths(text: str) -> Iterator[str]:
    """The dotted names below `topokit` in a text, each with all that it passes."""
    for match in PATH.finditer(text):
        parts = match[1].split(".")
        yield from (".".join(["topokit", *parts[1:end]]) for end in range(2, len(parts) + 1))


def imports(text: str) -> Iterator[str]:
    """What a text imports from the package, as dotted names."""
    for origin, found in IMPORT.findall(text):
        yield from (f"{origin}.{name}" for name in re.findall(r"(?<!as )\b(?!as\b)\w+", found))


def second_paths(dotted: Iterable[str]) -> set[str]:
    """Those that lead to a public object by another path than its own."""
    found = set()
    for path in dotted:
        try:
            own = ONE_PATH.get(id(pkgutil.resolve_name(path)), path)
        except (AttributeError, ImportError):
            own = f"topokit.{path.rsplit('.')[-1]}"
        if own != path and own in PUBLIC:
            found.add(f"{path}, not {own}")
    return found


def test_every_object_has_one_path() -> None:
    assert [path for path, value in PUBLIC.items() if ONE_PATH[id(value)] != path] == []


def test_the_reference_shows_exactly_the_public_names() -> None:
    pages = (ROOT / "docs" / "api").glob("*.md")
    shown = Counter(p for page in pages for p in re.findall(r"^::: (\S+)", page.read_text(), re.M))
    assert shown == Counter(PUBLIC.keys())


def test_every_public_function_and_class_has_a_docstring() -> None:
    assert [path for path, value in DEFINED.items() if not value.__doc__] == []


@pytest.mark.parametrize(
    "name", ["", *(by_room(n) for n in dir(tk) if f"topokit.{n}" not in PUBLIC)]
)
def test_a_room_shows_its_users_what_it_has_for_them_alone(name: str) -> None:
    room = sys.modules[f"topokit.{name}".rstrip(".")]
    assert sorted(dir(room)) == sorted(names(room))
    assert all(hasattr(room, n) for n in dir(room))


def test_texts_and_imports_use_the_one_path() -> None:
    wrong = {}
    for file in TEXTS:
        text, inside = file.read_text(), file.is_relative_to(ROOT / "topokit")
        dotted = [*paths(text), *(() if inside else imports(text))]
        wrong[file.name] = second_paths(path for path in dotted if "._" not in path)
    assert {name: found for name, found in wrong.items() if found} == {}
