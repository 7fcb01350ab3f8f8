"""The numbers of a model in a file that needs neither topokit nor JAX to be read.

Each array has the name of its place in the model. A sparse layer has three: the weights of its
trainable edges, and the sender and the receiver of each.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from zipfile import ZipFile

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from topokit._archives import read_archive
from topokit._atomic import replacing
from topokit._escapes import shown
from topokit._limits import TooLargeError
from topokit._regular_files import opened
from topokit._safe_tensors import read_safetensors
from topokit.networks._linear import SparseLayer, edges

Model = TypeVar("Model", bound=eqx.Module)
ENDS = ("senders", "receivers")


def write_weights(model: eqx.Module, path: str | Path) -> None:
    """Write all trainable numbers of a model into a `.npz` or a `.safetensors` file.

    The file appears whole or not at all.

    Raises:
        ValueError: If the name of the file ends otherwise, or two arrays have one name.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> layer = networks.SparseLinear(tk.topologies.butterfly(4), key=key)
        >>> networks.write_weights(layer, "layer.npz")
        >>> same = networks.read_weights("layer.npz", layer)
        >>> bool((same.bias == layer.bias).all())
        True

    See Also:
        `read_weights`, the way back.
    """
    path = Path(path)
    save, _ = _format(path)
    arrays = _arrays(model)
    with replacing(path) as part:
        save(arrays, part)


def read_weights(path: str | Path, like: Model) -> Model:
    """A model with the numbers of a file from `write_weights`.

    Args:
        path: The file.
        like: A model of the same structure, whose numbers are replaced.

    Raises:
        FileNotFoundError: If there is no file of that name.
        ValueError: If it is no such file, lacks an array, has one too many, or holds one of
            another shape, of another wiring, or of anything but finite real numbers.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> layer = networks.SparseLinear(tk.topologies.butterfly(4), key=key)
        >>> networks.write_weights(layer, "layer.safetensors")
        >>> other = networks.SparseLinear(tk.topologies.butterfly(4), key=jax.random.key(1))
        >>> same = networks.read_weights("layer.safetensors", other)
        >>> bool((same.layers[0].weight == layer.layers[0].weight).all())
        True

    See Also:
        `write_weights`, which writes them.
    """
    path = Path(path)
    _, load = _format(path)
    with opened(path) as file:
        try:
            stored = load(file)
        except TooLargeError as error:
            raise TooLargeError(f"{path}: {error}") from error
        except ValueError as error:
            raise ValueError(f"{path} cannot be read as weights: {error}") from error

    surplus = set(stored) - set(_arrays(like))
    if surplus:
        named = shown(min(surplus))
        raise ValueError(f"{path} has an array '{named}' that the model has not")

    def replaced(place: tuple, leaf: Any) -> Any:
        if _is_layer(leaf):
            return eqx.tree_at(lambda s: s.weight, leaf, _read(path, _name(place), leaf, stored))
        return _read(path, _name(place), leaf, stored) if eqx.is_inexact_array(leaf) else leaf

    return jax.tree_util.tree_map_with_path(replaced, like, is_leaf=_is_layer)


def _numbers(model: eqx.Module) -> list[tuple[str, Any]]:
    """Name and array, or sparse layer, of everything trainable."""
    places, _ = jax.tree_util.tree_flatten_with_path(model, is_leaf=_is_layer)
    kept = [row for row in places if _is_layer(row[1]) or eqx.is_inexact_array(row[1])]
    return [(_name(place), leaf) for place, leaf in kept]


def _name(place: tuple) -> str:
    return jax.tree_util.keystr(place, simple=True, separator=".")


def _arrays(model: eqx.Module) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    taken: set[str] = set()
    for name, leaf in _numbers(model):
        if _is_layer(leaf):
            ends = dict(zip(ENDS, edges(leaf), strict=True))
            arrays |= {f"{name}.{end}": index.astype(np.int32) for end, index in ends.items()}
            arrays[f"{name}.weight"] = np.asarray(leaf.weight)
        else:
            arrays |= {name: np.asarray(leaf)}
        if name in taken:
            raise ValueError(f"two arrays of the model are called {name}; rename a field or a key")
        taken.add(name)
    return arrays


def _read(path: Path, name: str, leaf: Any, stored: dict[str, np.ndarray]) -> jax.Array:
    array = leaf.weight if _is_layer(leaf) else leaf
    for end, index in zip(ENDS, edges(leaf) if _is_layer(leaf) else (), strict=False):
        if not np.array_equal(_get(path, f"{name}.{end}", stored), index):
            raise ValueError(f"{path}: {name} has another wiring than the model's")
    key = f"{name}.weight" if _is_layer(leaf) else name
    values = _get(path, key, stored)
    if values.shape != array.shape:
        raise ValueError(f"{path}: {key} must have shape {array.shape}; found {values.shape}")
    if values.dtype.kind == "V" and values.dtype.itemsize == 2 and not values.dtype.names:
        values = values.view(jnp.bfloat16)  # which .npz keeps the bytes of, and not the name
    if not jnp.issubdtype(values.dtype, jnp.floating):
        raise ValueError(f"{path}: {key} must hold finite real numbers; found {values.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        held = values.astype(array.dtype)
    if not np.isfinite(held.astype(np.float64)).all():
        raise ValueError(f"{path}: {key} must hold finite real numbers in {array.dtype}")
    return jnp.asarray(held)


def _get(path: Path, key: str, stored: dict[str, np.ndarray]) -> np.ndarray:
    if key not in stored:
        raise ValueError(f"{path} has no array {key}; it is of another model")
    return stored[key]


def _is_layer(leaf: Any) -> bool:
    return isinstance(leaf, SparseLayer)


def _format(path: Path) -> tuple[Callable, Callable]:
    match path.suffix:
        case ".npz":
            return _save_npz, read_archive
        case ".safetensors":
            return _save_safetensors, read_safetensors
        case other:
            raise ValueError(f"weights are .npz or .safetensors files; given {other!r} ({path})")


def _save_npz(arrays: dict[str, np.ndarray], path: Path) -> None:
    """As `numpy.savez`, which takes no array by the name of one of its own arguments."""
    with ZipFile(path, "w") as file:
        for name, array in arrays.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, array, allow_pickle=False)


def _save_safetensors(arrays: dict[str, np.ndarray], path: Path) -> None:
    """The errors of the system as such, which safetensors only quotes."""
    try:
        save_file(arrays, path)
    except SafetensorError as error:
        code = re.search(r"\(os error (\d+)\)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1]))) from error
