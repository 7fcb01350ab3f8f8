"""The results of `layers.py` on the screen."""

from _peer_tables import CONSOLE, spread
from rich.table import Table

MEGABYTE = 2**20


def show(found: dict, own: tuple[str, ...]) -> None:
    """Print every part as a table."""
    for work in ("forward", "training"):
        show_seconds(found["layers"], work)
        show_ratios(found["layers"], work)
    show_bytes(found["layers"])
    for case, rows in found["memory"].items():
        show_memory(case, rows, own)
    show_growth(found["growth"])
    for kind, rows in found["forms"].items():
        show_forms(kind, rows)
    if found["floors"]:
        show_floors(found["floors"])


def show_seconds(cases: dict, work: str) -> None:
    """Milliseconds of everyone."""
    names = list(dict.fromkeys(name for row in cases.values() for name in row[work]["seconds"]))
    table = Table("layer", *names, title=f"{work}: milliseconds")
    for case, row in cases.items():
        table.add_row(case, *(f"{row[work]['seconds'][name][1] * 1e3:.3f}" for name in names))
    CONSOLE.print(table)


def show_ratios(cases: dict, work: str) -> None:
    """How many times slower the peers are."""
    table = Table("layer", "topokit", title=f"{work}: seconds over topokit's, median (quartiles)")
    rows = [(case, own, r) for case, row in cases.items() for own, r in row[work]["ratios"].items()]
    for peer in rows[0][2]:
        table.add_column(peer)
    for case, own, peers in rows:
        table.add_row(case, own, *map(spread, peers.values()))
    CONSOLE.print(table)


def show_bytes(cases: dict) -> None:
    """Counted bytes, the same for all batches."""
    widths = {case.split(",")[0]: row["bytes"] for case, row in cases.items()}
    parts = list(next(iter(next(iter(widths.values())).values())))
    table = Table("layer", "", *(f"{part}, MiB" for part in parts), title="bytes")
    for width, peers in widths.items():
        for name, row in peers.items():
            table.add_row(width, name, *(f"{row[part] / MEGABYTE:.3f}" for part in parts))
    CONSOLE.print(table)


def show_memory(case: str, rows: dict, own: tuple[str, ...]) -> None:
    """By the operating system, and how many times as much the others take in training alone."""
    table = Table("", "run, MiB", "steps, MiB", *(f"steps over {name}" for name in own))
    table.title = f"memory by the operating system, {case}"
    for name, row in rows.items():
        figures = [
            f"{row[part] / MEGABYTE:.0f}" if part in row else "" for part in ("run", "steps")
        ]
        others = name not in own and "steps" in row
        ratios = [f"{row['steps'] / rows[mine]['steps']:.1f}" for mine in own if others]
        table.add_row(name, *figures, *ratios)
    CONSOLE.print(table)


def show_growth(growth: dict) -> None:
    """Seconds by width."""
    sizes = max((row["n"] for row in growth.values()), key=len)
    title = "a training step by width, milliseconds"
    table = Table("", *map(str, sizes), "grows as", "edges as", title=title)
    for name, row in growth.items():
        seconds = [f"{s * 1e3:.3f}" for s in row["seconds"]] + [""] * (len(sizes) - len(row["n"]))
        table.add_row(name, *seconds, *(f"n^{e:.2f}" for e in row["exponents"].values()))
    CONSOLE.print(table)


def show_forms(kind: str, rows: dict) -> None:
    """How many times as fast as lists; a star marks what is taken."""
    forms = list(next(iter(rows.values()))["times_as_fast"])
    table = Table("layer", "lists, ms", *forms, title=f"forms, {kind}: times as fast as lists")
    for layer, row in rows.items():
        star = {row["chosen"]: " *"}
        figures = [f"{spread_near_1(row['times_as_fast'][f])}{star.get(f, '')}" for f in forms]
        table.add_row(layer, f"{row['lists_ms']:.3f}{star.get('lists', '')}", *figures)
    CONSOLE.print(table)


def show_floors(floors: list[dict]) -> None:
    """What was asked for."""
    table = Table("what", "topokit", "peer", "asked", "measured", "met", title="floors")
    for row in floors:
        asked, measured = f"{row['floor']:g}x", f"{row['ratio']:.1f}x"
        met = "yes" if row["met"] else "no"
        table.add_row(row["what"], row["layer"], row["peer"], asked, measured, met)
    CONSOLE.print(table)


def spread_near_1(values: list[float]) -> str:
    """A ratio near 1 with its quartiles."""
    low, median, high = values
    return f"{median:.2f} ({low:.2f} to {high:.2f})"
