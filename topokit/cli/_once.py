"""Commands whose lists of numbers are given once: of two lists the first would be lost in silence.

Of other options the last one counts, as everywhere in a shell, so that what an alias says can be
replaced; a second list of radices or widths looks as if it were added.
"""

from collections import Counter
from typing import Any

import click

from topokit.cli._family_options import Numbers


class Once(click.Command):
    """A command that refuses an option of several numbers which is given twice."""

    def make_parser(self, ctx: click.Context) -> Any:
        """The parser of click, which tells what was given how often."""
        parser = super().make_parser(ctx)
        read = parser.parse_args

        def parse_args(args: list[str]) -> Any:
            values, rest, given = read(args)
            for parameter, times in Counter(given).items():
                if times > 1 and isinstance(parameter.type, Numbers):
                    option, form = parameter.opts[0], parameter.type.form
                    ctx.fail(f"{option} is given {times} times; give it once, as {form}")
            return values, rest, given

        parser.parse_args = parse_args
        return parser
