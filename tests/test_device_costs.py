"""Costs on paper: by hand, as published, and against a slower way to count.

Real programs are held against them in `test_placements`.
"""

import json
from itertools import product
from math import prod, sqrt
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import topokit as tk
from topokit.devices import costs

ROOT = Path(__file__).parents[1]
LINK = costs.Link(latency=500e-9, bandwidth=50 * 2**30)  # as in tests of ASTRA-sim
MIB = 2**20


def test_published_times_of_a_ring_of_sixteen():
    """ASTRA-sim's analytical network, which counts in whole nanoseconds."""
    nanoseconds = 1e9
    through, stored = (
        nanoseconds * costs.send_time(LINK, MIB, hops=3, cut_through=way) for way in (True, False)
    )
    assert int(through) == 21_031
    assert int(stored) == 60_093
    ring = nanoseconds * costs.all_gather([16], MIB).time(LINK)
    assert 300_465 <= ring < 300_465 + 15  # each of 15 steps cut to nanoseconds
    assert costs.send_time(LINK, MIB, hops=0) == 0


TORI = [[1], [6], [3, 4], [2, 2, 2], [4, 1, 2]]


def gathered(sides: list[int]) -> tuple[int, int]:
    """Messages and blocks that the first device sends, each axis a ring, move by move."""
    places = list(product(*map(range, sides)))
    has = {place: {place} for place in places}
    messages = blocks = 0
    for axis, side in enumerate(sides):
        moving = {place: set(has[place]) for place in places}
        for _ in range(side - 1):
            messages, blocks = messages + 1, blocks + len(moving[places[0]])
            after = {}
            for place in places:
                following = list(place)
                following[axis] = (place[axis] + 1) % side
                after[tuple(following)] = moving[place]
            moving = after
            for place in places:
                has[place] |= moving[place]
    assert all(got == set(places) for got in has.values())
    return messages, blocks


@pytest.mark.parametrize("sides", TORI)
def test_a_gather_goes_around_each_axis(sides):
    messages, blocks = gathered(sides)
    assert costs.all_gather(sides, 10) == costs.Exchange(messages, 10 * blocks)


@pytest.mark.parametrize("sides", TORI)
def test_a_sum_is_scattered_and_gathered_again(sides):
    p, link = prod(sides), costs.Link(2.0, 4.0)
    scattered, total = costs.reduce_scatter(sides, 12 * p), costs.all_reduce(sides, 12 * p)
    assert scattered == costs.all_gather(sides, 12)  # the same moves, the other way
    assert total.time(link) == 2 * scattered.time(link)
    if len(sides) == 1:
        alpha, beta = link.latency, 1 / link.bandwidth
        assert total.time(link) == 2 * (p - 1) * alpha + 2 * (p - 1) / p * 12 * p * beta


@pytest.mark.parametrize(
    ("multiply", "send", "steps"), [(2.0, 3.0, 4), (3.0, 2.0, 4), (1.0, 9.0, 1)]
)
def test_sending_hides_behind_multiplying_or_the_other_way(multiply, send, steps):
    """Against a clock: the arithmetic and the link of a device, each busy or free."""
    begin, arithmetic = 0.0, 0.0  # when a block is here, when its multiplication is done
    for _ in range(steps):
        arithmetic = max(begin, arithmetic) + multiply
        begin = max(begin + send, arithmetic)  # a step ends when both have
    assert costs.pipelined(multiply, send, steps) == arithmetic
    serial = multiply * steps + send * (steps - 1)
    assert costs.pipelined(multiply, send, steps, overlap=False) == serial


