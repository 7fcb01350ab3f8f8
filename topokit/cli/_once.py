"""Commands whose options are given once: of two values the first would be lost without a word."""

from collections import Counter
from typing import Any

import click

from topokit.cli._family_options import Numbers


class Once(click.Command):
    """A command that refuses an option which is given twice; flags may be."""

    def make_parser(self, ctx: click.Context) -> Any:
        """The parser of click, which tells what was given how often."""
        parser = super().make_parser(ctx)
        read = parser.parse_args

        def parse_args(args: list[str]) -> Any:
            values, rest, given = read(args)
            for parameter, times in Counter(given).items():
                if times > 1 and _has_one_value(parameter):
                    ctx.fail(f"{parameter.opts[0]} is given {times} times; {_cure(parameter)}")
            return values, rest, given

        parser.parse_args = parse_args
        return parser


def _has_one_value(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not (parameter.is_flag or parameter.multiple)


def _cure(option: click.Parameter) -> str:
    form = option.type.form if isinstance(option.type, Numbers) else None
    return f"give it once, as {form}" if form else "give it once"
