"""Time to an error: palm4msa of pyfaust, with the supports of the layers held fixed.

Palm4MSA (Le Magoarou and Gribonval, 2016) is what else factorizes a given matrix over given
supports. It gets every setting that helps it: both directions, both implementations, its own start
and random ones, single precision; the best of them after `TRIAL` iterations goes on. What counts is
its best error, and the time of the fewest iterations that come within `CLOSE` of it. topokit has to
come as close to the same error on the same target; its time is that of a call of `reconstruct`,
what it compiles apart (`warm`) or included (`cold`).
"""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import jax
import numpy as np

import topokit as tk
from analyses.kit import quartiles, timed
from topokit import reconstruct
from topokit.reconstruction import Adam, Reconstruction, end_to_end

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pyfaust.fact import palm4msa  # pyright: ignore[reportMissingImports]
    from pyfaust.factparams import (  # pyright: ignore[reportMissingImports]
        ParamsPalm4MSA,
        StoppingCriterion,
    )
    from pyfaust.proj import supp  # pyright: ignore[reportMissingImports]

TRIAL = 1000
ITERATIONS = (500, 1000, 2000, 4000, 8000)
CLOSE = 1e-3
STARTS = (None, 0, 1)
STEPS = (25, 50, 100, 200, 400, 800, 1600, 3200)
RESTARTS = (1, 4)


class Setting(NamedTuple):
    """How palm4msa goes: implementation, direction, and seed of a random start."""

    backend: int
    right_to_left: bool
    seed: int | None


def compare(layers: tk.Layers, seed: int, repetitions: int) -> dict:
    """Seconds of both to the same error, and their ratios."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(layers.n_in, layers.n_out)).astype(np.float32)
    settings = [Setting(*s) for s in product((2016, 2020), (False, True), STARTS)]
    chosen = min(settings, key=lambda s: error_of(palm(layers, target, s, TRIAL), target))
    errors = {n: error_of(palm(layers, target, chosen, n), target) for n in ITERATIONS}
    goal = min(errors.values()) * (1 + CLOSE)
    iterations = min(n for n, error in errors.items() if error <= goal)
    found = {"palm_error": min(errors.values()), "iterations": iterations, **chosen._asdict()}
    for attempt in attempts():
        error = error_of(rebuilt(layers, target, attempt), target)
        if error <= goal:
            theirs = partial(palm, layers, target, chosen, iterations)
            own = partial(solve, layers, target, attempt)
            reached = {"reached": repr(attempt), "error": error}
            return found | reached | race(theirs, own, repetitions)
    return found | {"reached": None}


def race(theirs: Callable[[], object], own: Callable[[], object], repetitions: int) -> dict:
    """Median seconds of both in turn, and their ratio without and with what topokit compiles."""
    jax.clear_caches()
    cold, _ = timed(own)
    seconds = np.array([(timed(theirs)[0], timed(own)[0]) for _ in range(repetitions)])
    palm_s, warm_s = np.median(seconds, axis=0).tolist()
    ratios = {
        "warm": quartiles(seconds[:, 0] / seconds[:, 1]),
        "cold": quartiles(seconds[:, 0] / cold),
    }
    return {"palm_s": palm_s, "warm_s": warm_s, "cold_s": cold, **ratios}


def palm(layers: tk.Layers, target: np.ndarray, setting: Setting, iterations: int) -> np.ndarray:
    """What palm4msa makes of the target."""
    masks = tk.to_masks(layers)
    parameters = ParamsPalm4MSA(
        [supp(mask.astype(float), normalized=False) for mask in masks],
        StoppingCriterion(num_its=iterations),
        is_update_way_R2L=setting.right_to_left,
        init_facts=None if setting.seed is None else drawn(masks, setting.seed),
        no_lambda=setting.seed is not None,
    )
    factors: Any = palm4msa(target, parameters, backend=setting.backend)
    return factors.toarray()


def drawn(masks: list[np.ndarray], seed: int) -> list[np.ndarray]:
    """Random factors of variance `1 / fan-in`, in the order of memory that pyfaust wants."""
    rng = np.random.default_rng(seed)
    factors = [mask * rng.normal(size=mask.shape) / np.sqrt(mask.sum(axis=0)) for mask in masks]
    return [np.asfortranarray(factor, np.float32) for factor in factors]


class Attempt(NamedTuple):
    """A way to call `reconstruct`."""

    restarts: int
    solver: Any


def attempts() -> Iterator[Attempt]:
    """Cheapest first."""
    pairs = product(STEPS, RESTARTS)
    for steps, restarts in sorted(pairs, key=lambda pair: pair[0] * pair[1]):
        yield Attempt(restarts, Adam(steps))


def solve(layers: tk.Layers, target: np.ndarray, by: Attempt) -> Reconstruction:
    """A call of topokit."""
    return reconstruct(layers, target, solver=by.solver, restarts=by.restarts)


def rebuilt(layers: tk.Layers, target: np.ndarray, by: Attempt) -> np.ndarray:
    """What topokit makes of the target."""
    return end_to_end(layers, solve(layers, target, by).weights)[0]


def error_of(product: np.ndarray, target: np.ndarray) -> float:
    """Squared, relative to the target."""
    return float(((product - target).astype(float) ** 2).sum() / (target.astype(float) ** 2).sum())
