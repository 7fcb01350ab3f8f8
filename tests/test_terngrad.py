"""Reduced gradients: what is sent is little, and its mean is right."""

from functools import partial
from math import log2
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec
from many_devices import on_devices

from topokit import devices
from topokit.devices import costs
from topokit.devices._sums import sum_digits

WORKERS, DRAWS = 4, 10_000
ROWS = PartitionSpec("workers")
# One row for each worker. Of the second array none is like another in size, one is far out.
GRADIENTS: dict[str, np.ndarray] = {
    "kernel": np.random.default_rng(0).standard_normal((WORKERS, 5, 3)).astype(np.float32),
    "bias": np.array([[1e-3, -2e-3, 0, 4e-3, w / 50, 1e-3, 0, 0, 0] for w in range(4)], np.float32),
    "alike": np.full((WORKERS, 2), -0.1, np.float32),
}
RULES: dict[str, dict[str, Any]] = {
    "sigma": {},
    "largest": {"scaler": "largest"},
    "own scalers": {"share": False, "clip": 1.5},
    "unclipped": {"clip": None},
    "one scaler": {"together": True, "clip": 1.0},
    "whole": {"whole": ["['bias']", "['alike']"]},
}


def clipped_by_hand(array: np.ndarray, clip: float | None) -> np.ndarray:
    """(7), about 0 at standard deviations about the mean; entries all alike have none."""
    sigma = array.astype(float).std()
    if clip is None or np.ptp(array) == 0:
        return array
    return np.sign(array) * np.minimum(np.abs(array), clip * sigma)


def scaler_by_hand(array: np.ndarray, clip: float | None, scaler: str) -> float:
    if clip is None or np.ptp(array) == 0 or scaler == "largest":
        return np.abs(clipped_by_hand(array, clip)).max()
    return clip * array.astype(float).std()


# How it is with one array.


@pytest.mark.parametrize("scaler", ["sigma", "largest"])
@pytest.mark.parametrize("clip", [2.5, 1.0, None])
@pytest.mark.parametrize("name", GRADIENTS)
def test_the_mean_of_many_draws_is_the_clipped_gradient(name, clip, scaler):
    gradient = GRADIENTS[name][1]
    keys = jax.random.split(jax.random.key(1), DRAWS)
    draw = jax.vmap(partial(devices.ternarize, clip=clip, scaler=scaler), (None, 0))
    drawn = jax.jit(draw)(jnp.asarray(gradient), keys)
    size, wanted = scaler_by_hand(gradient, clip, scaler), clipped_by_hand(gradient, clip)
    levels = np.unique(np.asarray(drawn))
    assert np.allclose(levels, size * np.sign(levels), rtol=1e-5, atol=0)
    # Of an entry that is the scaler with probability p the variance is size^2 p (1 - p).
    error = np.sqrt(np.abs(wanted) * np.maximum(size - np.abs(wanted), 0) / DRAWS)
    off = np.abs(np.asarray(drawn, float).mean(0) - wanted)
    assert (off <= 4 * error + 1e-5 * size).all()


@pytest.mark.parametrize("scaler", ["sigma", "largest"])
def test_gradients_of_any_size_are_drawn_alike(scaler):
    """To the last bit, for powers of two change none; and up to the largest numbers."""
    gradient, key = jnp.asarray(GRADIENTS["kernel"][1]), jax.random.key(1)

    @jax.jit
    def drawn(array):
        return devices.ternarize(array, key, clip=1.0, scaler=scaler)

    for power in (-100, 100):
        assert np.array_equal(drawn(2.0**power * gradient), 2.0**power * drawn(gradient))
    most = float(jnp.finfo(jnp.float32).max)
    assert jnp.isfinite(devices.ternarize(jnp.array([most, -most]), key, scaler=scaler)).all()


# How it is over workers, found in a process that has four devices.


