"""Weights in files: what is written is read, whole, and nothing else is."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import topokit as tk
from topokit.networks import clos_with, mlp, random_with, read_weights, sparsify
from topokit.networks import write_weights as write

FORMATS = (".npz", ".safetensors")
each_format = pytest.mark.parametrize("ending", FORMATS)


def model(seed: int, rule=None):
    key = jax.random.key(seed)
    layers = [eqx.nn.Conv2d(16, 16, 1, key=key), eqx.nn.Linear(16, 20, key=key)]
    return sparsify(eqx.nn.Sequential(layers), rule or clos_with(0.5), key=key)


class Held(eqx.Module):
    held: Any


class Odd(eqx.Module):
    file: Any
    allow_pickle: Any


def numbers(model) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(model) if hasattr(leaf, "dtype")]


@each_format
def test_a_model_reads_back_equal(tmp_path, ending) -> None:
    path = tmp_path / f"weights{ending}"
    write(model(0), path)
    for a, b in zip(numbers(read_weights(path, model(1))), numbers(model(0)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_file_says_which_edge_each_weight_belongs_to(tmp_path) -> None:
    key = jax.random.key(0)
    layers = tk.topologies.random_regular.layers([20, 30], 3, seed=0)
    write(tk.networks.SparseLinear(layers, key=key), tmp_path / "one.safetensors")
    arrays = load_file(tmp_path / "one.safetensors")
    assert set(arrays) == {"layers.0.weight", "layers.0.senders", "layers.0.receivers", "bias"}
    np.testing.assert_array_equal(arrays["layers.0.senders"], layers.senders[0])
    np.testing.assert_array_equal(arrays["layers.0.receivers"], layers.receivers[0])


@each_format
def test_half_precision_reads_back_equal(tmp_path, ending) -> None:
    half = eqx.nn.Linear(3, 2, dtype=jnp.bfloat16, key=jax.random.key(0))
    write(half, tmp_path / f"half{ending}")
    again = read_weights(tmp_path / f"half{ending}", half)
    assert again.weight.dtype == jnp.bfloat16
    np.testing.assert_array_equal(numbers(again)[0], numbers(half)[0])


@each_format
def test_lists_of_edges_are_no_matrices_that_could_be_left_out(tmp_path, ending) -> None:
    key, path = jax.random.key(0), tmp_path / f"weights{ending}"
    first = tk.networks.SparseLinear(tk.topologies.butterfly(16), key=key)
    write(eqx.nn.Sequential([first, eqx.nn.Linear(16, 4, key=key)]), path)
    with pytest.raises(ValueError, match="take the topology of the layer") as caught:
        tk.from_weights(path)
    assert "\n" not in str(caught.value)
    dense = tk.from_weights(path, names=["layers.1.weight"])
    assert tk.to_layers(dense).widths == (16, 4)


@each_format
def test_another_wiring_is_refused(tmp_path, ending) -> None:
    path = tmp_path / f"weights{ending}"
    write(model(0, random_with(0.3, seed=0)), path)
    with pytest.raises(ValueError, match="another wiring"):
        read_weights(path, model(0, random_with(0.3, seed=1)))


@each_format
def test_another_model_is_refused(tmp_path, ending) -> None:
    path = tmp_path / f"weights{ending}"
    write(model(0), path)
    with pytest.raises(ValueError, match="has no array|must have shape|that the model has not"):
        read_weights(path, mlp((1, 12, 12), [3], 10, key=jax.random.key(0)))


@each_format
@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04", None])
def test_a_damaged_file_is_refused(tmp_path, ending, content) -> None:
    path = tmp_path / f"weights{ending}"
    write(model(0), path)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(ValueError, match="cannot be read as weights"):
        read_weights(path, model(0))


@each_format
@pytest.mark.parametrize("change", ["nan", "large", "complex", "surplus"])
def test_numbers_that_are_none_of_the_model_are_refused(tmp_path, ending, change) -> None:
    arrays: dict[str, Any] = {
        "weight": np.ones((2, 3), np.float32),
        "bias": np.zeros(2, np.float32),
    }
    messages = {
        "nan": "bias must hold finite real numbers",
        "large": "bias must hold finite real numbers in float32",
        "complex": "bias must hold .*; found complex64|'bias' holds numbers of C64",
        "surplus": "has an array 'more' that the model has not",
    }
    match change:
        case "nan":
            arrays["bias"][1] = np.nan
        case "large":
            arrays["bias"] = np.array([1.0, 1e300])
        case "complex":
            arrays["bias"] = arrays["bias"].astype(np.complex64)
        case _:
            arrays["more"] = arrays["bias"]
    path = tmp_path / f"weights{ending}"
    np.savez(path, **arrays) if ending == ".npz" else save_file(arrays, path)
    with pytest.raises(ValueError, match=messages[change]):
        read_weights(path, eqx.nn.Linear(3, 2, dtype=jnp.float32, key=jax.random.key(0)))


def test_other_endings_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"\.npz or \.safetensors files; given '\.pt'"):
        write(model(0), tmp_path / "weights.pt")
    assert list(tmp_path.iterdir()) == []


@each_format
def test_names_that_would_collide_are_refused(tmp_path, ending) -> None:
    key = jax.random.key(0)
    linear = eqx.nn.Linear(3, 2, use_bias=False, key=key)
    twice = {"a.b": linear, "a": {"b": linear}}
    with pytest.raises(ValueError, match=r"called held\.a\.b\.weight; rename"):
        write(Held(twice), tmp_path / f"weights{ending}")
    with pytest.raises(ValueError, match=r"two layers of the model are called held\.a\.b"):
        tk.networks.kernels(Held(twice))


@each_format
def test_an_array_may_have_any_name(tmp_path, ending) -> None:
    odd = Odd(jnp.ones(2), jnp.zeros(3))
    write(odd, tmp_path / f"weights{ending}")
    again = read_weights(tmp_path / f"weights{ending}", Odd(jnp.zeros(2), jnp.ones(3)))
    np.testing.assert_array_equal(again.file, np.ones(2))
    np.testing.assert_array_equal(again.allow_pickle, np.zeros(3))
