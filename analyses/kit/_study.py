"""A study: from the command line to the picture and the numbers beside the script."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import jax
import matplotlib.pyplot as plt

import topokit as tk
from analyses.kit import _tables
from analyses.kit._clock import QUICK, hold_to_one_thread
from analyses.kit._provenance import plain, provenance, settings
from analyses.kit._sections import tell_sections, with_kept
from analyses.kit._work import Store, each

SHARED = Path(__file__).parents[3] / "shared/data"
FOLDERS = {
    "mnist": ("mnist", "folder of MNIST's four files"),
    "cifar10": ("cifar10", "folder of CIFAR-10, or its subset"),
    "data": ("graph-challenge-n1024", "folder of the Graph Challenge's official files"),
}
PLACE = "ANALYSES_{}"  # of the variable that tells processes a folder
WIDTH = 100


@dataclass(frozen=True)
class Study:
    """How a script runs; its parts are found there by their names.

    Attributes:
        name: The script's `__name__`.
        quick: Constants that have other values in a quick run.
        full: Constants that have other values with `--full`, and where JAX finds a GPU.
        size: Of the figure, in inches.
        data: Data sets that a full run reads, each with an option for its folder.
        needed: Whether it is an error if such a folder is not there.
        alone: Whether cases are measured in this process, one after the other.
        one_thread: Whether it is held to one core and one thread, too.
        as_it_goes: Whether numbers are kept after each case, too, for runs that may be cut off:
            `summarize` is then called with the cases so far.
        sections: Keys of the results that can be measured alone, with `--sections`; the others then
            stay as they were kept.
    """

    name: str
    quick: Mapping[str, Any]
    full: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[float, float] = (6.4, 4.8)
    data: tuple[str, ...] = ()
    needed: bool = True
    alone: bool = False
    one_thread: bool = False
    as_it_goes: bool = False
    sections: tuple[str, ...] = ()

    @property
    def module(self) -> ModuleType:
        """The script."""
        return sys.modules[self.name]

    @property
    def script(self) -> Path:
        """Its file."""
        return Path(str(self.module.__file__))

    @property
    def kept(self) -> Path:
        """The numbers beside it."""
        return self.script.with_suffix(".json")

    def part(self, name: str, otherwise: Any) -> Any:
        """A function of the script."""
        return getattr(self.module, name, otherwise)

    def main(self) -> None:
        """Run as the command line says."""
        place = click.Path(path_type=Path)
        flags = {"--quick": "A run of seconds that keeps nothing."}
        flags |= {"--draw": "Draw the picture of the numbers that are kept."}
        flags |= {"--full": "The published size."} if self.full else {}
        paths = {"--folder": "Where to keep picture and numbers."}
        paths |= {"--store": "A folder for cases that are finished."}
        paths |= {f"--{name}": FOLDERS[name][1] for name in self.data}
        words = "Only these, with commas between; the others stay as they were kept."
        parts = [click.Option(["--sections"], help=words)] if self.sections else []
        found = [click.Option([name], is_flag=True, help=words) for name, words in flags.items()]
        found += [click.Option([name], type=place, help=words) for name, words in paths.items()]
        doc = (self.module.__doc__ or "").split("\n")[0]
        click.Command(self.script.stem, params=[*found, *parts], callback=self.run, help=doc)()

    def run(
        self,
        *,
        quick: bool = False,
        draw: bool = False,
        full: bool = False,
        folder: Path | None = None,
        store: Path | None = None,
        sections: str | None = None,
        **data: Path | None,
    ) -> None:
        """Measure or read, print, draw and keep."""
        folder = folder or (None if quick else self.script.parent)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        if draw:
            assert folder is not None
            self._picture(json.loads((folder / f"{self.script.stem}.json").read_text()), folder)
            return
        if self.one_thread and not quick:
            hold_to_one_thread()
        os.environ[QUICK] = "1" if quick else ""
        self._tell_folders(quick, data)
        tell_sections(sections, self.sections)
        before = self._before(folder)
        other = self.quick if quick else self.full if full or _accelerator() else {}
        with changed(self.module, other):
            results = self._find(other, store, folder, before, processes=not quick)
            self.part("show", _tables.show)(results)
            self._picture(results, folder)
            self._keep(results, folder, before)

    def _tell_folders(self, quick: bool, data: Mapping[str, Path | None]) -> None:
        for name, given in data.items():
            place = given or SHARED / FOLDERS[name][0]
            if self.needed and not quick and not place.is_dir():
                raise click.ClickException(
                    f"{name} is not in {place}: name its folder with --{name}"
                )
            os.environ[PLACE.format(name)] = str(place)
        for name in FOLDERS if quick else ():
            os.environ[PLACE.format(name)] = ""

    def _before(self, folder: Path | None) -> dict[str, Any]:
        """What the folder, or else the script, has of an earlier run that this one may go on."""
        places = () if folder is None else (folder / self.kept.name, self.kept)
        there = [place for place in places if self.sections and place.exists()]
        return json.loads(there[0].read_text(encoding="utf-8")) if there else {}

    def _find(
        self,
        other: Mapping[str, Any],
        store: Path | None,
        folder: Path | None,
        before: Mapping[str, Any],
        *,
        processes: bool,
    ) -> dict[str, Any]:
        kept = Store(store, self.script.stem, settings(self.module))
        found: dict[Any, Any] = {}

        def keep(case: Any, record: Any) -> None:
            found[case] = record
            if self.as_it_goes:
                self._keep(self._summarized(found), folder, before)

        cases = list(self.part("cases", None)())
        records = each(
            partial(_measure, self.part("measure", None), other),
            cases,
            store=kept,
            name=plain,
            # Processes would share an accelerator's memory.
            processes=processes and not (self.alone or self.one_thread or _accelerator()),
            told=keep,
        )
        return self._summarized(dict(zip(cases, records, strict=True)))

    def _summarized(self, found: dict[Any, Any]) -> dict[str, Any]:
        results = self.part("summarize", _as_rows)(found)
        return json.loads(json.dumps(results, default=_listed))

    def _keep(
        self, results: dict[str, Any], folder: Path | None, before: Mapping[str, Any]
    ) -> None:
        """Write the numbers, whole or not at all."""
        if folder is None:
            return
        now = json.loads(json.dumps({"provenance": provenance(self.module)})) | results
        text = to_text(with_kept(now, before, self.sections))
        part = folder / f"{self.script.stem}.json.part"
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(part.with_suffix(""))

    def _picture(self, results: dict[str, Any], folder: Path | None) -> None:
        """Draw; without a folder into nowhere."""
        draw = self.part("draw", None)
        if draw is None:
            return
        figure = plt.figure(figsize=self.size, layout="constrained")
        draw(figure, results)
        if folder is None:
            figure.draw_without_rendering()
            plt.close(figure)
        else:
            tk.plotting.save_figure(figure.axes[0], folder / f"{self.script.stem}.png")


def data_folder(name: str) -> Path | None:
    """Where a data set is; None in a quick run."""
    place = os.environ.get(PLACE.format(name), str(SHARED / FOLDERS[name][0]))
    return Path(place) if place else None


@contextmanager
def changed(module: ModuleType, constants: Mapping[str, Any]) -> Iterator[None]:
    """Other constants of a module."""
    before = {name: getattr(module, name) for name in constants}
    vars(module).update(constants)
    try:
        yield
    finally:
        vars(module).update(before)


def _measure(measure: Callable[[Any], Any], other: Mapping[str, Any], case: Any) -> Any:
    """A record, in whichever process, with the constants that are meant."""
    vars(sys.modules[measure.__module__]).update(other)
    return measure(case)


def _as_rows(found: Mapping[Any, Any]) -> dict[str, Any]:
    """Records as they are."""
    return {"rows": list(found.values())}


def _accelerator() -> bool:
    return jax.default_backend() != "cpu"


def to_text(value: Any, indent: str = "") -> str:
    """JSON with everything on one line that fits there or holds single values alone."""
    line = json.dumps(value, ensure_ascii=False)
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    deep = any(isinstance(part, (dict, list)) for part in held)
    if not deep or len(line) + len(indent) < WIDTH:
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
