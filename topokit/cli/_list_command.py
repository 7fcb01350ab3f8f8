"""`topokit list`: the families."""

import click

import topokit as tk
from topokit._docstrings import summary
from topokit.cli._console import print_json, print_table
from topokit.cli._once import Once
from topokit.cli._topology_from_words import describe


@click.command("list", cls=Once)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def command(as_json: bool) -> None:
    """List the families of topologies with their parameters."""
    families = tk.topologies.families()
    rows = [(name, describe(family), summary(family)) for name, family in families.items()]
    if as_json:
        names = ("family", "parameters", "summary")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    print_table(("family", "parameters", "what it is"), rows, words=2)
