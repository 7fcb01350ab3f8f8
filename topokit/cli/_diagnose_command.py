"""`topokit diagnose`: where a topology is weak, and what to change."""

import click
import networkx as nx
from rich.table import Table
from rich.text import Text

import topokit as tk
from topokit.cli._console import busy, console, print_json
from topokit.cli._topology_group import TopologyGroup

COLORS = {"met": "green", "in part": "yellow", "not met": "red", "open": "cyan"}


def diagnose(topology: nx.DiGraph, as_json: bool, descend: bool) -> None:
    """Print where a topology is weak, and what to change."""
    with busy("Diagnosing"):
        found = tk.diagnose(topology, descend=descend)
    if as_json:
        print_json(found)
        return
    table = Table("criterion", "verdict", "because", box=None, pad_edge=False)
    table.title, table.title_justify = found.title, "left"
    for row in found.criteria:
        table.add_row(row.name, Text(row.verdict, COLORS[row.verdict]), row.evidence)
    changes = [f"{row.name}: {row.advice}" for row in found.criteria if row.advice]
    out = console()
    out.print(table)
    for heading, lines in ({"What to change": changes} | found.findings()).items():
        if lines:
            out.print(f"\n{heading}", style="bold")
            out.print(*lines, sep="\n")


OPTIONS: list[click.Parameter] = [
    click.Option(
        ["--json", "as_json"], is_flag=True, help="Print one JSON object instead of words."
    ),
    click.Option(
        ["--descend"],
        is_flag=True,
        help="Also find the paper's K by plain descent, to tell the solver's unevenness from the "
        "wiring's.",
    ),
]

command = TopologyGroup(diagnose, OPTIONS)
