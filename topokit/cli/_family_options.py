"""From the signature of a builder to the options of a command."""

import inspect
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import click

from topokit._docstrings import entries
from topokit.cli._integers import AnyInteger, IntegerFrom, integers, quoted
from topokit.cli._topology_from_words import SEED
from topokit.topologies import PLACEMENTS, Family


class Numbers(click.ParamType):
    """Integers joined by `,` or `x`; lists of them are set apart by spaces."""

    def __init__(self, levels: int) -> None:
        """Take the depth of nesting, 1 or 2."""
        self.levels = levels
        self.name = "integers" if levels == 1 else "lists"
        self.form = "8x4 or 8,4" if levels == 1 else "'2,2,2 4,2'"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Read `8x4` or `8,4`; with two levels `2,2 4`."""
        try:
            if self.levels == 1:
                return _integers(value)
            return tuple(map(_integers, value.split()))
        except ValueError:
            self.fail(f"{quoted(value)} is not of the form {self.form}.", param, ctx)


def _integers(words: str) -> tuple[int, ...]:
    return integers(words.replace("x", ","))


def family_options(family: Family) -> list[click.Option]:
    """One option for each parameter of the builder; required where it has no default."""
    texts = entries(family, "Args")
    return [
        _option(parameter, texts.get(parameter.name, ""))
        for parameter in inspect.signature(family).parameters.values()
        if parameter.name != "seed"
    ]


def change_options() -> list[click.Option]:
    """What every family can be given on top."""
    return [
        click.Option(
            ["--skip"],
            type=click.Choice(PLACEMENTS),
            help="Make one in-edge of every mixing neuron a constant 1: from the straight "
            "(nearest), the crossing (farthest) or a random sender.",
        ),
        click.Option(["--diagonal"], is_flag=True, help="Append a trainable diagonal layer."),
        click.Option(
            ["--seed"],
            type=IntegerFrom(0),
            metavar="INTEGER",
            default=SEED,
            show_default=True,
            help="Seed of what is random: the wiring, and random skip connections.",
        ),
    ]


def _option(parameter: inspect.Parameter, text: str) -> click.Option:
    kind = _type(parameter.annotation)
    if isinstance(kind, Numbers):
        text += f" Such as {kind.form}."
    if parameter.default is parameter.empty:
        rest: dict[str, Any] = {"required": True}
    else:
        rest = {"default": parameter.default, "show_default": True}
    name = parameter.name
    return click.Option([f"--{name.replace('_', '-')}", name], type=kind, help=text, **rest)


def _type(annotation: Any) -> click.ParamType:
    """How the words of the shell become the value that an annotation asks for."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (kind for kind in get_args(annotation) if kind is not NoneType)
    levels = 0
    while get_origin(annotation) is Sequence:
        levels, annotation = levels + 1, get_args(annotation)[0]
    return Numbers(levels) if levels else {int: AnyInteger(), float: click.FLOAT}[annotation]