@pytest.mark.parametrize("rows", [8, 32, 64])
def test_closnets_count_of_a_neuron_a_device(rows):
    """Section III: `2 n / R + R` multiplications and `2 (n / R - 1) + (R - 1)` hops."""
    n, columns = 1024, 1024 // rows
    routers = (rows, columns, rows)
    sizes = costs.layer_sizes(tk.topologies.clos.layers(n, n, *routers))
    each = costs.work(sizes, batch=1).operations / 2 / n
    sent = costs.sent_by_clos(n, *routers, sides=(rows, columns), batch=1)
    assert each == 2 * n / rows + rows
    assert sent.messages == 2 * (n // rows - 1) + rows - 1
    assert sent.bytes == 4 * sent.messages
    dense = costs.work(costs.layer_sizes(tk.topologies.dense.layers(n, n)), batch=1)
    gain = dense.operations / 2 / n / each
    assert gain <= n / (2 * sqrt(2 * n))  # that of the best R, sqrt(2 n)
    if rows == columns:
        assert gain == pytest.approx(sqrt(n) / 3)


def test_low_rank_on_four_devices_by_hand():
    """Rank 8, 2 examples, 4 bytes: 64 to sum, on 4 devices 3 sixteens, there and back."""
    ring = costs.sent_by_low_rank(8, sides=[4], batch=2)
    assert ring == costs.Exchange(messages=6, bytes=96)
    assert costs.sent_by_low_rank(8, sides=[2, 2], batch=2) == costs.Exchange(4, 96)
    assert costs.sent_by_low_rank(8, sides=[4], batch=2, training=True) == ring + ring


def test_dense_blocks_on_six_devices_by_hand():
    """12 inputs and 24 outputs on 2 x 3 devices, which begin with 2 and end with 4 of a number.

    A device gets the 2 inputs of the other in its column, then has sums of 12 outputs with the two
    others of its row, and sends 4 of them to each.
    """
    sent = costs.sent_by_dense_blocks(12, 24, sides=(2, 3), batch=1)
    assert sent == costs.Exchange(messages=1 + 2, bytes=4 * (2 + 4 + 4))
    twice = costs.sent_by_dense_blocks(12, 24, sides=(2, 3), batch=1, training=True)
    assert twice == sent + sent


SIZES = {
    name: costs.layer_sizes(graph)
    for name, graph in {
        "dense": tk.topologies.dense.layers(6, 4),
        "low rank": tk.topologies.low_rank.layers(6, 4, 2),
        "clos": tk.topologies.clos.layers(8, 8, 2, 3, 4),
        "butterfly": tk.topologies.butterfly.layers(8, 4),
        "torus": tk.topologies.torus.layers((4, 4), 2),
    }.items()
}


@pytest.mark.parametrize("name", SIZES)
def test_the_work_of_a_prediction_is_counted_by_the_compiler_too(name):
    """Dense matrices of as many entries: XLA counts their operations and the numbers they touch."""
    batch, sizes = 5, SIZES[name]
    found = costs.work(sizes, batch=batch)
    operations = moved = most = 0
    for n, m, edges in zip(sizes.widths, sizes.widths[1:], sizes.edges, strict=False):
        fan_in = edges // m
        assert fan_in * m == edges

        def layer(w, x):
            return jnp.einsum("mk,bmk->bm", w, x)

        shapes = [jax.ShapeDtypeStruct(s, "float32") for s in ((m, fan_in), (batch, m, fan_in))]
        analysis = jax.jit(layer).lower(*shapes).cost_analysis()
        assert analysis is not None
        operations += analysis["flops"]
        moved += 4 * (edges + batch * (n + m))
        most = max(most, 4 * batch * (n + m))
    assert found.operations == operations
    assert (found.moved, found.memory) == (moved, 4 * sum(sizes.edges) + most)


def test_the_work_of_a_step_by_hand():
    """A layer of 2 x 3 with 6 weights and a batch of 10, in half precision, with momentum."""
    found = costs.work(costs.LayerSizes([2, 3], [6]), batch=10, training=True, itemsize=2, states=1)
    assert found.operations == 3 * (2 * 6 * 10)
    weight, gradient, state, neurons = 6, 6, 6, 20 + 30
    assert found.memory == 2 * (weight + gradient + state + neurons)
    forward = backward_inputs = backward_weights = 6 + 20 + 30
    update = (6 + 6 + 6) + (6 + 6)  # reads weight, gradient and state, writes weight and state
    assert found.moved == 2 * (forward + backward_inputs + backward_weights + update)


@pytest.mark.parametrize(("peak", "seconds"), [(10, 8.0), (1, 80.0)])
def test_a_roofline_is_what_takes_longer(peak, seconds):
    found = costs.Work(operations=80, memory=1, moved=16)
    assert costs.roofline(found, peak=peak, bandwidth=2) == seconds


CHIP = {
    "multipliers": 2800,
    "multipliers_each": 5,
    "pairs": 16,
    "memory": 2**22,
    "part": 4096,
    "width": 16,
    "computed": 10**8,
    "streamed": 10**6,
    "bandwidth": 7,
}


@pytest.mark.parametrize(
    ("change", "elements", "limit"),
    [
        ({}, 35, "multipliers"),
        ({"memory": 2**20}, 16, "memory"),
        ({"memory": 2**20 - 1}, 15, "memory"),
        ({"bandwidth": 0.5}, 3, "bandwidth"),
        ({"streamed": 10**9}, 0, "bandwidth"),
    ],
)
def test_processing_elements_are_the_floor_of_the_least_bound(change, elements, limit):
    chip = CHIP | change
    found = costs.processing_elements(**chip)
    assert (found.elements, found.limit) == (elements, limit)

    def fits(count: int) -> bool:
        """Enough multipliers, enough memory, and computing takes as long as streaming."""
        return (
            count * chip["pairs"] * chip["multipliers_each"] <= chip["multipliers"]
            and count * chip["part"] * chip["width"] <= chip["memory"]
            and chip["computed"] * chip["bandwidth"] >= count * chip["pairs"] * chip["streamed"]
        )

    assert fits(found.elements)
    assert not fits(found.elements + 1)


def structures() -> dict[str, np.ndarray | None]:
    rng = np.random.default_rng(0)
    shape = (4, 3, 3, 3)
    middle, filters, channels = np.zeros(shape, bool), np.ones(shape, bool), np.ones(shape, bool)
    middle[:, :, 1] = True
    filters[1], channels[:, 2, 0] = False, False
    return {
        "all": None,
        "middle rows": middle,
        "three filters": filters,
        "no top rows of a channel": channels,
        "any": rng.random(shape) < 0.2,
    }


@pytest.mark.parametrize("structure", structures())
@pytest.mark.parametrize(
    ("nodes", "stride", "padding"), [(1, 1, 1), (3, 1, 1), (4, 2, 1), (2, 1, 0)]
)
def test_a_node_receives_what_its_outputs_depend_on(structure, nodes, stride, padding):
    kept = structures()[structure]
    layer = costs.Convolution(3, 11, 6, 4, (3, 3), stride, padding, kept)
    weights = np.ones((4, 3, 3, 3)) if kept is None else kept.astype(float)
    width = (6 + 2 * padding - 3) // stride + 1
    height = (11 + 2 * padding - 3) // stride + 1
    shares = costs.cut_by_rows(layer, nodes, itemsize=2)
    assert sum(share.rows for share in shares) == height
    first = 0
    for node, share in enumerate(shares):
        outputs = range(first, first + share.rows)
        first += share.rows
        own = range(node * 11 // nodes, (node + 1) * 11 // nodes)
        edges = list(product(outputs, range(width), np.argwhere(weights).tolist()))
        places = {(c, row * stride - padding + y) for row, _, (_, c, y, _) in edges}
        depends = {(c, place) for c, place in places if 0 <= place < 11}
        assert share.operations == 2 * len(edges)
        assert share.received == 2 * 6 * sum(place not in own for _, place in depends)
        maps = sum(bool(weights[f].any()) for f in range(4)) * share.rows * width
        assert share.memory == 2 * (int(weights.sum()) + 6 * len(depends) + maps)


def test_structure_across_nodes_saves_what_is_sent():
    layer = costs.Convolution(16, 32, 32, 16, (5, 5), padding=2)
    plain = costs.cut_by_rows(layer, 4)
    middle = np.ones((16, 16, 5, 5), bool)
    middle[:, :, [0, 4]] = False
    sparse = costs.cut_by_rows(layer._replace(kept=middle), 4)
    assert [share.received for share in plain] == [4 * 16 * 32 * rows for rows in (2, 4, 4, 2)]
    assert [2 * share.received for share in sparse] == [share.received for share in plain]
    assert [5 * s.operations for s in sparse] == [3 * p.operations for p in plain]


def test_xla_by_itself_sends_what_the_page_says():
    kept = json.loads((ROOT / "analyses" / "benchmarks" / "devices.json").read_text())
    for name, row in kept["sent"].items():
        more = {
            work: row[work]["whole"]["bytes"] > row[work]["apart"]["bytes"]
            for work in ("prediction", "step")
        }
        assert more == {"prediction": name.startswith("butterfly"), "step": True}
        if not more["prediction"]:
            assert row["prediction"]["whole"]["bytes"] == row["prediction"]["apart"]["bytes"]


CONVOLUTION = costs.Convolution(3, 8, 8, 4, (3, 3))
REFUSED = {
    "latency must be a number": lambda: costs.Link(-1, 1),
    "bandwidth must be a number": lambda: costs.Link(1, 0),
    r"sides\[1\] must be": lambda: costs.all_gather([2, 0], 1),
    "block must be a number": lambda: costs.all_gather([2], -1),
    "steps must be": lambda: costs.pipelined(1, 1, 0),
    "sides must be rows and columns": lambda: costs.sent_by_clos(8, 2, 2, 2, sides=[4], batch=1),
    r"sides must be rows and columns; given \[2, 2, 2\]": lambda: costs.sent_by_dense_blocks(
        8, 8, sides=[2, 2, 2], batch=1
    ),
    r"sizes\[0\] must be": lambda: costs.sent_by_gradients([-1], devices=2),
    "reduction must be 'averaged', .* or 'terngrad'; given 'int8'": lambda: costs.sent_by_gradients(
        [1], devices=2, reduction="int8"
    ),
    "rank must be": lambda: costs.sent_by_low_rank(0, sides=[4], batch=1),
    "devices must be a power of two": lambda: costs.sent_by_butterfly(8, 3, devices=3, batch=1),
    "devices must be at most n=8": lambda: costs.sent_by_butterfly(8, 3, devices=16, batch=1),
    "one width more than edges; given 2 and 2": lambda: costs.work(
        costs.LayerSizes([2, 2], [4, 4]), batch=1
    ),
    "streamed must be a number": lambda: costs.processing_elements(**CHIP | {"streamed": 0}),
    "nodes must be at most 6": lambda: costs.cut_by_rows(CONVOLUTION, 7),
    "kernel must be rows and columns that fit into 8 x 8": lambda: costs.cut_by_rows(
        CONVOLUTION._replace(kernel=(9, 3)), 1
    ),
    r"kept must be of the shape \(4, 3, 3, 3\); given \(4,\)": lambda: costs.cut_by_rows(
        CONVOLUTION._replace(kept=np.ones(4)), 1
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_numbers_that_cannot_be_are_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()
