"""A bar with the time to go, and what is being done: on a terminal, nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
)
from rich.text import Text

from topokit._text_table import printable, shorten

FIRST = "compiles and runs the first"  # a compilation can take seconds, and says nothing
LONGEST = 30  # columns of what is being done, so that the bar fits 80


class Bar(NamedTuple):
    """What moves the bar.

    Attributes:
        advance: Call it with the cost of each part that is done.
        reach: Call it instead with all that is done, and all that there may be.
        show: Call it with what is being done now.
    """

    advance: Callable[[float], None]
    reach: Callable[[float, float], None]
    show: Callable[[str], None]


class TimeToGo(ProgressColumn):
    """What the rest takes at the pace of all that has run, by cost and not by number."""

    def render(self, task: Task) -> Text:
        """The time as h:mm:ss; until a first part is finished, what takes so long."""
        seconds = time_to_go(task.completed, task.total or 0.0, task.elapsed or 0.0)
        words = FIRST if seconds is None else f"{timedelta(seconds=round(seconds))} to go"
        return Text(words, style="progress.remaining")


def time_to_go(done: float, total: float, elapsed: float) -> float | None:
    """Seconds left, if cost and time are proportional; None before the first part is done."""
    return elapsed * (total - done) / done if done > 0 else None


@contextmanager
def progress(doing: str, total: float) -> Iterator[Bar]:
    """A bar on a terminal's standard error, there and in motion before anything is done.

    Where that is no terminal there is none, even if `FORCE_COLOR` asks for colors.
    """
    screen = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(12),
        TaskProgressColumn(),
        TimeToGo(),
    )
    hidden = not (total and sys.stderr.isatty())
    with Progress(*columns, console=screen, transient=True, disable=hidden) as bar:
        part = bar.add_task(doing, total=total)

        def show(what: str) -> None:
            words = shorten(f"{doing}: {printable(what)}", LONGEST)
            bar.update(part, description=escape(words), refresh=True)

        def reach(done: float, most: float) -> None:
            bar.update(part, completed=done, total=most)

        yield Bar(lambda cost: bar.advance(part, cost), reach, show)
