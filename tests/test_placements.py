"""Cascades over many devices: the same values and gradients, and what is sent on the way.

All programs run in one process with 16 devices. Clos networks and butterflies are held against
`SparseLinear` on one device.
"""

from collections import Counter
from collections.abc import Callable
from math import prod
from unittest.mock import Mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from many_devices import on_devices

import topokit as tk
from topokit import devices, networks
from topokit.devices import costs

BATCH = 6
CLOS = {
    "one router a row": ((2, 2), (8, 8, 2, 2, 2)),
    "as drawn, one neuron a device": ((4, 4), (16, 16, 4, 4, 4)),
    "several routers a row": ((2, 4), (32, 32, 4, 8, 4)),
    "ends of different sizes": ((4, 2), (16, 24, 4, 2, 4)),
    "different routers at both ends": ((2, 2), (16, 24, 4, 2, 6)),
    "one row": ((1, 4), (16, 8, 2, 4, 2)),
    "one column": ((4, 1), (8, 12, 4, 3, 4)),
}
BUTTERFLIES = {"all": (8, 8, 3), "part": (4, 32, 5), "deep": (4, 16, 7), "short": (16, 64, 2)}
DENSE = {
    "dense": (4, tk.topologies.dense.layers(8, 12)),
    "low rank": (8, tk.topologies.low_rank.layers(16, 8, 8)),
}
NAMES = [
    *(("clos", name) for name in CLOS),
    *(("butterfly", name) for name in BUTTERFLIES),
    *(("dense", name) for name in DENSE),
]


def mesh_of(**axes: int) -> Mesh:
    return devices.make_mesh(jax.devices()[: prod(axes.values())], **axes)


def hypercube(count: int) -> Mesh:
    return mesh_of(**{f"axis{number}": 2 for number in range(count.bit_length() - 1)})


@jax.jit
def alone(linear, x, goal):
    """Outputs on one device, and gradients of weights and inputs."""
    outputs, back = jax.vjp(lambda linear, x: jax.vmap(linear)(x), linear, x)
    at_weights, at_inputs = back(goal)
    return outputs, [w.weight for w in at_weights.layers], at_inputs


def compared(place: Callable, topology: tk.Layers, mesh: Mesh) -> dict:
    """Differences to one device, of outputs and of all gradients; and what both programs send."""
    placement = place(topology, mesh)
    linear = networks.SparseLinear(topology, key=jax.random.key(1), bias=False)
    rng = np.random.default_rng(0)
    x, goal = (
        jnp.asarray(rng.normal(size=(BATCH, n)), jnp.float32)
        for n in (topology.n_in, topology.widths[-1])
    )
    weights = placement.place([w.weight for w in linear.layers])
    signals = placement.enter(x.tolist())

    def backward(weights, signals, goal):
        outputs, back = jax.vjp(placement.apply, weights, signals)
        return outputs, back(goal)

    outputs = jax.eval_shape(placement.apply, weights, signals)
    heads = jax.device_put(goal.reshape(outputs.shape), signals.sharding)
    forward = jax.jit(placement.apply).lower(weights, signals).compile()
    training = jax.jit(backward).lower(weights, signals, heads).compile()
    values, (slopes, rows) = training(weights, signals, heads)

    expected, at_weights, at_inputs = alone(linear, x, goal)
    pairs = [
        (placement.leave(forward(weights, signals)), expected),
        (placement.leave(values), expected),
        (placement.leave(rows), at_inputs),
        *zip(placement.collect(slopes), at_weights, strict=True),
        *zip(placement.collect(weights), (w.weight for w in linear.layers), strict=True),
    ]
    stay = all(
        s.sharding.is_equivalent_to(w.sharding, w.ndim)
        for s, w in zip(slopes, weights, strict=True)
    )
    one_place = all(sum(p.data.size for p in w.addressable_shards) == w.size for w in weights)
    return {
        "off": [float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs],
        "stay": stay and one_place,
        "sent": [devices.traffic(program) for program in (forward, training)],
        "headings": [devices.headings(program, mesh) for program in (forward, training)]
        if place is devices.clos_on_torus
        else [],
    }


def programs() -> dict[str, dict[str, dict]]:
    """All of them, in one process."""
    found = {"clos": {}, "butterfly": {}, "dense": {}}
    for name, ((rows, columns), numbers) in CLOS.items():
        mesh, topology = mesh_of(rows=rows, columns=columns), tk.topologies.clos.layers(*numbers)
        found["clos"][name] = compared(devices.clos_on_torus, topology, mesh)
    for name, (count, n, depth) in BUTTERFLIES.items():
        topology = tk.topologies.butterfly.layers(n, depth)
        found["butterfly"][name] = compared(
            devices.butterfly_on_hypercube, topology, hypercube(count)
        )
    for name, (count, topology) in DENSE.items():
        found["dense"][name] = compared(devices.dense_on_ring, topology, mesh_of(ring=count))
    return found


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, dict]]:
    return on_devices(16, programs)


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_values_and_gradients_are_those_of_one_device(kind, name, found):
    assert max(found[kind][name]["off"]) < 1e-5


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_each_weight_and_its_gradient_stand_in_one_place(kind, name, found):
    assert found[kind][name]["stay"]


