"""The study of what training buys: how its networks start and learn, and how claims are judged."""

import json
from importlib import import_module
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import topokit as tk
from analyses import time_to_accuracy as study
from analyses._fronts import Point
from analyses._trained_networks import BATCH, Plan, build, learn, without_edges
from topokit import networks

ROOT = Path(__file__).parents[1]
EDGES = 1024
SPARSE = Plan(32, EDGES, "low rank")


@pytest.fixture(scope="module")
def digits() -> networks.Dataset:
    return networks.load_digits()


def test_dense_layers_start_within_the_radii_of_sparse_ones_that_have_all_edges(digits):
    model = build(Plan(24), digits, 0)
    for layer in model.layers:
        if isinstance(layer, eqx.nn.Linear):
            n_out, n_in = layer.weight.shape
            (radii,) = networks.kaiming(tk.topologies.dense.layers(n_in, n_out))
            greatest = float(jnp.abs(layer.weight).max())
            assert 0.9 * radii[0] < greatest <= 1.0001 * radii[0]
            assert not np.any(layer.bias)


@pytest.mark.parametrize("plan", [Plan(24), SPARSE])
def test_a_rate_in_the_network_falls_as_that_of_an_optimizer_does(digits, plan: Plan):
    rate, steps, layers = 3e-3, 17, build(plan, digits, 1)
    found = learn(layers, digits, rate=rate, steps=steps, seed=1)
    other = networks.train_steps(
        layers,
        digits,
        optimizer=optax.adam(optax.cosine_decay_schedule(rate, steps)),
        steps=steps,
        batch_size=BATCH,
        seed=1,
    )
    assert float(found.model.rate) == pytest.approx(rate)
    for one, two in zip(
        jax.tree.leaves(eqx.filter(found.model.layers, eqx.is_inexact_array)),
        jax.tree.leaves(eqx.filter(other.model, eqx.is_inexact_array)),
        strict=True,
    ):
        assert jnp.allclose(one, two, atol=1e-3)


def test_a_plan_is_as_large_as_it_says(digits):
    (wide, square, _) = networks.kernels(build(Plan(32), digits, 0)).values()
    rule = SPARSE.rule(digits.shape)
    edges = sum(tk.to_layers(rule(*sizes)).n_edges for sizes in (wide, square))
    assert 0.8 * EDGES < edges <= EDGES


def test_bytes_are_those_of_three_numbers_a_weight_and_of_indices(digits):
    for plan in (Plan(24), SPARSE, SPARSE._replace(wiring="random")):
        layers = build(plan, digits, 0)
        found = study.count_bytes(layers)
        count = jnp.zeros((), jnp.int32).nbytes
        assert found["bytes"] == 3 * 4 * networks.n_parameters(layers) + count
        more = found["bytes_with_indices"] - found["bytes"]
        assert (more > 0) == (plan.wiring == "random")


def test_without_edges_neurons_are_as_many(digits):
    own = [layer for layer in without_edges(SPARSE, digits).layers if hasattr(layer, "n_out")]
    assert [layer.n_out for layer in own] == [32, 32, digits.n_classes]
    assert [layer.layers[0].wiring.n_out for layer in own[:2]] == [1, 1]


def test_claims_are_judged_by_where_the_sparse_side_stands():
    def side(*accuracies: float) -> list[Point]:
        return [
            Point(str(cost), float(cost), value, value, 0.001)
            for cost, value in enumerate(accuracies, start=1)
        ]

    theirs = side(0.5, 0.7, 0.9)
    assert study.judge(side(0.5, 0.75, 0.95), theirs)["verdict"] == "holds"
    mixed = study.judge(side(0.6, 0.7, 0.8), theirs)
    assert mixed["verdict"] == "holds in part"
    assert (mixed["ahead"], mixed["same"], mixed["behind"]) == ([1.0], [2.0], [3.0])
    assert study.judge(side(0.5, 0.6, 0.9), theirs)["verdict"] == "does not hold"
    assert study.judge([], theirs)["verdict"] == "does not hold"


def test_seconds_are_ratios_to_a_network_that_all_are_timed_with():
    def row(step: float, reference: float) -> dict:
        times = {
            "step": {"ratio": [0, step / reference, 0], "median_s": step},
            "reference": {"median_s": reference},
            "prediction": {"ratio": [0, 2.0, 0], "median_s": 2e-3},
            "reference prediction": {"median_s": 1e-3},
        }
        return {"times": times}

    # The second was timed while everything took twice as long.
    rows = study.with_costs([row(0.01, 0.1), row(0.02, 0.2), row(0.03, 0.1)])
    steps = np.array([one["step_s"] for one in rows])
    assert steps == pytest.approx([0.01, 0.01, 0.03])
    assert [one["prediction_s"] for one in rows] == pytest.approx([2e-3] * 3)


def row(kind: str, hidden: int, step_s: float, accuracy: float) -> dict:
    end = {"steps": 10, "validation": accuracy, "accuracy": accuracy, "error": 0.001}
    costs = {"bytes": hidden, "bytes_with_indices": hidden, "prediction_s": step_s}
    return {"kind": kind, "hidden": hidden, "step_s": step_s, "schedules": [end], **costs}


def test_sparse_networks_pay_from_the_width_on_from_which_a_cheaper_one_always_is_as_good():
    sparse = [row("sparse", 100, 0.3, 0.8), row("sparse", 50, 0.15, 0.7)]
    accuracies = {8: 0.6, 16: 0.7, 32: 0.75, 64: 0.8}
    dense = [row("dense", n, n / 100, value) for n, value in accuracies.items()]
    matches = {str(one["hidden"]): study.match(one, sparse) for one in dense}
    assert study.pays_from(matches, "training_s") == 16
    assert matches["16"]["training_s"]["times_cheaper"] == pytest.approx(0.16 / 0.15, rel=1e-2)
    assert study.pays_from(matches, "bytes") is None
    assert study.match(row("dense", 128, 1.0, 0.9), sparse)["bytes"]["sparse"] is None


def test_a_step_is_worth_a_dense_width_between_those_that_were_timed():
    dense = [row("dense", n, n**2 * 1e-6, 0.5) for n in (16, 64, 256)]
    assert [study.dense_width(n**2 * 1e-6, dense) for n in (16, 32, 100, 256)] == [16, 32, 100, 256]
    assert study.dense_width(1e-4, dense) is None
    assert study.dense_width(1.0, dense) is None


def test_the_page_is_filled_with_what_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "tools")
    tables, worth_tables = map(import_module, ("kept_tables", "worth_tables"))
    kept = json.loads((ROOT / "analyses" / "time_to_accuracy.json").read_text())
    text = (ROOT / "docs" / worth_tables.PAGE).read_text()
    page = tables.filled(worth_tables.PAGE, text)
    assert "{{" in text
    assert "{{" not in page
    for name, part in kept["data"].items():
        for cost, found in part["claims"].items():
            start = f"| {name} | {worth_tables.COSTS[cost]} | {found['verdict']} |"
            assert any(line.startswith(start) for line in page.splitlines())
        for network, found in part["steps"].items():
            start = f"| {name} | {network} | {found['wiring'] or ''} | {found['parameters']:,} |"
            assert any(line.startswith(start) for line in page.splitlines())
