"""`topokit score`: every data-free number of a topology, or of several side by side."""

from collections.abc import Mapping

import click
import networkx as nx

import topokit as tk
from topokit._docstrings import meanings
from topokit._names import short_names
from topokit._records import readable
from topokit._text_table import shorten
from topokit.cli._console import busy, print_json, print_table
from topokit.cli._topology_group import TopologyGroup

# The most columns of a name, as a title and above a column.
TITLE, HEADING = 160, 36


def score(topologies: Mapping[str, nx.DiGraph | tk.Layers], as_json: bool) -> None:
    """Print every number that needs no data, of several files side by side."""
    with busy("Scoring"):
        scores = {name: tk.score(topology) for name, topology in topologies.items()}
    if as_json:
        found = [{"name": name} | numbers._asdict() for name, numbers in scores.items()]
        print_json(found if len(found) > 1 else found[0])
        return
    names, columns = [*scores], [numbers._asdict() for numbers in scores.values()]
    rows = [
        (field, *(readable(numbers[field]) for numbers in columns), meaning)
        for field, meaning in meanings(tk.scores.Score).items()
    ]
    alone = len(names) == 1
    heading = ["value"] if alone else [*short_names(names, HEADING).values()]
    title = shorten(names[0], TITLE) if alone else ""
    print_table(("score", *heading, "meaning"), rows, title=title, words=1)


JSON = click.Option(
    ["--json", "as_json"],
    is_flag=True,
    help="Print one JSON object instead of a table, or a list of them.",
)

command = TopologyGroup(score, [JSON], several=True)
