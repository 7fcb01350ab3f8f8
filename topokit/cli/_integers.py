"""Integers of the shell: plain decimal digits, and no more than an array holds."""

import re
from typing import Any

import click
from click.types import IntParamType

from topokit._checks import LARGEST, check_jobs
from topokit._escapes import shown

PLAIN = re.compile(r"[+-]?[0-9]+", re.ASCII)
DIGITS = 20  # that are read; one of more is beyond `LARGEST` anyway, but for zeros before it
QUOTED = 40


def integer(text: str, most: int = LARGEST) -> int:
    """The integer that a text writes in plain digits, of at most so much either way.

    Raises:
        ValueError: If it is another text, or more than that; the message says of a value
            what it is or must be.
    """
    if not PLAIN.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a valid integer")
    number = int(text) if len(text) <= DIGITS else LARGEST + 1
    if abs(number) > most:
        raise ValueError(f"must be an integer of at most {most}; given {quoted(text)}")
    return number


def integers(text: str) -> tuple[int, ...]:
    """Those between the commas of a text, or a ValueError."""
    return tuple(integer(part.strip(" ")) for part in text.split(","))


def quoted(text: str) -> str:
    """A text of the shell as a message quotes it."""
    return repr(shown(text, QUOTED))


class Plain(click.ParamType):
    """What reads a text as `integer` does, before click looks at its range."""

    most = LARGEST

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The integer, or click's way of saying what is wrong with the text."""
        try:
            number = integer(value, self.most) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        return super().convert(number, param, ctx)


class AnyInteger(Plain, IntParamType):
    """An integer, whose range the library checks."""


class IntegerFrom(Plain, click.IntRange):
    """An integer of at least so much, and at most so much, of which help says nothing."""

    def __init__(self, least: int, most: int = LARGEST) -> None:
        """Take both ends."""
        super().__init__(least)
        self.most = most


class Jobs(IntegerFrom):
    """A number of processes that the machine bears."""

    def __init__(self) -> None:
        """One at least."""
        super().__init__(1)

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """The number, or click's way of saying that it is too large."""
        try:
            return check_jobs(super().convert(value, param, ctx))
        except ValueError as error:
            self.fail(f"{error}.".removeprefix("jobs "), param, ctx)
