"""What a program sends is read from its text: programs made by hand, and compiled ones."""

from fractions import Fraction
from unittest.mock import Mock

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import PartitionSpec
from many_devices import on_devices

from topokit import devices

SIZE, WORKERS, TURNS = 48, 4, 5
RING = [(0, 1), (1, 2), (2, 3), (3, 0)]
# What is done with 48 numbers a device, and the bytes of a number that it sends, if not all four.
COLLECTIVES = {
    "all-reduce": (lambda x: lax.psum(x, "w"), 2 * Fraction(3, 4) * SIZE * 4),
    "all-gather": (lambda x: lax.all_gather(x.astype(jnp.uint8), "w"), 3 * SIZE),
    "reduce-scatter": (
        lambda x: lax.psum_scatter(x.astype(jnp.int8), "w", tiled=True),
        Fraction(3, 4) * SIZE,
    ),
    "all-to-all": (
        lambda x: lax.all_to_all(x.astype(jnp.uint16), "w", 0, 0, tiled=True),
        Fraction(3, 4) * SIZE * 2,
    ),
    "collective-permute": (lambda x: lax.ppermute(x, "w", RING), SIZE * 4),
}


def compiled_programs() -> dict[str, list[dict]]:
    """What is read of each collective by itself, and of one in a loop in a loop."""
    mesh = devices.make_mesh(w=WORKERS)

    def found(function) -> list[dict]:
        spec = PartitionSpec()
        shared = jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
        program = jax.jit(shared).lower(jnp.ones(SIZE)).compile()
        return [collective._asdict() for collective in devices.traffic(program)]

    def turned(x):
        def step(_, x):
            return lax.ppermute(lax.ppermute(x, "w", RING), "w", RING)

        return lax.fori_loop(0, TURNS, lambda _, y: lax.fori_loop(0, 2, step, y), x)

    def endless(x):
        return lax.while_loop(lambda x: x.sum() < 9, lambda x: lax.psum(x, "w"), x)

    each = {name: found(function) for name, (function, _) in COLLECTIVES.items()}
    with pytest.raises(ValueError, match="loop with collectives that does not say how often"):
        found(endless)
    return {**each, "loops": found(turned), "none": found(jnp.sin)}


@pytest.fixture(scope="module")
def programs() -> dict[str, list[dict]]:
    return on_devices(WORKERS, compiled_programs)


@pytest.mark.parametrize("kind", COLLECTIVES)
def test_a_compiled_collective_sends_what_a_ring_sends(kind, programs):
    (found,) = programs[kind]
    assert (found["kind"], found["devices"], found["times"]) == (kind, WORKERS, 1)
    assert found["sent"] == COLLECTIVES[kind][1]
    assert list(found["pairs"]) == (RING if kind == "collective-permute" else [])


def test_what_is_in_loops_runs_as_often_as_they_turn(programs):
    assert [found["times"] for found in programs["loops"]] == [2 * TURNS] * 2
    assert {found["sent"] for found in programs["loops"]} == {2 * TURNS * SIZE * 4}


def test_a_program_without_collectives_sends_nothing(programs):
    assert programs["none"] == []


# As a GPU's compiler writes them: begun and ended apart, groups as an array of counts, types mixed.
BEGUN = """HloModule jit_f, replica_count=1, num_partitions=8

%reduced (x: bf16[16,3]) -> bf16[4,3] {
  %x = bf16[16,3]{1,0:T(8,128)} parameter(0)
  ROOT %scattered = bf16[4,3] reduce-scatter(%x), replica_groups=[2,4]<=[8], to_apply=%add
}

%taken (y: pred[9]) -> pred[9] {
  %y = pred[9] parameter(0)
  ROOT %told = pred[9] all-reduce(%y), replica_groups={}, to_apply=%or
}

%left (y: pred[9]) -> pred[9] {
  ROOT %y.1 = pred[9] parameter(0)
}

ENTRY %main (x: bf16[16,3], y: pred[9], n: s4[7], i: s32[]) -> (bf16[4,3], /*index=1*/ pred[9]) {
  %x.1 = bf16[16,3] parameter(0)
  %y.2 = pred[9] parameter(1)
  %n = s4[7] parameter(2)
  %i = s32[] parameter(3)
  %begun = ((bf16[16,3]), bf16[4,3]) async-start(%x.1), calls=%reduced
  %ended = bf16[4,3] async-done(%begun)
  %both = ((pred[9], s4[7]), (pred[18], s4[14])) all-gather-start(%y.2, %n), replica_groups={{0,1},{2,3},{4,5},{6,7}}
  %done = (pred[18], s4[14]) all-gather-done(%both)
  %branch = pred[9] conditional(%i, %y.2, %y.2), branch_computations={%taken, %left}
  ROOT %result = (bf16[4,3], /*index=1*/ pred[9]) tuple(%ended, %branch)
}
"""  # noqa: E501


def test_collectives_that_are_begun_and_ended_apart_are_read_once():
    scattered, gathered, told = devices.traffic(BEGUN)
    assert (scattered.kind, scattered.types, scattered.held) == ("reduce-scatter", "bf16", 96)
    assert (scattered.devices, scattered.sent) == (4, 72)
    assert (gathered.kind, gathered.types, gathered.held) == ("all-gather", "pred, s4", 9 + 4)
    assert (gathered.devices, gathered.sent) == (2, 13)
    assert (told.devices, told.sent) == (8, 2 * 7 / 8 * 9)


def test_what_is_no_program_is_refused():
    with pytest.raises(ValueError, match="program must be compiled.*given <function"):
        devices.traffic(jnp.sum)


def stand_in(platform: str) -> Mock:
    return Mock(spec=jax.Device, platform=platform, device_kind="another")


CPUS = [stand_in("cpu") for _ in range(6)]
WRONG_DEVICES = {
    "must be a list of them": ("cpu", {"workers": 3}),
    "must be devices of JAX.*given 3": ([3, 4], {"workers": 2}),
    "at least two, to share work; given 1": (CPUS[:1], {"workers": 1}),
    "each device must be given once": (CPUS + CPUS[:1], {"workers": 7}),
    r"of one kind; given cpu \(another\) and gpu": ([CPUS[0], stand_in("gpu")], {"workers": 2}),
    "as there are devices, 6; given rows=2 x columns=2, 4 places": (
        CPUS,
        {"rows": 2, "columns": 2},
    ),
    "rows must be an integer of at least 1; given 0": (CPUS, {"rows": 0, "columns": 2}),
}


@pytest.mark.parametrize("message", WRONG_DEVICES)
def test_devices_that_make_no_mesh_are_refused(message):
    given, axes = WRONG_DEVICES[message]
    with pytest.raises(ValueError, match=message):
        devices.make_mesh(given, **axes)


def test_a_mesh_lies_along_its_axes_the_last_one_fastest():
    mesh = devices.make_mesh(CPUS, rows=2, columns=3)
    assert mesh.axis_names == ("rows", "columns")
    assert mesh.devices.tolist() == [CPUS[:3], CPUS[3:]]
    assert dict(devices.make_mesh(CPUS).shape) == {"workers": 6}
