"""Tables and numbers as text of a page."""

from collections.abc import Iterable, Iterator


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    heads = list(heads)
    lines: Iterator[Iterable[str]] = iter([heads, ["---" for _ in heads], *rows])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def short(number: float) -> str:
    """Three digits."""
    return f"{float(f'{number:.3g}'):,g}" if number < 1e6 else f"{number:.2e}"
