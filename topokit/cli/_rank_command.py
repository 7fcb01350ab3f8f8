"""`topokit rank`: reconstruction losses beside the data-free scores, best first."""

import shlex
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click
import networkx as nx
from click.core import ParameterSource

import topokit as tk
from topokit._checks import LARGEST, MOST_STEPS, check_budget
from topokit._escapes import shown
from topokit._extras import MissingExtraError
from topokit._interrupts import INTERRUPTED, interrupts_ignored
from topokit.cli._console import busy, note, print_json, print_table, print_words, tell_interrupted
from topokit.cli._integers import QUOTED, IntegerFrom, Jobs, integer
from topokit.cli._once import Once
from topokit.cli._output_folder import results_in
from topokit.cli._ranking_files import (
    PAGE,
    check_folder,
    draw_ranking,
    topology_files,
    write_results,
)
from topokit.cli._report_command import write_ranking_page
from topokit.cli._topology_lists import read_sources

INPUTS = 32  # of the default set
# Share of the budget at which losses are found too, for one picture, with so many targets at most.
# A third budget would take a quarter of the whole time: every size is compiled anew.
SMALLER, FEW = 0.6, 4

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
  skip = "straight"     # optional; so are diagonal = true, seed = 1, and
  name = "deep"         # what to call it
  [[topology]]
  file = "mine.npz"     # relative to the list"""


@dataclass
class Done:
    """What is finished of a ranking.

    Attributes:
        pairs: Rows, each with the maps of its topology.
        drawn: Whether the pictures of them all are drawn.
    """

    pairs: list[tuple[Any, Any]] = field(default_factory=list)
    drawn: bool = False

    def draw(self, folder: Path) -> None:
        """Put the best first, and draw the pictures."""
        self.pairs.sort(key=lambda pair: pair[0].order)
        draw_ranking(folder, [row for row, _ in self.pairs], self.maps)
        self.drawn = True

    @property
    def maps(self) -> dict[str, Any]:
        """The maps by the name of their topology."""
        return {row.name: maps for row, maps in self.pairs}


def _count(
    name: str,
    least: int,
    text: str,
    *,
    most: int = LARGEST,
    default: int | None = None,
    is_eager: bool = False,
) -> Any:
    kind = IntegerFrom(least, most)
    text = text if default is None else f"{text}  [default: {default}]"
    return click.option(name, type=kind, metavar="N", default=default, is_eager=is_eager, help=text)


def _budget(ctx: click.Context, _: click.Parameter, text: str | None) -> int:
    """The budget that is given, or that of the number of inputs."""
    n = ctx.params["n"]
    if text is None:
        return tk.ranking.default_budget(n)
    try:
        return check_budget(_number(text), n)
    except ValueError as error:
        raise click.BadParameter(str(error).removeprefix("budget ")) from None


def _number(text: str) -> int | str:
    """An integer, if the text is one."""
    try:
        return integer(text)
    except ValueError:
        return shown(text, QUOTED)


@click.command("rank", cls=Once, epilog="\b\n" + LIST)
@click.argument("sources", nargs=-1, metavar="[FILE|LIST.toml]...", type=click.Path(path_type=Path))
@_count("--n", 2, "Inputs, and outputs, of the default set.", default=INPUTS, is_eager=True)
@click.option(
    "--budget",
    metavar="N",
    callback=_budget,
    help="Trainable edges of each topology of the default set, as near as its family comes; 1152 "
    "are those of figure 5 of NeuroFabric.  [default: 62.5 % of a dense matrix, 640 of 32 inputs]",
)
@_count("--targets", 1, "How many random matrices.", default=16)
@_count("--max-steps", 1, "Gradient steps for each matrix; 2000 by default.", most=MOST_STEPS)
@_count("--seed", 0, "Seed of the matrices and of the first weights.", default=0)
@click.option(
    "--jobs",
    type=Jobs(),
    metavar="N",
    help="Processes; as many as there are cores, at most 4, by default.",
)
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
@click.option("--overwrite", is_flag=True, help="Replace another ranking in that folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[Path, ...],
    n: int,
    budget: int,
    out: Path,
    store: Path | None,
    overwrite: bool,
    as_json: bool,
    jobs: int | None,
    **options: Any,
) -> None:
    """Rank topologies by how well they rebuild random matrices.

    Without arguments the default set is ranked: twenty topologies of about 640 trainable edges
    between 32 inputs and 32 outputs. Otherwise give files, as score takes them, or lists (.toml).

    The results go into a folder: ranking.json and ranking.csv; ranking.png; parameters.png with
    losses against parameters, where the default set is shown at a smaller budget too; the three
    maps of each topology in maps.npz, and control.png, their picture; the topologies as files; and
    report.html, a page to click through. What is finished is kept in ranking.sqlite, whatever
    happens: the same command runs only what is missing. Another ranking takes another folder, or
    --overwrite.
    """
    own = {ctx.get_parameter_source(name) for name in ("n", "budget")}
    if sources and own != {ParameterSource.DEFAULT}:
        raise click.UsageError("--n and --budget are of the default set: leave out the files.")
    with busy("Loading"):
        topologies = read_sources(sources) if sources else _default_set(budget, n, as_json=as_json)
    settings = _settings(**options)
    if not overwrite:
        check_folder(out, topologies, settings)
    ctx.with_resource(results_in(out))
    store = _told_store(store or out / "ranking.sqlite", as_json=as_json)
    done, beside = Done(), []
    others = () if sources else _smaller_sets(budget, n)
    whole = False
    try:
        for row in _run(topologies, others, done, out, jobs=jobs, store=store, **settings):
            beside.append(row)
        whole = True
    except tk.ranking.UnfinishedError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        tell_interrupted(f"{len(done.pairs)} of {len(topologies)} are finished")
        ctx.exit(INTERRUPTED)
    finally:
        if done.pairs:
            with interrupts_ignored():
                _report(done, beside, topologies, out, settings, as_json=as_json)
            if not whole:
                cure = f"topokit report {shlex.quote(str(out))}"
                note(f"{PAGE} is not written: `{cure}` makes it of these", as_json=as_json)
    _write_page(out, as_json=as_json)


