"""The results of `challenge.py` on the screen."""

from rich.console import Console
from rich.table import Table

CONSOLE = Console(width=150)


def show(found: dict) -> None:
    """Print every part as a table."""
    CONSOLE.print(f"{found['device']} ({found['backend']}), {found['cores']} core")
    for part in ("official", "peers"):
        show_rows(part, found[part])
    show_growth(found["growth"])
    memory = found["memory"]
    CONSOLE.print(
        f"memory of {memory['neurons']} x {memory['depth']}, {memory['images']} images: "
        f"{memory['peak_gib']:.2f} GiB"
    )
    for row in found["floors"]:
        met = "met" if row["met"] else "not met"
        CONSOLE.print(f"asked {row['asked']:g} {row['of']}, measured {row['measured']:.1f}: {met}")


def show_rows(part: str, case: dict) -> None:
    """Everyone on one case."""
    heads = "seconds", "rate", "times topokit by edges", "tables", "compile"
    title = f"{part}: {case['network']}, first {case['depth']} layers, {case['images']} images"
    table = Table("by", *heads, title=title)
    for name, row in case["rows"].items():
        extra = [f"{row[key]:.2f} s" if key in row else "" for key in ("table_s", "compile_s")]
        times = f"{row['seconds']:.3f} s", f"{row['rate']:.2e}", f"{case['ratios'][name]:.2f}"
        table.add_row(name, *times, *extra)
    CONSOLE.print(table)


def show_growth(rows: list[dict]) -> None:
    """Rates by width and depth."""
    heads = "depth", "input", "images", "left", "rate by edges", "by classes", "tables (classes)"
    table = Table("neurons", *heads, title="plain networks")
    for row in rows:
        start = [str(row[key]) for key in ("neurons", "depth", "input", "images")]
        rates = [f"{row[form].get('rate', 0):.2e}" for form in ("edges", "classes")]
        tables = f"{row['classes'].get('table_s', 0):.2f} s"
        table.add_row(*start, str(row.get("categories", "")), *rates, tables)
    CONSOLE.print(table)
