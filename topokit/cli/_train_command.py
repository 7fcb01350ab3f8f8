"""`topokit train`: a classifier with sparse layers learns, seed by seed, and can be interrupted."""

import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import topokit as tk
from topokit._atomic import replacing
from topokit._file_names import file_name
from topokit._interrupts import INTERRUPTED, interrupts_ignored
from topokit._records import readable
from topokit.cli._console import (
    console,
    jsonable,
    long_told,
    note,
    print_json,
    print_table,
    tell,
    tell_interrupted,
)
from topokit.cli._integers import IntegerFrom
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
from topokit.cli._structured import FAMILIES, Families, Lasso, print_found

RESULTS = "training.json"
PULLS = "l2", "l1"
HEADING = "seed", "parameters", "validation error", "test error", "loss", "seconds"
CAPTION = (
    "parameters: numbers that are trained; errors: shares of the validation and the test part that "
    "are wrong, in percent, after the last epoch; loss: mean cross entropy of the test part in nats"
)


@click.command("train", cls=Once)
@which_options
@click.option(
    "--layers",
    type=click.Choice(LAYERS),
    default="clos",
    show_default=True,
    help="What takes the place of its dense layers.",
)
@click.option(
    "--share",
    type=SHARE,
    default=0.2,
    show_default=True,
    help="The most of a dense layer's connections that it may have.",
)
@how_options
@click.option(
    "--force",
    type=click.FloatRange(0, min_open=True),
    help="Strength with which filters of a layer attract each other; with --layers dense.",
)
@click.option(
    "--force-kind",
    type=click.Choice(PULLS),
    default=PULLS[0],
    show_default=True,
    help="A force in proportion to distance, or a constant one.",
)
@click.option(
    "--structured",
    type=Families(),
    help=f"Groups of weights that may vanish, out of {','.join(FAMILIES)}; with --layers dense.",
)
@click.option(
    "--strength",
    type=click.FloatRange(0, min_open=True),
    help="How hard --structured shrinks them.",
)
@click.option(
    "--seeds", type=IntegerFrom(1), default=3, show_default=True, help="How many runs: 0, 1, ..."
)
@click.option(
    "--out", type=FOLDER, default=Path("training"), show_default=True, help="Folder for results."
)
@click.option(
    "--overwrite", is_flag=True, help="Replace the results of other settings in that folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def command(
    ctx: click.Context,
    mnist: Path | None,
    cifar10: Path | None,
    validation: float,
    out: Path,
    seeds: int,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a classifier whose dense layers are topologies.

    Without data it learns scikit-learn's bundled digits. Compare settings by the validation error:
    the test part is looked at once, after the last epoch.

    With --force the filters of each layer come together, and training.json tells the ranks that
    they are left with: topokit.networks.decompose takes such layers apart. With --structured groups
    of weights vanish, and the network that is left is smaller.

    The results go into a folder: training.json, learning.png, and for each seed a checkpoint and
    the weights (.safetensors). The same command goes on where it stopped; one with other settings
    takes another folder, or --overwrite.
    """
    check_options(options)
    shaping = _shaping(options)
    lasso = Lasso(shaping["structured"], shaping["strength"]) if "structured" in shaping else None
    with arguments_as_options():
        data = read_data(mnist, cifar10, validation)
    settings = {"data": data.name, "validation": validation, **options, **shaping}
    if not overwrite:
        _check_folder(out, settings, seeds)
    ctx.with_resource(results_in(out))
    runs: list[dict[str, Any]] = []
    try:
        with arguments_as_options():
            for seed in range(seeds):
                runs.append(_run(data, out, seed, shaping, lasso, **options))
    except KeyboardInterrupt:
        tell_interrupted(f"{len(runs)} of {seeds} seeds are finished")
        ctx.exit(INTERRUPTED)
    finally:
        if runs:
            with interrupts_ignored():
                _report(settings | {"runs": runs}, out, as_json)


def _shaping(options: dict[str, Any]) -> dict[str, Any]:
    """What gives the layers a structure while they learn, as it stands in the results."""
    names = ("force", "force_kind"), ("structured", "strength")
    force, structured = ({name: options.pop(name) for name in pair} for pair in names)
    if (structured["structured"] is None) != (structured["strength"] is None):
        raise click.UsageError("--structured and --strength go together; given one of them")
    asked = [pair for pair in (force, structured) if None not in pair.values()]
    for name, value in ((name, value) for pair in asked for name, value in pair.items()):
        if isinstance(value, float) and not math.isfinite(value):
            raise click.UsageError(f"--{name} must be a finite number; given {value}")
        if options["layers"] != "dense" and name in ("force", "structured"):
            raise click.UsageError(f"--{name} goes with --layers dense alone, which it shapes")
    shaping = {name: value for pair in asked for name, value in pair.items()}
    if "structured" in shaping:
        shaping["structured"] = ",".join(shaping["structured"])
    return shaping


@cache
def _force(strength: float, kind: str) -> Any:
    """The same object for the same settings, for which a step is compiled once."""
    pull = tk.networks.l2_force if kind == PULLS[0] else tk.networks.l1_force
    return tk.networks.force(strength, pull=pull)


def _check_folder(out: Path, settings: dict[str, Any], seeds: int) -> None:
    """Refuse to replace results of other settings, or of more seeds."""

    def held(said: dict[str, Any]) -> dict[str, Any]:
        there = {name: value for name, value in said.items() if name != "runs"}
        return there | {"seeds": max(seeds, len(said["runs"]))}

    wanted = jsonable(settings) | {"seeds": seeds}
    check_replaced(out / RESULTS, wanted, held, kind="results of other settings")


def _run(
    data: Any,
    out: Path,
    seed: int,
    shaping: dict[str, Any],
    lasso: Lasso | None,
    *,
    model: str,
    hidden: tuple[int, ...] | None,
    width: float | None,
    layers: str,
    share: float,
    dense_below: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> dict[str, Any]:
    """Train one seed, and write its weights."""
    what = "-".join(map(str, (model, *(hidden or ()), *([width] if width else []))))
    how = f"{layers}-{share}-{dense_below}-{epochs}-{batch_size}-{learning_rate}"
    how += "".join(f"-{value}" for value in shaping.values())
    name = f"{file_name(data.name)}-{len(data.train_x)}-{what}-{how}-seed-{seed}"
    with _bar(f"seed {seed}", epochs) as advance, _divergence_told(seed):
        training = tk.networks.train_from_seed(
            builder_of(model, hidden, width, data),
            data,
            {} if shaping else rule_of(layers, share, dense_below, seed),
            seed=seed,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            between=_force(shaping["force"], shaping["force_kind"]) if "force" in shaping else None,
            behind=lasso,
            settings=shaping,
            checkpoint=out / f"{name}.checkpoint",
            callback=advance,
        )
    tk.networks.write_weights(training.model, out / f"{name}.safetensors")
    return {
        "seed": seed,
        "parameters": tk.networks.n_parameters(training.model),
        "epochs": list(training.epochs),
        "test": training.test,
    } | _structure(training, data, lasso, "force" in shaping, out / f"{name}-smaller.safetensors")


def _structure(
    training: Any, data: Any, lasso: Lasso | None, forced: bool, path: Path
) -> dict[str, Any]:
    """What the layers have got while they learned; the weights of a smaller network are written."""
    told = _ranks(training.model) if forced else {}
    if lasso is None:
        return told
    structure, small = lasso.found(training, data)
    if small is not None:
        tk.networks.write_weights(small, path)
    return told | {"structure": structure}


def _ranks(model: Any) -> dict[str, Any]:
    """The ranks of filters, or why there are none: of a layer whose weights have all vanished."""
    try:
        return {"ranks": tk.networks.filter_ranks(model)}
    except ValueError as error:
        tell(f"no ranks: {error}")
        return {"ranks": None, "no_ranks": str(error)}


@contextmanager
def _divergence_told(seed: int) -> Iterator[None]:
    """Say in one line that the loss of a seed is no number any more."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    if caught:
        tell(f"seed {seed}: {caught[0].message}")


@contextmanager
def _bar(doing: str, epochs: int) -> Iterator[Callable[..., None]]:
    """A bar on a terminal, in a pipe what is long; the callback of a training that moves it."""
    screen = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    hidden = not sys.stderr.isatty()
    with (
        Progress(
            *columns, TimeRemainingColumn(), console=screen, transient=True, disable=hidden
        ) as bar,
        long_told(f"{doing}, {epochs} epochs"),
    ):
        part = bar.add_task(f"{doing}: compiling", total=epochs)

        def advance(row: Any, *_: Any) -> None:
            wrong = _wrong(row.validation_accuracy)
            told = f"loss {row.train_loss:.4g}" if wrong is None else f"{wrong:.2f} % wrong"
            bar.update(part, completed=row.epoch, description=f"{doing}: {told}")

        yield advance


def _report(report: dict[str, Any], out: Path, as_json: bool) -> None:
    runs = report["runs"]
    if as_json:  # first of all, for a full disk takes none of it
        print_json(report)
    else:
        print_table(HEADING, [*map(_cells, runs)], caption=CAPTION)
        if "structured" in report:
            print_found(runs)
    with replacing(out / RESULTS) as part:
        part.write_text(json.dumps(jsonable(report), indent=2, allow_nan=False) + "\n")
    name = f"{report['model']}, {report['layers']}, {runs[0]['parameters']:,} parameters"
    tk.plotting.save_figure(_curves(name, runs), out / "learning.png")
    note(f"wrote training.json, learning.png and the weights into {out}/", as_json=as_json)


def _curves(name: str, runs: list[dict[str, Any]]) -> Any:
    """Validation errors by epoch; where nothing was held out, the losses of training."""
    rows = [run["epochs"] for run in runs]
    if rows[0][0].validation_accuracy is not None:
        accuracies = [np.array([row.validation_accuracy for row in seed]) for seed in rows]
        ax = tk.plotting.plot_learning({name: accuracies})
        ax.set_ylabel("validation error (%)")
        return ax
    losses = np.array([[row.train_loss for row in seed] for seed in rows])
    ax = tk.plotting.plot_losses({name: losses})
    ax.set(xlabel="epoch", ylabel="mean loss of the training part (nats)")
    ax.lines[0].set_marker("o")
    return ax


def _wrong(accuracy: float | None) -> float | None:
    """The share that is wrong, in percent; None where there was nothing to look at."""
    return None if accuracy is None else 100 * (1 - accuracy)


def _cells(run: dict[str, Any]) -> list[str]:
    """The row of a seed."""
    last, test = run["epochs"][-1], run["test"]
    errors = _wrong(last.validation_accuracy), _wrong(test.accuracy)
    return [*map(readable, (run["seed"], run["parameters"], *errors, test.loss, last.seconds))]
