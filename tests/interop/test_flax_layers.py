"""The Flax layer is the Equinox layer, kept as Flax keeps modules."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import topokit as tk
from topokit import networks

nnx = pytest.importorskip("flax.nnx", reason="flax is not installed: make interop")
pytestmark = pytest.mark.interop

t = tk.topologies
TOPOLOGIES = {
    "clos": t.clos.layers(16, 24, 4, 3, 6),
    "random": t.random_regular.layers([16, 12], 3, seed=0),
    "half full": t.erdos_renyi.layers([16, 20], 0.6, seed=0),
    "skip butterfly": tk.to_layers(tk.with_skip(t.butterfly(16, 5))),
}
each_topology = pytest.mark.parametrize("layers", TOPOLOGIES.values(), ids=TOPOLOGIES)


def both(layers, **options):
    """The same layer twice, with a bias that is not 0."""
    linear = networks.SparseLinear(layers, key=jax.random.key(0), **options)
    if linear.bias is not None:
        bias = jnp.arange(layers.n_out, dtype=linear.bias.dtype)
        linear = eqx.tree_at(lambda s: s.bias, linear, bias)
    return linear, tk.flax.from_equinox(linear)


def learned(linear):
    return jax.tree.leaves(eqx.filter(linear, eqx.is_inexact_array))


def error(y):
    return jnp.sum(jnp.tanh(y) ** 2)


@each_topology
def test_outputs_and_gradients_are_those_of_the_equinox_layer(layers):
    bias = layers.depth > 1
    linear, module = both(layers, bias=bias)
    x = jax.random.normal(jax.random.key(1), (2, 3, layers.n_in))
    flat = x.reshape(-1, layers.n_in)
    expected = jax.vmap(linear)(flat).reshape(2, 3, -1)
    outputs = nnx.jit(lambda module, x: module(x))(module, x)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    gradient = nnx.jit(nnx.grad(lambda m: error(m(x))))(module)
    wanted = eqx.filter_jit(eqx.filter_grad(lambda s: error(jax.vmap(s)(flat))))(linear)
    found = [*(p.get_value() for p in gradient["weights"].values())]
    for ours, theirs in zip(found, [s.weight for s in wanted.layers], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    sizes = sum(part.size for part in jax.tree.leaves(gradient))
    assert sizes == layers.n_trainable + bias * layers.n_out


@each_topology
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["single", "half"])
def test_bits_go_from_equinox_and_back(layers, dtype):
    linear, module = both(layers, dtype=dtype)
    back = tk.flax.to_equinox(module)
    assert networks.to_recipe(back) == layers
    for ours, theirs in zip(learned(back), learned(linear), strict=True):
        assert ours.dtype == theirs.dtype == dtype
        assert (ours == theirs).all()


def test_splitting_and_cloning_and_the_same_seed_make_the_same_layer():
    layers = TOPOLOGIES["skip butterfly"]
    first, again = (tk.flax.SparseLinear(layers, rngs=nnx.Rngs(3)) for _ in range(2))
    x = jnp.ones((2, layers.n_in))
    for other in (again, nnx.clone(first), nnx.merge(*nnx.split(first))):
        assert (other(x) == first(x)).all()


def test_a_signal_of_another_width_is_refused_in_a_line():
    layer = tk.flax.SparseLinear(TOPOLOGIES["clos"], rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"16 features .* last axis; given shape \(3, 15\)"):
        layer(jnp.ones((3, 15)))
