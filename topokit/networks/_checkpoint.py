"""What a training needs to go on as if it had never stopped, in one file.

The file is a line of JSON, which says whose it is and how its contents hash, and then the arrays.
It is replaced whole. Whose it is, its mark, are lines of text that decide the training, by name.
"""

import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PyTree

from topokit import __version__
from topokit._atomic import replacing
from topokit._comparable import is_key
from topokit._escapes import shown
from topokit._regular_files import opened
from topokit._strict_json import from_json

FORMAT = "topokit training 4"
BEGIN = b'{"mark": {"format": "topokit training'
HEADER = 2**24  # bytes of the first line, at most
TOLD = 3  # differences that an error tells
ANOTHER = "Give another file, or remove it to begin anew"


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


def write_checkpoint(path: Path, progress: Progress, mark: dict[str, str]) -> None:
    """Write a checkpoint, whole or not at all."""
    held = packed_leaves(progress)
    header: dict[str, Any] = {"mark": _marked(mark), "epochs": len(progress.rows)}
    header["sha256"] = _sealed(header, held)
    with replacing(path) as part, part.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(held)


def read_checkpoint(path: Path, like: Progress, mark: dict[str, str], epochs: int) -> Progress:
    """Read a checkpoint of this very run with at most so many epochs.

    Raises:
        ValueError: If the file is damaged, of another run, or further than asked for.
    """
    with _opened(path) as file:
        header = _header(path, file.readline(HEADER))
        held = file.read()
    whole = _sealed(header, held) == header["sha256"]
    if not whole and header["mark"]["format"] == FORMAT:
        raise ValueError(f"{path} is damaged: its contents have another hash. {ANOTHER}")
    _check_mark(path, header["mark"], _marked(mark))
    if header["epochs"] > epochs:
        raise ValueError(
            f"{path} has {header['epochs']} epochs already; given epochs={epochs}. Give "
            "another file for a shorter training"
        )
    blank = np.empty((header["epochs"], like.rows.shape[1]))
    try:
        return unpacked_leaves(held, like._replace(rows=blank))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}. {ANOTHER}") from error


def packed_leaves(tree: PyTree) -> bytes:
    """All arrays of a tree, one behind the other."""
    body = BytesIO()
    eqx.tree_serialise_leaves(body, _plain(tree))
    return body.getvalue()


def unpacked_leaves(held: bytes, like: PyTree) -> PyTree:
    """Arrays of the types and shapes of those of `like`, and no more: a hash is easily made.

    Raises:
        ValueError: If they are others.
    """
    file = BytesIO(held)
    try:
        found = eqx.tree_deserialise_leaves(file, _plain(like), filter_spec=_read_leaf)
        if file.read(1):
            raise ValueError("it goes on behind the last array")
    except (ValueError, TypeError, RuntimeError, EOFError) as error:
        raise ValueError(f"its arrays are not those of the training ({shown(error)})") from error
    return _keyed(found, like)


def _read_leaf(file: Any, leaf: Any) -> Any:
    """An array, if what says its type and shape is what would be written of `leaf`."""
    written, start = BytesIO(), file.tell()
    eqx.default_serialise_filter_spec(written, leaf)
    head = written.getvalue()[: len(written.getvalue()) - np.asarray(leaf).nbytes]
    if file.read(len(head)) != head:
        raise ValueError(f"the array at byte {start} is of another type or shape")
    file.seek(start)
    return eqx.default_deserialise_filter_spec(file, leaf)


def _check_mark(path: Path, held: dict[str, str], wanted: dict[str, str]) -> None:
    """Raise a ValueError that names what differs, with both values."""
    names = [name for name in wanted | held if held.get(name) != wanted.get(name)]
    if not names:
        return
    told = [
        f"{shown(n)} is {shown(held.get(n, 'not there'))}, here {wanted.get(n, 'not there')}"
        for n in names
    ]
    more = f"; and {len(told) - TOLD} more differ" if len(told) > TOLD else ""
    raise ValueError(
        f"{path} is the checkpoint of another training: {'; '.join(told[:TOLD])}{more}. {ANOTHER}"
    )


def _marked(mark: dict[str, str]) -> dict[str, str]:
    return {"format": FORMAT, "version": __version__, **mark}


def _opened(path: Path) -> BinaryIO:
    try:
        return opened(path)
    except IsADirectoryError as error:
        raise ValueError(f"{path} is a folder; give the file of a checkpoint") from error


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        match from_json(line):
            case {
                "mark": {"format": str(), **mark},
                "epochs": int(epochs),
                "sha256": str(),
            } as header if epochs >= 0 and all(isinstance(text, str) for text in mark.values()):
                return header
    except ValueError:
        if line.startswith(BEGIN):
            raise ValueError(f"{path} is damaged: its first line is cut. {ANOTHER}") from None
    raise ValueError(f"{path} is no checkpoint of a training; it is left as it is")


def _sealed(header: dict[str, Any], held: bytes) -> str:
    """The hash of the arrays, and of what the header says of them."""
    found = hashlib.sha256(json.dumps([header["mark"], header["epochs"]]).encode())
    found.update(held)
    return found.hexdigest()


def _plain(tree: PyTree) -> PyTree:
    """Random keys as the numbers that they are made of."""
    return jax.tree.map(lambda a: jax.random.key_data(a) if is_key(a) else a, tree)


def _keyed(tree: PyTree, like: PyTree) -> PyTree:
    """Numbers as random keys again, where they were."""
    return jax.tree.map(
        lambda a, b: jax.random.wrap_key_data(a, impl=jax.random.key_impl(b)) if is_key(b) else a,
        tree,
        like,
    )
