"""A study: from the command line to the picture and the numbers beside the script."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import jax
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import topokit as tk
from analyses.kit._clock import hold_to_one_thread
from analyses.kit._provenance import plain, provenance, settings
from analyses.kit._tables import show
from analyses.kit._work import Store, each

SHARED = Path(__file__).parents[3] / "shared/data"
FOLDERS = {
    "mnist": ("mnist", "folder of MNIST's four files"),
    "cifar10": ("cifar10", "folder of CIFAR-10, or its subset"),
    "data": ("graph-challenge-n1024", "folder of the Graph Challenge's official files"),
}
WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, in parts that the kit puts together.

    Attributes:
        full: The settings of a run whose results are kept.
        quick: Those of a run of seconds, which shows that everything works.
        cases: Lists the cases of a setting.
        measure: The record of a case.
        summarize: Results, as JSON can hold them, of the records of all cases.
        draw: Draws results on a figure.
        size: Of the figure, in inches.
        show: Prints results.
        data: Data sets that a full run reads: their folders go into the setting, each under the
            name of its option, and are None in a quick run.
        needed: Whether it is an error if such a folder is not there.
        alone: Whether cases are measured in this process, one after the other.
        one_thread: Whether it is held to one core and one thread, too.
        larger: Settings in the place of `full` with `--full`, and where JAX finds a GPU.
    """

    full: Any
    quick: Any
    cases: Callable[[Any], Iterable[Any]]
    measure: Callable[[Any, Any], Any]
    summarize: Callable[[list[Any], Any], dict[str, Any]]
    draw: Callable[[Figure, dict[str, Any]], object] | None = None
    size: tuple[float, float] = (6.4, 4.8)
    show: Callable[[dict[str, Any]], None] = show
    data: tuple[str, ...] = ()
    needed: bool = True
    alone: bool = False
    one_thread: bool = False
    larger: Any = None

    @property
    def module(self) -> ModuleType:
        """The script."""
        return sys.modules[self.measure.__module__]

    @property
    def script(self) -> Path:
        """Its file."""
        return Path(str(self.module.__file__))

    def main(self) -> None:
        """Run as the command line says."""
        folder = click.Path(path_type=Path)
        found = [
            click.Option(["--quick"], is_flag=True, help="A run of seconds that keeps nothing."),
            click.Option(["--folder"], type=folder, help="Where to keep picture and numbers."),
            click.Option(["--store"], type=folder, help="A folder for cases that are finished."),
        ]
        if self.draw:
            words = "Draw the picture of the numbers that are kept."
            found.append(click.Option(["--draw", "again"], is_flag=True, help=words))
        if self.larger is not None:
            found.append(click.Option(["--full"], is_flag=True, help="The published size."))
        for name in self.data:
            place, words = FOLDERS[name]
            found.append(
                click.Option([f"--{name}"], type=folder, default=SHARED / place, help=words)
            )
        doc = (self.module.__doc__ or "").split("\n")[0]
        click.Command(self.script.stem, params=found, callback=self.run, help=doc)()

    def run(
        self,
        *,
        quick: bool = False,
        folder: Path | None = None,
        store: Path | None = None,
        again: bool = False,
        full: bool = False,
        **data: Path,
    ) -> None:
        """Measure or read, print, draw and keep."""
        if folder is None and not quick:
            folder = self.script.parent
        if again:
            assert folder is not None
            self._picture(json.loads((folder / f"{self.script.stem}.json").read_text()), folder)
            return
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        if self.one_thread and not quick:
            hold_to_one_thread()
        results = self._find(self._setting(quick, full, data), store, quick)
        self.show(results)
        self._picture(results, folder)
        if folder is not None:
            text = to_text({"provenance": provenance(self.module)} | results)
            (folder / f"{self.script.stem}.json").write_text(text + "\n", encoding="utf-8")

    def _setting(self, quick: bool, full: bool, data: dict[str, Path]) -> Any:
        if quick:
            return self.quick
        missing = [
            f"{path} is not there: name it with --{n}"
            for n, path in data.items()
            if not path.is_dir()
        ]
        if missing and self.needed:
            raise click.ClickException("; ".join(missing))
        large = self.larger is not None and (full or not _no_accelerator())
        return (self.larger if large else self.full)._replace(**data)

    def _find(self, setting: Any, store: Path | None, quick: bool) -> dict[str, Any]:
        kept = Store(store, self.script.stem, settings(self.module), plain(setting))
        records = each(
            partial(self.measure, setting=setting),
            self.cases(setting),
            store=kept,
            name=plain,
            processes=not (quick or self.alone or self.one_thread) and _no_accelerator(),
        )
        return json.loads(json.dumps(self.summarize(records, setting), default=_listed))

    def _picture(self, results: dict[str, Any], folder: Path | None) -> None:
        """Draw; without a folder into nowhere."""
        if self.draw is None:
            return
        figure = plt.figure(figsize=self.size, layout="constrained")
        self.draw(figure, results)
        if folder is None:
            figure.draw_without_rendering()
            plt.close(figure)
        else:
            tk.plotting.save_figure(figure.axes[0], folder / f"{self.script.stem}.png")


def _no_accelerator() -> bool:
    """Processes would share its memory."""
    return jax.default_backend() == "cpu"


def to_text(value: Any, indent: str = "") -> str:
    """JSON with everything on one line that fits there."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + len(indent) < WIDTH or not isinstance(value, (dict, list)):
        return line
    inner = indent + "  "
    if isinstance(value, list):
        parts, (begin, end) = [to_text(part, inner) for part in value], "[]"
    else:
        named = {json.dumps(key, ensure_ascii=False): part for key, part in value.items()}
        parts, (begin, end) = [f"{k}: {to_text(v, inner)}" for k, v in named.items()], "{}"
    return f"{begin}\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}{end}"


def _listed(value: Any) -> Any:
    """Numbers and arrays of numpy, which JSON does not know."""
    return value.tolist()
