"""The predicted loss: closed forms, bounds, the spectrum of random matrices, and what training
leaves."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from recipes import count_paths
from strategies import layered_networks

import topokit as tk
from topokit import predicted_loss
from topokit.layers import xavier_radii
from topokit.reconstruction import Adam
from topokit.scores import effective_order, interaction_order, low_rank_loss

laws = settings(max_examples=60)
t = tk.topologies


def each_path(layers):
    """Of each path from an input to an output: its edges, as pairs (layer, place in it)."""
    paths = [([], i) for i in range(layers.n_in)]
    for number, (senders, receivers) in enumerate(
        zip(layers.senders, layers.receivers, strict=True)
    ):
        paths = [
            ([*path, (number, edge)], int(receivers[edge]))
            for path, end in paths
            for edge in np.flatnonzero(senders == end)
        ]
    return [path for path, _ in paths]


def degree(layers, path):
    return sum(bool(layers.trainable[number][edge]) for number, edge in path)


@laws
@given(layered_networks())
def test_the_order_is_the_mean_degree_of_all_paths(layers):
    degrees = [degree(layers, path) for path in each_path(layers)]
    assert interaction_order(layers) == pytest.approx(np.mean(degrees))


@laws
@given(layered_networks(), st.sampled_from([0.1, 1.0, 7.0]))
def test_the_effective_order_weighs_paths_at_the_scale_of_the_targets(layers, factor):
    layers = replace(layers, constant=tuple(factor * c for c in layers.constant))
    paths, radii = each_path(layers), xavier_radii(layers)
    squares = np.array(
        [
            np.prod(
                [
                    radii[n][e] ** 2 / 3 if layers.trainable[n][e] else layers.constant[n][e] ** 2
                    for n, e in path
                ]
            )
            for path in paths
        ]
    )
    degrees = np.array([degree(layers, path) for path in paths])
    moves = degrees > 0
    if not moves.any():
        assert effective_order(layers) == 0
        return
    # The scale: a root of a polynomial in the square of the factor of all trainable weights.
    entries = layers.n_in * layers.n_out
    coefficients = np.bincount(degrees[moves], squares[moves], minlength=2) / entries
    coefficients[0] = -(1 + 2 * squares[~moves].sum() / entries)
    roots = np.roots(coefficients[::-1])
    (square,) = roots[(abs(roots.imag) < 1e-9 * abs(roots)) & (roots.real > 0)].real
    sizes = np.sqrt(squares * square**degrees)[moves]
    assert effective_order(layers) == pytest.approx(sizes @ degrees[moves] / sizes.sum(), rel=1e-5)


def test_constants_of_any_size_have_an_effective_order():
    layers = tk.with_skip(t.random_regular.layers([16] * 41, 4, seed=0))
    for constant in (1e-200, 1e200):
        scaled = replace(layers, constant=tuple(constant * c for c in layers.constant))
        assert 1 <= effective_order(scaled) <= 40
        assert np.isfinite(tk.leverage(scaled, n_samples=1)).all()


def test_the_order_of_more_paths_than_a_float_can_count():
    layers = tk.with_skip(t.random_regular.layers([16] * 401, 8, seed=0))
    assert interaction_order(layers) == pytest.approx(400 * 7 / 8)  # one of eight is constant
    assert tk.structure(layers).paths_max > sys.float_info.max


@pytest.mark.parametrize(("n", "m"), [(48, 48), (24, 96), (96, 60)])
def test_the_best_low_rank_loses_the_small_singular_values(n, m):
    rng = np.random.default_rng(0)
    squares = np.linalg.svd(rng.standard_normal((60, n, m)), compute_uv=False) ** 2
    for rank in range(0, min(n, m), 8):
        left = (squares[:, rank:].sum(1) / squares.sum(1)).mean()
        assert low_rank_loss(n, m, rank) == pytest.approx(left, rel=0.06, abs=1e-3)


def test_the_low_rank_loss_has_its_closed_forms():
    assert low_rank_loss(8, 8, 0) == pytest.approx(1)
    assert low_rank_loss(8, 5, 5) == low_rank_loss(8, 5, 7) == 0
    losses = [low_rank_loss(64, 40, rank) for rank in range(41)]
    assert (np.diff(losses) < 0).all()
    assert low_rank_loss(40, 64, 9) == losses[9]
    # The square: the share (t - sin t) / pi of the values holds (t - sin t cos t) / pi of all.
    angle = np.pi / 2
    rank = round(10**6 * (angle - 1) / np.pi)
    assert low_rank_loss(10**6, 10**6, rank) == pytest.approx(0.5, abs=1e-5)
    # Far from square all singular values are equal.
    assert low_rank_loss(4, 10**7, 1) == pytest.approx(0.75, abs=1e-3)


@laws
@given(layered_networks(max_depth=1, trainable=True))
def test_a_single_layer_leaves_what_it_has_no_edge_for(layers):
    density = layers.n_edges / (layers.n_in * layers.n_out)
    assert predicted_loss(layers) == pytest.approx(1 - density)


@laws
@given(layered_networks(trainable=True), st.integers(0, 3))
def test_the_prediction_keeps_its_bounds(layers, seed):
    entries = layers.n_in * layers.n_out
    free, reachable = tk.degrees_of_freedom(layers), np.count_nonzero(count_paths(layers))
    found = predicted_loss(layers, n_samples=1, seed=seed)
    assert low_rank_loss(layers.n_in, layers.n_out, tk.scores.bandwidth(layers)) <= found
    assert 1 - reachable / entries <= found + 1e-9
    assert found >= (1 - free / entries) ** 4 - 1e-9
    if free < entries:
        assume(found > low_rank_loss(layers.n_in, layers.n_out, tk.scores.bandwidth(layers)))
        assert found <= 1 - free / entries + 1e-9
    else:
        assert found == 0


@laws
@given(layered_networks(max_depth=3), st.integers(0, 5))
def test_a_dead_end_does_not_count_for_the_order(layers, sender):
    assume(layers.depth > 1)
    graph = tk.from_layers(layers)
    dead_end = (1, layers.widths[1])
    graph.add_node(dead_end, layer=1)
    graph.add_edge((0, sender % layers.n_in), dead_end)
    assert interaction_order(graph) == pytest.approx(interaction_order(layers))


def test_without_trainable_edges_nothing_is_rebuilt():
    masks = [np.eye(4, dtype=bool)] * 2
    frozen = tk.from_masks(masks, [np.zeros((4, 4), bool)] * 2)
    assert interaction_order(frozen) == 0
    assert predicted_loss(frozen) == 1


def test_a_low_rank_layer_is_predicted_by_its_rank():
    assert predicted_loss(t.low_rank(32, 32, 8)) == low_rank_loss(32, 32, 8)


def test_the_score_has_the_prediction_and_a_seed_gives_it_again():
    topology = t.random_regular([8] * 4, 2, seed=1)
    assert tk.score(topology).predicted_loss == predicted_loss(topology)
    one, same = (predicted_loss(topology, n_samples=2, seed=5) for _ in range(2))
    assert one == same
    assert predicted_loss(topology, seed=6) != predicted_loss(topology, seed=5)


@pytest.mark.parametrize(
    "topology",
    [
        t.clos(16, 16, 4, 3, 4),
        t.torus((4, 4), 2),
        tk.with_skip(t.random_regular([16] * 5, 3, seed=0)),
        t.low_rank(16, 16, 4),
    ],
)
def test_training_leaves_about_what_is_predicted(topology):
    targets = np.random.default_rng(0).standard_normal((8, 16, 16))
    left = tk.reconstruct(topology, targets, solver=Adam(max_steps=600)).loss.mean()
    assert predicted_loss(topology) == pytest.approx(left, rel=0.15)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="n_samples"):
        predicted_loss(t.butterfly(4), n_samples=0)
    with pytest.raises(ValueError, match="seed"):
        predicted_loss(t.butterfly(4), seed=-1)
    with pytest.raises(ValueError, match="rank"):
        low_rank_loss(4, 4, -1)
    with pytest.raises(ValueError, match="n_out"):
        low_rank_loss(4, 0, 1)
