"""`topokit challenge`: the Sparse DNN Graph Challenge, generated, inferred, checked, measured."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isqrt
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import topokit as tk
from topokit._checks import check_counts
from topokit._records import readable
from topokit.cli._console import busy, console, long_told, print_json, print_table
from topokit.cli._integers import IntegerFrom, integers, quoted
from topokit.cli._once import Once

EXISTING = click.Path(exists=True, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
SHOWN, RANDOM = 5, 60000
CAPTION = (
    "images: those given; alive: those whose signals are not all 0 after the last layer; rate: "
    "images times connections a second, as in the challenge, from packed images to categories"
)


@click.command("challenge", cls=Once)
@click.option(
    "--neurons",
    type=IntegerFrom(32),
    help="Neurons of a layer: 16 times a power of two, and a square number for images that are "
    "made.  [default: 1024]",
)
@click.option("--depth", type=IntegerFrom(1), help="Number of layers.  [default: 120]")
@click.option(
    "--network",
    type=EXISTING,
    help="A network in files: a folder or archive of layers (.tsv), or tables of classes (.npz); "
    "without it the plain RadiX-Net is made.",
)
@click.option("--images", type=EXISTING, help="Images in a file: .tsv, .mtx or .npz.")
@click.option(
    "--mnist", type=FOLDER, help="Folder of MNIST: its training images are enlarged, as defined."
)
@click.option(
    "--n", type=IntegerFrom(1), help="How many images.  [default: all; 60000 random ones]"
)
@click.option("--truth", type=EXISTING, help="The images that must be left, a number a line.")
@click.option(
    "--leave-out", default="", help="Images that are not compared with the truth, as 11866,49259."
)
@click.option(
    "--by",
    type=click.Choice(["edges", "classes"]),
    default="edges",
    show_default=True,
    help="Sum over every edge, or over classes of equal neurons.",
)
@click.option("--keep-dead", is_flag=True, help="Do not drop images that have died.")
@click.option("--no-buffers", is_flag=True, help="Take new memory for each layer.")
@click.option(
    "--write", type=FOLDER, help="Write network, images and categories into a new folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def command(
    neurons: int | None,
    depth: int | None,
    network: Path | None,
    truth: Path | None,
    leave_out: str,
    by: str,
    keep_dead: bool,
    no_buffers: bool,
    write: Path | None,
    as_json: bool,
    **source: Any,
) -> None:
    """Run the Sparse DNN Graph Challenge.

    Makes the network and images, or reads them, sends the images through, compares what is left
    with the truth, and prints the challenge's rate. Without data it takes random images.
    """
    if write is not None and write.is_dir() and any(write.iterdir()):
        raise click.UsageError(f"--write {write} is not empty; give a new folder")
    left_out = _numbers(leave_out)
    if left_out and truth is None:
        raise click.UsageError("--leave-out needs --truth")
    chosen = _network(network, neurons, depth)
    images = _images(chosen.neurons, **source)
    expected = None if truth is None else tk.challenge.read_categories(truth)
    form = {"edges": tk.challenge.by_edges, "classes": tk.challenge.by_classes}[by]
    with _bar(chosen.depth) as advance:
        found = tk.challenge.infer(
            chosen,
            images,
            form=form,
            drop_dead=not keep_dead,
            buffers=not no_buffers,
            callback=advance,
        )
    if expected is not None:
        _compare(found.categories, expected, left_out)
    if write is not None:
        _write(chosen, images, found.categories, write)
    _report(chosen, images, found, expected is not None, as_json)


def _network(path: Path | None, neurons: int | None, depth: int | None) -> Any:
    if path is None:
        return tk.challenge.plain_network(neurons or 1024, depth or 120)
    if neurons:
        raise click.UsageError("give --neurons or --network, not both: files say how many")
    if path.suffix == ".npz":
        return tk.challenge.read_class_tables(path, depth=depth)
    return tk.challenge.read_network(path, depth=depth)


def _images(neurons: int, images: Path | None, mnist: Path | None, n: int | None) -> Any:
    if images and mnist:
        raise click.UsageError("give --images or --mnist, not both")
    side = isqrt(neurons)
    if not images and side**2 != neurons:
        raise click.UsageError(f"images are square, and {neurons} neurons are no square number")
    if images:
        found = tk.challenge.read_images(images, neurons, n=n)
    elif mnist:
        with busy(f"enlarging MNIST to {side} x {side}"):
            gray = np.rint(255 * tk.networks.read_mnist(mnist).train_x[:, 0]).astype(np.uint8)
            found = tk.challenge.interpolate(gray, side)
    else:
        with busy("drawing images"):
            return tk.challenge.synthetic_images(n or RANDOM, neurons)
    if n and n > len(found.bits):
        raise click.UsageError(f"--n {n}: there are {len(found.bits)} images")
    return found._replace(bits=found.bits[:n])


def _numbers(text: str) -> list[int]:
    try:
        return check_counts("numbers", integers(text) if text else (), least=0)
    except ValueError:
        said = f"--leave-out must be numbers such as 11866,49259; given {quoted(text)}"
        raise click.UsageError(said) from None


def _compare(found: np.ndarray, expected: np.ndarray, left_out: list[int]) -> None:
    """Raise a ValueError unless the same images are left as in the truth."""
    missing = np.setdiff1d(np.setdiff1d(expected, found), left_out).tolist()
    surplus = np.setdiff1d(np.setdiff1d(found, expected), left_out).tolist()
    if missing or surplus:
        raise ValueError(
            f"the categories differ from the truth: {len(missing)} of {len(expected)} are missing"
            f"{_some(missing)}, {len(surplus)} are too many{_some(surplus)}"
        )


def _some(numbers: list[int]) -> str:
    shown = [*map(str, numbers[:SHOWN]), *(["..."] if len(numbers) > SHOWN else [])]
    return f" ({', '.join(shown)})" if shown else ""


def _write(network: Any, images: Any, categories: np.ndarray, folder: Path) -> None:
    with busy(f"writing into {folder}"):
        tk.challenge.write_network(network, folder)
        tk.challenge.write_images(images, folder / f"sparse-images-{network.neurons}.tsv")
        name = f"neuron{network.neurons}-l{network.depth}-categories.tsv"
        tk.challenge.write_categories(categories, folder / name)


@contextmanager
def _bar(depth: int) -> Iterator[Callable[[int], None]]:
    """A bar of layers on a terminal, in a pipe what is long."""
    screen = console(stderr=True)
    columns = (TextColumn("layer"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not sys.stderr.isatty()
    with (
        Progress(*columns, console=screen, transient=True, disable=hidden) as bar,
        long_told(f"inference of {depth} layers"),
    ):
        part = bar.add_task("layers", total=depth)
        yield lambda layer: bar.update(part, completed=layer)


def _report(network: Any, images: Any, found: Any, checked: bool, as_json: bool) -> None:
    values = {
        "network": network.name,
        "connections": network.connections,
        "images": len(images.bits),
        "alive": len(found.categories),
        "truth": "met" if checked else "not given",
        "seconds": found.seconds,
        "rate": found.rate,
    }
    if as_json:
        more = {"table_seconds": found.table_seconds, "alive_by_layer": found.alive}
        print_json(values | more | {"categories": found.categories})
        return
    print_table([*values], [[*map(readable, values.values())]], caption=CAPTION)
