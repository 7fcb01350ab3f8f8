"""The results of `peers.py` on the screen."""

from rich.console import Console
from rich.table import Table

CONSOLE = Console(width=190)


def show(found: dict) -> None:
    """Print every part as a table."""
    show_machine(found)
    show_steps(found["steps"])
    show_ratios(found["steps"])
    show_growth(found["growth"])
    if found["palm"]:
        show_palm(found["palm"])
    if found["floors"]:
        show_floors(found["floors"])


def show_machine(found: dict) -> None:
    """Rates of the core."""
    rates = found["machine"]
    table = Table("cores", "arithmetic", "within the cache", "from memory", title="the machine")
    per_second = [f"{rates[kind] / 1e9:.1f} GB/s" for kind in ("cache", "memory")]
    table.add_row(str(found["cores"]), f"{rates['arithmetic'] / 1e9:.1f} GFLOP/s", *per_second)
    CONSOLE.print(table)


def show_steps(steps: dict) -> None:
    """Seconds of topokit, and the share of the machine's best."""
    heads = "edges", "targets", "compile", "step", "of best, all inputs", "of best, joined pairs"
    table = Table("case", *heads, title="topokit, one step")
    for name, row in steps.items():
        limits = [f"{b['fraction']:.0%} ({b['by']})" for b in row["bounds"].values()]
        times = f"{row['compile_s']:.2f} s", f"{row['step_s'] * 1e3:.3f} ms"
        table.add_row(name, str(row["edges"]), str(row["targets"]), *times, *limits)
    CONSOLE.print(table)


def show_ratios(steps: dict) -> None:
    """How many times slower the peers are."""
    peers = list(dict.fromkeys(peer for row in steps.values() for peer in row["ratios"]))
    table = Table("case", *peers, title="seconds of a step over topokit's: median (quartiles)")
    for name, row in steps.items():
        table.add_row(name, *(spread(row["ratios"].get(peer)) for peer in peers))
    CONSOLE.print(table)


def show_growth(growth: dict) -> None:
    """Seconds by size."""
    exponents = growth["exponents"]
    table = Table(*map(str, growth["n"]), title="butterflies of depth log2(n), one step")
    table.caption = (
        f"grows as n^{exponents['seconds']:.2f}, operations as n^{exponents['operations']:.2f}"
    )
    table.add_row(*(f"{s * 1e3:.3f} ms" for s in growth["seconds"]))
    CONSOLE.print(table)


def show_palm(palm: dict) -> None:
    """Time to the same error."""
    heads = "error", "iterations", "palm4msa", "topokit", "with compile", "ratio", "with compile"
    table = Table("target", *heads, title="to palm4msa's best error")
    table.add_column("reached by", max_width=42, no_wrap=True)
    for name, row in palm.items():
        start = [name, f"{row['palm_error']:.4f}", str(row["iterations"])]
        if row["reached"] is None:
            table.add_row(*start, *[""] * 5, "not reached")
            continue
        seconds = [
            f"{row['palm_s']:.3f} s",
            f"{row['warm_s'] * 1e3:.2f} ms",
            f"{row['cold_s']:.2f} s",
        ]
        table.add_row(*start, *seconds, spread(row["warm"]), spread(row["cold"]), row["reached"])
    CONSOLE.print(table)


def show_floors(floors: list[dict]) -> None:
    """What was asked for."""
    table = Table("case", "peer", "asked", "measured", "met", title="floors")
    for row in floors:
        met = "yes" if row["met"] else "no"
        asked, measured = f"{row['floor']:g}x", f"{row['ratio']:.1f}x"
        table.add_row(row["case"], row["peer"], asked, measured, met)
    CONSOLE.print(table)


def spread(values: list[float] | None) -> str:
    """A ratio with its quartiles."""
    if values is None:
        return ""
    low, median, high = (f"{v:.1f}" if v < 100 else f"{v:.0f}" for v in values)
    return f"{median} ({low} to {high})"
