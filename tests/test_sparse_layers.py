"""A sparse layer is a linear map: value, gradients and mapped forms equal those of its matrix."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from recipes import matrices
from strategies import layered_networks

import topokit as tk
from topokit.networks import SparseLinear, to_dense, to_matrices, to_topology
from topokit.products import apply_layer, edge_ends, make_wiring
from topokit.products._blocks import Blocks, Dense
from topokit.products._signal_kernel import Looped

t = tk.topologies
EXAMPLES = 5
TOPOLOGIES = {
    "butterfly": t.butterfly.layers(64),
    "clos": t.clos.layers(16, 24, 4, 3, 6),
    "dense": t.dense.layers(5, 6),
    "torus": t.torus.layers((8, 8), 2),
    "hypercube": t.hypercube.layers(128, 2),
    "random": t.erdos_renyi.layers([60, 80, 70], 0.08, seed=0),
    "half full": t.erdos_renyi.layers([20, 30], 0.5, seed=0),
    "expander": t.random_regular.layers([80, 90, 60], 6, seed=0),
    "skip butterfly": tk.to_layers(tk.with_skip(t.butterfly(32))),
}
each_topology = pytest.mark.parametrize("layers", TOPOLOGIES.values(), ids=TOPOLOGIES)
# One of each form, and one with constants: mapping and exports go by the form alone.
FORMS = {name: TOPOLOGIES[name] for name in ("clos", "random", "half full", "skip butterfly")}
each_form = pytest.mark.parametrize("layers", FORMS.values(), ids=FORMS)


def made(layers: tk.Layers, **options) -> SparseLinear:
    linear = SparseLinear(layers, key=jax.random.key(0), **options)
    bias = jax.random.normal(jax.random.key(1), (layers.n_out,))
    return eqx.tree_at(lambda s: s.bias, linear, bias) if linear.bias is not None else linear


def batch(layers: tk.Layers) -> jax.Array:
    return jax.random.normal(jax.random.key(2), (EXAMPLES, layers.n_in))


def error(outputs: jax.Array) -> jax.Array:
    """Anything curved, so that second derivatives are not 0."""
    return jnp.sum(jnp.tanh(outputs) ** 2)


def dense_outputs(weights: list[jax.Array], layers: tk.Layers, x: jax.Array) -> jax.Array:
    """The definition: dense matrices with zeros, from the trainable weights of each layer."""
    for weight, shape, *arrays in zip(
        weights, zip(layers.widths, layers.widths[1:], strict=False), *layers.columns, strict=True
    ):
        senders, receivers, free, constant = arrays
        matrix = jnp.zeros(shape).at[senders, receivers].set(constant)
        x = x @ matrix.at[senders[free], receivers[free]].set(weight)
    return x


def weights_of(linear: SparseLinear) -> list[jax.Array]:
    return [layer.weight for layer in linear.layers]


def with_weights(linear: SparseLinear, weights: list[jax.Array]) -> SparseLinear:
    return eqx.tree_at(weights_of, linear, weights)


@eqx.filter_jit
def through(linear, x: jax.Array) -> jax.Array:
    return jax.vmap(linear)(x)


def close(actual, expected) -> None:
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), actual, expected
    )


@each_topology
def test_outputs_and_two_derivatives_are_those_of_dense_matrices(layers: tk.Layers) -> None:
    linear, x = made(layers, bias=False), batch(layers)

    def all_of(outputs):
        @jax.jit
        def values(weights, x):
            gradient = jax.grad(lambda w, x: error(outputs(w, x)), (0, 1))
            ones = jax.tree.map(jnp.ones_like, (weights, x))
            return outputs(weights, x), *jax.jvp(gradient, (weights, x), ones)

        return values(weights_of(linear), x)

    sparse = all_of(lambda w, x: jax.vmap(with_weights(linear, w))(x))
    close(sparse, all_of(lambda w, x: dense_outputs(w, layers, x)))


@each_form
def test_a_gradient_for_each_example_is_that_of_the_example_alone(layers: tk.Layers) -> None:
    linear, x = made(layers), batch(layers)
    gradient = eqx.filter_jit(eqx.filter_grad(lambda linear, row: error(linear(row))))
    each = eqx.filter_jit(eqx.filter_vmap(gradient, in_axes=(None, 0)))(linear, x)
    alone = [gradient(linear, row) for row in x]
    stacked = jax.tree.map(lambda *rows: jnp.stack(rows), *map(weights_of, alone))
    close(weights_of(each), stacked)


@each_form
def test_pixels_of_an_image_go_through_side_by_side(layers: tk.Layers) -> None:
    @eqx.filter_jit
    def ways(linear, image):
        pixels = jax.vmap(linear)(image.reshape(layers.n_in, -1).T).T
        return linear(image), pixels.reshape(-1, 3, 4), jax.vmap(linear)(image[None])[0]

    image = jax.random.normal(jax.random.key(3), (layers.n_in, 3, 4))
    whole, pixels, of_many = ways(made(layers), image)
    close(whole, pixels)
    close(of_many, whole)


@each_form
def test_an_ensemble_maps_over_weights_and_wiring(layers: tk.Layers) -> None:
    keys, x = jax.random.split(jax.random.key(4), 3), batch(layers)
    ensemble = eqx.filter_vmap(lambda key: SparseLinear(layers, key=key))(keys)
    outputs = eqx.filter_jit(eqx.filter_vmap(lambda linear: jax.vmap(linear)(x)))(ensemble)
    close(outputs, jnp.stack([through(SparseLinear(layers, key=key), x) for key in keys]))


@each_form
def test_every_export_computes_the_same(layers: tk.Layers) -> None:
    linear, x = made(layers), batch(layers)
    expected = through(linear, x)
    close(through(to_dense(linear), x), expected)
    product = np.asarray(x)
    for matrix in to_matrices(linear):
        product = product @ matrix
    close(product + linear.bias, expected)
    topology = to_topology(linear)
    again = SparseLinear(topology, key=jax.random.key(9)).with_weights(
        to_matrices(linear), linear.bias
    )
    close((weights_of(again), again.bias), (weights_of(linear), linear.bias))
    weighted = [topology.edges[edge]["weight"] for edge in topology.edges]
    assert np.isclose(sum(weighted), sum(m.sum() for m in to_matrices(linear)), atol=1e-3)


@each_topology
def test_the_exported_topology_is_the_one_given(layers: tk.Layers) -> None:
    exported = tk.to_layers(to_topology(made(layers)))
    for own, given_ in zip(exported.columns, layers.columns, strict=True):
        for a, b in zip(own, given_, strict=True):
            np.testing.assert_array_equal(a, b)


def test_every_form_is_met() -> None:
    forms = {
        type(make_wiring(layers, number))
        for layers in FORMS.values()
        for number in range(layers.depth)
    }
    assert forms == {Looped, Blocks, Dense}


@jax.jit
def with_gradients(wiring, w: jax.Array, x: jax.Array) -> tuple:
    value, back = jax.vjp(lambda w, x: apply_layer(wiring, w, x), w, x)
    return value, back(value)


@settings(max_examples=6)
@given(layered_networks(max_width=9))
def test_random_layers_equal_their_matrices(layers: tk.Layers) -> None:
    rng = np.random.default_rng(0)
    for number, (matrix, columns) in enumerate(zip(matrices(layers), [1, 3, 20, 40], strict=False)):
        wiring = make_wiring(layers, number)
        w = rng.normal(size=wiring.n_edges).astype(np.float32)
        dense = np.zeros(matrix.shape)
        dense[layers.senders[number], layers.receivers[number]] = w
        x = rng.normal(size=(wiring.n_in, columns)).astype(np.float32)
        value, (dw, dx) = with_gradients(wiring, w, x)
        close(value, dense.T @ x)
        close(dx, dense @ np.asarray(value))
        ends = layers.senders[number], layers.receivers[number]
        close(dw, (x @ np.asarray(value).T)[ends])
        for own, expected in zip(edge_ends(wiring), ends, strict=True):
            np.testing.assert_array_equal(own, expected)


@each_topology
def test_all_that_is_trained_is_one_number_an_edge(layers: tk.Layers) -> None:
    trainable = eqx.filter(made(layers, bias=False), eqx.is_inexact_array)
    sizes = [leaf.nbytes for leaf in jax.tree.leaves(trainable)]
    assert sum(sizes) == jnp.result_type(float).itemsize * layers.n_trainable


def test_indices_take_a_few_numbers_an_edge() -> None:
    layers = t.erdos_renyi.layers([400, 300], 0.05, seed=0)
    linear = made(layers)
    indices = [leaf for leaf in jax.tree.leaves(linear) if leaf.dtype == jnp.int32]
    assert sum(leaf.size for leaf in indices) <= 8 * layers.n_edges + 4 * sum(layers.widths)


@each_topology
def test_no_examples_give_no_outputs(layers: tk.Layers) -> None:
    assert jax.vmap(made(layers))(jnp.ones((0, layers.n_in))).shape == (0, layers.n_out)


def test_a_signal_of_another_size_is_refused() -> None:
    linear = made(TOPOLOGIES["clos"])
    with pytest.raises(ValueError, match=r"16 features .* given shape \(5, 16\)"):
        linear(jnp.ones((5, 16)))


def test_matrices_of_other_shapes_are_refused() -> None:
    linear = made(TOPOLOGIES["dense"])
    with pytest.raises(ValueError, match=r"shapes \[\(5, 6\)\]; given \[\(6, 5\)\]"):
        linear.with_weights([np.ones((6, 5))])
    with pytest.raises(ValueError, match=r"bias must have the shape"):
        linear.with_weights([np.ones((5, 6))], np.ones(5))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_stays_half_precision(dtype) -> None:
    linear = jax.tree.map(
        lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf,
        made(TOPOLOGIES["random"]),
    )
    x = batch(TOPOLOGIES["random"])
    outputs = through(linear, x.astype(dtype))
    assert outputs.dtype == dtype
    expected = through(made(TOPOLOGIES["random"]), x)
    np.testing.assert_allclose(outputs.astype(jnp.float32), expected, atol=0.1)
    assert to_matrices(linear)[0].dtype == np.float32


def test_double_precision_stays_double_precision() -> None:
    with jax.enable_x64(True):
        linear = made(TOPOLOGIES["random"])
        assert linear.layers[0].weight.dtype == np.float64
        (matrix, *_), (layer, *_) = to_matrices(linear), linear.layers
        assert set(matrix[matrix != 0].tolist()) == set(layer.weight.tolist())


def test_weights_that_are_no_real_numbers_are_refused() -> None:
    for dtype in (jnp.int32, jnp.complex64, jnp.bool_):
        with pytest.raises(ValueError, match=r"dtype must be one of floating point; given \w+"):
            SparseLinear(TOPOLOGIES["dense"], key=jax.random.key(0), dtype=dtype)
