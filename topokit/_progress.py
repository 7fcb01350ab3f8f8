"""A bar with the time to go, and what is being done: on a terminal, nothing in a pipe.

Wherever nothing is finished for long, a line on standard error says so, in a pipe too.
"""

import sys
import threading
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

from topokit._escapes import printable
from topokit._text_table import shorten

FIRST = "compiles and runs the first"  # a compilation can take seconds, and says nothing
SILENT = 60.0  # seconds without anything finished after which that is said; then twice as many
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

    Where that is no terminal there is none, even if `FORCE_COLOR` asks for colors: there are only
    lines that say for how long nothing was finished.
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
    now = doing

    def tell(seconds: float) -> None:
        screen.print(escape(silence(now, seconds)), highlight=False, soft_wrap=True)

    with (
        Progress(*columns, console=screen, transient=True, disable=hidden) as bar,
        silence_told(tell) as heard,
    ):
        part = bar.add_task(doing, total=total)

        def show(what: str) -> None:
            nonlocal now
            now = f"{doing}: {printable(what)}"
            words = shorten(now, LONGEST)
            bar.update(part, description=escape(words), refresh=True)

        def advance(cost: float) -> None:
            heard()
            bar.advance(part, cost)

        def reach(done: float, most: float) -> None:
            heard()
            bar.update(part, completed=done, total=most)

        yield Bar(advance, reach, show)


def silence(doing: str, seconds: float) -> str:
    """What to say where nothing was finished for so long."""
    return f"{doing}: nothing was finished for {timedelta(seconds=round(seconds))}"


@contextmanager
def silence_told(tell: Callable[[float], None]) -> Iterator[Callable[[], None]]:
    """Until the end, `tell` for how many seconds nobody called what this yields."""
    heard, over = threading.Event(), threading.Event()

    def watch() -> None:
        silent, more = 0.0, SILENT
        while not over.is_set():
            if heard.wait(more):
                heard.clear()
                silent, more = 0.0, SILENT
            else:
                silent += more
                more = silent
                tell(silent)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield heard.set
    finally:
        over.set()
        heard.set()
        watcher.join()
