"""Soft leverage against ridge regressions, closed forms, and its two limits."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import count_paths
from strategies import layered_networks

import topokit as tk
from topokit.layers import xavier_radii
from topokit.scores import soft_leverage
from topokit.scores.freedom._soft_leverage import _draw_signs

quick = settings(max_examples=25)


def derivative(layers: tk.Layers, weights: list[np.ndarray]) -> np.ndarray:
    """dW_d/dw by differences, exact since W_d is linear in each weight; one column an edge.

    In fractions its numbers have no largest and no smallest.
    """
    columns = []
    for layer, free in enumerate(layers.trainable):
        for edge in np.flatnonzero(free):
            ends = []
            for value in (0, 1):
                changed = [w.copy() for w in weights]
                changed[layer][edge] = value
                ends.append(whole(layers, changed))
            columns.append((ends[1] - ends[0]).ravel())
    return np.array(columns).reshape(len(columns), layers.n_in * layers.n_out).T


def whole(layers: tk.Layers, weights: list[np.ndarray]) -> np.ndarray:
    result = np.eye(layers.n_in, dtype=weights[0].dtype)
    for width, senders, receivers, w in zip(
        layers.widths[1:], layers.senders, layers.receivers, weights, strict=True
    ):
        matrix = np.zeros((result.shape[1], width), result.dtype)
        matrix[senders, receivers] = w
        result = result @ matrix
    return result


def exactly(values: np.ndarray) -> np.ndarray:
    return np.array([Fraction(value) for value in values.tolist()], object)


@quick
@given(
    layered_networks(max_width=4),
    st.sampled_from([0.01, 0.3, 10.0]),
    st.sampled_from([1.0, 1e200, 1e-200]),
)
def test_it_is_the_part_that_a_ridge_regression_recovers_of_each_entry(layers, softness, size):
    layers = replace(layers, constant=tuple(size * c for c in layers.constant))
    deviations = [r / np.sqrt(3) for r in xavier_radii(layers)]
    weights = _draw_signs(layers, deviations, np.random.default_rng(3))
    unit = np.concatenate([d[f] for d, f in zip(deviations, layers.trainable, strict=True)])
    exact = derivative(layers, [exactly(w) for w in weights]) * exactly(unit)
    jacobian = (exact / (abs(exact).max(initial=0) or 1)).astype(float)
    n_pairs = layers.n_in * layers.n_out
    price = softness * (jacobian**2).sum() / n_pairs
    expected = np.zeros(n_pairs)
    # As a least-squares problem with the price as further rows, one entry at a time.
    rows = np.vstack([jacobian, np.sqrt(price) * np.eye(jacobian.shape[1])])
    for entry in range(n_pairs if price else 0):
        error = np.zeros(len(rows))
        error[entry] = 1
        step = np.linalg.lstsq(rows, error, rcond=None)[0]
        expected[entry] = jacobian[entry] @ step
    found = soft_leverage(layers, softness=softness, n_samples=1, seed=3)
    assert found.ravel() == pytest.approx(expected, abs=1e-9)


@quick
@given(layered_networks(), st.integers(1, 5), st.sampled_from([1e300, 1e-300, -1.0]))
def test_a_layer_of_constants_has_no_scale(layers, depth, size):
    relays = tk.to_layers(
        tk.from_masks([np.eye(layers.n_out)], [np.zeros((layers.n_out,) * 2, bool)])
    )
    longer = [
        tk.cascade([layers, *[replace(relays, constant=(c * relays.constant[0],))] * depth])
        for c in (1.0, size)
    ]
    plain, scaled = (soft_leverage(one, n_samples=1) for one in longer)
    assert scaled == pytest.approx(plain, abs=1e-12)


@quick
@given(layered_networks())
def test_entries_are_shares_that_fall_with_the_price(layers):
    cheap, dear = (soft_leverage(layers, softness=s, n_samples=2) for s in (0.01, 1.0))
    assert (dear >= 0).all()
    assert (dear <= cheap + 1e-9).all()
    assert (cheap < 1).all()
    assert cheap.sum() <= tk.degrees_of_freedom(layers) + 1e-9
    assert not cheap[count_paths(layers) == 0].any()


@pytest.mark.parametrize("softness", [1e-3, 0.5, 20.0])
def test_a_dense_layer_recovers_the_same_share_everywhere(softness):
    found = soft_leverage(tk.topologies.dense(5, 7), softness=softness)
    assert found == pytest.approx(np.full((5, 7), 1 / (1 + softness)))


def test_an_outer_product_has_its_closed_form():
    # J J^T = I x (b b^T) + (a a^T) x I for vectors of signs: n + m, m and n are its eigenvalues.
    n, m, softness = 4, 6, 0.2
    price = 2 * softness  # every row has two entries
    shares = [n + m] + [m] * (n - 1) + [n] * (m - 1)
    expected = sum(share / (share + price) for share in shares) / (n * m)
    found = soft_leverage(tk.topologies.low_rank(n, m, 1), softness=softness)
    assert found == pytest.approx(np.full((n, m), expected))


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_for_a_vanishing_price_it_sums_to_the_degrees_of_freedom(stages):
    topology = tk.topologies.butterfly(16, stages)
    found = soft_leverage(topology, softness=1e-9, n_samples=1)
    assert found.sum() == pytest.approx(tk.degrees_of_freedom(topology), rel=1e-6)


def test_a_high_price_leaves_the_number_of_paths():
    layers = tk.to_layers(tk.topologies.random_regular([8, 8, 8, 8], 3, seed=0))
    H = soft_leverage(layers, softness=1e6, n_samples=300)
    paths = count_paths(layers)
    assert H / H.mean() == pytest.approx(paths / paths.mean(), abs=0.15)


def test_pairs_without_a_path_cost_a_wiring_its_rank():
    # Equal width, depth, degrees and degrees of freedom; one wiring reaches all pairs.
    wirings = [tk.topologies.random_regular([16] * 5, 2, seed=s) for s in range(8)]
    wirings.append(tk.topologies.butterfly(16, 4))
    assert len({tk.degrees_of_freedom(w) for w in wirings}) == 1
    losses = [((1 - soft_leverage(w)) ** 2).mean() for w in wirings]
    assert np.argmin(losses) == len(losses) - 1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    topology = tk.topologies.random_regular([8, 8, 8], 3, seed=0)
    maps = [soft_leverage(topology, seed=s).tobytes() for s in (0, 0, 1)]
    assert maps[0] == maps[1] != maps[2]


def test_constants_alone_can_be_moved_nowhere():
    one = np.ones((3, 3), bool)
    assert not soft_leverage(tk.from_masks([one], [~one])).any()


@pytest.mark.parametrize(
    "arguments",
    [{"softness": 0.0}, {"softness": float("nan")}, {"n_samples": 0}, {"seed": -1}],
)
def test_arguments_out_of_range_are_named(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        soft_leverage(tk.topologies.dense(2, 2), **arguments)


def test_a_network_beyond_memory_is_refused_with_the_number():
    with pytest.raises(ValueError, match="GiB"):
        soft_leverage(tk.topologies.hypercube(256, 10))
