"""What the analyses that train networks share: their options, data, processes, and files."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from matplotlib.axes import Axes
from rich.console import Console
from rich.progress import track

import topokit as tk
from topokit import networks

SHARED = Path(__file__).parents[2] / "shared/data"
FOLDERS = {"mnist": SHARED / "mnist", "cifar10": SHARED / "cifar10"}
HINTS = {"mnist": "folder of MNIST's four files", "cifar10": "folder of CIFAR-10, or its subset"}


def read_cifar10(folder: Path) -> networks.Dataset:
    """CIFAR-10 from its batches, or the part of it that is an `.npz` file in the folder."""
    return networks.read_cifar10(next(folder.glob("*.npz"), folder))


READERS = {"mnist": networks.read_mnist, "cifar10": read_cifar10}

Case = TypeVar("Case")
Found = TypeVar("Found")


class Given(NamedTuple):
    """What the command line said; no folders where it asked for a quick run."""

    quick: bool
    folders: dict[str, Path]
    full: bool = False


def options(doc: str | None, *needed: str, full: str = "") -> Given:
    """Read `--quick` and an option for the folder of each data set, which must be there.

    Args:
        doc: Docstring of the script.
        needed: The data sets.
        full: What `--full` does, where the script has it.
    """
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    for name in needed:
        parser.add_argument(f"--{name}", type=Path, default=FOLDERS[name], help=HINTS[name])
    parser.add_argument("--quick", action="store_true", help="bundled digits, few epochs")
    if full:
        parser.add_argument("--full", action="store_true", help=full)
    given = vars(parser.parse_args())
    if given["quick"]:
        return Given(True, {})
    for name in needed:
        if not given[name].is_dir():
            sys.exit(f"{name} is not in {given[name]}: name its folder with --{name}")
    return Given(False, {name: given[name] for name in needed}, given.get("full", False))


@cache
def load(name: str, folder: Path | None) -> networks.Dataset:
    """A data set from its folder, or the bundled digits without one; once a process."""
    return READERS[name](folder) if folder else networks.load_digits()


def each(measure: Callable[[Case], Found], cases: Iterable[Case]) -> list[Found]:
    """Measure every case, in as many processes as there are cores, with progress on a terminal.

    Processes, because a network's training gains little from threads; a single case in this one.
    """
    console, listed = Console(stderr=True), list(cases)
    if len(listed) == 1:
        return [measure(listed[0])]
    with tk.ranking.process_pool(tk.ranking.default_jobs()) as pool:
        found = track(
            pool.map(measure, listed),
            total=len(listed),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        return list(found)


def mean(values: Iterable[float]) -> float:
    """Mean over seeds, to five places."""
    return round(float(np.mean(list(values))), 5)


def standard_error(values: Iterable[float]) -> float:
    """Standard error of the mean over seeds, to five places; 0 for a single seed."""
    listed = list(values)
    if len(listed) < 2:
        return 0.0
    return round(float(np.std(listed, ddof=1) / np.sqrt(len(listed))), 5)


def keep(script: str, ax: Axes, numbers: dict[str, Any], *, quick: bool) -> None:
    """Print the numbers, and write them and the picture beside the script; a quick run drops both.

    Args:
        script: Path of the script, its `__file__`.
        ax: Axes of the picture.
        numbers: What goes into the JSON file.
        quick: Whether to write into a folder that goes away at once.
    """
    text = json.dumps(numbers, indent=2)
    print(text)
    with tempfile.TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if quick else Path(script).parent
        picture = folder / f"{Path(script).stem}.png"
        tk.plotting.save_figure(ax, picture)
        picture.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