def blocks(name: str) -> dict[str, int]:
    """Bytes of the block that a device sends in each phase."""
    (rows, columns), (n_in, _, first, wires, last) = CLOS[name]
    each = {"inputs": n_in, "wires": first * wires, "outputs": last * wires}
    return {phase: 4 * BATCH * size // (rows * columns) for phase, size in each.items()}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", CLOS)
def test_the_program_sends_what_the_table_of_routers_says(name, training, found):
    rows, columns = CLOS[name][0]
    turned = {"west": "east", "north": "south"}  # a ring of two has one neighbor
    short = {d for d, side in (("west", columns), ("north", rows)) if side == 2}
    hops, sizes = Counter(), Counter()
    for move in devices.router_table(rows, columns, training=training):
        if move.sender == (0, 0):
            heading = turned[move.direction] if move.direction in short else move.direction
            hops[heading] += 1
            sizes[heading] += blocks(name)[move.phase]
    headings = found["clos"][name]["headings"][training]
    assert {h.direction: (h.hops, h.bytes) for h in headings} == {
        direction: (hops[direction], sizes[direction]) for direction in hops
    }


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_the_model_of_costs_knows_every_message_and_every_byte(kind, name, training, found):
    options = {"batch": BATCH, "training": training}
    if kind == "clos":
        sides, (n_in, _, *routers) = CLOS[name]
        modeled = costs.sent_by_clos(n_in, *routers, sides=sides, **options)
    elif kind == "butterfly":
        count, n, depth = BUTTERFLIES[name]
        modeled = costs.sent_by_butterfly(n, depth, devices=count, **options)
    else:
        count, topology = DENSE[name]
        modeled = costs.sent_by_dense(topology.widths, devices=count, **options)
    sent = found[kind][name]["sent"][training]
    assert {c.kind for c in sent} <= {"collective-permute"}
    assert modeled.messages == sum(c.times for c in sent)
    assert modeled.bytes == sum(c.sent for c in sent)


SIDES = [(1, 1), (1, 4), (4, 1), (2, 2), (3, 5)]


@pytest.mark.parametrize("sides", SIDES)
def test_values_move_east_and_south_to_neighbors_and_gradients_back(sides):
    rows, columns = sides
    shifts = {"east": (0, 1), "south": (1, 0), "west": (0, -1), "north": (-1, 0)}
    table = devices.router_table(rows, columns, training=True)
    for move in table:
        expected = np.add(move.sender, shifts[move.direction]) % sides
        assert move.receiver == tuple(expected)
    forward = devices.router_table(rows, columns)
    assert table[: len(forward)] == forward
    assert {move.direction for move in forward} <= {"east", "south"}
    assert {move.direction for move in table[len(forward) :]} <= {"west", "north"}
    every = range(2 * (2 * (columns - 1) + rows - 1))
    assert Counter(move.step for move in table) == dict.fromkeys(every, rows * columns)


@pytest.mark.parametrize("sides", SIDES)
def test_whoever_follows_the_table_has_each_block_in_time(sides):
    """Forward every device has all blocks of its ring; sums of gradients end where they belong."""
    rows, columns = sides
    table = devices.router_table(rows, columns, training=True)
    places = [(row, column) for row in range(rows) for column in range(columns)]
    begin = 0
    for phase, along in (("inputs", 0), ("wires", 1), ("outputs", 0)):
        moves = [m for m in table if m.phase == phase and m.direction in ("east", "south")]
        steps = sorted({m.step for m in moves})
        assert steps == list(range(begin, begin + len(steps)))
        begin += len(steps)
        has = {place: {place} for place in places}
        for step in steps:
            now = [m for m in moves if m.step == step]
            assert all(m.block in has[m.sender] for m in now)
            for move in now:
                has[move.receiver].add(move.block)
        assert all(has[p] == {q for q in places if q[along] == p[along]} for p in places)
        back = [m for m in table if m.phase == phase and m.direction in ("west", "north")]
        # Each has made its own share of the gradient of each block of its ring.
        sums = {(p, block): {p} for p in places for block in has[p]}
        for step in sorted({m.step for m in back}):
            now = {(m.sender, m.block): m for m in back if m.step == step}
            moving = {key: sums.pop(key) for key in now}
            for key, move in now.items():
                sums[move.receiver, move.block] |= moving[key]
        assert sums == {(p, p): has[p] for p in places}


def stand_ins(*sides: int) -> Mesh:
    made = [Mock(spec=jax.Device, platform="cpu", device_kind="one") for _ in range(prod(sides))]
    return Mesh(np.array(made).reshape(sides), tuple("abcd"[: len(sides)]))


def mixed() -> Mesh:
    kinds = [Mock(spec=jax.Device, platform=name, device_kind="one") for name in ("cpu", "gpu")]
    return Mesh(np.array([kinds]), ("a", "b"))


clos, butterfly, dense = tk.topologies.clos, tk.topologies.butterfly, tk.topologies.dense
torus, cube, ring = devices.clos_on_torus, devices.butterfly_on_hypercube, devices.dense_on_ring
REFUSED = {
    "mesh must be one of 2 axes.*given axes": (torus, clos(8, 8, 2, 2, 2), stand_ins(4)),
    "a Clos network.*given widths .8, 8. and 64": (torus, dense(8, 8), stand_ins(2, 2)),
    "a Clos network.*16, 16, 16, 16": (torus, butterfly(16, 3), stand_ins(2, 2)),
    "^input_routers must be a multiple of 3": (torus, clos(8, 9, 2, 2, 3), stand_ins(3, 2)),
    "^output_routers must be a multiple of 3": (torus, clos(9, 8, 3, 2, 2), stand_ins(3, 2)),
    "^middle_routers must be a multiple of 2": (torus, clos(8, 8, 2, 3, 2), stand_ins(2, 2)),
    "^n_in / input_routers must be a multiple": (torus, clos(6, 8, 2, 2, 2), stand_ins(2, 2)),
    "^n_out / output_routers must be": (torus, clos(8, 6, 2, 2, 2), stand_ins(2, 2)),
    "at least two, to share work": (torus, clos(8, 8, 2, 2, 2), stand_ins(1, 1)),
    "must be of one kind": (torus, clos(8, 8, 2, 2, 2), mixed()),
    "topology must be a butterfly": (cube, clos(8, 8, 2, 2, 2), stand_ins(2, 2)),
    "must be a hypercube.*sides .4,": (cube, butterfly(8), stand_ins(4)),
    "of at most 4 devices": (cube, butterfly(4), stand_ins(2, 2, 2)),
    "layer 0 is not": (ring, butterfly(8), stand_ins(4)),
    r"^widths\[1\] must be a multiple of 3": (ring, dense(9, 8), stand_ins(3)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_compiled(message):
    place, topology, mesh = REFUSED[message]
    with pytest.raises(ValueError, match=message):
        place(topology, mesh)


def test_weights_and_inputs_of_other_sizes_are_refused():
    placement = devices.dense_on_ring(dense(8, 4), stand_ins(4))
    with pytest.raises(ValueError, match=r"of the sizes \[32\]; given shapes \[\(31,\)\]"):
        placement.place([np.ones(31)])
    with pytest.raises(ValueError, match=r"shape \(batch, 8\); given \(8,\)"):
        placement.enter(np.ones(8))


WEIGHTS, PLACED = r"of the sizes \[32\]; given ", r"of the shapes \[\(4, 2, 4\)\]; given "
BATCHES = r"inputs must be a batch of numbers, of the shape \(batch, 8\); given "
SIGNALS = r"signals must be those .* of the shape \(batch, 8\) or \(batch, 4\); given "


@pytest.mark.parametrize(
    ("part", "wrong", "message"),
    [
        ("place", None, f"{WEIGHTS}None"),
        ("place", [["a"] * 32], f"{WEIGHTS}.*'a'"),
        ("place", [[[1.0], [1.0, 2.0]]], WEIGHTS),
        ("collect", None, f"{PLACED}None"),
        ("collect", [np.ones(32)], rf"{PLACED}shapes \[\(32,\)\]"),
        ("enter", None, f"{BATCHES}None"),
        ("enter", [["a"] * 8], f"{BATCHES}.*'a'"),
        ("enter", [[1.0] * 7], rf"{BATCHES}\(1, 7\)"),
        ("leave", [[1.0] * 4], SIGNALS),
        ("leave", np.ones((2, 5)), rf"{SIGNALS}float64\[2,5\]"),
    ],
)
def test_what_is_no_array_of_a_placement_is_refused(part, wrong, message):
    placement = devices.dense_on_ring(dense(8, 4), stand_ins(4))
    with pytest.raises(ValueError, match=message):
        getattr(placement, part)(wrong)


def test_a_program_that_is_not_of_a_torus_has_no_headings():
    text = (
        "ENTRY %f () -> f32[8] {\n"
        "  %a = f32[8] collective-permute(), source_target_pairs={{0,3},{3,0},{1,2},{2,1}}\n}"
    )
    with pytest.raises(ValueError, match="2 x 2 torus; what it has of 'collective-permute'"):
        devices.headings(text, stand_ins(2, 2))
