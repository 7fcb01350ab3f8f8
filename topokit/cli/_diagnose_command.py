"""`topokit diagnose`: where a topology is weak, and what to change."""

import click
import networkx as nx

import topokit as tk
from topokit.cli._console import busy, print_json, print_table, print_words, say
from topokit.cli._topology_group import TopologyGroup

COLORS = {"met": "green", "in part": "yellow", "not met": "red", "open": "cyan"}


def diagnose(topology: nx.DiGraph | tk.Layers, as_json: bool, descend: bool) -> None:
    """Print where a topology is weak, and what to change."""
    with busy("Diagnosing"):
        found = tk.diagnose(topology, descend=descend)
    if as_json:
        print_json(found)
        return
    rows = [(row.name, row.verdict, row.evidence) for row in found.criteria]
    heading = "criterion", "verdict", "because"
    print_table(heading, rows, title=found.title, words=1, colors=COLORS)
    changes = [f"{row.name}: {row.advice}" for row in found.criteria if row.advice]
    for title, lines in ({"What to change": changes} | found.findings()).items():
        if lines:
            say("")
            print_words(title, style="bold")
            print_words(*lines, indent="  ")
    if layers := found.wasted_layers():
        print_table([*layers[0]], [[*row.values()] for row in layers])


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
