"""What a device computes against the CPU's, in one process: values and gradients, form by form.

Distances are relative to the CPU's arrays, all of a check together.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from threading import Lock
from typing import Any
from unittest import mock

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import topokit as tk
from analyses.benchmarks._challenge_peers import by_scipy, lay_out
from analyses.benchmarks._descents import by_topokit, draw_problem
from analyses.benchmarks._device_layers import said
from analyses.benchmarks._resident_inference import Setting, by_device
from topokit.challenge import by_classes, by_edges, infer
from topokit.networks import SparseLinear
from topokit.products import (
    FormRule,
    arrange_goal,
    block_form,
    compile_product,
    dense_form,
    fastest_form,
    gather_form,
    multiply,
    total_error,
)

# Layers in a form of one's choice have no public door; hence what is private here.
from topokit.products import _forms  # isort: skip

Arrays = list[np.ndarray]
Check = tuple[Callable[[], Arrays], float]  # what to compute, and how far apart it may be
TOLERANCES = {"product": 1e-5, "layer": 1e-5, "two steps": 1e-3, "loss": 0.02, "K": 1e-3}
TARGETS, EXAMPLES, STEPS, THREADS = 3, 17, 20, 8
SETTING = Setting(2**20, 8)
t = tk.topologies
TOPOLOGIES = {
    "clos": lambda: t.clos.layers(64, 64, 8, 8, 8),
    "random": lambda: t.erdos_renyi.layers([60, 70, 64], 0.2, seed=0),
    "butterfly": lambda: t.butterfly.layers(64),
    "torus": lambda: t.torus.layers((8, 8), 3),
    "skip": lambda: tk.to_layers(tk.with_skip(t.butterfly(32, 8))),
}
PRODUCTS = {rule.__name__: rule for rule in (fastest_form, gather_form, block_form, dense_form)}
SIGNALS = {
    "usual": _forms._usual,
    "loops": _forms.loop,
    "unrolled": _forms.unroll,
    "blocks": lambda step: _forms.find_blocks(step) or _forms.loop(step),
    "filled": _forms.fill,
}
_building = Lock()


def compare_all(names: Iterable[str], thorough: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How far the default device is from the CPU in every check, several of them side by side.

    Of the topologies named some are `thorough`, in every form; the others in the usual one.
    """
    named = checks({name: TOPOLOGIES[name]() for name in names}, set(thorough))
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(named, pool.map(compare, named.values()), strict=True))


def checks(topologies: dict[str, tk.Layers], thorough: set[str]) -> dict[str, Check]:
    """All checks."""
    found: dict[str, Check] = {}
    for name, layers in topologies.items():
        most = None if name in thorough else 1
        for form, rule in islice(PRODUCTS.items(), most):
            call = partial(product_values, layers, rule)
            found[f"product, {name}, {form}"] = call, TOLERANCES["product"]
        for form, rule in islice(SIGNALS.items(), most):
            call = partial(layer_values, layers, rule)
            found[f"layer, {name}, {form}"] = call, TOLERANCES["layer"]
        found[f"two steps, {name}"] = partial(step_values, layers), TOLERANCES["two steps"]
    name, layers = next(iter(topologies.items()))
    found[f"reconstruction, {name}"] = partial(losses, layers), TOLERANCES["loss"]
    found[f"controllability, {name}"] = partial(control, layers), TOLERANCES["K"]
    return found


def compare(check: Check) -> dict[str, Any]:
    """How far the default device is from the CPU; an error of either in a line."""
    compute, tolerance = check
    try:
        with jax.default_device(jax.devices("cpu")[0]):
            expected = compute()
        # By name: where it is the CPU again, what was compiled for it is there.
        with jax.default_device(jax.devices()[0]):
            pairs = list(zip(compute(), expected, strict=True))
    except Exception as error:
        return {"tolerance": tolerance, "met": False, "error": said(error)}
    size = np.sqrt(sum(float(np.vdot(b, b)) for _, b in pairs))
    apart = np.sqrt(sum(float(np.vdot(a - b, a - b)) for a, b in pairs)) / size
    return {"apart": float(apart), "tolerance": tolerance, "met": bool(apart <= tolerance)}


def product_values(layers: tk.Layers, rule: FormRule) -> Arrays:
    """End-to-end matrices, their error, and its gradient."""
    case = draw_problem(layers, TARGETS)
    network = compile_product(layers, batch=TARGETS, form=rule)
    weights = jnp.asarray(np.concatenate([w.T for w in case.weights]))
    goal = jnp.asarray(arrange_goal(network, case.targets.transpose(2, 1, 0)))

    def error(weights: jax.Array) -> jax.Array:
        return total_error(network, weights, goal, jnp.square, unit=jnp.ones(TARGETS)).sum()

    # Compiled all the same: products are made to be, and one operation after the other takes long.
    found = jax.jit(lambda w: (multiply(network, w), *jax.value_and_grad(error)(w)))(weights)
    return [np.asarray(array, np.float64) for array in found]


def layer_values(layers: tk.Layers, rule: Callable) -> Arrays:
    """Outputs, and the gradients of weights and signals."""
    with _building, mock.patch.object(_forms, "_usual", rule):
        model = SparseLinear(layers, key=jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(EXAMPLES, layers.n_in)).astype(np.float32)

    def loss(both: tuple[SparseLinear, jax.Array]) -> jax.Array:
        return jnp.sum(jnp.tanh(jax.vmap(both[0])(both[1])) ** 2)

    gradients = eqx.filter_jit(eqx.filter_grad(loss))((model, jnp.asarray(x)))
    outputs = eqx.filter_jit(lambda model, x: jax.vmap(model)(x))(model, jnp.asarray(x))
    arrays = [outputs, *jax.tree.leaves(eqx.filter(gradients, eqx.is_inexact_array))]
    return [np.asarray(array, np.float64) for array in arrays]


def step_values(layers: tk.Layers) -> Arrays:
    """How far two steps of descent come."""
    case = draw_problem(layers, TARGETS)
    descent = by_topokit(case)
    moved = zip(descent.edges(descent.run(2)[1]), case.weights, strict=True)
    return [np.asarray(now - start, np.float64) for now, start in moved]


def losses(layers: tk.Layers) -> Arrays:
    """The losses that the default solver reaches."""
    targets = np.random.default_rng(0).normal(size=(TARGETS, layers.n_in, layers.n_out))
    return [np.asarray(tk.reconstruct(layers, targets.astype(np.float32)).loss, np.float64)]


def control(layers: tk.Layers) -> Arrays:
    """The K of the paper's descent, of few steps."""
    return [np.asarray(tk.controllability(layers, fairness=False, steps=STEPS).K, np.float64)]


def check_inference(neurons: int, depth: int, n: int) -> dict[str, dict[str, Any]]:
    """Which images each way leaves, against scipy's."""
    network = tk.challenge.plain_network(neurons, depth)
    images = tk.challenge.synthetic_images(n, neurons)
    expected = by_scipy(lay_out(network, images))()
    found = {}
    for form in (by_edges, by_classes):
        left = {"infer": infer(network, images, form=form).categories}
        left["resident"] = by_device(network, form, SETTING)(images)
        for name, numbers in left.items():
            differ = int(np.setxor1d(numbers, expected).size)
            row = {"apart": differ, "tolerance": 0, "met": differ == 0}
            found[f"inference, {name}, {form.__name__}"] = row
    return found
