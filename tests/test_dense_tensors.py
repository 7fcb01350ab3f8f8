"""The paper's dense tensors, the peer of the benchmark, come to the same end as topokit."""

from functools import partial

import jax
import numpy as np
import pytest

import topokit as tk
from analyses.benchmarks import _dense_tensors as dense
from topokit import controllability

t = tk.topologies


def full_pair():
    """Two hidden neurons see inputs 0 and 1 alone, as does one output: (9) binds.

    The last hidden neuron leads nowhere, and what is added there is lost.
    """
    first = np.array([[1, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 1, 0]], bool)
    return tk.from_masks([first, np.array([[1, 0], [1, 0], [1, 1], [0, 0]], bool)])


NETWORKS = {
    "hypercube 8": t.hypercube.layers(8, 2),
    "random 8, skip": tk.with_skip(t.erdos_renyi.layers([8, 6, 8], 0.5, seed=0)),
    "torus 16": t.torus.layers((4, 4), 3),
    "full pair": tk.to_layers(full_pair()),
}


@pytest.fixture(scope="module", params=NETWORKS)
def descent(request):
    """A network, the losses of all steps through dense tensors, and the C of the last."""
    layers = NETWORKS[request.param]
    step, state = dense.dense_descent(layers, learning_rate=0.1)
    losses = []
    for _ in range(500):
        state = step(state)
        losses.append(float(state.loss))
    control = jax.jit(partial(dense.propagate, dense.dense_layers(layers)))
    return layers, losses, np.asarray(control(state.tensors))


def test_the_dense_tensors_and_topokit_find_one_total_and_one_loss(descent):
    layers, losses, control = descent
    ours = controllability(layers, method="pairwise", fairness=False, learning_rate=0.1)
    assert control.sum() == pytest.approx(ours.total, rel=1e-3)
    assert min(losses) == pytest.approx(ours.loss, rel=1e-3, abs=1e-3)
    assert losses[0] == pytest.approx(ours.losses[0], rel=1e-2)  # from nearly even shares


def test_the_dense_tensors_keep_the_bounds_of_the_paper(descent):
    layers, _, control = descent
    reach = np.linalg.multi_dot([np.eye(layers.n_in), *tk.to_masks(layers)]) > 0
    assert (control >= 0).all()
    assert (control + control.swapaxes(0, 1) <= 1 + 1e-5).all()  # (9)
    assert (control.sum((0, 1)) <= (reach.sum(0) - 1) * (1 + 1e-5)).all()  # (11)
    assert (control[~reach[:, None] | ~reach[None, :]] == 0).all()
    assert (control[np.diag_indices(layers.n_in)] == 0).all()


def test_a_step_takes_a_step():
    """Else a timing of it would be of nothing."""
    step, start = dense.dense_descent(NETWORKS["torus 16"])
    before = [np.asarray(tensor) for tensor in start.tensors.ratios]
    after = [np.asarray(tensor) for tensor in step(start).tensors.ratios]
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(before, after, strict=True))
