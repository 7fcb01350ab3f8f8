"""Constants of sparse layers: arrays, which no training touches."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import topokit as tk
from topokit.networks import (
    SparseLinear,
    evaluate,
    group_lasso,
    kernel_topologies,
    load_digits,
    magnitude_masks,
    mlp,
    n_parameters,
    prune,
    read_weights,
    shrink,
    sparsify,
    to_dense,
    to_matrices,
    to_topology,
    train,
    write_weights,
    zhu_gupta,
)
from topokit.networks._constants import Constants

KEY = jax.random.key(0)
VALUES = (1.0, -0.5, 0.1, 1e-30, 0.0, -0.0, 3e38)


def topology(scale: float = 1.0) -> tk.Layers:
    """Skip connections of many values, the same edges for every scale."""
    layers = tk.to_layers(tk.with_skip(tk.topologies.butterfly(64, 3)))
    rng = np.random.default_rng(0)
    constants = tuple(scale * rng.choice([1.0, -0.5, 0.1], c.size) for c in layers.constant)
    return dataclasses.replace(layers, constant=constants)


def linear(scale: float = 1.0, key=KEY) -> SparseLinear:
    return SparseLinear(topology(scale), key=key)


def network(scale: float = 1.0) -> eqx.nn.Sequential:
    dense = mlp((1, 8, 8), [64], 10, key=KEY)
    return sparsify(dense, {"layers.1": topology(scale)}, key=KEY)


def bits(model: Any) -> list[np.ndarray]:
    """The constants of all layers, bit by bit."""
    nodes = jax.tree.leaves(model, is_leaf=lambda node: isinstance(node, Constants))
    held = [node.bits for node in nodes if isinstance(node, Constants)]
    return [np.asarray(part) for part in held if part is not None]


def same(a: Any, b: Any) -> None:
    assert len(bits(a)) == len(bits(b)) > 0
    for one, other in zip(bits(a), bits(b), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_values_come_back_bit_by_bit() -> None:
    floats = np.array(VALUES, jnp.zeros(0).dtype)
    found = np.asarray(Constants(floats).values)
    assert found.dtype == floats.dtype
    assert found.tobytes() == floats.tobytes()


OPTIMIZERS = {
    "weight decay": lambda _: optax.adamw(1e-2, weight_decay=0.5),
    "noise": lambda _: optax.noisy_sgd(1e-2, key=jax.random.key(1)),
    "pruning": lambda _: optax.chain(
        optax.adam(1e-2), prune(zhu_gupta(0.9, start=5, every=5, times=3))
    ),
    "group lasso": lambda model: optax.chain(
        optax.adam(1e-2), group_lasso(model, 1.0, learning_rate=1e-2)
    ),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_no_training_touches_a_constant(kind) -> None:
    model = network()
    data = load_digits()
    result = train(model, data, optimizer=OPTIMIZERS[kind](model), epochs=1, batch_size=100)
    same(result.model, model)
    old, new = (m.layers[1].layers[0].weight for m in (model, result.model))
    assert not np.array_equal(old, new), "the weights have moved"
    begun = optax.adam(1.0).init(eqx.filter(model, eqx.is_inexact_array))
    assert bits(begun) == [], "the optimizer's state knows of none"


def test_what_changes_all_weights_of_a_model_leaves_its_constants() -> None:
    model = linear()
    halved = jax.tree.map(lambda w: 0.5 * w if eqx.is_inexact_array(w) else w, model)
    half = jax.tree.map(lambda w: w.astype(jnp.bfloat16) if eqx.is_inexact_array(w) else w, model)
    slopes = eqx.filter_grad(lambda m: m(jnp.ones(64)).sum())(model)
    same(halved, model)
    same(half, model)
    assert half(jnp.ones(64, jnp.bfloat16)).dtype == jnp.bfloat16
    assert bits(slopes) == []
    masks = magnitude_masks(eqx.filter(model, eqx.is_inexact_array), 0.5)
    assert jax.tree.leaves(masks) == []
    assert n_parameters(model) == topology().n_trainable + 64


def test_constants_are_what_the_layer_computes_with() -> None:
    layers, model = topology(), linear()
    matrices = to_matrices(model)
    for number, matrix in enumerate(matrices):
        fixed = ~layers.trainable[number]
        ends = layers.senders[number][fixed], layers.receivers[number][fixed]
        np.testing.assert_allclose(matrix[ends], layers.constant[number][fixed], rtol=1e-6)
    x = jax.random.normal(KEY, (64,))
    expected = np.asarray(x) @ np.linalg.multi_dot(matrices)
    np.testing.assert_allclose(model(x), expected, atol=1e-4)
    np.testing.assert_allclose(to_dense(model)(x), expected, atol=1e-4)


def test_another_value_is_not_compiled_anew() -> None:
    traces = []

    @eqx.filter_jit
    def run(model, x):
        traces.append(None)
        return model(x)

    x = jnp.ones(64)
    one, other = run(linear(1.0), x), run(linear(3.0), x)
    assert len(traces) == 1
    assert not np.allclose(one, other)
    np.testing.assert_allclose(other, linear(3.0)(x), rtol=1e-5)


def test_an_ensemble_has_them_in_each_member() -> None:
    keys, x = jax.random.split(KEY, 3), jax.random.normal(KEY, (64,))
    many = eqx.filter_vmap(lambda key: linear(key=key))(keys)
    found = eqx.filter_vmap(lambda model, x: model(x), in_axes=(eqx.if_array(0), None))(many, x)
    for place, key in enumerate(keys):
        np.testing.assert_allclose(found[place], linear(key=key)(x), atol=1e-5)
    for member in range(3):
        same(jax.tree.map(lambda a, m=member: a[m] if eqx.is_array(a) else a, many), linear())


def test_they_go_into_files_that_hold_all_arrays_and_not_into_those_of_weights(tmp_path) -> None:
    eqx.tree_serialise_leaves(tmp_path / "all.eqx", linear(1.0))
    same(eqx.tree_deserialise_leaves(tmp_path / "all.eqx", linear(3.0)), linear(1.0))
    write_weights(linear(1.0), tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as file:
        ends = {name.rsplit(".", 1)[-1] for name in file.files}
    assert ends == {"weight", "senders", "receivers", "bias"}
    same(read_weights(tmp_path / "weights.npz", linear(3.0)), linear(3.0))


def test_a_checkpoint_holds_them_and_refuses_others(tmp_path) -> None:
    given: dict[str, Any] = {"data": load_digits(), "optimizer": optax.adamw(1e-2), "epochs": 1}
    given |= {"batch_size": 100, "settings": {"optimizer": "adamw"}}
    given |= {"checkpoint": tmp_path / "run.checkpoint"}
    first = train(network(), **given)
    again = train(network(), **given)
    same(again.model, first.model)
    assert evaluate(again.model, given["data"].test_x, given["data"].test_y) == first.test
    with pytest.raises(ValueError, match=r"layers\[0\]\.constant\.bits is uint.*, here uint"):
        train(network(3.0), **given)


def test_they_lead_out_of_the_network_as_constants() -> None:
    graph = tk.to_layers(to_topology(linear()))
    for number, constants in enumerate(topology().constant):
        fixed = ~topology().trainable[number]
        np.testing.assert_array_equal(graph.trainable[number], ~fixed)
        np.testing.assert_allclose(graph.constant[number][fixed], constants[fixed], rtol=1e-6)
    model = network()
    same(shrink(model), model)
    assert set(kernel_topologies(model)) == {"layers.3"}


def test_dead_neurons_go_from_beside_them_in_double_precision_too() -> None:
    with jax.enable_x64(True):
        model = network()
        same(shrink(model), model)
