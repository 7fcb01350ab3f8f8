"""What `analyses/choice_by_data.py` tells from kept runs is what topokit finds when it runs."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.spatial.distance import cdist

import topokit as tk
from analyses import _accuracy_kernels as kernels
from analyses import _accuracy_networks as study
from analyses import _accuracy_regrets as regrets
from analyses import _accuracy_unseen as unseen
from analyses import choice_by_data as script
from analyses._accuracy_settings import EXAMPLES, Setting, batch_of, enlarge, prepare
from analyses.score_accuracy import BATCH
from topokit import networks
from topokit import topologies as t

SETTING = Setting("digits", "digits", 64, True, 6, 3)
WIRINGS = {f"draw {seed}": t.random_regular.layers([64, 64], 4, seed=seed) for seed in range(4)}


@pytest.fixture(scope="module")
def field() -> regrets.Field:
    data = prepare(SETTING.data, SETTING.width)
    steps = study.looks(SETTING, len(WIRINGS), data)
    batch = [study.score_batch(wiring, SETTING, data) for wiring in WIRINGS.values()]
    right = [study.learn(wiring, SETTING, data, steps)["right"] for wiring in WIRINGS.values()]
    promise = np.array([row["scores"]["error, sparse"] for row in batch])
    parameters = [row["parameters"] for row in batch]
    return regrets.Field([*WIRINGS], parameters, promise, np.array(right), steps)


@pytest.mark.parametrize("how", study.SCHEDULES)
def test_the_choice_told_from_kept_runs_is_that_of_choose(field, how):
    data = prepare(SETTING.data, SETTING.width)
    rungs = study.rungs_of(how, len(WIRINGS), study.horizon_of(SETTING, data))
    pick = regrets.halve(field, rungs)
    found = networks.choose(
        {name: partial(study.build, w, data.n_classes, True) for name, w in WIRINGS.items()},
        data,
        budget=how.budget,
        keep=how.keep,
        epochs=SETTING.epochs,
        batch_size=BATCH,
        learning_rate=study.RATE,
        examples=EXAMPLES,
        eta=study.ETA,
        seeds=study.FINAL_SEEDS,
    )
    assert found.rungs == rungs
    assert (pick.name, pick.steps) == (found.best, found.steps)
    for one in found.contenders:
        for rung, accuracy in zip(rungs, one.accuracies, strict=False):
            own = field.right[field.names.index(one.name), : rung.seeds]
            counted = own[:, field.looks.index(rung.steps)].mean()
            assert accuracy == pytest.approx(counted / len(data.validation_y))


def test_of_a_kernel_with_a_unit_diagonal_the_angles_are_left():
    rows = np.random.default_rng(0).standard_normal((5, 3)) * np.array([[1, 2, 3, 4, 0]]).T
    angles = 1 - cdist(rows[:4], rows[:4], "cosine")
    np.testing.assert_allclose(kernels.unit(rows @ rows.T)[:4, :4], angles, atol=1e-12)
    assert not kernels.unit(rows @ rows.T)[4].any()


def test_what_a_batch_says_is_what_topokit_says_of_the_same_network():
    data = prepare(SETTING.data, SETTING.width)
    chosen = batch_of(data)
    x, y = data.train_x[chosen], data.train_y[chosen]
    model = study.build(WIRINGS["draw 0"], data.n_classes, True, key=jax.random.key(0))
    scores = study.score_batch(WIRINGS["draw 0"], SETTING, data)["scores"]
    every = networks.batch_scores(model, x, y)
    found = {
        "error, sparse": every.error,
        "trace, sparse": every.trace,
        "effective rank, sparse": every.effective_rank,
        "conditioning": 1 / every.condition,
        "synflow": every.synflow,
        "grasp": every.grasp,
        "ntk_sap": every.ntk_sap,
        "loss over inputs": tk.predicted_loss(
            WIRINGS["draw 0"], inputs=x[:, np.asarray(model.layers[0].order)]
        ),
    }
    assert {name: scores[name] for name in found} == pytest.approx(found, rel=1e-3)


def test_regret_is_what_the_pick_lacks_and_none_of_the_truth():
    means = np.array([0.5, 0.9, 0.7, 0.8])
    assert regrets.regret(means, 2) == pytest.approx(0.2)
    assert regrets.expected_regret(means, means, draws=20) == 0
    # Of all pairs the worst is taken: the mean distance within a pair.
    pairs = [abs(a - b) for n, a in enumerate(means) for b in means[n + 1 :]]
    found = regrets.expected_regret(-means, means, draws=4000)
    assert found == pytest.approx(np.mean(pairs), abs=0.01)


def test_a_score_that_is_the_truth_is_picked_and_holds_elsewhere():
    rng = np.random.default_rng(0)
    means, families = rng.standard_normal(40), np.repeat([*"abcdefgh"], 5)
    scores = {"noise": rng.standard_normal(40), "truth": means**3, "never": np.zeros(40)}
    for found in unseen.judged_elsewhere(scores, means, families, draws=10).values():
        assert (found["median"], found["tenth"], [*found["picks"]]) == (1, 1, ["truth"])
    only = {"never": np.zeros(40)}
    assert unseen.judged_elsewhere(only, means, families, draws=3)["halves"]["median"] is None


def test_small_images_have_each_pixel_several_times():
    x = np.random.default_rng(0).random((2, 1, 8, 8))
    wide = enlarge(x, 256).reshape(2, 16, 16)
    np.testing.assert_array_equal(wide[:, ::2, 1::2], x[:, 0])
    np.testing.assert_array_equal(enlarge(x, 64), x.reshape(2, 64))


KEPT = Path(script.__file__).with_suffix(".json")
SHOWN = {
    "error, sparse": "kernel regression, sparse layers: error",
    "error, unit": "the same, all examples alike",
    "error, all": "kernel regression, all layers: error",
    "accuracy, all": "the same: accuracy",
    "naswot": "ReLU patterns (NASWOT), no labels",
    "effective rank": "effective rank, no labels",
    "effective rank, sparse": "effective rank, sparse layers",
    "trace": "trace of the kernel, no labels",
    "trace, sparse": "trace of the kernel, sparse layers",
    "conditioning": "conditioning, sparse layers, no labels",
    "synflow": "SynFlow, no data",
    "grasp": "GraSP",
    "ntk_sap": "NTK-SAP, no labels",
    "loss over inputs": "predicted loss over inputs, no labels",
    "degrees of freedom": "degrees of freedom, no data",
    "predicted loss": "predicted loss, no data",
}


def score_lines(kept: dict, cell: Callable[[dict], str]) -> list[str]:
    """Rows of a table of scores, a cell for each setting."""
    parts = [kept[part]["judged"] for part in script.SECTIONS]
    tables = [
        {name: score for part in parts for name, score in part[setting]["scores"].items()}
        for setting in parts[0]
    ]
    names = SHOWN | {n: f"trained: {n}" for n in tables[0] if "steps" in n}
    return [
        f"| {title} | " + " | ".join(cell(t[name]) if name in t else "" for t in tables) + " |"
        for name, title in names.items()
        if sum(name in table for table in tables) > len(tables) / 2
    ]


def correlation(score: dict) -> str:
    """A rank correlation with its interval."""
    low, high = score["interval"]
    return f"{score['value']:.2f} ({low:.2f} to {high:.2f})"


def lost(score: dict) -> str:
    """Regret, in points."""
    return f"{100 * score['regret_of_halves']:.2f}"


def choice_lines(kept: dict) -> list[str]:
    """Rows of the table of choices: mean regret in points, and the share of all steps."""
    judged = [*kept["trainings"]["judged"].values()]
    return [
        f"| `{name}` | "
        + " | ".join(f"{100 * j['choices'][name]['regret']:.2f}" for j in judged)
        + f" | {100 * judged[0]['choices'][name]['share']:.0f} % |"
        for name in judged[0]["choices"]
    ]


def cost_lines(kept: dict) -> list[str]:
    """Rows of the table of seconds of one core."""
    both = zip(kept["batch"]["judged"].values(), kept["trainings"]["judged"].values(), strict=True)
    rows = []
    for batch, trained in both:
        step, first = (trained["seconds"][name] for name in ("a step", "compilation"))
        row = {
            "kernel regression": batch["seconds"]["kernel"],
            "NASWOT": batch["seconds"]["naswot"],
            "effective rank, of a kernel": batch["seconds"]["effective rank, sparse"],
            "conditioning, of a kernel": batch["seconds"]["conditioning"],
            "SynFlow": batch["seconds"]["synflow"],
            "GraSP": batch["seconds"]["grasp"],
            "NTK-SAP": batch["seconds"]["ntk_sap"],
            "predicted loss over inputs": batch["seconds"]["loss over inputs"],
            "60 steps": first + 60 * step,
            "a whole training": first + trained["horizon"] * step,
        }
        rows.append(row)
    return [f"| {n} | " + " | ".join(f"{row[n]:.1f} s" for row in rows) + " |" for n in rows[0]]


def elsewhere_lines(kept: dict) -> list[str]:
    """Rows of the table of scores that were picked elsewhere: medians, and tenths of the draws."""
    titles = {"batch": "scores of a batch", "trainings": "these, and short trainings"}
    return [
        f"| {title}, {kind} | "
        + " | ".join(
            f"{j['elsewhere'][kind]['median']:.2f} ({j['elsewhere'][kind]['tenth']:.2f})"
            for j in kept[part]["judged"].values()
        )
        + " |"
        for part, title in titles.items()
        for kind in ("halves", "families")
    ]


def test_the_page_shows_what_was_measured():
    kept = json.loads(KEPT.read_text())
    page = (KEPT.parents[1] / "docs/scores-and-accuracy.md").read_text()
    lines = (
        score_lines(kept, correlation)
        + score_lines(kept, lost)
        + choice_lines(kept)
        + cost_lines(kept)
        + elsewhere_lines(kept)
    )
    assert len(lines) > len(SHOWN)
    assert [line for line in lines if line not in page] == []
    assert f"verdict: {kept['verdict']['verdict']}." in " ".join(page.split())
