"""A bar with the time to go: on a terminal, nothing in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.text import Text

FIRST = "compiles and runs the first"  # a compilation can take seconds, and says nothing


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
def progress(doing: str, total: float) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal's standard error; call what is yielded with the cost of each part."""
    screen = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeToGo())
    hidden = not (total and screen.is_terminal)
    with Progress(*columns, console=screen, transient=True, disable=hidden) as bar:
        part = bar.add_task(doing, total=total)
        yield lambda cost: bar.advance(part, cost)
