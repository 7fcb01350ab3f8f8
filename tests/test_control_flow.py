"""How control flows through arrays, against the tensors of the paper written out in full."""

from functools import partial
from itertools import pairwise as consecutive

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk
from topokit.layers import keep_edges, live_edges
from topokit.scores.control.descent import _padded_layers as _wiring
from topokit.scores.control.descent._marginal import marginal
from topokit.scores.control.descent._padded_layers import make_wiring
from topokit.scores.control.descent._pairwise import pairwise
from topokit.scores.control.descent._propagation import draw_logits, propagate
from topokit.scores.control.descent._round_shapes import round_shapes

laws = settings(max_examples=100)
few = settings(laws, max_examples=6)
FORMS = {"marginal": marginal, "pairwise": pairwise}
flow = jax.jit(propagate, static_argnums=0)


def softmax(logits):
    """Shares of a list of numbers; of none, none."""
    weights = np.exp(np.array(logits) - max(logits, default=0))
    return weights / weights.sum()


def products(masks):
    """Whether a path joins each sender of the first mask and each receiver of the last."""
    return np.linalg.multi_dot([*masks, np.eye(masks[-1].shape[1])]) > 0


def useful_masks(layers):
    """The masks, all of them and the trainable ones, of edges from some input to some output."""
    masks, free = tk.to_masks(layers), tk.to_masks(layers, trainable=True)
    eye = np.eye(layers.n_in, dtype=bool)
    for depth, mask in enumerate(masks):
        fed = products([eye, *masks[:depth]]).any(axis=0)
        heard = products([*masks[depth + 1 :], np.eye(layers.n_out)]).any(axis=1)
        carries = fed[:, None] & heard[None, :]
        masks[depth], free[depth] = mask & carries, free[depth] & carries
    return masks, free


def edges_of(stage):
    """For each layer of a stage: senders, receivers and out-slots of its edges."""
    fan_out, columns = stage.exists.shape[2], []
    for arrive in stage.arrive:
        receivers, slots = np.nonzero(arrive < stage.exists[0].size)
        senders, out_slots = np.divmod(arrive[receivers, slots], fan_out)
        columns.append((senders, receivers, out_slots))
    return zip(*columns, strict=True)


def splits_of(layers, wiring, logits):
    """For each layer of edges behind the first, the logits of each edge in every channel."""
    tables = []
    for stage, split in zip(wiring.stages, logits.splits, strict=True):
        for senders, receivers, slots, rows in zip(*edges_of(stage), split, strict=True):
            logits_of_edges = np.asarray(rows, float)[senders, slots]
            tables.append(
                dict(zip(zip(senders, receivers, strict=True), logits_of_edges, strict=True))
            )
    assert len(tables) == layers.depth - 1
    return tables


def injections_of(logits):
    """For each layer of neurons behind the inputs, the logits of what each adds."""
    rows = [logits.first, *(row for stack in logits.injections for row in stack)]
    return [np.asarray(row, float) for row in rows]


def literal(layers, wiring, logits, channels_of, hold):
    """Equations (10) to (19), one neuron, edge and channel at a time."""
    masks, free = useful_masks(layers)
    splits, injections = splits_of(layers, wiring, logits), injections_of(logits)
    reach = np.eye(layers.n_in, dtype=bool)
    control = np.zeros((layers.n_in, injections[0].shape[1]))
    for depth, mask in enumerate(masks):
        reach = reach @ mask
        arriving = np.zeros((mask.shape[1], injections[0].shape[1]))
        for u, c in np.argwhere(control > 0):
            out = np.flatnonzero(mask[u])
            shares = softmax([splits[depth - 1][u, v][c] for v in out])
            for v, share in zip(out, shares, strict=True):
                arriving[v, c] += share * control[u, c]
        control = np.zeros_like(arriving)
        for v in range(mask.shape[1]):
            allowed = channels_of(np.flatnonzero(reach[:, v]), layers.n_in)
            gain = min(free[depth][:, v].sum(), mask[:, v].sum() - 1)
            added = np.zeros(arriving.shape[1])
            if allowed and gain > 0:
                added[allowed] = gain * softmax([injections[depth][v, c] for c in allowed])
            control[v] = hold(arriving[v] + added, max(reach[:, v].sum() - 1, 0))
    return control


def one_channel_an_input(inputs, _n_in):
    return list(inputs)


def one_channel_a_pair(inputs, n_in):
    return [i * n_in + j for i in inputs for j in inputs if i != j]


def hold_total(control, room):
    return control * min(1, room / control.sum()) if control.sum() > 0 else control


def hold_pairs(control, room):
    n_in = round(control.size**0.5)
    tensor = control.reshape(n_in, n_in).copy()
    for i in range(n_in):
        for j in range(i):
            excess = max(1, tensor[i, j] + tensor[j, i])
            tensor[i, j], tensor[j, i] = tensor[i, j] / excess, tensor[j, i] / excess
    return hold_total(tensor.ravel(), room)


LITERAL = {
    "marginal": (one_channel_an_input, hold_total),
    "pairwise": (one_channel_a_pair, hold_pairs),
}


