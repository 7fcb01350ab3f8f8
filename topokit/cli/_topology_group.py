"""Commands whose object is a topology: `topokit VERB FAMILY --options` or `topokit VERB FILE`."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import topokit as tk
from topokit._docstrings import described, summary
from topokit._escapes import printable
from topokit.cli._family_options import change_options, family_options
from topokit.cli._once import Once
from topokit.cli._shell_words import arguments_as_options
from topokit.cli._topology_from_words import change, find_family, make
from topokit.cli._topology_lists import read_named, read_sources
from topokit.topologies import Family

# One small member of each family, for its help.
EXAMPLES = {
    "dense": "--n-in 32 --n-out 16",
    "low_rank": "--n-in 32 --n-out 32 --rank 8",
    "block_diagonal": "--n-in 784 --n-out 300 --blocks 10",
    "diagonals": "--n-in 784 --n-out 300 --bands 78",
    "butterfly": "--n 32 --depth 10",
    "parallel_butterfly": "--n 32 --depth 5 --copies 2",
    "rectangular_butterfly": "--n-in 784 --n-out 300 --radices 9,9,10",
    "monarch": "--n-in 784 --n-out 300 --blocks 20",
    "clos": "--n-in 32 --n-out 32 --input-routers 8 --middle-routers 9 --output-routers 8",
    "hypercube": "--n 32 --depth 6",
    "torus": "--shape 8x4 --depth 7",
    "radix_net": "--radices '2,2,2 4,2' --widths 1,2,2,2,2,1",
    "erdos_renyi": "--widths 32,64,32 --density 0.2 --seed 1",
    "random_regular": "--widths 32,32,32,32 --fan-in 4 --seed 1",
    "small_world": "--n 32 --depth 5 --neighbours 4 --rewiring 0.2 --seed 1",
}
LINE = 70  # characters of an example in a help
# What is written, what is read, and lists of topologies.
WRITTEN = ".npz", ".json", ".graphml"
FORMATS, LIST = (*WRITTEN, ".gml", ".edgelist", ".mtx"), ".toml"


class TopologyGroup(click.Group):
    """A verb: a group with one command for each family, and where `files` one for any file.

    The action is called with the topology and, by name, with the values of the verb's own options;
    where `several`, with topologies by name: one of a family, or those of all files and lists.
    """

    def __init__(
        self,
        action: Callable[..., None],
        own_options: list[click.Parameter],
        *,
        files: bool = True,
        several: bool = False,
        example: str = "",
    ) -> None:
        """Take the name and the help of the action."""
        self.action = action
        self.own_options = own_options
        self.files = files
        self.several = several
        self.example = example
        super().__init__(
            action.__name__,
            help=described(action),
            subcommand_metavar=f"{'FAMILY|FILE' if files else 'FAMILY'}{'...' * several} [OPTIONS]",
            epilog=f"'topokit {action.__name__} butterfly --help' explains the options of a family."
            + f" A file ends in {', '.join(FORMATS)}." * files
            + " Several files, or a list (.toml) as 'topokit rank' takes it, are put side by side."
            * several,
        )

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """The families."""
        return list(tk.topologies.families())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002
        """The command of a family or of a file."""
        if self.files and _looks_like_a_file(cmd_name):
            return self._file_command(Path(cmd_name))
        return self._family_command(find_family(cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first word, which usage tells as it can be seen."""
        name, command, rest = super().resolve_command(ctx, args)
        return name and printable(name), command, rest

    def _family_command(self, family: Family) -> click.Command:
        own = {option.name for option in self.own_options}

        def run(skip: str | None, diagonal: bool, seed: int, **values: Any) -> None:
            parameters = {k: v for k, v in values.items() if k not in own and v is not None}
            with arguments_as_options():
                layers = make(family, parameters, seed=seed)
                layers = change(layers, skip=skip, diagonal=diagonal, seed=seed)
            topology = {layers.name: layers} if self.several else layers
            self.action(topology, **{k: v for k, v in values.items() if k in own})

        name = family.__name__
        words = ["topokit", self.name, name, EXAMPLES.get(name), self.example]
        return Once(
            name,
            callback=run,
            params=[*family_options(family), *change_options(), *self.own_options],
            help=f"{self.help}\n\n{name}: {summary(family)}.",
            short_help=summary(family),
            epilog=f"\b\nExample:\n  {_continued(' '.join(word for word in words if word))}",
        )

    def _file_command(self, path: Path) -> click.Command:
        def run(**values: Any) -> None:
            self.action(read_named(path), **values)

        def run_all(others: tuple[Path, ...], **values: Any) -> None:
            if others or path.suffix == LIST:
                self.action(read_sources([path, *others]), **values)
            else:
                topology = read_named(path)
                self.action({topology.name: topology}, **values)

        more = click.Argument(["others"], nargs=-1, type=click.Path(path_type=Path))
        return Once(
            printable(path),
            callback=run_all if self.several else run,
            params=[*self.own_options, *([more] if self.several else [])],
            help=self.help,
        )


def _continued(command: str) -> str:
    """A command over several lines where it is long, as a shell takes it."""
    whole = re.sub(r"'[^']*'", lambda quoted: quoted[0].replace(" ", "\0"), command)
    lines = textwrap.wrap(whole, LINE, break_long_words=False, break_on_hyphens=False)
    return " \\\n    ".join(lines).replace("\0", " ")


def _looks_like_a_file(word: str) -> bool:
    return word.endswith((*FORMATS, LIST)) or "/" in word or Path(word).is_file()
