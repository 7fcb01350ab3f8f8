"""What `analyses/score_accuracy.py` computes on its own agrees with topokit and closed forms."""

import json
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

import topokit as tk
from analyses import _accuracy_scores as scores
from analyses import _accuracy_statistics as statistics
from analyses import _accuracy_topologies as wirings_of
from analyses import score_accuracy as script
from topokit import topologies as t

SMALL = {
    "butterfly": t.butterfly.layers(16, 4),
    "skip": tk.with_skip(t.torus.layers((4, 4), 3)),
    "low rank": t.low_rank.layers(16, 16, 3),
    "unreached pairs": t.random_regular.layers([16, 16, 16], 3, seed=0),
    "one layer": t.random_regular.layers([16, 16], 5, seed=0),
}


@pytest.mark.parametrize("name", SMALL)
def test_over_all_pairs_the_sampled_scores_are_those_of_topokit(name):
    layers = SMALL[name]
    effort = scores.Effort(pairs=16**2, draws=8, targets=1, steps=1)
    soft = ((1 - tk.scores.soft_leverage(layers)) ** 2).mean()
    assert scores.soft_shortfall(layers, effort) == pytest.approx(soft, abs=1e-9)
    if layers.n_trainable < layers.n_edges:
        return  # the kept numbers are of another scale beside constants
    predicted = tk.predicted_loss(layers, n_samples=1)
    assert scores.predicted_loss(layers, effort) == pytest.approx(predicted, abs=1e-6)


def test_a_sample_of_pairs_is_near_all_of_them():
    layers = SMALL["unreached pairs"]
    every, some = (scores.Effort(pairs=n, draws=2, targets=1, steps=1) for n in (256, 128))
    score = scores.soft_shortfall
    assert score(layers, some) == pytest.approx(score(layers, every), abs=0.03)


def test_all_wirings_have_equal_trainable_edges_within_two_percent():
    wirings = wirings_of.wirings()
    assert len(wirings) >= 24
    assert all(abs(w.n_trainable / 4096 - 1) <= 0.02 for w in wirings.values())
    assert {(w.n_in, w.n_out) for w in wirings.values()} == {(256, 256)}


def test_the_ceiling_is_the_correlation_of_the_truth_with_the_noisy_means():
    rng, n, seeds, noise = np.random.default_rng(0), 4000, 4, 2.0
    truth = rng.standard_normal(n)
    values = truth[:, None] + noise * rng.standard_normal((n, seeds))
    expected = np.corrcoef(truth, values.mean(axis=1))[0, 1]
    found = statistics.ceiling(values)
    assert found == pytest.approx(expected, abs=0.03)
    assert statistics.ceiling(truth[:, None].repeat(2, axis=1)) == 1


def test_a_partial_correlation_is_that_of_the_residues():
    rng = np.random.default_rng(1)
    x, y, held = (rng.permutation(50).astype(float) for _ in range(3))
    r = np.corrcoef([x, y, held])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    partial_rank = statistics.partial_rank
    assert partial_rank(x, y, held) == pytest.approx(expected)
    assert np.isnan(partial_rank(held**3, y, held))


def test_the_rate_in_the_network_is_the_rate_of_adam():
    steps = 5
    network = script.build(SMALL["butterfly"], 3, 0.01, 0)
    own = script.make_adam(steps)
    plain = optax.adam(optax.cosine_decay_schedule(0.01, steps))
    weights = eqx.filter(network, eqx.is_inexact_array)
    gradients = jax.tree.map(lambda leaf: 0.1 + leaf, weights)
    states = own.init(weights), plain.init(weights)
    for _ in range(2):
        ours, mine = own.update(gradients, states[0], weights)
        theirs, other = plain.update(gradients, states[1], weights)
        states = mine, other
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_images_shrink_to_the_means_of_squares():
    images = np.random.default_rng(0).random((2, 3, 28, 28)).astype(np.float32)
    small = script.shrink(images)
    assert small.shape == (2, 16, 16)
    assert small[1, 1, 2] == pytest.approx(images[1, :, 0:2, 2:4].mean(), abs=1e-6)
    assert not small[:, 0].any()


def test_the_rate_is_chosen_by_the_validation_part_and_reported_on_the_test_part():
    def run(validation, accuracy):
        seeds = {"validation_accuracies": validation, "accuracies": accuracy}
        return {k: [v, v] for k, v in (seeds | {"train_losses": -accuracy}).items()}

    rows = [
        {"runs": {"data": {"slow": run(0.8, 0.7), "fast": run(0.6, 0.9)}}},
        {"runs": {"data": {"slow": run(0.5, 0.4), "fast": run(0.6, 0.3)}}},
    ]
    found = dict(statistics.outcomes(rows, "data"))
    np.testing.assert_array_equal(found[statistics.BETTER], [[0.7, 0.7], [0.3, 0.3]])
    np.testing.assert_array_equal(found[statistics.FIT], [[0.9, 0.9], [0.4, 0.4]])


def test_the_page_says_so_where_the_kept_rates_were_chosen_on_the_test_images():
    root = Path(script.__file__).parents[1]
    kept = json.loads((root / "analyses/score_accuracy.json").read_text())
    page = (root / "docs/scores-and-accuracy.md").read_text()
    assert kept["rate_chosen_by"] == statistics.chosen_by(kept["rows"])
    by_test = kept["rate_chosen_by"] == "accuracies"
    assert ("the rate was chosen on the test images" in " ".join(page.split())) == by_test
