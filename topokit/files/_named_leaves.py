"""Weights by name: nested dictionaries flat, and files of named arrays.

The names of nested dictionaries, lists and named tuples are joined by `/`, as in
`params/Dense_0/kernel`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from io import SEEK_END, BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from topokit._archives import read_archive
from topokit._extras import MissingExtraError, extras_named
from topokit._limits import check_read
from topokit.files._stored_arrays import is_array

Named = dict[str, Any]

# What `scipy.sparse` keeps of a matrix beside its data, by the name of its form.
SPARSE_PARTS = {
    "coo": ("row", "col"),
    "dia": ("offsets",),
    **dict.fromkeys(("csr", "csc", "bsr"), ("indices", "indptr")),
}
BYTES_A_ROW = 16

# What `.safetensors` calls the types that numpy has.
SAFE_TYPES = {
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
    "BOOL": "?",
}


def named_leaves(weights: Mapping[Any, Any]) -> Named:
    """The leaves of a nested mapping by their joined names, in its order."""
    named: Named = {}
    for name, leaf in _walk((), weights):
        if name in named:
            raise ValueError(f"two entries of weights have the name {name!r}; rename one")
        named[name] = leaf
    return named


def components(name: str) -> tuple[str, ...]:
    """The parts of a name, as PyTorch (`.`), Flax (`/`) and Keras (`:0` at the end) join them."""
    return tuple(re.split(r"[./]", name.removesuffix(":0")))


def label(name: str) -> str:
    """What messages call an array."""
    return f"weights[{name!r}]"


def _walk(place: tuple[str, ...], node: Any) -> Iterator[tuple[str, Any]]:
    as_dict = getattr(node, "_asdict", None) if isinstance(node, tuple) else None
    if as_dict is not None:
        node = as_dict()
    elif isinstance(node, list | tuple) and not is_array(node):
        node = dict(enumerate(node))
    if not isinstance(node, Mapping):
        yield "/".join(place), node
        return
    for key, value in node.items():
        if not isinstance(key, str) and (isinstance(key, bool) or not isinstance(key, int)):
            raise ValueError(f"weights must map names to arrays; given the name {key!r}")
        if not isinstance(key, str) and not place and is_array(value):
            raise ValueError(f"weights must map names to arrays; given the name {key!r}")
        yield from _walk((*place, str(key)), value)


def read_named(path: Path) -> Named:
    """The arrays of an `.npz` or `.safetensors` file, or the one matrix of `scipy.sparse`."""
    readers: dict[str, Callable] = {".npz": _read_npz, ".safetensors": _read_safetensors}
    if path.suffix not in readers:
        raise ValueError(
            f"weights: {path} must end in .npz or .safetensors; load other files yourself and give "
            "the arrays, as torch.load does with .pt and model.get_weights() of Keras with .h5"
        )
    with path.open("rb") as file:
        try:
            return readers[path.suffix](file)
        except MissingExtraError:
            raise
        except Exception as error:  # Whatever damaged bytes do to a parser.
            raise ValueError(f"weights: {path} cannot be read: {error}") from error


def _read_npz(file: BufferedIOBase) -> Named:
    arrays = read_archive(file)
    if not {"format", "shape"} <= arrays.keys():
        return dict(arrays)
    return {"matrix": _sparse_matrix(arrays, stored=file.seek(0, SEEK_END))}


def _sparse_matrix(arrays: Named, *, stored: int) -> Any:
    """What `scipy.sparse.save_npz` wrote; scipy itself follows arrays that no one has checked."""
    form, shape = arrays["format"], arrays["shape"]
    code = str(form.astype(np.str_)) if form.ndim == 0 and form.dtype.kind in "SU" else ""
    if code not in SPARSE_PARTS or shape.dtype.kind not in "iu" or shape.shape != (2,):
        raise ValueError(
            f"it holds no sparse matrix of a form that is known, {', '.join(SPARSE_PARTS)}"
        )
    rows, columns = shape.tolist()
    check_read("the sparse matrix", BYTES_A_ROW * (rows + columns), stored)
    data, *parts = [arrays[name] for name in ("data", *SPARSE_PARTS[code]) if name in arrays]
    if len(parts) < len(SPARSE_PARTS[code]) or any(part.dtype.kind not in "iu" for part in parts):
        raise ValueError(
            f"a matrix of the form {code} needs {', '.join(SPARSE_PARTS[code])}, of integers"
        )
    places = parts[0] if code == "dia" else tuple(parts)
    inner = (data, places) if code in ("coo", "dia") else (data, *parts)
    return getattr(sparse, f"{code}_array")(inner, shape=(rows, columns))


def _read_safetensors(file: BufferedIOBase) -> Named:
    with extras_named():
        safetensors = import_module("safetensors")
    entries = dict(safetensors.deserialize(file.read()))
    return {name: _decoded(name, **entries[name]) for name in sorted(entries)}


def _decoded(name: str, dtype: str, shape: list[int], data: bytes | bytearray) -> np.ndarray:
    """An array of a `.safetensors` file; numpy alone knows nothing of bfloat16, half a float32."""
    if dtype == "BF16":
        halves = np.frombuffer(data, "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(shape)
    if dtype not in SAFE_TYPES:
        raise ValueError(f"{name} holds numbers of {dtype}; convert them, say to float16")
    return np.frombuffer(data, SAFE_TYPES[dtype]).reshape(shape)
