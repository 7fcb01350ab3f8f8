"""Controllability of the paper's examples: total, loss, and how uneven each K is."""

from typing import NamedTuple

import pytest

import topokit as tk
from topokit import controllability
from topokit.scores import control_bound, control_capacity

# Deep networks, whose descents run for longer than they compile.
pytestmark = pytest.mark.optimized

t = tk.topologies


class Example(NamedTuple):
    """A topology with 32 inputs and outputs, and what is known of its K."""

    layers: tk.Layers
    total: int
    loss: float
    deviation: tuple[float, float]  # of plain descent: from, to
    fair_deviation: float = 0


hypercube, butterfly, torus = t.hypercube.layers, t.butterfly.layers, t.torus.layers
smooth, uneven = (0, 0.01), (0.08, 0.10)
EXAMPLES = {
    "hypercube 6": Example(hypercube(32, 6), 960, 32, uneven),
    "hypercube 6, skip": Example(tk.with_skip(hypercube(32, 6)), 960, 32, uneven),
    "clos": Example(t.clos.layers(32, 32, 8, 9, 8), 976, 8, smooth),
    "butterfly 18": Example(butterfly(32, 18), 576, 5408, smooth),
    "butterfly 18, skip": Example(tk.with_skip(butterfly(32, 18)), 576, 5408, smooth),
    "torus 7": Example(torus((8, 4), 7), 896, 288, (0.20, 0.22)),
    "butterfly 5": Example(butterfly(32, 5), 160, 32 * 26**2, smooth),
    "butterfly 10": Example(butterfly(32, 10), 320, 32 * 21**2, smooth),
    "low rank 8": Example(t.low_rank.layers(32, 32, 8), 472, 32 * (31 - 472 / 32) ** 2, smooth),
    "low rank 18": Example(t.low_rank.layers(32, 32, 18), 992, 0, smooth),
    "hypercube 7, skip": Example(tk.with_skip(hypercube(32, 7)), 992, 0, (0.04, 0.06)),
    "butterfly 30, skip": Example(tk.with_skip(butterfly(32, 30)), 960, 32, (0, 0.02)),
    "butterfly 36, skip": Example(tk.with_skip(butterfly(32, 36)), 992, 0, smooth),
    "torus 4": Example(torus((8, 4), 4), 512, 32 * 15**2, (0.30, 0.33), 0.2152),
    "hypercube 3": Example(hypercube(32, 3), 480, 32 * 16**2, (0.26, 0.28), 0.2252),
}


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request):
    known = EXAMPLES[request.param]
    return known, controllability(known.layers, fairness=False), controllability(known.layers)


def test_descent_reaches_the_best_total_and_loss(example):
    known, plain, _ = example
    assert control_capacity(known.layers) == known.total
    assert plain.total == pytest.approx(known.total, rel=1e-6)
    assert control_bound(known.layers) == pytest.approx(known.loss, rel=1e-6, abs=1e-3)
    assert plain.loss == pytest.approx(known.loss, rel=1e-5, abs=1e-3)


def test_plain_descent_shows_the_unevenness_of_figure_5(example):
    known, plain, _ = example
    least, most = known.deviation
    assert least <= plain.K.std() <= most


def test_the_canonical_K_has_only_the_unevenness_of_the_wiring(example):
    known, plain, fair = example
    assert fair.loss == pytest.approx(plain.loss, rel=1e-4, abs=1e-3)
    assert fair.K.std() == pytest.approx(known.fair_deviation, abs=5e-4)
