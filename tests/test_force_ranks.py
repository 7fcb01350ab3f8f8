"""The study of ranks under a force: which layers it takes apart, and how claims are judged."""

import equinox as eqx
import jax
import pytest

from analyses import force_ranks as study
from analyses._smaller_networks import Network, parts_of
from topokit import networks

NAMES = tuple(study.PLANS)


def rows_of(name: str, *, ranks: int, speedup: float, lost: float, held_out: float):
    """All rows of a network with two convolutions, of which a force changes the second alone."""

    def row(kind: str, strength: float | None, accuracy: float, validation: float, rank: int):
        layers = [
            {"layer": layer, "of": 9, "rank": each, "theory": 2.0, "speedup": 1.5}
            for layer, each in (("a", 8), ("b", rank))
        ]
        told = {"kind": kind, "strength": strength, "theory": 2.0, "work": 0.5, "layers": layers}
        accuracies = {"accuracy": accuracy, "validation_accuracy": validation}
        return told | accuracies | {"name": name, "speedup": speedup, "ranks": 8 + rank}

    forced = [row(study.APART, s, 0.9 - lost, held_out, ranks) for s in study.PLANS[name].strengths]
    both = [row(study.WHOLE, None, 0.9, 0.9, 8), row(study.APART, 0.0, 0.9, 0.9, 8)]
    return [
        r | {"seed": seed, "accuracy": r["accuracy"] + 0.002 * seed}
        for seed in (1, 2, 3)
        for r in [*both, *forced]
    ]


def judged(others=None, **first):
    """What becomes of the claims where a network is another than the others."""
    usual = {"ranks": 4, "speedup": 2.5, "lost": 0.0, "held_out": 0.895}
    last = NAMES[-1]  # whose first convolution is not forced
    found = {
        study.Case(name, 1): rows_of(name, **usual | (first if name == last else others or {}))
        for name in NAMES
    }
    return study.summarize(found)


@pytest.mark.parametrize(
    ("changed", "c", "d"),
    [
        ({}, "holds", "holds"),
        ({"ranks": 8}, "does not hold", "holds"),
        ({"held_out": 0.8}, "does not hold", "holds"),
        ({"speedup": 1.5}, "holds", "holds in part"),
        ({"speedup": 1.0}, "holds", "does not hold"),
        ({"lost": 0.02}, "holds", "does not hold"),
    ],
)
def test_claims_are_judged_by_ranks_accuracy_and_speed(changed: dict, c: str, d: str) -> None:
    own = judged(**changed)["networks"][NAMES[-1]]
    assert (own["c"], own["d"]) == (c, d)


def test_a_rank_that_stays_makes_it_hold_in_part_where_that_convolution_is_forced() -> None:
    found = judged()
    assert [found["networks"][name]["c"] for name in NAMES] == ["holds in part"] * 2 + ["holds"]
    assert found["force"] == {"c": "holds in part", "d": "holds"}


def test_claims_of_all_hold_in_part_where_one_network_meets_them() -> None:
    none = {"ranks": 8, "speedup": 1.0}
    assert judged(none)["force"] == {"c": "holds in part", "d": "holds in part"}
    assert judged(none, **none)["force"] == {"c": "does not hold", "d": "does not hold"}


def test_the_strength_is_the_strongest_that_costs_a_point_of_images_held_out() -> None:
    strengths = study.PLANS[NAMES[-1]].strengths
    assert judged()["networks"][NAMES[-1]]["strength"] == max(strengths)
    assert judged(held_out=0.8)["networks"][NAMES[-1]]["strength"] == min(strengths)


def test_a_convolution_is_taken_apart_where_that_saves_work() -> None:
    """Of random filters all but one dimension count; of filters that are nearly one, one."""
    shape, model = (1, 28, 28), networks.lenet5(key=jax.random.key(0))
    weight = model.layers[4].weight
    model = eqx.tree_at(lambda m: m.layers[4].weight, model, 0.01 * weight + weight[0])
    network = Network(model)
    before = parts_of(network, shape)
    after = parts_of(study.apart(network, shape), shape)
    assert {name for name in after if after[name].work < before[name].work} == {"layers.4"}
    assert all(after[name].work <= before[name].work for name in before)
