"""Weights by name: nested dictionaries flat, and files of named arrays.

The names of nested dictionaries, lists and named tuples are joined by `/`, as in
`params/Dense_0/kernel`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from io import SEEK_END, BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from topokit._archives import read_archive
from topokit._limits import check_read
from topokit._regular_files import opened
from topokit._safe_tensors import read_safetensors
from topokit.files._refusals import refusals
from topokit.files._stored_arrays import is_array

Named = dict[str, Any]

# What `scipy.sparse` keeps of a matrix beside its data, by the name of its form.
SPARSE_PARTS = {
    "coo": ("row", "col"),
    "dia": ("offsets",),
    **dict.fromkeys(("csr", "csc", "bsr"), ("indices", "indptr")),
}
BYTES_A_ROW = 40


def named_leaves(weights: Mapping[Any, Any]) -> Named:
    """The leaves of a nested mapping by their joined names, in its order."""
    named: Named = {}
    for name, leaf in _walk((), weights):
        if name in named:
            raise ValueError(f"two entries of weights have the name {name!r}; rename one")
        named[name] = leaf
    return named


@lru_cache(2**12)
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
    readers: dict[str, Callable] = {".npz": _read_npz, ".safetensors": read_safetensors}
    if path.suffix not in readers:
        raise ValueError(
            f"weights: {path} must end in .npz or .safetensors; load other files yourself and give "
            "the arrays, as torch.load does with .pt and model.get_weights() of Keras with .h5"
        )
    with opened(path) as file, refusals(path, " cannot be read"):
        return readers[path.suffix](file)


def _read_npz(file: BufferedIOBase) -> Named:
    arrays = read_archive(file)
    if "format" not in arrays and not {"data", "shape"} <= arrays.keys():
        return dict(arrays)
    return {"matrix": _sparse_matrix(arrays, stored=file.seek(0, SEEK_END))}


def _sparse_matrix(arrays: Named, *, stored: int) -> Any:
    """What `scipy.sparse.save_npz` wrote; scipy itself follows arrays that no one has checked."""
    form = arrays.get("format", np.array(""))
    code = str(form.astype(np.str_)) if form.ndim == 0 and form.dtype.kind in "SU" else ""
    if code not in SPARSE_PARTS:
        raise ValueError(
            f"it holds no sparse matrix of a form that is known, {', '.join(SPARSE_PARTS)}"
        )
    names = {"format", "shape", "data", *SPARSE_PARTS[code]}
    new_kind = arrays.pop("_is_array", np.array(True))
    if arrays.keys() != names or new_kind.dtype != bool or new_kind.ndim:
        raise ValueError(f"a sparse matrix of the form {code} has the arrays {', '.join(names)}")
    shape, *parts = (arrays[name] for name in ("shape", *SPARSE_PARTS[code]))
    if shape.shape != (2,) or any(part.dtype.kind not in "iu" for part in (shape, *parts)):
        raise ValueError("its shape and the places of its entries must be integers")
    rows, columns = shape.tolist()
    check_read("the sparse matrix", BYTES_A_ROW * (rows + columns), stored)
    data = arrays["data"]
    inner = (data, tuple(parts)) if code == "coo" else (data, *parts)
    return getattr(sparse, f"{code}_array")(inner, shape=(rows, columns))
