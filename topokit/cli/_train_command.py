"""`topokit train`: a classifier with sparse layers learns, seed by seed, and can be interrupted."""

import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
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
    note,
    print_json,
    print_table,
    tell,
    tell_interrupted,
)
from topokit.cli._once import Once
from topokit.cli._output_folder import check_replaced
from topokit.cli._shell_words import arguments_as_options


class Widths(click.ParamType):
    """Whole numbers above 0 with commas between them."""

    name = "widths"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """The widths, or click's way of saying that they are none."""
        if isinstance(value, tuple):
            return value
        parts = value.split(",")
        if not all(part.strip().isdecimal() and int(part) for part in parts):
            self.fail(f"{value!r} is no list of widths such as 300,100", param, ctx)
        return tuple(map(int, parts))


MODELS = ("lenet-300-100", "lenet5", "mlp", "mobilenet-v1")
LAYERS = ("dense", "clos", "low-rank", "random", "designed")
RESULTS = "training.json"
WIDTHS = Widths()
FOLDER = click.Path(file_okay=False, path_type=Path)
HEADING = "seed", "parameters", "validation error", "test error", "loss", "seconds"
CAPTION = (
    "parameters: numbers that are trained; errors: shares of the validation and the test part that "
    "are wrong, in percent, after the last epoch; loss: mean cross entropy of the test part in nats"
)


@click.command("train", cls=Once)
@click.option("--mnist", type=FOLDER, help="Folder of MNIST's four original files, packed or not.")
@click.option(
    "--cifar10",
    type=click.Path(path_type=Path),
    help="CIFAR-10 as published, python or binary, a folder or an archive, or a part of it (.npz).",
)
@click.option(
    "--model", type=click.Choice(MODELS), default=MODELS[0], show_default=True, help="What learns."
)
@click.option(
    "--hidden", type=WIDTHS, help="Widths of mlp's hidden layers, as 300,100.  [default: 256]"
)
@click.option(
    "--width",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of mobilenet-v1's channels.  [default: 1]",
)
@click.option(
    "--layers",
    type=click.Choice(LAYERS),
    default="clos",
    show_default=True,
    help="What takes the place of its dense layers.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.2,
    show_default=True,
    help="The most of a dense layer's connections that it may have.",
)
@click.option(
    "--dense-below",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    help="Layers with fewer inputs or outputs stay dense.",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the training examples that is held out, to choose by; 0 for none.",
)
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=2e-3,
    show_default=True,
    help="Adam's first learning rate, which falls to 0 along a cosine.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many runs: 0, 1, ..."
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

    The results go into a folder: training.json, learning.png, and for each seed a checkpoint and
    the weights (.safetensors). The same command goes on where it stopped; one with other settings
    takes another folder, or --overwrite.
    """
    _check(options)
    with arguments_as_options():
        data = _data(mnist, cifar10, validation)
    settings = {"data": data.name, "validation": validation, **options}
    if not overwrite:
        _check_folder(out, settings, seeds)
    out.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, Any]] = []
    try:
        with arguments_as_options():
            for seed in range(seeds):
                runs.append(_run(data, out, seed, **options))
    except KeyboardInterrupt:
        tell_interrupted(f"{len(runs)} of {seeds} seeds are finished")
        ctx.exit(INTERRUPTED)
    finally:
        if runs:
            with interrupts_ignored():
                _report(settings | {"runs": runs}, out, as_json)


def _check(options: dict[str, Any]) -> None:
    """Refuse what no option can tell by itself."""
    if not math.isfinite(rate := options["learning_rate"]):
        raise click.UsageError(f"--learning-rate must be a finite number; given {rate}")
    for name, model, default in (("hidden", "mlp", (256,)), ("width", "mobilenet-v1", 1.0)):
        if options["model"] == model:
            options[name] = options[name] or default
        elif options[name]:
            raise click.UsageError(f"--{name} goes with --model {model} alone")


def _check_folder(out: Path, settings: dict[str, Any], seeds: int) -> None:
    """Refuse to replace results of other settings, or of more seeds."""

    def held(said: dict[str, Any]) -> dict[str, Any]:
        there = {name: value for name, value in said.items() if name != "runs"}
        return there | {"seeds": max(seeds, len(said["runs"]))}

    wanted = jsonable(settings) | {"seeds": seeds}
    check_replaced(out / RESULTS, wanted, held, kind="results of other settings")


def _data(mnist: Path | None, cifar10: Path | None, validation: float) -> Any:
    if mnist and cifar10:
        raise click.UsageError("give --mnist or --cifar10, not both")
    if mnist:
        return tk.networks.read_mnist(mnist, validation=validation)
    if cifar10:
        return tk.networks.read_cifar10(cifar10, validation=validation)
    return tk.networks.load_digits(validation=validation)


def _run(
    data: Any,
    out: Path,
    seed: int,
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
    name = f"{file_name(data.name)}-{len(data.train_x)}-{what}-{how}-seed-{seed}"
    with _bar(f"seed {seed}", epochs) as advance, _divergence_told(seed):
        training = tk.networks.train_from_seed(
            _builder(model, hidden, width, data),
            data,
            _rule(layers, share, dense_below, seed),
            seed=seed,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            checkpoint=out / f"{name}.checkpoint",
            callback=advance,
        )
    tk.networks.write_weights(training.model, out / f"{name}.safetensors")
    return {
        "seed": seed,
        "parameters": tk.networks.n_parameters(training.model),
        "epochs": list(training.epochs),
        "test": training.test,
    }


@contextmanager
def _divergence_told(seed: int) -> Iterator[None]:
    """Say in one line that the loss of a seed is no number any more."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    if caught:
        tell(f"seed {seed}: {caught[0].message}")


