"""The smallest networks where the two forms of controllability differ do, by three methods."""

import json
from collections import defaultdict
from itertools import permutations, product

import numpy as np
import pytest
from scipy.optimize import linprog

import topokit as tk
from analyses import form_difference as script
from analyses.kit import changed
from topokit import controllability

KEPT = json.loads(script.STUDY.kept.read_text())
EXAMPLES = {
    f"{weights}: {kind}": row
    for weights, result in KEPT.items()
    if weights != "provenance"
    for kind, row in result["smallest"].items()
}


def topology(example) -> tk.Layers:
    """The example's network; the last in-edges of a neuron are constant, as many as it takes."""
    masks, free, width = [], [], 1 + max(max(s) for s in example["senders"][0])
    for senders, gains in zip(example["senders"], example["gains"], strict=True):
        mask = np.zeros((width, len(senders)), bool)
        for v, own in enumerate(senders):
            mask[own, v] = True
        fan_in = mask.sum(0)
        trainable = np.where(np.array(gains) == fan_in - 1, fan_in, gains)
        masks.append(mask)
        free.append(mask & (np.cumsum(mask, axis=0) <= trainable))
        width = len(senders)
    return tk.to_layers(tk.from_masks(masks, free))


def most_total(layers, ends):
    """The most control at the outputs, by a linear program with a commodity for each `ends` inputs.

    Two make ordered pairs, literally as in the paper, with (9) over both orders; one, the marginal
    form.
    """
    index, rows = conditions(layers, ends)
    matrix = np.zeros((len(rows), len(index)))
    for row, (plus, minus, _) in zip(matrix, rows, strict=True):
        row[plus], row[minus] = 1, -1
    worth = [key[:2] == ("held", layers.depth - 1) for key in index]
    found = linprog(-np.array(worth, float), matrix, [limit for *_, limit in rows])
    assert found.success
    return -found.fun


def conditions(layers, ends):
    """The variables of the program, and its rows: those added, those taken off, what they reach."""
    index, rows, reach = {}, [], np.eye(layers.n_in, dtype=bool)

    def variables(*key):
        return [index.setdefault((*key, c), len(index)) for c in permutations(key[-1], ends)]

    masks = zip(tk.to_masks(layers), tk.to_masks(layers, trainable=True), strict=True)
    for depth, (mask, free) in enumerate(masks):
        before, reach = reach, reach @ mask
        for v, feed in enumerate(mask.T):
            own = tuple(np.flatnonzero(reach[:, v]))
            gain = min(free[:, v].sum(), feed.sum() - 1)
            held = variables("held", depth, v, own)
            added = variables("added", depth, v, own)
            arriving = defaultdict(list)
            for u in np.flatnonzero(feed):
                theirs = tuple(np.flatnonzero(before[:, u]))
                sent = variables(f"sent to {v}", depth, u, theirs)
                for commodity, one in zip(permutations(theirs, ends), sent, strict=True):
                    arriving[commodity].append(one)
            pairs = defaultdict(list)
            for commodity, one, more in zip(permutations(own, ends), held, added, strict=True):
                rows.append(([one], [more, *arriving[commodity]], 0))
                pairs[frozenset(commodity)].append(one)
            rows += [(held, [], len(own) - 1), (added, [], gain)]
            rows += [(both, [], 1) for both in pairs.values() if ends == 2]
        for u in range(len(mask) if depth else 0):
            theirs = tuple(np.flatnonzero(before[:, u]))
            held = variables("held", depth - 1, u, theirs)
            sent = [variables(f"sent to {v}", depth, u, theirs) for v in np.flatnonzero(mask[u])]
            rows += [(some, [one], 0) for one, *some in zip(held, *sent, strict=True)]
        if not depth:  # inputs hold nothing (10)
            sent = [n for key, n in index.items() if key[0].startswith("sent")]
            rows.append((sent, [], 0))
    return index, rows


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_linear_program_over_ordered_pairs_finds_the_totals(name):
    layers = topology(EXAMPLES[name])
    totals = [most_total(layers, ends) for ends in (1, 2)]
    assert totals == pytest.approx(EXAMPLES[name]["total"], abs=1e-4)


@pytest.mark.parametrize("name", EXAMPLES)
def test_descent_in_either_form_finds_its_total_and_loss(name):
    layers, example = topology(EXAMPLES[name]), EXAMPLES[name]
    assert sum(layers.widths) == example["neurons"]
    assert layers.n_edges == example["edges"]
    for form, method in enumerate(("marginal", "pairwise")):
        found = controllability(layers, method=method, fairness=False, learning_rate=0.1)
        assert found.loss == pytest.approx(example["loss"][form], rel=1e-3, abs=1e-3)
        assert found.total == pytest.approx(example["total"][form], rel=1e-2)


def test_the_smallest_examples_are_those_of_the_docs():
    sizes = {name: (row["neurons"], row["edges"], row["total"]) for name, row in EXAMPLES.items()}
    assert sizes == {
        "all trainable: total": (10, 11, [6, 5]),
        "with constants: total": (7, 8, [2, 1]),
        "with constants: K alone": (7, 9, [2, 2]),
        "with constants: loss alone": (8, 10, [3, 3]),
    }


def test_the_search_begins_as_its_record_does():
    with changed(script, {"NEURONS": dict.fromkeys(script.NEURONS, (6, 6))}):
        found = script.summarize({case: script.measure(case) for case in script.cases()})
    for weights in script.NEURONS:
        assert {str(size): kinds for size, kinds in found[weights]["neurons"].items()} == {
            size: kinds for size, kinds in KEPT[weights]["neurons"].items() if int(size) <= 6
        }


# ---- Nothing is left out of the search


def named(feeds):
    """A network's one name, whatever the order of the neurons in each of its layers."""
    masks = [np.array(layer).T for layer in feeds]
    widths = [len(masks[0]), *(mask.shape[1] for mask in masks)]
    orders = product(*(permutations(range(width)) for width in widths))
    return min(
        tuple(mask[np.ix_(a, b)].tobytes() for mask, a, b in zip(masks, o, o[1:], strict=False))
        for o in orders
    )


@pytest.mark.parametrize("widths", [(3, 2, 2), (3, 3, 1), (4, 2, 1), (3, 1, 2, 1)])
def test_the_search_tries_every_network_up_to_isomorphism(widths):
    shapes = list(zip(widths[1:], widths, strict=False))
    every = set()
    for bits in product((0, 1), repeat=sum(a * b for a, b in shapes)):
        feeds = np.split(np.array(bits), np.cumsum([a * b for a, b in shapes])[:-1])
        feeds = [layer.reshape(shape) for layer, shape in zip(feeds, shapes, strict=True)]
        if all(layer.any(axis).all() for layer in feeds for axis in (0, 1)):
            every.add((widths, named(feeds)))
    tried = {
        (widths, named(network.feeds))
        for network in script.networks(sum(widths), constants=False)
        if (network.n_in, *map(len, network.feeds)) == widths
    }
    assert tried == every
