"""What the library says of its arguments, in the words of the shell."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click

# What an error of the library advises that no option can do.
PYTHON_ONLY = " or by otherwise=dense()"


@contextmanager
def arguments_as_options() -> Iterator[None]:
    """Let errors name options for arguments: `--fan-in must` for `fan_in must`, `--n 3` for `n=3`.

    The options are those of the command that runs.
    """
    names = [p.name for p in click.get_current_context().command.params if p.name]
    try:
        yield
    except ValueError as error:
        words = str(error).replace(PYTHON_ONLY, "")
        raise ValueError(
            re.sub(rf"(?<![\w.-])({'|'.join(names)})(?:=|(?= must\b))", _option, words)
        ) from error


def _option(match: re.Match[str]) -> str:
    space = " " * match[0].endswith("=")
    return f"--{match[1].replace('_', '-')}{space}"
