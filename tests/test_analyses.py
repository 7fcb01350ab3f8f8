"""What is kept of the analyses: where it comes from, and that the scripts are still those."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import spearmanr

from analyses._product_convolutions import as_convolutions, as_products
from analyses._smaller_networks import Network, by_layer, chosen, lost, means_of, parts_of
from analyses.kit import (
    Study,
    chosen_sections,
    estimate,
    nested,
    over_seeds,
    rank_correlation,
    settings,
)
from analyses.kit._sections import tell_sections, with_kept
from analyses.kit._study import to_text
from analyses.kit._work import Store, each
from topokit import networks

ROOT = Path(__file__).parents[1]
SCRIPTS = [s for s in sorted((ROOT / "analyses").rglob("*.py")) if not s.name.startswith("_")]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SAID = {"version", "commit", "date", "packages", "machine", "recorded", "settings"}
PACKAGES = {"jax", "numpy", "scipy", "networkx", "optax", "equinox"}
# The kept numbers of `equal_classes` are older than those of single wirings, which it draws.
DRAWN = [s for s in SCRIPTS if s.with_suffix(".png").exists() and s.stem != "equal_classes"]
every_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)


def study_of(script: Path) -> Study:
    name = ".".join(script.relative_to(ROOT).with_suffix("").parts)
    return import_module(name).STUDY


def kept(script: Path) -> dict[str, Any]:
    return json.loads(script.with_suffix(".json").read_text(encoding="utf-8"))


@every_script
def test_kept_numbers_say_where_they_come_from(script: Path) -> None:
    provenance = kept(script)["provenance"]
    assert provenance.keys() >= SAID
    assert provenance["packages"].keys() >= PACKAGES
    assert all(provenance[name] for name in SAID - {"settings"})


@every_script
def test_kept_numbers_are_of_the_constants_that_the_script_has(script: Path) -> None:
    """A constant that changes asks for a new run, unless only pictures or quick runs have it."""
    current = json.loads(json.dumps(settings(study_of(script).module)))
    assert kept(script)["provenance"]["settings"] == current


@every_script
def test_a_script_that_draws_has_its_picture_beside_it(script: Path) -> None:
    draws = hasattr(study_of(script).module, "draw")
    assert script.with_suffix(".png").exists() == draws


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_picture_that_a_page_shows_has_its_script(page: Path) -> None:
    shown = {
        Path(word.split(")")[0]).stem
        for word in page.read_text().split("](")[1:]
        if word.split(")")[0].endswith(".png")
    }
    drawn = {script.stem for script in SCRIPTS if script.with_suffix(".png").exists()}
    tools = [script.read_text() for script in (ROOT / "docs" / "tools").glob("*.py")]
    assert [n for n in shown - drawn if not any(f'"{n}' in text for text in tools)] == []


def test_a_changed_constant_is_another_setting(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = "COUNT, RATES = {}, (0.1, 1e-3)\nSTYLE = 'red'\nQUICK = 1\nNAMES = {{'a': print}}\n"
    found = []
    for name, count in (("first", 3), ("second", 4)):
        (tmp_path / f"{name}_script.py").write_text(text.format(count))
        found.append(settings(import_module(f"{name}_script")))
    assert found[0] == {"COUNT": 3, "RATES": [0.1, 0.001], "NAMES": ["a"]}
    assert found[0] != found[1]


def test_what_is_finished_is_not_measured_again(tmp_path: Path) -> None:
    asked = []

    def measure(case: int) -> int:
        asked.append(case)
        return 10 * case

    for cases, constant in (((1, 2), 0), ((1, 2, 3), 0), ((1,), 1)):
        store = Store(tmp_path, "script", {"CONSTANT": constant})
        found = each(measure, cases, store=store, name=str, processes=False)
        assert found == [10 * case for case in cases]
    assert asked == [1, 2, 3, 1]


def test_sections_that_are_not_measured_again_stay_and_say_whence(monkeypatch) -> None:
    monkeypatch.setenv("ANALYSES_SECTIONS", "second")
    known = ("first", "second", "third")
    before = {"provenance": {"commit": "old", "settings": {"A": 1, "B": 2}}, "card": "X"}
    before |= {"first": {"a": 1}, "second": {"a": {"s": 1}, "b": {"s": 2}, "c": {"left_out": ""}}}
    now = {"provenance": {"commit": "new", "settings": {"A": 1, "B": 3}}, "card": "Y"}
    now |= {"second": {"a": {"s": 3}, "b": {"left_out": "late"}, "c": {"left_out": "late"}}}
    found = with_kept(now, before, known)
    kept = found["provenance"].pop("kept")
    assert (kept["sections"], kept["cases"]) == (["first"], {"second": ["b"]})
    assert (kept["provenance"], kept["other settings"]) == ({"commit": "old"}, {"B": 2})
    assert kept["card"] == "X"
    assert found == now | {"first": {"a": 1}, "second": now["second"] | {"b": {"s": 2}}}
    assert list(found) == ["provenance", "card", "first", "second"]
    assert with_kept(now, {}, known) == now


def test_an_unknown_section_is_told_with_those_there_are(monkeypatch) -> None:
    monkeypatch.setenv("ANALYSES_SECTIONS", "")
    with pytest.raises(click.ClickException, match="--sections has no third; it takes some of fir"):
        tell_sections("first,third", ("first", "second"))
    tell_sections("second,first", ("first", "second"))
    assert chosen_sections(("first", "second")) == ["first", "second"]
    tell_sections("second", ("first", "second"))
    assert chosen_sections(("first", "second")) == ["second"]


@pytest.mark.parametrize(
    "value", [{}, [], {"a": [1, 2.5, None, "ü"]}, {"rows": [{"x": [[1, 2], [3]] * 20}] * 3}]
)
def test_the_text_of_results_is_json(value: Any) -> None:
    text = to_text(value)
    assert json.loads(text) == value
    assert all(len(line) <= 100 for line in text.split("\n"))


def test_an_interval_is_that_of_drawing_pairs_anew() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(30)
    y = x + rng.standard_normal(30)
    found = estimate(rank_correlation, x, y, resamples=200)
    draws = np.random.default_rng(0).integers(30, size=(200, 30))
    each_draw = [np.asarray(spearmanr(x[draw], y[draw]))[0] for draw in draws]
    assert found["value"] == pytest.approx(np.asarray(spearmanr(x, y))[0], abs=5e-4)
    assert found["interval"] == pytest.approx(np.percentile(each_draw, [2.5, 97.5]), abs=5e-4)


def test_a_constant_side_has_no_correlation() -> None:
    assert estimate(rank_correlation, np.ones(5), np.arange(5.0), resamples=9)["value"] is None


def test_seeds_come_together() -> None:
    rows = [
        {"kind": kind, "accuracy": accuracy, "size": size}
        for kind, accuracy, size in (("a", 0.5, 1), ("b", 0.9, 7), ("a", 0.7, 4))
    ]
    first, second = over_seeds(rows, "kind", count="size")
    assert first == {
        "kind": "a",
        "size": 2,
        "accuracy": 0.6,
        "error": 0.1,
        "accuracies": [0.5, 0.7],
    }
    assert (second["accuracy"], second["error"]) == (0.9, 0.0)


def test_records_stand_in_the_order_of_their_parts() -> None:
    found = nested({("b", 1, "x"): 1, ("a", 2, "y"): 2}, "a")
    assert found == {"a": {"2": {"y": 2}}, "b": {"1": {"x": 1}}}
    assert list(found) == ["a", "b"]


@pytest.mark.parametrize("script", DRAWN, ids=lambda s: s.stem)
def test_every_picture_can_be_drawn_from_the_kept_numbers(script: Path) -> None:
    study = study_of(script)
    figure = plt.figure(figsize=study.size, layout="constrained")
    study.module.draw(figure, kept(script))
    assert figure.axes
    plt.close(figure)


def test_convolutions_as_products_compute_the_same_and_turn_back() -> None:
    keys = jax.random.split(jax.random.key(0), 3)
    how = {"stride": (1, 2), "padding": ((1, 0), (2, 1))}
    model = eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(2, 4, (3, 2), key=keys[0], **how),
            eqx.nn.Conv2d(4, 3, 2, use_bias=False, key=keys[1]),
        ]
    )
    x = jax.random.normal(keys[2], (2, 7, 9))
    products = as_products(model)
    assert eqx.tree_equal(*map(jax.tree.leaves, (products, model)))
    assert np.allclose(products(x), model(x), atol=1e-5)
    assert jax.tree.structure(as_convolutions(products)) == jax.tree.structure(model)
    assert jax.tree.structure(products) != jax.tree.structure(model)


def test_the_work_of_a_layer_is_the_nonzeros_of_its_jacobian() -> None:
    """Without padding each weight that is not 0 meets each pixel that comes out once."""
    conv = eqx.nn.Conv2d(2, 4, 3, stride=2, key=jax.random.key(0))
    conv = eqx.tree_at(lambda c: c.weight, conv, conv.weight.at[:2, :, 0].set(0.0))
    whole = eqx.nn.Sequential([conv, eqx.nn.Lambda(jax.nn.relu)])
    apart = networks.decompose(whole, {"layers.0": networks.tucker2(ranks=(2, 3))})
    for model in (whole, apart):
        (part,) = parts_of(Network(model), (2, 7, 7)).values()
        slopes = [jax.jit(jax.jacobian(f.layer))(jnp.ones(f.shape)) for f in part.factors]
        assert part.work == sum(int((slope != 0).sum()) for slope in slopes) > 0
        assert part.out == part.factors[-1].out == (4, 3, 3)


def test_what_a_layer_has_lost_is_the_same_before_and_after_it_is_smaller() -> None:
    model, state = eqx.nn.make_with_state(networks.resnet20)(
        (1, 8, 8), width=0.5, key=jax.random.key(0)
    )
    body = model.layers[3].body.layers
    weight = body[0].weight.at[:3].set(0.0).at[:, :, 0].set(0.0)
    others = model.layers[5].body.layers[3].weight
    model = eqx.tree_at(
        lambda m: (m.layers[3].body.layers[0].weight, m.layers[5].body.layers[3].weight),
        model,
        (weight, others * 0),
    )
    whole, small = Network(model, state), Network(*networks.shrink(model, state))
    before, after = (parts_of(network, (1, 8, 8)) for network in (whole, small))
    changed, gone = "layers.3.body.layers.0", "layers.5.body.layers.3"
    shares = {"filters": 3 / 8, "shapes": 1 / 3, "weights": 1 - 5 / 8 * 2 / 3}
    for part in (before[changed], after[changed]):
        assert lost(before[changed], part) == pytest.approx(shares, abs=1e-4)
    assert set(lost(before[gone], after.get(gone)).values()) == {1.0}
    assert list(before)[0] == list(after)[0] == "layers.0"


def test_the_strongest_that_costs_a_point_at_most_is_chosen() -> None:
    layers = [{"layer": "a", "work": 0.5}, {"layer": "b", "work": None}]
    rows = [
        {"strength": s, "seed": n, "validation_accuracy": v, "layers": layers}
        for s, values in {0.1: (0.9, 0.92), 0.2: (0.89, 0.915), 0.3: (0.5, 0.95)}.items()
        for n, v in enumerate(values)
    ]
    means = means_of(rows, "strength")
    assert [row["validation_accuracy"] for row in means] == [0.91, 0.9025, 0.725]
    assert means[0]["validation_accuracy_error"] == pytest.approx(0.01)
    assert chosen(means, {"validation_accuracy": 0.912})["strength"] == 0.2
    assert chosen(means, {"validation_accuracy": 0.99})["strength"] == 0.1
    told = by_layer(rows, "strength")
    assert [(r["layer"], r["work"]) for r in told] == [("a", 0.5), ("b", None)] * 3
