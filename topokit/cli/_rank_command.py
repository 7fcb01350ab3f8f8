"""`topokit rank`: reconstruction losses beside the data-free scores, best first."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import networkx as nx

import topokit as tk
from topokit._extras import MissingExtraError
from topokit._interrupts import interrupts_ignored
from topokit.cli._console import note, print_json, print_table
from topokit.cli._ranking_files import PAGE, topology_files, write_results
from topokit.cli._report_command import write_ranking_page
from topokit.cli._topology_lists import read_sources

INTERRUPTED = 130

Finished = tuple[Any, Any]
"""A row of a ranking, and the maps of its topology."""

CAPTION = (
    "edges: trainable ones; loss: what {steps} steps leave of {targets} random matrices, on "
    "average, +- its standard error (0 is exact); pred.: the loss predicted without training; "
    "free: degrees of freedom of the end-to-end matrix; L0: entries of it that can have an edge "
    "of their own; K: controllability, its sum and its standard deviation"
)
LIST = """A list in TOML:
  [[topology]]
  family = "butterfly"  # and the parameters of the family
  n = 32
  depth = 18
  skip = "straight"     # optional, as are diagonal = true, seed = 1, name = "deep"
  [[topology]]
  file = "mine.npz"     # relative to the list"""


def _count(name: str, least: int, text: str, *, default: int | None = None) -> Any:
    kind = click.IntRange(least)
    text = text if default is None else f"{text}  [default: {default}]"
    return click.option(name, type=kind, metavar="N", default=default, help=text)


@click.command("rank", epilog="\b\n" + LIST)
@click.argument("sources", nargs=-1, metavar="[FILE|LIST.toml]...", type=click.Path(path_type=Path))
@_count("--targets", 1, "How many random matrices.", default=16)
@_count("--max-steps", 1, "Gradient steps for each matrix; 2000 by default.")
@_count("--seed", 0, "Seed of the matrices and of the first weights.", default=0)
@_count("--jobs", 1, "Processes; as many as there are cores, at most 4.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("ranking"),
    show_default=True,
    help="Folder for the results.",
)
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file of what is finished, which is not run again; ranking.sqlite in the folder of "
    "--out by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[Path, ...],
    out: Path,
    seed: int,
    store: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Rank topologies by how well they rebuild random matrices.

    Without arguments the default set is ranked: twenty topologies of about 1,152 trainable edges
    between 32 inputs and 32 outputs. Otherwise give files (.npz, .json, .graphml) or lists (.toml).

    The results go into a folder: ranking.json and ranking.csv; ranking.png, and parameters.png with
    losses against parameters; the three maps of each topology in maps.npz, and control.png, their
    picture; the topologies as files; and report.html, a page to click through. What is finished is
    kept in ranking.sqlite, whatever happens: the same command runs only what is missing.
    """
    topologies = read_sources(sources) if sources else tk.ranking.default_topologies()
    out.mkdir(parents=True, exist_ok=True)
    store = store or out / "ranking.sqlite"
    if store.exists() and tk.ranking.read_store(store):
        note(f"taking what is finished from {store}", as_json=as_json)
    done: list[Finished] = []
    try:
        _rank(topologies, lambda *row: done.append(row), seed=seed, store=store, **options)
    except tk.ranking.UnfinishedError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo(f"interrupted: {len(done)} of {len(topologies)} are finished", err=True)
        ctx.exit(INTERRUPTED)
    finally:
        if done:
            done.sort(key=lambda finished: finished[0].order)
            with interrupts_ignored():
                _report(done, topologies, out, seed=seed, as_json=as_json)
    try:
        page = write_ranking_page(out, out / PAGE)
    except MissingExtraError as error:
        note(f"{PAGE} is not written: {error}", as_json=as_json)
    else:
        note(f"wrote {page}: open it in a browser", as_json=as_json)


def _rank(
    topologies: Mapping[str, nx.DiGraph],
    callback: Callable[..., object],
    *,
    max_steps: int | None,
    jobs: int | None,
    **options: Any,
) -> None:
    """Rank in processes, unless there is work for one alone."""
    solver = tk.reconstruction.Adam(**({} if max_steps is None else {"max_steps": max_steps}))
    alone = min(jobs or len(topologies), len(topologies)) == 1
    with nullcontext() if alone else tk.ranking.process_pool(jobs) as pool:
        tk.rank(topologies, solver=solver, executor=pool, callback=callback, **options)


def _report(
    done: list[Finished],
    topologies: Mapping[str, nx.DiGraph],
    out: Path,
    *,
    seed: int,
    as_json: bool,
) -> None:
    rows = tk.ranking.Ranking(row for row, _ in done)
    ranking: dict[str, Any] = {
        "seed": seed,
        "finished": len(rows),
        "of": len(topologies),
        "rows": rows,
    }
    ranking["topologies"] = topology_files([row.name for row in rows])
    names = write_results(out, ranking, {row.name: maps for row, maps in done}, topologies)
    if as_json:
        print_json(ranking)
    else:
        _table(rows)
    note(f"wrote {', '.join(names)} into {out}/", as_json=as_json)


def _table(rows: Any) -> None:
    heading, texts = rows.texts()
    caption = CAPTION.format(steps=rows[0].steps, targets=rows[0].targets)
    print_table(heading, texts, caption=caption, keys=2, gap=1)
