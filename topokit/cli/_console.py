"""Where tables, notes and numbers go.

Results go to standard output. On a terminal tables fit its width; in a pipe a row is one line,
unless `COLUMNS` says how wide it shall be. Notes and signs of progress go to standard error; where
JSON is asked for and that is no terminal, there are none.
"""

import errno
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from io import TextIOWrapper
from shutil import get_terminal_size
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.text import Text

from topokit._escapes import printable, shown
from topokit._failures import OUTPUT, failure
from topokit._progress import silence, silence_told
from topokit._records import brief
from topokit._text_table import GAP, fold, text_table

# Of an integer that JSON holds as such: Python writes and reads none of more than 4,300 digits.
MOST_BITS = 14_000

# The least columns of a table, so that a word still has some.
NARROWEST = 20

# Columns of what is told of while it runs.
DOING = 70


class Screen(Console):
    """A console that leaves it to the program to end where the reader of a pipe is gone."""

    def on_broken_pipe(self) -> None:
        """Raise again what rich would turn into a status of its own."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


@contextmanager
def writing() -> Iterator[None]:
    """Name standard output in what the system says of it."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise failure(error, OUTPUT) from error


def console(*, stderr: bool = False) -> Console:
    """A rich console that shows texts as they are."""
    width, height = get_terminal_size()  # of rich's own there are none where `COLUMNS` is 0
    return Screen(stderr=stderr, highlight=False, markup=False, width=width, height=height)


@contextmanager
def all_encoded() -> Iterator[None]:
    """Standard output escapes what its encoding has not, as standard error does anyway."""
    out = sys.stdout
    if not isinstance(out, TextIOWrapper):
        yield
        return
    before = out.errors
    out.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        out.reconfigure(errors=before)


def columns() -> int | None:
    """How wide a table may be; None in a pipe, unless `COLUMNS` says it."""
    told = get_terminal_size((0, 0)).columns if os.environ.get("COLUMNS") else 0
    width = console().width if sys.stdout.isatty() else told
    return max(width, NARROWEST) if width else None


def print_table(
    heading: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    caption: str = "",
    keys: int = 1,
    words: int = 0,
    gap: int = GAP,
    colors: Mapping[str, str] | None = None,
) -> None:
    """Print a table as `text_table` lays it out, below a title and above a caption.

    `colors` are those of some cells, by what stands in them.
    """
    cells, out = [[*map(printable, row)] for row in rows], console()
    heading = [*map(printable, heading)]
    lines = text_table(heading, cells, width=columns(), keys=keys, words=words, gap=gap)
    print_words(title, style="bold")
    for line in lines:
        text = Text(line.text, "bold" if line.heading else "")
        for word, color in (colors or {}).items():
            text.highlight_regex(rf"(?<=  ){word}(?=  |$)", color)
        with writing():
            out.print(text, soft_wrap=True)
    print_words(caption, style="dim")


def print_words(*paragraphs: str, style: str = "", indent: str = "") -> None:
    """Print paragraphs, wrapped on a terminal, their second lines indented."""
    width = columns()
    for paragraph in filter(None, map(printable, paragraphs)):
        first, *rest = [paragraph] if width is None else fold(paragraph, width - len(indent))
        lines = [first, *(indent + line for line in rest)]
        with writing():
            console().print(Text("\n".join(lines), style), soft_wrap=True)


def say(text: str) -> None:
    """Say one line as a result."""
    with writing():
        click.echo(printable(text))


def tell(text: str) -> None:
    """Tell one line on standard error; where that cannot be written, it is told to nobody."""
    with suppress(OSError):
        click.echo(printable(text), err=True)


def tell_interrupted(finished: str = "") -> None:
    """Tell that Ctrl-C was heard, below what a terminal makes of it, and what is finished."""
    with suppress(OSError):
        click.echo("\n" * sys.stderr.isatty(), err=True, nl=False)
    tell(f"interrupted{finished and ': '}{finished}")


def note(text: str, *, as_json: bool) -> None:
    """Say something beside the result; nothing where JSON is asked for in a pipe."""
    if not as_json or sys.stderr.isatty():
        tell(text)


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """A sign on a terminal, while something runs, that it does; where that is long, lines too."""
    words = shown(doing, DOING)
    screen = console(stderr=True)
    sign = screen.status(Text(f"{words} ...")) if sys.stderr.isatty() else nullcontext()
    with sign, silence_told(lambda seconds: tell(silence(words, seconds))):
        yield


@contextmanager
def long_told(doing: str) -> Iterator[None]:
    """For what has a bar on a terminal: elsewhere lines, while it is long and not finished."""
    with (
        nullcontext()
        if sys.stderr.isatty()
        else silence_told(lambda seconds: tell(silence(doing, seconds)))
    ):
        yield


def print_json(value: Any) -> None:
    """Write one JSON value to standard output."""
    with writing():
        sys.stdout.write(json.dumps(jsonable(value), indent=2, allow_nan=False) + "\n")


def jsonable(value: Any) -> Any:
    """A value as JSON knows it: named tuples as objects, arrays as lists, NaN as null.

    Integers of more digits than Python writes, such as paths of very deep networks, become a text.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return brief(value)
    return value
