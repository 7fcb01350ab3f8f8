"""`topokit score`: every data-free number of a topology."""

import re

import click
import networkx as nx
from rich.table import Table

import topokit as tk
from topokit._docstrings import entries
from topokit.cli._console import busy, console, print_json, readable
from topokit.cli._topology_group import TopologyGroup


def score(topology: nx.DiGraph, as_json: bool) -> None:
    """Print every number that needs no data."""
    with busy("Scoring"):
        numbers = tk.score(topology)
    if as_json:
        print_json({"name": topology.name} | numbers._asdict())
        return
    meanings = entries(type(numbers), "Attributes")
    table = Table("score", "value", "meaning", box=None, pad_edge=False)
    table.title, table.title_justify = topology.name, "left"
    table.columns[1].justify = "right"
    for name, value in numbers._asdict().items():
        gloss = re.split(r"[;.] ", meanings[name])[0].rstrip(".")
        table.add_row(name, readable(value), gloss)
    console().print(table)


JSON = click.Option(
    ["--json", "as_json"], is_flag=True, help="Print one JSON object instead of a table."
)

command = TopologyGroup(score, [JSON])
