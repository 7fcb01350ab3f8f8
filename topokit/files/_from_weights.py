"""Weights of a network from elsewhere, such as a pruned one, as a topology.

What is not zero is an edge. Frameworks disagree on which axis of a matrix the neurons that receive
lie on: PyTorch and Equinox put them first, Flax, Keras and topokit put them last.
"""

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import networkx as nx
import numpy as np

from topokit._extras import MissingExtraError, extras_named
from topokit.layers import from_masks

Named = dict[str, np.ndarray]


def from_weights(
    weights: Iterable[Any] | Mapping[str, Any] | str | os.PathLike[str],
    *,
    names: Sequence[str] | None = None,
    transpose: bool | None = None,
) -> nx.DiGraph:
    """The topology of a network's weights or masks: an edge wherever an entry is not 0.

    A mapping or a file may hold more than matrices. Vectors and scalars (biases, statistics of
    normalizations) are passed over, and pointwise convolutions, of shape `(n, m, 1, ..., 1)`, count
    as the matrices that they are. The pairs `x_orig`, `x_mask` of PyTorch's pruning are one array
    `x`, their product.

    Args:
        weights: One of

            - a list of matrices, one for each layer, inputs first;
            - a mapping from names to arrays, in the order of the layers, such as the state dict of
              a PyTorch module or one made of numpy or JAX arrays;
            - the path of an `.npz` or `.safetensors` file of named arrays (the latter with the
              extra `networks`).
        names: Of a mapping or file, the arrays that are the layers, in order. By default all that
            have two axes or more, as they come. A `.safetensors` file does not keep an order, so
            that names have to be given there.
        transpose: True if arrays are `(n_out, n_in)`, as PyTorch and Equinox keep them, false if
            they are `(n_in, n_out)`. By default false for a list, and true for a mapping or file in
            which all names end in `weight`, PyTorch's word; with other names it has to be said.

    Returns:
        The graph, all its edges trainable; the values are not kept. Cost O(E) in Python objects.
        A hidden neuron may be without edges.

    Raises:
        ValueError: If there is nothing to make layers of, an array is no matrix of finite real
            numbers or holds only zeros, the shapes do not chain, a name is missing, a file is
            damaged, or an output cannot be reached.
        OSError: If the file cannot be read.
        ModuleNotFoundError: If the file is `.safetensors` and the extra is not installed.

    Examples:
        >>> import topokit as tk
        >>> import numpy as np
        >>> first, last = np.array([[0.5, 0.0], [0.1, -0.3], [0.0, 0.0]]), np.ones((2, 3))
        >>> graph = tk.from_weights([first, last], transpose=True)
        >>> tk.to_layers(graph).widths, graph.number_of_edges()
        ((2, 3, 2), 9)

    See Also:
        `from_masks`, which checks instead of guessing.
    """
    if transpose not in (None, True, False):
        raise ValueError(f"transpose must be True, False or None; given {transpose!r}")
    ordered = True
    if isinstance(weights, str | os.PathLike):
        path = Path(weights)
        weights, ordered = _read(path), path.suffix != ".safetensors"
    if isinstance(weights, Mapping):
        named = _chosen(weights, names, ordered)
        if transpose is None:
            transpose = _is_pytorch(named)
        named = {_label(name): array for name, array in named.items()}
    else:
        named = _listed(weights, names)
    matrices = {label: _checked(label, array) for label, array in named.items()}
    if transpose:
        matrices = {label: matrix.T for label, matrix in matrices.items()}
    _check_chain(matrices, bool(transpose))
    graph = from_masks([matrix != 0 for matrix in matrices.values()])
    graph.graph.update(name="from_weights", family="from_weights")
    return graph


def _listed(weights: Any, names: Sequence[str] | None) -> Named:
    if names is not None:
        raise ValueError("names choose from a mapping or a file; put a list in order instead")
    if not isinstance(weights, Iterable) or hasattr(weights, "shape"):
        raise ValueError(
            "weights must be a list of matrices, a mapping from names to arrays, or the path of a "
            f"file; given {type(weights).__name__}"
        )
    named = {f"weights[{n}]": _array(f"weights[{n}]", array) for n, array in enumerate(weights)}
    if not named:
        raise ValueError("weights is empty: give one matrix for each layer")
    return named


def _chosen(weights: Mapping[str, Any], names: Sequence[str] | None, ordered: bool) -> Named:
    """The layers of a mapping: those that are named, or all that look like layers."""
    offered = _offered(weights)
    if names is not None:
        _check_names(names, offered)
        return {name: _combined(weights, name) for name in names}
    arrays = {name: _combined(weights, name) for name in offered}
    found = {name: array for name, array in arrays.items() if array.ndim > 1}
    if not found:
        raise ValueError(f"weights holds no matrix; given {_listing(weights)}")
    if not ordered and len(found) > 1:
        raise ValueError(
            "names must be given: a .safetensors file does not keep the order of its arrays; this "
            f"one has {_listing(found)}"
        )
    return found