@pytest.mark.parametrize("method", FORMS)
@few
@given(layered_networks(max_width=5))
def test_control_is_that_of_the_equations_written_out(method, layers):
    form, wiring = FORMS[method], make_wiring(layers)
    logits = draw_logits(np.random.default_rng(0), form, wiring, deviation=1.0)
    control = flow(form, wiring, logits)[: layers.n_out]
    expected = literal(layers, wiring, logits, *LITERAL[method])
    np.testing.assert_allclose(control, expected, atol=1e-5)


@laws
@given(layered_networks(max_depth=5))
def test_each_slot_of_a_wiring_is_one_edge(layers):
    """The edges behind the first layer are all there, and each has an out-slot of its own."""
    masks, _ = useful_masks(layers)
    found = []
    for stage in make_wiring(layers).stages:
        for exists, *edges in zip(stage.exists, *edges_of(stage), strict=True):
            senders, receivers, slots = edges
            assert exists[senders, slots].all()
            assert exists.sum() == senders.size == len(set(zip(senders, slots, strict=True)))
            found.append(set(zip(senders, receivers, strict=True)))
    assert found == [set(zip(*np.nonzero(mask), strict=True)) for mask in masks[1:]]


@laws
@given(layered_networks())
def test_only_edges_between_an_input_and_an_output_carry(layers):
    masks, free = useful_masks(layers)
    kept = keep_edges(layers, live_edges(layers))
    assert all(map(np.array_equal, tk.to_masks(kept), masks))
    assert all(map(np.array_equal, tk.to_masks(kept, trainable=True), free))


def test_how_layers_are_stacked_changes_nothing(monkeypatch):
    layers = tk.topologies.erdos_renyi.layers([5, 6, 5, 3, 9], 0.7, seed=0)
    results, n_stages = [], []
    for padding in (0, 1.5, 1000):
        monkeypatch.setattr(_wiring, "PADDING", padding)
        wiring = make_wiring(layers)
        even = draw_logits(np.random.default_rng(0), marginal, wiring, deviation=0.0)
        results.append(flow(marginal, wiring, even)[: layers.n_out])
        n_stages.append(len(wiring.stages))
    assert n_stages == [3, 2, 1]
    for one, other in consecutive(results):
        np.testing.assert_allclose(one, other, rtol=1e-5)


ROUNDED = {
    "one layer of edges": tk.topologies.dense.layers(3, 5),
    "a bottleneck": tk.topologies.low_rank.layers(5, 7, 3),
    "uneven layers": tk.topologies.erdos_renyi.layers([5, 6, 6, 5, 3, 9], 0.7, seed=0),
    "many layers": tk.topologies.butterfly.layers(4, 7),
}


@pytest.mark.parametrize("layers", ROUNDED.values(), ids=ROUNDED)
def test_round_shapes_change_neither_control_nor_its_slopes(layers):
    @jax.jit
    @partial(jax.grad, has_aux=True)
    def slopes_and_control(logits, wiring):
        control = propagate(marginal, wiring, logits)[: layers.n_out]
        return ((control - 1) ** 2).sum(), control

    wiring = make_wiring(layers)
    logits = draw_logits(np.random.default_rng(0), marginal, wiring, deviation=1.0)
    slopes, control = slopes_and_control(logits, wiring)
    rounded, grown = round_shapes(wiring, logits)
    more_slopes, same_control = slopes_and_control(grown, rounded)
    np.testing.assert_allclose(same_control, control, rtol=1e-5, atol=1e-6)
    for slope, more in zip(*map(jax.tree.leaves, (slopes, more_slopes)), strict=True):
        corner = (slice(size) for size in slope.shape[1:])
        end = slice(slope.shape[0]) if slope.ndim == 2 else slice(len(more) - len(slope), None)
        np.testing.assert_allclose(more[(end, *corner)], slope, rtol=1e-4, atol=1e-6)
        assert np.count_nonzero(more) == np.count_nonzero(slope)


def test_networks_of_about_one_size_have_the_same_round_shapes():
    found = set()
    for layers in (
        tk.topologies.hypercube.layers(16, 3),
        tk.topologies.torus.layers((4, 4), 5),
        tk.topologies.random_regular.layers([16] * 4, 4, seed=0),
    ):
        wiring = make_wiring(layers)
        logits = draw_logits(np.random.default_rng(0), marginal, wiring, deviation=1.0)
        found.add(tuple(x.shape for x in jax.tree.leaves(round_shapes(wiring, logits))))
    assert len(found) == 1


def test_a_large_network_keeps_its_shapes(monkeypatch):
    monkeypatch.setattr("topokit.scores.control.descent._round_shapes.SMALL", 100)
    wiring = make_wiring(tk.topologies.butterfly.layers(8, 6))
    logits = draw_logits(np.random.default_rng(0), marginal, wiring, deviation=1.0)
    assert round_shapes(wiring, logits) == (wiring, logits)


def test_equal_layers_share_one_stage():
    wiring = make_wiring(tk.topologies.butterfly.layers(16, 30))
    assert [stage.arrive.shape for stage in wiring.stages] == [(29, 16, 2)]


def test_a_bottleneck_is_not_padded_to_the_width_of_its_neighbors():
    wiring = make_wiring(tk.topologies.low_rank.layers(64, 64, 2))
    assert [stage.exists.shape for stage in wiring.stages] == [(1, 2, 64)]
