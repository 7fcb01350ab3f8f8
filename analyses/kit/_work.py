"""Cases, one after the other or side by side, and a store for those that are finished."""

import hashlib
import json
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

import topokit as tk


class Store:
    """A folder with a file for each finished case, so that a run that was cut off goes on.

    A case is known by its text and that of everything that decides about it.
    """

    def __init__(self, folder: Path | None, *decides: Any) -> None:
        """Make the folder; without one nothing is kept."""
        self.folder, self.decides = folder, decides
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def read(self, case: Any) -> list[Any]:
        """The record in a list of its own, which is empty where the case is not finished."""
        path = self._path(case)
        return [pickle.loads(path.read_bytes())] if path and path.exists() else []

    def write(self, case: Any, record: Any) -> None:
        """Keep a record, whole or not at all."""
        path = self._path(case)
        if path:
            part = path.with_suffix(".part")
            part.write_bytes(pickle.dumps(record))
            part.replace(path)

    def _path(self, case: Any) -> Path | None:
        if self.folder is None:
            return None
        text = json.dumps([*self.decides, case], sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.pickle"


def each(
    measure: Callable[[Any], Any],
    cases: Iterable[Any],
    *,
    store: Store,
    name: Callable[[Any], Any],
    processes: bool,
    told: Callable[[Any, Any], object] | None = None,
) -> list[Any]:
    """The record of every case, in order; `name` says how the store knows a case.

    `told` is called with each case and its record as soon as that is there.

    Processes, as many as there are cores, because most cases gain little from threads.
    """
    listed = list(cases)
    known = {place: store.read(name(case)) for place, case in enumerate(listed)}
    left = [place for place, record in known.items() if not record]
    for place, record in known.items():
        if record and told is not None:
            told(listed[place], record[0])
    todo = [listed[place] for place in left]
    for place, record in zip(
        left, _progress(_run(measure, todo, processes), len(todo)), strict=True
    ):
        known[place] = [record]
        store.write(name(listed[place]), record)
        if told is not None:
            told(listed[place], record)
    return [record for (record,) in known.values()]


def _run(measure: Callable[[Any], Any], cases: list[Any], processes: bool) -> Iterator[Any]:
    if not processes or len(cases) < 2:
        yield from map(measure, cases)
        return
    with tk.ranking.process_pool() as pool:
        yield from pool.map(measure, cases)


def _progress(items: Iterator[Any], total: int) -> Iterable[Any]:
    """A bar on a terminal, nothing in a pipe."""
    silent = not sys.stderr.isatty()
    console = Console(stderr=True)
    return track(items, total=total, console=console, transient=True, disable=silent)
