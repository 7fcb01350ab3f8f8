"""What the commands that train have in common: which data, which model, and how it is trained."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

import topokit as tk
from topokit._checks import check_counts
from topokit.cli._integers import IntegerFrom, integers, quoted


class Widths(click.ParamType):
    """Whole numbers above 0 with commas between them."""

    name = "widths"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """The widths, or click's way of saying that they are none."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(check_counts("widths", integers(value)))
        except ValueError:
            self.fail(f"{quoted(value)} is no list of widths such as 300,100", param, ctx)


MODELS = ("lenet-300-100", "lenet5", "mlp", "convnet", "resnet20", "mobilenet-v1")
WITH_WIDTH = "mobilenet-v1", "resnet20"
LAYERS = ("dense", "clos", "low-rank", "random", "designed")
WIDTHS = Widths()
FOLDER = click.Path(file_okay=False, path_type=Path)
SHARE = click.FloatRange(0, 1, min_open=True)

WHICH = (
    click.option(
        "--mnist", type=FOLDER, help="Folder of MNIST's four original files, packed or not."
    ),
    click.option(
        "--cifar10",
        type=click.Path(path_type=Path),
        help="CIFAR-10 as published, python or binary, a folder or an archive, or a part of it "
        "(.npz).",
    ),
    click.option(
        "--model",
        type=click.Choice(MODELS),
        default=MODELS[0],
        show_default=True,
        help="What learns.",
    ),
    click.option(
        "--hidden", type=WIDTHS, help="Widths of mlp's hidden layers, as 300,100.  [default: 256]"
    ),
    click.option(
        "--width",
        type=SHARE,
        help="Share of the channels of mobilenet-v1 or resnet20.  [default: 1]",
    ),
)
HOW = (
    click.option(
        "--dense-below",
        type=IntegerFrom(0),
        default=16,
        show_default=True,
        help="Layers with fewer inputs or outputs stay dense.",
    ),
    click.option(
        "--validation",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.1,
        show_default=True,
        help="Share of the training examples that is held out, to choose by; 0 for none.",
    ),
    click.option("--epochs", type=IntegerFrom(1), default=10, show_default=True),
    click.option("--batch-size", type=IntegerFrom(1), default=32, show_default=True),
    click.option(
        "--learning-rate",
        type=click.FloatRange(0, min_open=True),
        default=2e-3,
        show_default=True,
        help="Adam's first learning rate, which falls to 0 along a cosine.",
    ),
)

Command = TypeVar("Command", bound=Callable[..., Any])


def which_options(command: Command) -> Command:
    """Options that say which data are learned, and what learns."""
    return _with_options(command, WHICH)


def how_options(command: Command) -> Command:
    """Options that say how."""
    return _with_options(command, HOW)


def _with_options(command: Command, options: tuple[Any, ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def check_options(options: dict[str, Any]) -> None:
    """Refuse what no option can tell by itself, and fill in what depends on others."""
    if not math.isfinite(rate := options["learning_rate"]):
        raise click.UsageError(f"--learning-rate must be a finite number; given {rate}")
    for name, models, default in (("hidden", ("mlp",), (256,)), ("width", WITH_WIDTH, 1.0)):
        if options["model"] in models:
            options[name] = options[name] or default
        elif options[name]:
            raise click.UsageError(f"--{name} goes with --model {' or '.join(models)} alone")


def read_data(mnist: Path | None, cifar10: Path | None, validation: float) -> Any:
    """The data set that is asked for; the digits where none is."""
    if mnist and cifar10:
        raise click.UsageError("give --mnist or --cifar10, not both")
    if mnist:
        return tk.networks.read_mnist(mnist, validation=validation)
    if cifar10:
        return tk.networks.read_cifar10(cifar10, validation=validation)
    return tk.networks.load_digits(validation=validation)


def builder_of(
    model: str, hidden: tuple[int, ...] | None, width: float | None, data: Any
) -> Callable[..., Any]:
    """What makes the dense model from a key."""
    networks, sizes = tk.networks, (data.shape, data.n_classes)
    match model:
        case "mlp":
            return partial(networks.mlp, data.shape, hidden or (), data.n_classes)
        case "mobilenet-v1":
            return partial(networks.mobilenet_v1, *sizes, width=width or 1.0)
        case "resnet20":
            return partial(networks.resnet20, *sizes, width=width or 1.0)
        case "convnet":
            return partial(networks.convnet, *sizes)
        case "lenet5":
            return partial(networks.lenet5, *sizes)
        case _:
            return partial(networks.lenet_300_100, *sizes)


def rule_of(layers: str, share: float, dense_below: int, seed: int) -> Any:
    """What takes the place of its dense layers."""
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
