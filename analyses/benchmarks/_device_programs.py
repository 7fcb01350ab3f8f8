"""Programs of cascades over devices, for a process that has many: what they send, and their times.

`apart` is a placement of `topokit.devices`; `whole` is the same layer written without devices, its
weights and signals cut in the same places, so that XLA decides what is sent.
"""

import time
from collections.abc import Callable
from functools import partial
from itertools import product
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import topokit as tk
from analyses.kit import race
from topokit import devices
from topokit.devices import costs

Program = Callable[..., Any]


def mesh_of(kind: str, sides: tuple[int, ...]) -> Mesh:
    """The first devices as a mesh of a kind."""
    names = {"clos": ("rows", "columns"), "dense": ("ring",)}.get(kind, "abcdefgh"[: len(sides)])
    found = jax.devices()[: prod(sides)]
    return devices.make_mesh(found, **dict(zip(names, sides, strict=True)))


def recipe_of(kind: str, numbers: tuple[int, ...]) -> tk.Layers:
    """The topology of a case."""
    return getattr(tk.topologies, kind).layers(*numbers)


def apart(kind: str, numbers: tuple, sides: tuple, batch: int) -> tuple[Program, tuple]:
    """A placement, with weights and signals."""
    recipe = recipe_of(kind, numbers)
    place = {
        "clos": devices.clos_on_torus,
        "butterfly": devices.butterfly_on_hypercube,
        "dense": devices.dense_on_ring,
    }[kind]
    placement = place(recipe, mesh_of(kind, sides))
    weights = placement.place([np.ones(s.size, np.float32) for s in recipe.senders])
    signals = placement.enter(np.ones((batch, recipe.n_in), np.float32))
    return placement.apply, (weights, signals)


def whole(kind: str, numbers: tuple, sides: tuple, batch: int) -> tuple[Program, tuple]:
    """Plain products, each weight where the placement has it."""
    mesh = mesh_of(kind, sides)
    axes = mesh.axis_names
    ends = PartitionSpec(None, *axes) if kind == "clos" else PartitionSpec(None, axes)
    if kind == "clos":
        n_in, n_out, first, wires, last = numbers
        outer, inner = PartitionSpec(axes[0], None, axes[1]), PartitionSpec(None, *axes)
        shapes = [
            ((first, n_in // first, wires), outer),
            ((first, last, wires), inner),
            ((last, wires, n_out // last), outer),
        ]
        inputs = (batch, first, n_in // first)
    elif kind == "dense":
        shapes, inputs = [(numbers, PartitionSpec(None, axes))], (batch, numbers[0])
    else:
        n, depth = numbers
        shapes, inputs = [((n, 2), PartitionSpec(axes, None))] * depth, (batch, n)
    put = jax.device_put
    weights = tuple(put(np.ones(s, np.float32), NamedSharding(mesh, spec)) for s, spec in shapes)
    signals = put(np.ones(inputs, np.float32), NamedSharding(mesh, ends))

    def run(weights: tuple, signals: jax.Array) -> jax.Array:
        found = plain(kind, weights, signals)
        return jax.lax.with_sharding_constraint(found, NamedSharding(mesh, ends))

    return run, (weights, signals)


def reduced(size: int, workers: int) -> tuple[Program, tuple]:
    """A gradient of so many entries at each worker, and its ternary mean."""
    mesh = devices.make_mesh(jax.devices()[:workers], workers=workers)
    rule = devices.terngrad()
    rows = PartitionSpec("workers")

    def one(own: jax.Array) -> Any:
        return rule.update(own[0], rule.init(own[0]))[0]

    program = jax.shard_map(
        one, mesh=mesh, in_specs=rows, out_specs=PartitionSpec(), check_vma=False
    )
    given = jax.random.normal(jax.random.key(0), (workers, size))
    return program, (jax.device_put(given, NamedSharding(mesh, rows)),)


def plain(kind: str, weights: tuple, x: jax.Array) -> jax.Array:
    """The layer as one would write it for one device."""
    if kind == "clos":
        x = jnp.einsum("brk,rkm->brm", x, weights[0])
        x = jnp.einsum("brm,rom->bom", x, weights[1])
        return jnp.einsum("bom,omn->bon", x, weights[2])
    if kind == "dense":
        return x @ weights[0]
    for number, both in enumerate(weights):
        stride = 2 ** (number % (x.shape[1].bit_length() - 1))
        pairs = x.reshape(len(x), -1, 2, 1, stride)
        low, high = both.T.reshape(2, 1, -1, 2, stride)
        x = (low * pairs[:, :, 0] + high * pairs[:, :, 1]).reshape(x.shape)
    return x


def compiled(program: Program, given: tuple, training: bool) -> jax.stages.Compiled:
    """A prediction; or a step's values and gradients of weights and inputs."""

    def step(weights: tuple, signals: jax.Array) -> Any:
        found, back = jax.vjp(program, weights, signals)
        places = [jax.tree.map(lambda a: a.sharding, part) for part in given]
        return jax.lax.with_sharding_constraint(back(found), tuple(places))

    return jax.jit(step if training else program).lower(*given).compile()


def sent(cases: list[tuple]) -> list[dict[str, Any]]:
    """Messages and bytes that a device sends in each case, by a placement and by XLA."""
    found = []
    for kind, numbers, sides, batch in cases:
        row: dict[str, Any] = {}
        for training, made in product((False, True), (apart, whole)):
            program = compiled(*made(kind, numbers, sides, batch), training)
            traffic = devices.traffic(program)
            row.setdefault("step" if training else "prediction", {})[made.__name__] = {
                "messages": sum(c.times for c in traffic),
                "bytes": sum(c.sent for c in traffic),
                "kinds": sorted({c.kind for c in traffic}),
            }
        found.append(row)
    return found


def times(cases: list[tuple], repetitions: int, slot: float) -> list[dict[str, Any]]:
    """What a prediction takes in each case, and its seconds: the least of some, all in turn."""
    found, clocks = [], {}
    for number, (kind, numbers, sides, batch) in enumerate(cases):
        if kind == "ternary":
            program, given = reduced(*numbers, *sides)
            amounts = {"operations": numbers[0], "moved": 0}
        else:
            program, given = apart(kind, numbers, sides, batch)
            took = costs.work(costs.layer_sizes(recipe_of(kind, numbers)), batch=batch)
            amounts = {
                "operations": took.operations / prod(sides),
                "moved": took.moved / prod(sides),
            }
        run = compiled(program, given, training=False)
        clocks[f"{number}"] = partial(spent, run, given)
        traffic = devices.traffic(run)
        sent = {"messages": sum(c.times for c in traffic), "sent": sum(c.sent for c in traffic)}
        found.append(sent | amounts)
    seconds = race(clocks, repetitions, slot)
    return [
        row | {"seconds": float(own.min())}
        for row, own in zip(found, seconds.values(), strict=True)
    ]


def spent(run: Program, given: tuple, runs: int) -> float:
    """Seconds of some runs, one after the other."""
    begin = time.perf_counter()
    for _ in range(runs):
        run(*given).block_until_ready()
    return time.perf_counter() - begin
