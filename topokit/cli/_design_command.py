"""`topokit design`: which topology to take for a layer, from its sizes and a budget."""

from pathlib import Path
from typing import Any

import click

import topokit as tk
from topokit._progress import progress
from topokit.cli._console import note, print_json, print_table, print_words
from topokit.cli._integers import AnyInteger
from topokit.cli._once import Once
from topokit.cli._output_file import OutputFile
from topokit.cli._shell_words import arguments_as_options
from topokit.cli._topology_group import WRITTEN
from topokit.topologies import shell_line

CAPTION = (
    "pred.: relative loss that reconstruction is likely to leave, +- its error; edges: "
    "trainable ones; widest: neurons of the widest layer; free: degrees of freedom, ~ estimated; "
    "step: a step of training here, 1 as long as the dense layer; trial: what a short descent left "
    "of random matrices; loss: what a longer one left of others"
)
EXAMPLES = """Examples:
  topokit design --n-in 784 --n-out 300 --share 0.1 -o best.npz
  topokit design --n-in 32 --n-out 32 --trainable 640 --depth 8"""


@click.command("design", cls=Once, epilog="\b\n" + EXAMPLES)
@click.option("--n-in", type=AnyInteger(), required=True, help="Inputs of the layer, at least 2.")
@click.option("--n-out", type=AnyInteger(), required=True, help="Outputs of the layer, at least 2.")
@click.option("--trainable", type=AnyInteger(), help="The most trainable edges.")
@click.option("--share", type=float, help="The same as a share of the dense layer, as 0.1.")
@click.option("--depth", type=AnyInteger(), help="The most layers of edges.  [default: any number]")
@click.option("--no-skip", is_flag=True, help="Without members that have skip connections.")
@click.option(
    "--seed",
    type=AnyInteger(),
    default=0,
    show_default=True,
    help="Seed of random members and predictions.",
)
@click.option(
    "--refine",
    type=float,
    default=0.0,
    show_default=True,
    help="The most of the best one's trainable edges to move, as 0.2; for small layers.",
)
@click.option(
    "--trials",
    type=AnyInteger(),
    help="How many leaders rebuild random matrices in short descents, which decide the order.  "
    "[default: 16, or as many as take minutes]",
)
@click.option(
    "--verify",
    type=AnyInteger(),
    default=0,
    show_default=True,
    help="How many of the first rebuild other random matrices in 2,000 steps, for a check.",
)
@click.option("--no-measure", is_flag=True, help="Do not measure what a step of training costs.")
@click.option(
    "--candidates",
    type=AnyInteger(),
    default=5,
    show_default=True,
    help="How many designs to show.",
)
@click.option(
    "-o",
    "--output",
    type=OutputFile(*WRITTEN),
    help=f"A file for the best one. Its ending says how: {', '.join(WRITTEN)}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def command(
    no_skip: bool, no_measure: bool, output: Path | None, as_json: bool, **options: Any
) -> None:
    """Find a topology for a layer, best first.

    Give the sizes of the layer, and how many trainable edges it may have, by --trainable or
    --share. Members of all families are looked at: most are left out by what is predicted of
    them, and where it is affordable short descents of the leaders decide.
    """
    if (options["trainable"] is None) == (options["share"] is None):
        raise click.UsageError("give either --trainable, a number of edges, or --share")
    with arguments_as_options(), progress("Design", 1) as bar:

        def tell(doing: str, done: int, most: int) -> None:
            bar.show(doing)
            bar.reach(done, most)

        found = tk.design(**options, skip=not no_skip, measure=not no_measure, callback=tell)
    if output is not None:
        tk.write(found[0].topology, output)
    if as_json:
        print_json(_as_json(found))
    else:
        _table(found)
    if output is not None:
        note(f"wrote the best into {output}", as_json=as_json)


def _table(found: Any) -> None:
    heading, texts = found.texts()
    print_table(heading, texts, keys=2, gap=1)
    print_words(*(f"{remark}." for remark in found.remarks()))
    for place, one in enumerate(found, start=1):
        print_words(f"{place}: {_line(one)}", indent="  ")
    print_words(CAPTION, style="dim")


def _line(one: Any) -> str:
    """The command that builds a candidate, or what it is where none does."""
    return shell_line(one.command, "net.npz") if one.command and not one.moved else one.name


def _as_json(found: Any) -> dict[str, Any]:
    rows = [
        {name: value for name, value in one._asdict().items() if name not in ("layers", "member")}
        | {"family": one.member.family, "skip": one.member.skip}
        | {"parameters": one.member.arguments, "widths": one.layers.widths}
        | {"step_share": one.step_share}
        for one in found
    ]
    return vars(found) | {"candidates": rows, "remarks": found.remarks()}
