"""`topokit choose`: which of several wirings to train on some data."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

import topokit as tk
from topokit._atomic import replacing
from topokit._escapes import shown
from topokit._interrupts import INTERRUPTED, interrupts_ignored
from topokit.cli._console import (
    busy,
    jsonable,
    note,
    print_json,
    print_table,
    print_words,
    tell_interrupted,
)
from topokit.cli._integers import IntegerFrom, Jobs
from topokit.cli._learning_options import (
    FOLDER,
    LAYERS,
    SHARE,
    builder_of,
    check_options,
    how_options,
    read_data,
    rule_of,
    which_options,
)
from topokit.cli._once import Once
from topokit.cli._output_folder import check_replaced, results_in
from topokit.cli._shell_words import arguments_as_options
from topokit.cli._topology_lists import read_sources

USUAL = ("clos", "low-rank", "random")
SEED = 0  # of random layers, as in the first run of `topokit train`
RESULTS, STORE = "choice.json", "choice.sqlite"
CAPTION = (
    "parameters: numbers that are trained; kernel: error of a regression on one batch without "
    "training, lower is better; rung: how far it came, 0 if that left it out; N steps: share of "
    "the validation part that is right after so many steps; +-: standard error of the last over "
    "seeds; first: share of resamples in which it is the first; steps and seconds: what it cost"
)


@click.command("choose", cls=Once)
@click.argument("sources", nargs=-1, metavar="[FILE|LIST.toml]...", type=click.Path(path_type=Path))
@which_options
@click.option(
    "--layers",
    type=click.Choice(LAYERS),
    multiple=True,
    help="A candidate for the place of the dense layers; give it several times.  [default: clos, "
    "low-rank and random, where no file is given]",
)
@click.option(
    "--share",
    type=SHARE,
    multiple=True,
    default=(0.2,),
    show_default=True,
    help="The most of a dense layer's connections that one may have; each of several makes "
    "candidates of its own.",
)
@how_options
@click.option(
    "--budget",
    type=SHARE,
    default=0.1,
    show_default=True,
    help="The most training steps, as a share of training all candidates to the end.",
)
@click.option(
    "--keep",
    type=SHARE,
    default=0.5,
    show_default=True,
    help="Share of the candidates that one batch lets train; 1 for all.",
)
@click.option(
    "--examples",
    type=IntegerFrom(8),
    default=1000,
    show_default=True,
    help="The most training examples of that batch.",
)
@click.option(
    "--sparse-only/--all-weights",
    default=True,
    show_default=True,
    help="Whether the batch looks at the weights of sparse layers alone, or at all.",
)
@click.option(
    "--eta",
    type=IntegerFrom(2),
    default=3,
    show_default=True,
    help="One in how many goes on to as many times the steps.",
)
@click.option(
    "--seeds",
    type=IntegerFrom(1),
    default=3,
    show_default=True,
    help="Seeds of the last few candidates.",
)
@click.option("--jobs", type=Jobs(), default=1, show_default=True, help="Processes.")
@click.option(
    "--out", type=FOLDER, default=Path("choice"), show_default=True, help="Folder for results."
)
@click.option("--overwrite", is_flag=True, help="Replace another choice in that folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[Path, ...],
    mnist: Path | None,
    cifar10: Path | None,
    out: Path,
    overwrite: bool,
    jobs: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Choose a wiring for a model and data, at a share of the cost of training all.

    Candidates are all --layers at each --share, and files, as score takes them, or lists (.toml),
    whose topologies go into the layers of as many inputs and outputs. One batch decides who is
    trained; the validation part, who is trained longer. The test part is not looked at. Without
    data it learns scikit-learn's bundled digits.

    The results go into a folder: choice.json, and choice.sqlite with all that is finished. The same
    command goes on where it stopped; another choice takes another folder, or --overwrite.
    """
    check_options(options)
    with busy("Loading"), arguments_as_options():
        data = read_data(mnist, cifar10, options["validation"])
        candidates = _candidates(sources, options)
    settings = {"data": data.name, **options, "candidates": [*candidates]}
    if not overwrite:
        wanted = jsonable(settings)
        held = _held(wanted)
        check_replaced(out / RESULTS, wanted, held, kind="another choice")
    ctx.with_resource(results_in(out))
    try:
        with arguments_as_options():
            found = _choose(candidates, data, out / STORE, jobs, **options)
    except tk.ranking.UnfinishedError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        tell_interrupted(f"the same command goes on from {out / STORE}")
        ctx.exit(INTERRUPTED)
    with interrupts_ignored():
        _report(found, settings, out, as_json=as_json)


def _report(found: Any, settings: dict[str, Any], out: Path, *, as_json: bool) -> None:
    report = settings | found._asdict() | {"best": found.best, "certainty": found.certainty}
    with replacing(out / RESULTS) as part:
        part.write_text(json.dumps(jsonable(report), indent=2, allow_nan=False) + "\n")
    if as_json:
        print_json(report)
    else:
        _table(found)
    note(f"wrote {RESULTS} into {out}/", as_json=as_json)


def _held(wanted: dict[str, Any]) -> Any:
    """What a file says of the settings that are asked for."""
    return lambda said: {name: said[name] for name in wanted}


def _candidates(sources: Sequence[Path], options: dict[str, Any]) -> dict[str, Any]:
    """Rules and topologies by name; options are left with the settings of a choice."""
    layers = options.pop("layers") or (() if sources else USUAL)
    shares, dense_below = options.pop("share"), options.pop("dense_below")
    named: dict[str, Any] = {}
    for kind in layers:
        for share in shares[:1] if kind == "dense" else shares:
            name = kind if kind == "dense" else f"{kind} {share:g}"
            _check_new(name, named)
            named[name] = rule_of(kind, share, dense_below, SEED)
    options["dense_below"] = dense_below
    topologies = read_sources(sources)
    for name in topologies:
        _check_new(name, named)
    return named | topologies


def _check_new(name: str, named: dict[str, Any]) -> None:
    """Refuse a second candidate of a name, as of shares that print alike."""
    if name in named:
        raise ValueError(
            f"two candidates are called {shown(name)!r}: give each --layers and --share once, "
            "shares that differ in six digits, and files other names"
        )


def _choose(
    candidates: dict[str, Any],
    data: Any,
    store: Path,
    jobs: int,
    *,
    model: str,
    hidden: tuple[int, ...] | None,
    width: float | None,
    validation: float,  # noqa: ARG001 (of the data)
    dense_below: int,  # noqa: ARG001 (of the candidates)
    **options: Any,
) -> Any:
    with nullcontext() if jobs == 1 else tk.ranking.process_pool(jobs) as pool:
        return tk.networks.choose(
            candidates,
            data,
            build=builder_of(model, hidden, width, data),
            executor=pool,
            store=store,
            **options,
        )


def _table(found: Any) -> None:
    heading, rows = found.texts()
    print_table(heading, rows, keys=2, gap=1)
    print_words(*(f"{remark}." for remark in found.remarks()))
    print_words(CAPTION, style="dim")
