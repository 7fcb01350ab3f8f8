"""A file to write, refused before any work is done for it."""

from pathlib import Path
from typing import Any

import click


class OutputFile(click.Path):
    """A path with one of some endings, in a folder that exists."""

    def __init__(self, *endings: str) -> None:
        """Take the endings, such as `.png`."""
        super().__init__(dir_okay=False, path_type=Path)
        self.endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check the path."""
        path = Path(str(super().convert(value, param, ctx)))
        if path.suffix not in self.endings:
            self.fail(f"'{path}' must end in {' or '.join(self.endings)}.", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"'{path}': the folder '{path.parent}' does not exist.", param, ctx)
        return path


def output_option(help_text: str, *endings: str) -> click.Option:
    """The option `-o` of a command that writes one file."""
    return click.Option(
        ["-o", "--output"],
        type=OutputFile(*endings),
        required=True,
        help=f"{help_text} Its ending says how: {', '.join(endings)}.",
    )
