"""Layers that stand in several places of a model: replaced where that has a meaning, or left."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import topokit as tk
from topokit import networks

KEYS = jax.random.split(jax.random.key(0), 4)
X = jnp.linspace(-1, 1, 16)
RULE = networks.clos_with(0.5)


class Tied(eqx.Module):
    """Two layers, of which the second has something of the first, and a third."""

    both: eqx.nn.Shared
    last: eqx.nn.Linear

    def __init__(self, where, get):
        first, second, self.last = (eqx.nn.Linear(16, 16, key=key) for key in KEYS[:3])
        self.both = eqx.nn.Shared((first, second), where, get)

    def __call__(self, x):
        first, second = self.both()
        return self.last(second(first(x)))


def by_weight() -> Tied:
    return Tied(lambda both: both[1].weight, lambda both: both[0].weight)


def as_a_whole() -> Tied:
    return Tied(lambda both: both[1], lambda both: both[0])


def test_a_layer_that_stands_twice_is_replaced_in_the_places_that_are_named():
    layer = eqx.nn.Linear(16, 16, key=KEYS[0])
    model = eqx.nn.Sequential([layer, eqx.nn.Lambda(jnp.tanh), layer])
    assert networks.kernels(model) == {"layers.0": (16, 16), "layers.2": (16, 16)}
    sparse = networks.sparsify(model, {"layers.2": tk.topologies.butterfly(16)}, key=KEYS[3])
    assert networks.kernels(sparse) == {"layers.0": (16, 16)}
    np.testing.assert_array_equal(sparse(X), sparse.layers[2](jnp.tanh(layer(X))))
    both = networks.sparsify(model, RULE, key=KEYS[3])
    assert networks.kernels(both) == {}
    assert networks.n_parameters(both) < networks.n_parameters(model)


def test_a_layer_whose_weights_alone_are_shared_stays():
    model = by_weight()
    assert networks.kernels(model) == {"last": (16, 16)}
    sparse = networks.sparsify(model, RULE, key=KEYS[3])
    first, second = sparse.both()
    assert first.weight is second.weight
    np.testing.assert_array_equal(sparse(X), sparse.last(second(first(X))))
    with pytest.raises(ValueError, match="no layer 'both.pytree.0'"):
        networks.sparsify(model, {"both.pytree.0": tk.topologies.butterfly(16)}, key=KEYS[3])


def test_a_layer_that_is_shared_as_a_whole_is_replaced_in_both_places():
    model = as_a_whole()
    assert networks.kernels(model) == {"both.pytree.0": (16, 16), "last": (16, 16)}
    sparse = networks.sparsify(model, RULE, key=KEYS[3])
    first, second = sparse.both()
    assert isinstance(first, networks.SparseLinear)
    assert jax.tree.leaves(first)[0] is jax.tree.leaves(second)[0]
    assert networks.kernels(sparse) == {}
    assert sparse(X).shape == (16,)


@pytest.mark.parametrize("make", [by_weight, as_a_whole])
def test_tied_models_are_counted_written_and_read_like_others(make, tmp_path):
    model = make()
    file = tmp_path / "weights.npz"
    networks.write_weights(model, file)
    other = jax.tree.map(lambda leaf: 0 * leaf if eqx.is_array(leaf) else leaf, model)
    np.testing.assert_array_equal(networks.read_weights(file, other)(X), model(X))
    wirings = networks.kernel_topologies(model)
    assert wirings.keys() == networks.kernels(model).keys()
    assert networks.n_parameters(model) == 3 * 16**2 + 3 * 16 - (make is as_a_whole) * 16 - 16**2
