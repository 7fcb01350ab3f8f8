"""Recurrent cells equal Equinox's with the dense matrices of their topologies."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import topokit as tk
from topokit.networks import SparseGRUCell, SparseLSTMCell, to_dense

N_IN, SIZE = 12, 8
t = tk.topologies
CELLS = {
    "gru": (SparseGRUCell, eqx.nn.GRUCell, 3),
    "lstm": (SparseLSTMCell, eqx.nn.LSTMCell, 4),
}
each_cell = pytest.mark.parametrize(("sparse", "dense", "gates"), CELLS.values(), ids=CELLS)


def make(sparse, gates: int, bias: bool = True):
    inputs = t.clos.layers(N_IN, gates * SIZE, 4, 3, 4)
    hidden = t.random_regular.layers([SIZE, gates * SIZE], 2, seed=0)
    cell = sparse(inputs, hidden, key=jax.random.key(0), bias=bias)
    if not bias:
        return cell
    biases = [b for b in jax.tree.leaves(cell) if b.ndim == 1 and eqx.is_inexact_array(b)]
    assert biases
    cell = eqx.tree_at(lambda c: c.inputs.bias, cell, jnp.linspace(-1, 1, gates * SIZE))
    if sparse is SparseGRUCell:
        cell = eqx.tree_at(lambda c: c.bias_n, cell, jnp.linspace(-1, 1, SIZE))
    return cell


def dense_twin(cell, dense, bias: bool):
    twin = dense(N_IN, SIZE, use_bias=bias, key=jax.random.key(1))
    weights = to_dense(cell.inputs).weight, to_dense(cell.hidden).weight
    twin = eqx.tree_at(lambda d: (d.weight_ih, d.weight_hh), twin, weights)
    if not bias:
        return twin
    twin = eqx.tree_at(lambda d: d.bias, twin, cell.inputs.bias)
    return twin if dense is eqx.nn.LSTMCell else eqx.tree_at(lambda d: d.bias_n, twin, cell.bias_n)


@each_cell
@pytest.mark.parametrize("bias", [True, False])
def test_ten_steps_equal_those_of_the_dense_cell(sparse, dense, gates, bias) -> None:
    cell = make(sparse, gates, bias)
    twin = dense_twin(cell, dense, bias)
    state = jnp.linspace(-1, 1, SIZE)
    start = state if gates == 3 else (state, -state)
    signals = jax.random.normal(jax.random.key(2), (10, N_IN))

    def run(cell):
        return jax.lax.scan(lambda s, x: (cell(x, s), None), start, signals)[0]

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), run(cell), run(twin)
    )


@each_cell
def test_widths_that_do_not_fit_are_refused(sparse, dense, gates) -> None:
    del dense
    good, bad = t.dense.layers(SIZE, gates * SIZE), t.dense.layers(N_IN, gates * SIZE - 1)
    with pytest.raises(ValueError, match=f"must have {gates * SIZE} outputs; given"):
        sparse(bad, good, key=jax.random.key(0))
    with pytest.raises(ValueError, match="outputs; given"):
        sparse(good, t.dense.layers(SIZE, SIZE), key=jax.random.key(0))
