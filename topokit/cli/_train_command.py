"""`topokit train`: a classifier with sparse layers learns, seed by seed, and can be interrupted."""

import json
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import topokit as tk
from topokit._atomic import replacing
from topokit.cli._console import console, jsonable, print_json, readable


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
LAYERS = ("dense", "clos", "low-rank", "random")
INTERRUPTED = 130
WIDTHS = Widths()
FOLDER = click.Path(file_okay=False, path_type=Path)
CAPTION = (
    "parameters: numbers that are trained; error: share of the test part that is wrong, in "
    "percent, after the last epoch; loss: mean cross entropy in nats"
)


@click.command("train")
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
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True)
@click.option(
    "--rate",
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def command(
    ctx: click.Context,
    mnist: Path | None,
    cifar10: Path | None,
    out: Path,
    seeds: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a classifier whose dense layers are topologies.

    Without data it learns scikit-learn's bundled digits. Layers with fewer than 16 inputs or
    outputs stay dense.

    The results go into a folder: training.json, learning.png, and for each seed a checkpoint and
    the weights (.safetensors). The same command goes on where it stopped.
    """
    _check(options)
    data = _data(mnist, cifar10)
    out.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, Any]] = []
    try:
        for seed in range(seeds):
            runs.append(_run(data, out, seed, **options))
    except KeyboardInterrupt:
        click.echo(f"interrupted: {len(runs)} of {seeds} seeds are finished", err=True)
        ctx.exit(INTERRUPTED)
    finally:
        if runs:
            report = {"data": data.name, **options, "runs": runs}
            _report(report, out, as_json)


def _check(options: dict[str, Any]) -> None:
    """Refuse what no option can tell by itself."""
    if not math.isfinite(options["rate"]):
        raise click.UsageError(f"--rate must be a finite number; given {options['rate']}")
    for name, model, default in (("hidden", "mlp", (256,)), ("width", "mobilenet-v1", 1.0)):
        if options["model"] == model:
            options[name] = options[name] or default
        elif options[name]:
            raise click.UsageError(f"--{name} goes with --model {model} alone")


def _data(mnist: Path | None, cifar10: Path | None) -> Any:
    if mnist and cifar10:
        raise click.UsageError("give --mnist or --cifar10, not both")
    if mnist:
        return tk.networks.read_mnist(mnist)
    return tk.networks.read_cifar10(cifar10) if cifar10 else tk.networks.load_digits()


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
    epochs: int,
    batch: int,
    rate: float,
) -> dict[str, Any]:
    """Train one seed, and write its weights."""
    what = "-".join(map(str, (model, *(hidden or ()), *([width] if width else []))))
    settings = f"{data.name}-{what}-{layers}-{share}-{epochs}-{batch}-{rate}-seed-{seed}"
    with _bar(f"seed {seed}", epochs) as advance, _divergence_told(seed):
        training = tk.networks.train_from_seed(
            _builder(model, hidden, width, data),
            data,
            _rule(layers, share, seed),
            seed=seed,
            epochs=epochs,
            batch_size=batch,
            rate=rate,
            checkpoint=out / f"{settings}.checkpoint",
            report=advance,
        )
    tk.networks.write_weights(training.model, out / f"{settings}.safetensors")
    parameters = tk.networks.n_parameters(training.model)
    return {"seed": seed, "parameters": parameters, "epochs": list(training.epochs)}


@contextmanager
def _divergence_told(seed: int) -> Iterator[None]:
    """Say in one line that the loss of a seed is no number any more."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    if caught:
        click.echo(f"seed {seed}: {caught[0].message}", err=True)


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


def _rule(layers: str, share: float, seed: int) -> Any:
    match layers:
        case "clos":
            return tk.networks.clos_with(share)
        case "low-rank":
            return tk.networks.low_rank_with(share)
        case "random":
            return tk.networks.random_with(share, seed=seed)
        case _:
            return tk.networks.dense()


@contextmanager
def _bar(doing: str, epochs: int) -> Iterator[Callable[[Any], None]]:
    """A bar on a terminal, silent in a pipe; give the returned function each row."""
    screen = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    hidden = not screen.is_terminal
    with Progress(
        *columns, TimeRemainingColumn(), console=screen, transient=True, disable=hidden
    ) as bar:
        part = bar.add_task(f"{doing}: compiling", total=epochs)

        def advance(row: Any) -> None:
            text = f"{doing}: {100 * (1 - row.test_accuracy):.2f} % wrong"
            bar.update(part, completed=row.epoch, description=text)

        yield advance


def _report(report: dict[str, Any], out: Path, as_json: bool) -> None:
    runs = report["runs"]
    with replacing(out / "training.json") as part:
        part.write_text(json.dumps(jsonable(report), indent=2, allow_nan=False) + "\n")
    curves = [np.array([row.test_accuracy for row in run["epochs"]]) for run in runs]
    name = f"{report['model']}, {report['layers']}, {runs[0]['parameters']:,} parameters"
    tk.plotting.save_figure(tk.plotting.plot_learning({name: curves}), out / "learning.png")
    if as_json:
        print_json(report)
    else:
        console().print(_table(runs))
    click.echo(f"wrote training.json, learning.png and the weights into {out}/", err=True)


def _table(runs: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, caption=CAPTION, caption_justify="left")
    for heading in ("seed", "parameters", "error", "loss", "seconds"):
        table.add_column(heading, justify="right")
    for run in runs:
        last = run["epochs"][-1]
        numbers = (100 * (1 - last.test_accuracy), last.test_loss, last.seconds)
        table.add_row(str(run["seed"]), str(run["parameters"]), *(readable(n) for n in numbers))
    return table
