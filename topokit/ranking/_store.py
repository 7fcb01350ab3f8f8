"""Finished evaluations in an SQLite file: what was done is not done again.

An evaluation is found by what decides it: the arrays of the topology, the number and seed of the
targets, the solver with its settings, and the version of topokit. The name of a topology is none of
it. Each evaluation is one transaction, so that a killed run loses only what was running.
"""

import hashlib
import json
import os
import sqlite3
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from topokit._layers import Layers
from topokit.reconstruction import Solver

SCHEMA = 1


class Entry(NamedTuple):
    """What the store keeps of an evaluation: the fields of its row as JSON, and K."""

    row: dict[str, Any]
    K: Float[np.ndarray, "n_in n_out"]


class Store:
    """An open file of evaluations; close it, or use `contextlib.closing`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file at `path`, or make it.

        Raises:
            ValueError: If there is a file that is no store, or one of another schema.
            OSError: If its folder does not exist.
        """
        if not Path(path).absolute().parent.is_dir():
            raise FileNotFoundError(f"store: there is no folder {Path(path).absolute().parent}")
        self._connection = sqlite3.connect(path)
        try:
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self.close()
            raise ValueError(f"store: {path} is no store of evaluations: {error}") from error
        except ValueError:
            self.close()
            raise

    def _prepare(self, path: str | os.PathLike[str]) -> None:
        (schema,) = self._connection.execute("PRAGMA user_version").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if schema != SCHEMA and (schema or tables):
            raise ValueError(
                f"store: {path} has schema {schema}, this version of topokit writes {SCHEMA}; "
                "give another file"
            )
        self._connection.execute("PRAGMA journal_mode = WAL")
        with self._connection:
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS evaluations"
                " (key TEXT PRIMARY KEY, row TEXT NOT NULL, K BLOB NOT NULL)"
            )
            self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def get(self, key: str) -> Entry | None:
        """The evaluation of that key, if it is finished."""
        found = self._connection.execute(
            "SELECT row, K FROM evaluations WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            return None
        row = json.loads(found[0])
        return Entry(row, np.frombuffer(found[1]).reshape(row["n_in"], row["n_out"]).copy())

    def put(self, key: str, entry: Entry) -> None:
        """Keep an evaluation; one transaction."""
        values = (key, json.dumps(entry.row), np.ascontiguousarray(entry.K, np.float64).tobytes())
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?)", values)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def key_of(layers: Layers, targets: int, seed: int, solver: Solver) -> str:
    """What decides an evaluation, as a hash."""
    digest = hashlib.sha256(
        repr((version("topokit"), layers.widths, targets, seed, solver)).encode()
    )
    for column in layers[1:]:
        for array in column:
            digest.update(array.tobytes())
            digest.update(b";")
    return digest.hexdigest()