def _builder(
    model: str, hidden: tuple[int, ...] | None, width: float | None, data: Any
) -> Callable[..., Any]:
    """What makes the dense model from a key."""
    match model:
        case "mlp":
            return partial(tk.networks.mlp, data.shape, hidden or (), data.n_classes)
        case "mobilenet-v1":
            shape, n_classes = data.shape, data.n_classes
            return partial(tk.networks.mobilenet_v1, shape, n_classes, width=width or 1.0)
        case "lenet5":
            return partial(tk.networks.lenet5, data.shape, data.n_classes)
        case _:
            return partial(tk.networks.lenet_300_100, data.shape, data.n_classes)


def _rule(layers: str, share: float, dense_below: int, seed: int) -> Any:
    match layers:
        case "clos":
            return tk.networks.clos_with(share, dense_below=dense_below)
        case "low-rank":
            return tk.networks.low_rank_with(share, dense_below=dense_below)
        case "random":
            return tk.networks.random_with(share, seed=seed, dense_below=dense_below)
        case "designed":
            return tk.networks.designed(share, dense_below=dense_below)
        case _:
            return tk.networks.dense()


@contextmanager
def _bar(doing: str, epochs: int) -> Iterator[Callable[..., None]]:
    """A bar on a terminal, silent in a pipe; the callback of a training that moves it."""
    screen = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    hidden = not sys.stderr.isatty()
    with Progress(
        *columns, TimeRemainingColumn(), console=screen, transient=True, disable=hidden
    ) as bar:
        part = bar.add_task(f"{doing}: compiling", total=epochs)

        def advance(row: Any, *_: Any) -> None:
            wrong = _wrong(row.validation_accuracy)
            told = f"loss {row.train_loss:.4g}" if wrong is None else f"{wrong:.2f} % wrong"
            bar.update(part, completed=row.epoch, description=f"{doing}: {told}")

        yield advance


def _report(report: dict[str, Any], out: Path, as_json: bool) -> None:
    runs = report["runs"]
    with replacing(out / RESULTS) as part:
        part.write_text(json.dumps(jsonable(report), indent=2, allow_nan=False) + "\n")
    name = f"{report['model']}, {report['layers']}, {runs[0]['parameters']:,} parameters"
    tk.plotting.save_figure(_curves(name, runs), out / "learning.png")
    if as_json:
        print_json(report)
    else:
        print_table(HEADING, [*map(_cells, runs)], caption=CAPTION)
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
