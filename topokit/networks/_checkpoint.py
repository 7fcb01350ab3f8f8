"""What a training needs to go on as if it had never stopped, in one file.

The file is a line of JSON, which says whose it is, and then the arrays. It is replaced whole.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PyTree

from topokit import __version__
from topokit._atomic import replacing
from topokit.networks._dataset import Dataset

FORMAT = "topokit training 1"


class Progress(NamedTuple):
    """Everything that changes in a training.

    Attributes:
        arrays: The arrays of the model.
        opt_state: State of the optimizer.
        rows: The history, one row an epoch.
    """

    arrays: PyTree
    opt_state: PyTree
    rows: Float[np.ndarray, "epochs fields"]


def identity(model: Any, data: Dataset, **settings: int) -> dict[str, Any]:
    """What two runs must have in common to be the same: a digest of all numbers, and settings."""
    return {
        "format": FORMAT,
        "version": __version__,
        "model": _digest(eqx.filter(model, eqx.is_array)),
        "data": _digest(tuple(data[:4])),
        **settings,
    }


def write_checkpoint(path: Path, progress: Progress, mark: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all."""
    header = {"mark": mark, "epochs": len(progress.rows)}
    with replacing(path) as part, part.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        eqx.tree_serialise_leaves(file, progress)


def read_checkpoint(path: Path, like: Progress, mark: dict[str, Any], epochs: int) -> Progress:
    """Read a checkpoint of this very run with at most so many epochs.

    Raises:
        ValueError: If the file is damaged, of another run, or further than asked for.
    """
    with path.open("rb") as file:
        header = _header(path, file.readline(2**16))
        other = [name for name in mark if header["mark"].get(name) != mark[name]]
        if other:
            raise ValueError(
                f"{path} is the checkpoint of another training: {', '.join(other)} differ. Give "
                "another file, or remove it to begin anew"
            )
        if header["epochs"] > epochs:
            raise ValueError(
                f"{path} has {header['epochs']} epochs already; given epochs={epochs}. Give "
                "another file for a shorter training"
            )
        blank = np.empty((header["epochs"], like.rows.shape[1]))
        try:
            progress = eqx.tree_deserialise_leaves(file, like._replace(rows=blank))
        except (RuntimeError, ValueError, EOFError, OSError) as error:
            raise ValueError(
                f"{path} does not fit this training: it is of another optimizer, or damaged "
                f"({error}). Give another file"
            ) from error
    return progress


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        match json.loads(line):
            case {"mark": {"format": _}, "epochs": int(epochs)} as header if epochs >= 0:
                return header
    except ValueError:
        pass
    raise ValueError(f"{path} is no checkpoint of a training; it is left as it is")


def _digest(tree: PyTree) -> str:
    """A hash of all arrays of a tree, with their types and shapes."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        array = np.asarray(leaf)
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