def _settings(*, seed: int, targets: int, max_steps: int | None) -> dict[str, int]:
    """What a loss depends on beside its topology."""
    steps = tk.reconstruction.Adam().max_steps if max_steps is None else max_steps
    return {"seed": seed, "targets": targets, "max_steps": steps}


def _told_store(store: Path, *, as_json: bool) -> Path:
    """The store; what is finished there already is told."""
    if store.exists() and tk.ranking.read_store(store):
        note(f"taking what is finished from {store}", as_json=as_json)
    return store


def _write_page(out: Path, *, as_json: bool) -> None:
    try:
        page = write_ranking_page(out, out / PAGE)
    except MissingExtraError as error:
        note(f"{PAGE} is not written: {error}", as_json=as_json)
    else:
        note(f"wrote {page}: open it in a browser", as_json=as_json)


def _default_set(budget: int, n: int, *, as_json: bool) -> dict[str, nx.DiGraph]:
    """The default topologies; what is left out or far off is told."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        topologies = tk.ranking.default_topologies(budget, n=n)
    for warning in told:
        note(str(warning.message), as_json=as_json)
    return topologies


def _smaller_sets(budget: int, n: int) -> Iterator[dict[str, nx.DiGraph]]:
    """The default set of a smaller budget, where there is one, for the picture alone."""
    smaller = max(round(SMALLER * budget), 2 * n)
    if smaller < budget:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            topologies = tk.ranking.default_topologies(smaller, n=n)
        yield topologies


def _run(
    topologies: Mapping[str, nx.DiGraph],
    others: Iterable[Mapping[str, nx.DiGraph]],
    done: Done,
    out: Path,
    *,
    targets: int,
    seed: int,
    max_steps: int,
    jobs: int | None,
    store: Path,
) -> Iterator[Any]:
    """Rank in processes, unless there is work for one alone; yield the losses of the others.

    While the processes are at the others, the ranking is drawn here.
    """
    solver = tk.reconstruction.Adam(max_steps=max_steps)
    alone = min(jobs or len(topologies), len(topologies)) == 1
    with nullcontext() if alone else tk.ranking.process_pool(jobs) as pool:
        options = {"solver": solver, "executor": pool, "store": store}
        tk.rank(
            topologies,
            targets=targets,
            seed=seed,
            callback=lambda *pair: done.pairs.append(pair),
            **options,
        )
        for other in others:
            results = tk.ranking.sweep(other, targets=min(targets, FEW), seeds=seed, **options)
            first = list(islice(results, 1))  # since then the processes are at work
            done.draw(out)
            yield from tk.ranking.mean_losses(chain(first, results))


def _report(
    done: Done,
    beside: list[Any],
    topologies: Mapping[str, nx.DiGraph],
    out: Path,
    settings: Mapping[str, int],
    *,
    as_json: bool,
) -> None:
    if not done.drawn:
        done.draw(out)
    rows = tk.ranking.Ranking(row for row, _ in done.pairs)
    ranking: dict[str, Any] = {
        **settings,
        "finished": len(rows),
        "of": len(topologies),
        "agreement": tk.ranking.agreement(rows),
        "rows": rows,
        "beside": beside,
    }
    ranking["topologies"] = topology_files([row.name for row in rows])
    names = write_results(out, ranking, done.maps, topologies)
    if as_json:
        print_json(ranking)
    else:
        _table(rows)
    note(f"wrote {', '.join(names)} into {out}/", as_json=as_json)


def _table(rows: Any) -> None:
    heading, texts = rows.texts()
    print_table(heading, texts, keys=2, gap=1)
    print_words(*(f"{remark}." for remark in tk.ranking.remarks(rows)))
    print_words(CAPTION.format(steps=rows[0].steps, targets=rows[0].targets), style="dim")
