"""Readers of what topokit itself has kept under attack: stores, checkpoints, maps, rankings.

These carry sums of all that counts: whatever the damage, they say what they said before, or refuse.
"""

import json
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, get_type_hints

import equinox as eqx
import jax
import numpy as np
import optax

import topokit as tk
from analyses.benchmarks._fuzzing import Reader
from topokit import networks
from topokit._comparable import is_key
from topokit.cli._ranking_files import RANKING, read_results, topology_files, write_results
from topokit.cli._report_command import _training_page
from topokit.networks._checkpoint import Progress, read_checkpoint, write_checkpoint

QUICK = tk.reconstruction.HierarchicalSVD()
TOPOLOGIES = {f"rank {rank}": tk.topologies.low_rank(4, 4, rank) for rank in (1, 2, 3)}
EPOCHS = 3


@cache
def _store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        tk.rank(TOPOLOGIES, targets=2, solver=QUICK, store=path)
        return path.read_bytes()


def _write_store(path: Path, _: int) -> None:
    path.write_bytes(_store())


def _read_store(path: Path) -> Any:
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    return [row._asdict() for row in tk.ranking.read_store(path)]


@cache
def _kept() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        _write_store(path := Path(folder) / "store", 0)
        return _read_store(path)


def _what_was_kept(path: Path) -> Any:
    """An empty file is a store of nothing yet."""
    return _kept() if path.stat().st_size else []


MARK = {"seed": "3", "model": "a line of text"}


def _progress(seed: int) -> Progress:
    layer = networks.SparseLinear(tk.topologies.butterfly(4), key=jax.random.key(seed))
    arrays = eqx.filter(layer, eqx.is_array)
    state = optax.adam(1e-2).init(eqx.filter(layer, eqx.is_inexact_array))
    return Progress((arrays, jax.random.key(seed)), state, np.arange(5.0 * EPOCHS).reshape(-1, 5))


def _write_checkpoint(path: Path, _: int) -> None:
    write_checkpoint(path, _progress(1), MARK)


def _numbers(progress: Progress) -> Any:
    plain = jax.tree.map(lambda a: jax.random.key_data(a) if is_key(a) else a, progress)
    return [np.asarray(leaf).tolist() for leaf in jax.tree.leaves(plain)]


def _read_checkpoint(path: Path) -> Any:
    return _numbers(read_checkpoint(path, _progress(0), MARK, EPOCHS))


def _what_was_reached(_: Path) -> Any:
    return _numbers(_progress(1))


def _write_maps(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = {
        name: tk.ranking.Maps(rng.random((2, 3)), None if seed % 2 else rng.random((2, 3)), None)
        for name in ("a", "é", "c d")[: 1 + seed % 3]
    }
    tk.ranking.write_maps(maps, path)


def _read_maps(path: Path) -> Any:
    return [
        (name, [repr(array if array is None else array.tolist()) for array in vars(maps).values()])
        for name, maps in tk.ranking.read_maps(path).items()
    ]


def _maps_by_numpy(path: Path) -> Any:
    with np.load(path) as file:
        held = {name: array.tolist() for name, array in file.items()}
    names = json.loads(bytes(held["names"]))
    kinds = ("control", "descent", "leverage")
    return [(name, [repr(held.get(f"{k}_{n}")) for k in kinds]) for n, name in enumerate(names)]


@cache
def _folder() -> dict[str, bytes]:
    """The files of a ranking of topologies of three ranks."""
    maps: dict[str, Any] = {}
    rows = tk.rank(
        TOPOLOGIES,
        targets=2,
        solver=QUICK,
        callback=lambda row, seen: maps.update({row.name: seen}),
    )
    said = {
        "rows": rows,
        "beside": list(
            tk.ranking.mean_losses(tk.ranking.sweep(TOPOLOGIES, targets=2, solver=QUICK))
        ),
        "topologies": topology_files([row.name for row in rows]),
    }
    with tempfile.TemporaryDirectory() as name:
        write_results(folder := Path(name), said, maps, TOPOLOGIES)
        files = [file for file in folder.rglob("*") if file.suffix in (".json", ".npz")]
        return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def _write_ranking(path: Path, _: int) -> None:
    path.write_bytes(_folder()[RANKING])


def _read_ranking(path: Path) -> Any:
    """The rows, with the other files of their folder, which are whole."""
    (path.parent / "topologies").mkdir(exist_ok=True)
    for name, content in _folder().items():
        if name != RANKING:
            (path.parent / name).write_bytes(content)
    found = read_results(path.parent)
    return [repr(row._asdict()) for row in (*found.rows, *found.beside)]


def _rows_by_json(path: Path) -> Any:
    said = json.loads(path.read_text(encoding="utf-8"))
    pairs = ((tk.ranking.Row, said["rows"]), (tk.ranking.SizedLoss, said["beside"]))
    return [
        repr({name: _number(kind, name, row[name]) for name in kind.__dataclass_fields__})
        for kind, rows in pairs
        for row in rows
    ]


def _number(kind: type, name: str, value: Any) -> Any:
    """A float that is none is null in JSON."""
    return float("nan") if value is None and get_type_hints(kind)[name] is float else value


def _write_training(path: Path, seed: int) -> None:
    random = Random(seed)  # noqa: S311
    epochs = [
        {
            "epoch": epoch + 1,
            "steps": 9 * epoch + 9,
            "train_loss": random.random(),
            "validation_loss": random.random(),
            "validation_accuracy": random.random(),
            "seconds": 0.5,
        }
        for epoch in range(3)
    ]
    test = {"loss": random.random(), "accuracy": 0.5}
    runs = [{"seed": n, "parameters": 650, "epochs": epochs, "test": test} for n in range(2)]
    path.write_text(json.dumps({"data": "digits", "model": "mlp", "runs": runs}))


def _read_training(path: Path) -> Any:
    """Whether there is a page of it."""
    return _training_page(path, path.with_name("page.html")).stat().st_size > 0


def _there_is_one(path: Path) -> Any:
    return bool(json.loads(path.read_bytes()))


READERS = [
    Reader("store", "runs.sqlite", _write_store, _read_store, _what_was_kept),
    Reader("checkpoint", "run.checkpoint", _write_checkpoint, _read_checkpoint, _what_was_reached),
    Reader("maps", "maps.npz", _write_maps, _read_maps, _maps_by_numpy),
    Reader("ranking", RANKING, _write_ranking, _read_ranking, _rows_by_json),
    Reader("training", "training.json", _write_training, _read_training, _there_is_one),
]
