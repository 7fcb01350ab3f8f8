"""What a training needs to go on as if it had never stopped, in one file.

The file is a line of JSON, which says whose it is and how its contents hash, and then the arrays.
It is replaced whole.
"""

import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PyTree

from topokit import __version__
from topokit._atomic import replacing
from topokit.networks._identity import is_key

FORMAT = "topokit training 3"
HEADER = 2**16  # bytes of the first line, at most


class Progress(NamedTuple):
    """Everything that changes in a training.

    Attributes:
        arrays: The arrays of the model and of its state.
        opt_state: State of the optimizer.
        rows: The history, one row an epoch.
    """

    arrays: PyTree
    opt_state: PyTree
    rows: Float[np.ndarray, "epochs fields"]


def write_checkpoint(path: Path, progress: Progress, mark: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all."""
    body = BytesIO()
    eqx.tree_serialise_leaves(body, _plain(progress))
    held = body.getbuffer()
    header: dict[str, Any] = {"mark": _marked(mark), "epochs": len(progress.rows)}
    header["sha256"] = _sealed(header, held)
    with replacing(path) as part, part.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(held)


def read_checkpoint(path: Path, like: Progress, mark: dict[str, Any], epochs: int) -> Progress:
    """Read a checkpoint of this very run with at most so many epochs.

    Raises:
        ValueError: If the file is damaged, of another run, or further than asked for.
    """
    line, _, held = _contents(path).partition(b"\n")
    header = _header(path, line)
    wanted = _marked(mark)
    other = [name for name in wanted if header["mark"].get(name) != wanted[name]]
    if other:
        raise ValueError(
            f"{path} is the checkpoint of another training, with another {' and '.join(other)}. "
            "Give another file, or remove it to begin anew"
        )
    if header["epochs"] > epochs:
        raise ValueError(
            f"{path} has {header['epochs']} epochs already; given epochs={epochs}. Give "
            "another file for a shorter training"
        )
    if _sealed(header, held) != header["sha256"]:
        raise ValueError(f"{path} is damaged: its contents have another hash. Give another file")
    blank = np.empty((header["epochs"], like.rows.shape[1]))
    like = like._replace(rows=blank)
    try:
        return _keyed(eqx.tree_deserialise_leaves(BytesIO(held), _plain(like)), like)
    except (RuntimeError, ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} does not fit this training: it is of another optimizer ({error}). Give "
            "another file"
        ) from error


def _marked(mark: dict[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT, "version": __version__, **mark}


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        raise ValueError(f"{path} is a folder; give the file of a checkpoint") from error


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        match json.loads(line[:HEADER]):
            case {"mark": {"format": _}, "epochs": int(epochs), "sha256": str()} as header if (
                epochs >= 0
            ):
                return header
    except (ValueError, RecursionError):
        pass
    raise ValueError(f"{path} is no checkpoint of a training; it is left as it is")


def _sealed(header: dict[str, Any], held: bytes | memoryview) -> str:
    """The hash of the arrays, and of what the header says of them."""
    found = hashlib.sha256(json.dumps([header["mark"], header["epochs"]]).encode())
    found.update(held)
    return found.hexdigest()


def _plain(progress: Progress) -> Progress:
    """Random keys as the numbers that they are made of."""
    return jax.tree.map(lambda a: jax.random.key_data(a) if is_key(a) else a, progress)


def _keyed(progress: Progress, like: Progress) -> Progress:
    """Numbers as random keys again, where they were."""
    return jax.tree.map(
        lambda a, b: jax.random.wrap_key_data(a, impl=jax.random.key_impl(b)) if is_key(b) else a,
        progress,
        like,
    )