def _check_names(names: Sequence[str], offered: Sequence[str]) -> None:
    if isinstance(names, str) or not names:
        raise ValueError(f"names must be a list of names, one for each layer; given {names!r}")
    for place, name in enumerate(names):
        if name not in offered:
            raise ValueError(f"names[{place}] is {name!r}, but weights has {_listing(offered)}")
        if name in names[:place]:
            raise ValueError(f"names[{place}] is {name!r} again; a layer can be named once")


def _offered(weights: Mapping[str, Any]) -> list[str]:
    """The names, with one `x` in the place of each pair `x_orig`, `x_mask`."""
    wrong = [name for name in weights if not isinstance(name, str)]
    if wrong:
        raise ValueError(f"weights must map names to arrays; given the name {wrong[0]!r}")
    stems = [name.removesuffix("_orig") for name in weights]
    pairs = {n for n in stems if f"{n}_orig" in weights and f"{n}_mask" in weights}
    masks = {f"{n}_mask" for n in pairs}
    rows = zip(weights, stems, strict=True)
    return [stem if stem in pairs else name for name, stem in rows if name not in masks]


def _combined(weights: Mapping[str, Any], name: str) -> np.ndarray:
    if name in weights:
        return _array(_label(name), weights[name])
    whole, mask = (_array(_label(n), weights[n]) for n in (f"{name}_orig", f"{name}_mask"))
    if whole.shape != mask.shape:
        raise ValueError(
            f"{_label(name + '_mask')} has shape {mask.shape}, its weights have {whole.shape}"
        )
    return np.where(mask != 0, whole, np.zeros_like(whole))


def _array(label: str, value: Any) -> np.ndarray:
    """Anything that numpy takes; tensors leave their gradients and their device behind."""
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{label} cannot be read as an array of numbers: {error}") from error


def _checked(label: str, array: np.ndarray) -> np.ndarray:
    """A matrix that can be a layer: itself, or a pointwise convolution."""
    if array.ndim > 2 and set(array.shape[2:]) != {1}:
        raise ValueError(
            f"{label} has shape {array.shape}, a convolution kernel; only pointwise ones, of shape "
            "(n, m, 1, 1), are layers of a topology; choose the layers with names=[...]"
        )
    if array.ndim < 2:
        raise ValueError(f"{label} must be a matrix; given shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{label} must hold booleans or real numbers; given {array.dtype}; convert it, say to "
            "float32"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{label} holds NaN or infinity; give finite numbers")
    if not array.any():
        raise ValueError(f"{label} holds only zeros: the layer has no edge; prune it less")
    return array.reshape(array.shape[:2])


def _check_chain(matrices: Named, transpose: bool) -> None:
    for (before, left), (after, right) in pairwise(matrices.items()):
        if left.shape[1] != right.shape[0]:
            turned = all(a.shape[0] == b.shape[1] for a, b in pairwise(matrices.values()))
            cure = f"; they chain with transpose={not transpose}" if turned else ""
            raise ValueError(
                f"{before} has {left.shape[1]} receivers but {after} has {right.shape[0]} senders "
                f"(transpose={transpose}); they must be equal{cure}"
            )


def _is_pytorch(names: Iterable[str]) -> bool:
    """Whether all names say that receivers lie on the first axis."""
    if all(name.endswith("weight") for name in names):
        return True
    raise ValueError(
        "transpose must be given, as not all names end in 'weight': True if arrays are "
        f"(n_out, n_in), as in PyTorch, False if they are (n_in, n_out); given {_listing(names)}"
    )


def _read(path: Path) -> Named:
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    if path.suffix not in readers:
        raise ValueError(
            f"weights: {path} must end in .npz or .safetensors; load other files yourself and give "
            "the arrays"
        )
    with path.open("rb") as file:
        try:
            return readers[path.suffix](file)
        except MissingExtraError:
            raise
        except Exception as error:  # Whatever damaged bytes do to a parser.
            raise ValueError(f"weights: {path} cannot be read: {error}") from error


def _read_npz(file: BinaryIO) -> Named:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no archive of arrays, or a damaged one")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def _read_safetensors(file: BinaryIO) -> Named:
    with extras_named():
        safetensors = import_module("safetensors")
    with safetensors.safe_open(file.name, framework="np") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118


def _label(name: str) -> str:
    return f"weights[{name!r}]"


def _listing(names: Iterable[Any]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
