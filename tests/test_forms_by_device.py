"""Which form layers take on a CPU and on another device, played by a CPU; and all compute alike."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import topokit as tk
from topokit.networks import SparseLinear, to_matrices
from topokit.products import _error as tiles
from topokit.products import arrange_goal, compile_product, gather_form, make_wiring, total_error
from topokit.products._blocks import Blocks, Dense
from topokit.products._device_kind import on_cpu
from topokit.products._product_kernel import Unrolled
from topokit.products._signal_kernel import ON_CPU, ON_GPU, Looped, loop_sizes

t = tk.topologies
# Sizes that no other test has, for what is traced for one device stays in JAX's memory.
EXAMPLES = 27
CHOICES = {
    "pairs": (t.butterfly.layers(256, 2), Blocks, Looped),
    "large blocks": (t.clos.layers(117, 117, 9, 9, 9), Blocks, Blocks),
    "long sums": (t.erdos_renyi.layers([423, 21], 0.09, seed=0), Looped, Looped),
    "short sums": (t.random_regular.layers([123, 129], 5, seed=0), Looped, Looped),
    "rather dense": (t.erdos_renyi.layers([61, 67], 0.15, seed=0), Looped, Dense),
    "half full": (t.erdos_renyi.layers([33, 39], 0.5, seed=0), Dense, Dense),
}
each_choice = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)

on_gpu = pytest.mark.usefixtures("gpu")
on_a_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="JAX has no CPU by default")


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


@on_a_cpu
@each_choice
def test_on_a_cpu_the_form_is_the_one_that_was_fastest_there(choice):
    layers, usual, _ = choice
    assert loop_sizes() == ON_CPU
    assert type(make_wiring(layers, 0)) is usual


@on_gpu
@each_choice
def test_on_a_gpu_it_is_the_one_that_was_fastest_there(choice):
    layers, _, usual = choice
    assert loop_sizes() == ON_GPU
    assert type(make_wiring(layers, 0)) is usual


@on_gpu
def test_what_is_computed_on_a_cpu_beside_a_gpu_is_made_for_the_cpu():
    assert not on_cpu()
    for device in ("cpu", jax.devices("cpu")[0]):
        with jax.default_device(device):
            assert on_cpu()


@on_gpu
@each_choice
def test_values_and_gradients_are_those_of_matrices(choice):
    model = SparseLinear(choice[0], key=jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (EXAMPLES, model.n_in))

    def loss(model, x):
        return jnp.sum(jnp.tanh(jax.vmap(model)(x)) ** 2)

    def dense_loss(matrices, x):
        for matrix in matrices:
            x = jnp.matmul(x, matrix, precision="highest")
        return jnp.sum(jnp.tanh(x) ** 2)

    matrices = [jnp.asarray(matrix, x.dtype) for matrix in to_matrices(model)]
    value, (gradient, back) = eqx.filter_jit(eqx.filter_value_and_grad(both(loss)))((model, x))
    expected, (full, moved) = jax.value_and_grad(both(dense_loss))((matrices, x))
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    np.testing.assert_allclose(back, moved, rtol=1e-3, atol=1e-4)
    ends = zip(choice[0].senders, choice[0].receivers, strict=True)
    for layer, matrix, (senders, receivers) in zip(gradient.layers, full, ends, strict=True):
        np.testing.assert_allclose(layer.weight, matrix[senders, receivers], rtol=1e-3, atol=1e-4)


def both(loss):
    """Of one argument, in which both are."""
    return lambda pair: loss(*pair)


def test_products_are_kept_apart_and_tiled_on_a_cpu_alone(monkeypatch):
    layers = t.butterfly.layers(128, 9)
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(layers.n_edges, 1)), jnp.float32)
    monkeypatch.setattr(tiles, "TILED", 1)
    errors = []
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        network = compile_product(layers, form=gather_form)
        wirings = [stage.wiring for stage in network.stages]
        assert {w.true is None for w in wirings if isinstance(w, Unrolled)} == {backend == "gpu"}
        goal = jnp.asarray(arrange_goal(network, jnp.ones((128, 128, 1))))
        call = jax.make_jaxpr(
            lambda w, network=network, goal=goal: total_error(
                network, w, goal, jnp.square, unit=jnp.ones(1)
            )
        )
        assert ("custom_vjp_call" in str(call(weights))) == (backend == "cpu")
        errors.append(total_error(network, weights, goal, jnp.square, unit=jnp.ones(1)))
    np.testing.assert_allclose(*errors, rtol=1e-5)