def reduced(rule: Any, gradients: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
    """Each worker's copy of the result, also where one entry is no number, and what is sent."""
    return _run(lambda own: rule.update(own, rule.init(own))[0], gradients)


def drawn_often(rule: Any) -> list[dict[str, Any]]:
    """The same of many steps, at which draws are others."""

    def steps(own):
        return jax.vmap(lambda step: rule.update(own, devices.TernaryState(step))[0])(
            jnp.arange(DRAWS)
        )

    return _run(steps, GRADIENTS)[0]


def _run(function: Any, gradients: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
    def one(rows):
        found = function(jax.tree.map(lambda array: array[0], rows))
        return jax.tree.map(lambda array: array[None], found)

    mesh = devices.make_mesh(workers=WORKERS)
    shared = jax.shard_map(one, mesh=mesh, in_specs=ROWS, out_specs=ROWS, check_vma=False)
    program = jax.jit(shared).lower(gradients).compile()
    poor = {**gradients, "bias": gradients["bias"].copy()}
    poor["bias"][2, 3] = np.nan
    return jax.device_get([program(gradients), program(poor)]), devices.traffic(program)


def sums_by_both_ways() -> list[tuple[np.ndarray, np.ndarray]]:
    """Packed sums, and those of whole numbers by JAX, for several numbers of workers and digits."""
    found = []
    for workers, n in [(2, 79), (3, 1), (3, 100), (4, 81)]:
        mesh = devices.make_mesh(jax.devices()[:workers], workers=workers)
        digits = np.random.default_rng(n).integers(0, 3, (workers, n)).astype(np.int8)

        def both(rows):
            packed = sum_digits(rows[0], 3, "workers").astype(jnp.int32)
            return packed[None], lax.psum(rows[0].astype(jnp.int32), "workers")[None]

        shared = jax.shard_map(both, mesh=mesh, in_specs=ROWS, out_specs=ROWS, check_vma=False)
        found.append(jax.device_get(jax.jit(shared)(digits)))
    return found


def sent_by_ternary(workers: int, n: int) -> float:
    mesh = devices.make_mesh(jax.devices()[:workers], workers=workers)
    rule = devices.terngrad()

    def one(rows):
        return rule.update(rows[0], rule.init(rows[0]))[0]

    shared = jax.shard_map(
        one, mesh=mesh, in_specs=ROWS, out_specs=PartitionSpec(), check_vma=False
    )
    program = jax.jit(shared).lower(jnp.zeros((workers, n))).compile()
    return sum(collective.sent for collective in devices.traffic(program))


def of_few_bits() -> dict[str, np.ndarray]:
    """The int8 mean of gradients that all workers have alike, by their type and size."""
    rule, mesh = devices.averaged_int8(), devices.make_mesh(workers=WORKERS)

    def one(rows):
        return rule.update(rows[0], rule.init(rows[0]))[0]

    shared = jax.shard_map(
        one, mesh=mesh, in_specs=ROWS, out_specs=PartitionSpec(), check_vma=False
    )
    given = {name: np.stack([rows] * WORKERS) for name, rows in ALIKE.items()}
    return {name: np.asarray(jax.jit(shared)(rows), float) for name, rows in given.items()}


def refused_inside() -> str:
    """The error where JAX sums the gradients of shared weights by itself."""
    rule = devices.terngrad()
    mesh = devices.make_mesh(workers=WORKERS)

    def one(rows):
        return rule.update(rows[0], rule.init(rows[0]))[0]

    shared = jax.shard_map(one, mesh=mesh, in_specs=ROWS, out_specs=PartitionSpec())
    with pytest.raises(ValueError, match="check_vma") as error:
        shared(jnp.zeros((WORKERS, 3)))
    return str(error.value)


# With the small arrays 6,400 entries: whole words of each kind, at two workers and at four.
ENTRIES = 6_400
ALIKE = {
    "float16": np.array([1.0, -0.5, 0.25], np.float16) * np.float16(1e-4),
    "tiny float16": np.array([1.0, -0.5, 0.25], np.float16) * np.float16(1e-5),
    "whole": np.array([1, 0, 1], np.int32),
}
UNEVEN = [(3, 1001), (4, 83)]
LARGE = np.random.default_rng(1).standard_normal((WORKERS, ENTRIES - 26)).astype(np.float32)
REDUCTIONS = {
    "averaged": devices.averaged(),
    "bfloat16": devices.averaged_bfloat16(),
    "int8": devices.averaged_int8(),
    "ternary": devices.terngrad(),
    "gathered": devices.terngrad(share=False),
    "another seed": devices.terngrad(seed=1),
}


def found_on_workers() -> dict[str, Any]:
    rows = {**GRADIENTS, "large": LARGE}
    reductions = {name: reduced(rule, rows) for name, rule in REDUCTIONS.items()}
    return {
        "rules": {
            name: drawn_often(devices.terngrad(**settings)) for name, settings in RULES.items()
        },
        "means": {name: means for name, (means, _) in reductions.items()},
        "sent": {name: sum(c.sent for c in sent) for name, (_, sent) in reductions.items()},
        "types": {name: {c.types for c in sent} for name, (_, sent) in reductions.items()},
        "again": reduced(devices.terngrad(), rows)[0],
        "sums": sums_by_both_ways(),
        "two": sent_by_ternary(2, ENTRIES),
        "uneven": {case: sent_by_ternary(*case) for case in UNEVEN},
        "few bits": of_few_bits(),
        "refused": refused_inside(),
    }


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return on_devices(WORKERS, found_on_workers)


def joined_if(settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of which each has one scaler."""
    if not settings.get("together"):
        return GRADIENTS
    return {"": np.concatenate([array.reshape(WORKERS, -1) for array in GRADIENTS.values()], 1)}


@pytest.mark.parametrize("name", RULES)
def test_over_workers_too_and_they_agree_to_the_last_bit(name, found):
    settings = {"clip": 2.5, "scaler": "sigma", "share": True, **RULES[name]}
    many, _ = found["rules"][name]
    assert all((copies == copies[:1]).all() for copies in many.values())
    means = {key: copies[0].astype(float) for key, copies in many.items()}
    if settings.get("together"):
        flat = [means[key].reshape(DRAWS, -1) for key in GRADIENTS]
        means = {"": np.concatenate(flat, 1)}
    for key, rows in joined_if(settings).items():
        if f"['{key}']" in settings.get("whole", ()):
            assert np.allclose(means[key], rows.astype(float).mean(0), rtol=1e-6)
            continue
        clip, scaler = settings["clip"], settings["scaler"]
        wanted = np.stack([clipped_by_hand(row, clip) for row in rows]).astype(float)
        sizes = np.array([scaler_by_hand(row, clip, scaler) for row in rows])
        sizes = np.full(WORKERS, sizes.max()) if settings["share"] else sizes
        sizes = sizes.reshape(-1, *[1] * (rows.ndim - 1))
        variance = np.abs(wanted) * np.maximum(sizes - np.abs(wanted), 0)
        error = np.sqrt(variance.sum(0) / WORKERS**2 / DRAWS)
        drawn = means[key].reshape(DRAWS, *rows.shape[1:])
        assert (np.abs(drawn.mean(0) - wanted.mean(0)) <= 4 * error + 1e-5 * sizes.max()).all()
        if settings["share"]:
            levels = drawn * WORKERS / sizes.max()
            assert np.allclose(levels, levels.round(), atol=1e-4)
            assert np.abs(levels).max() <= WORKERS + 1e-4


def test_draws_of_workers_are_their_own(found):
    """If all drew alike, entries that are alike at all workers would be kept by all or none."""
    alike = found["rules"]["sigma"][0]["bias"][0][:, 0]
    assert len(np.unique(alike)) > 2
    size = max(scaler_by_hand(row, 2.5, "sigma") for row in LARGE)
    levels = np.unique((found["means"]["ternary"][0]["large"][0] * WORKERS / size).round())
    assert levels.tolist() == list(range(-WORKERS, WORKERS + 1))


def test_the_seed_decides_the_draws(found):
    means = found["means"]
    one, same, other = (
        m[0]["large"] for m in (means["ternary"], found["again"], means["another seed"])
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("case", range(4))
def test_packed_sums_are_the_sums(case, found):
    packed, whole = found["sums"][case]
    assert np.array_equal(packed, whole)


@pytest.mark.parametrize(
    ("name", "levels"), [("averaged", 1e-6), ("bfloat16", 2.0**-8), ("int8", 1 / 127)]
)
def test_rounded_means_are_off_by_their_rounding(name, levels, found):
    """By half a level of the largest entry at each of the workers, and once more for their mean."""
    for key, rows in {**GRADIENTS, "large": LARGE}.items():
        off = np.abs(found["means"][name][0][key] - rows.astype(float).mean(0))
        assert off.max() <= 1.01 * levels * np.abs(rows).max()


@pytest.mark.parametrize("name", ALIKE)
def test_levels_of_eight_bits_fit_numbers_of_few_bits(name, found):
    """To half a level of the largest, and the rounding of the numbers themselves."""
    given = ALIKE[name].astype(float)
    off = np.abs(found["few bits"][name] - given)
    assert off.max() <= (1 / 254 + 2**-10) * np.abs(given).max() + 2.0**-24


def test_the_program_sends_what_the_bits_say(found):
    sent = found["sent"]
    assert sent["averaged"] == 2 * 3 * ENTRIES * 4 / 4
    assert sent["bfloat16"] == sent["averaged"] / 2
    scalers = 2 * 3 * 4 * 4 / 4  # of four arrays, shared by a maximum
    assert sent["int8"] == sent["averaged"] / 4 + scalers
    # Twenty ternary digits, or ten of the base 9, are a word of four bytes.
    assert sent["ternary"] == 3 / 4 * (ENTRIES // 20 * 4 + ENTRIES // 10 * 4) + scalers
    assert sent["gathered"] == 3 * ENTRIES // 20 * 4 + 3 * 4 * 4
    assert found["two"] == ENTRIES // 20 * 4 + 4
    least = 3 / 4 * ENTRIES * (log2(3) + log2(2 * WORKERS + 1)) / 8
    assert least < sent["ternary"] < 1.02 * least
    assert found["types"]["bfloat16"] == {"u16"}


SAID = {"bfloat16": "averaged_bfloat16", "int8": "averaged_int8", "ternary": "terngrad"}


@pytest.mark.parametrize("name", ["averaged", *SAID])
def test_the_program_sends_what_the_model_of_costs_says(name, found):
    sizes = [*(rows[0].size for rows in GRADIENTS.values()), ENTRIES - 26]
    said = "averaged" if name == "averaged" else SAID[name]
    cost = costs.sent_by_gradients(sizes, devices=WORKERS, reduction=said)
    assert cost.bytes == found["sent"][name]


@pytest.mark.parametrize(("workers", "n"), UNEVEN)
def test_the_model_of_costs_knows_of_parts_that_are_not_equal(workers, n, found):
    cost = costs.sent_by_gradients([n], devices=workers, reduction="terngrad")
    assert cost.bytes == pytest.approx(found["uneven"][workers, n], rel=1e-12)


@pytest.mark.parametrize("workers", [2, 3, 7, 8, 100, 800])
def test_of_fewer_bits_less_is_sent_until_sums_of_digits_are_as_long_as_theirs(workers):
    ways = ["terngrad", *list(SAID.values())[1::-1], "averaged"]
    sent = [costs.sent_by_gradients([10**6, 7], devices=workers, reduction=w).bytes for w in ways]
    assert sent == sorted(set(sent))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_is_no_number_at_one_worker_is_none_at_all(name, found):
    spoilt = found["means"][name][1]
    assert np.isnan(spoilt["bias"][:, 3]).all()
    assert np.isfinite(spoilt["kernel"]).all()


@pytest.mark.parametrize("name", ["sigma", "unclipped", "own scalers", "one scaler"])
def test_a_scaler_that_is_no_number_spoils_all_that_it_scales(name, found):
    _, spoilt = found["rules"][name]
    assert np.isnan(spoilt["bias"]).all()
    assert np.isnan(spoilt["kernel"]).all() == (name == "one scaler")


def test_gradients_that_are_summed_already_are_refused(found):
    assert "summed already, in full; give it check_vma=False" in found["refused"]


WRONG = {
    r"clip must be a number in \(0, inf\); given 0": {"clip": 0},
    "scaler must be 'sigma' or 'largest'; given 'mean'": {"scaler": "mean"},
    "seed must be an integer of at least 0": {"seed": -1},
    "whole must be a list of paths of arrays; given 'bias'": {"whole": "bias"},
}


@pytest.mark.parametrize("message", WRONG)
def test_settings_that_cannot_be_are_refused(message):
    with pytest.raises(ValueError, match=message):
        devices.terngrad(**WRONG[message])


def test_a_path_of_no_array_is_refused_with_those_there_are():
    rule = devices.terngrad(whole=["['biases']"])
    with pytest.raises(ValueError, match=r"no array lies at .*; the arrays are \['alike'\], \['b"):
        rule.init(GRADIENTS)


@pytest.mark.parametrize("rule", [devices.terngrad(), devices.averaged()], ids=["ternary", "all"])
def test_outside_of_a_mesh_the_cure_is_named(rule):
    gradient = jnp.ones(3)
    with pytest.raises(ValueError, match=r"inside jax.shard_map with make_mesh\(workers=...\)"):
        rule.update(gradient, rule.init(gradient))
