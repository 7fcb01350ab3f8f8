"""The same descent by topokit and by what one would write with JAX, numpy and scipy.

A maker sets up everything that does not change from step to step. One step is the products of all
targets, the sum of their squared errors, its gradient in every edge, and a step against it.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

import topokit as tk
from topokit.products import FormRule, arrange_goal, compile_product, fastest_form, total_error

RATE = 1e-3


class Descent(NamedTuple):
    """One peer, ready to go.

    Attributes:
        run: Takes so many steps from the start and waits for them; returns the squared error at the
            beginning of the last one, and the weights in the peer's own form.
        edges: The weights in topokit's form: one array `(n_targets, edges)` for each layer.
    """

    run: Callable[[int], tuple[Any, Any]]
    edges: Callable[[Any], list[np.ndarray]]


class Drawn(NamedTuple):
    """A problem: weights are `(n_targets, edges)` a layer, targets `(n_targets, n_in, n_out)`."""

    layers: tk.Layers
    weights: list[np.ndarray]
    targets: np.ndarray


def draw_problem(layers: tk.Layers, n_targets: int) -> Drawn:
    """Weights of variance `1 / fan-in`, targets of variance `1 / n_in`; single precision."""
    rng = np.random.default_rng(0)
    rows = zip(layers.senders, layers.widths[1:], strict=True)
    weights = [rng.normal(size=(n_targets, s.size)) * np.sqrt(width / s.size) for s, width in rows]
    targets = rng.normal(size=(n_targets, layers.n_in, layers.n_out)) / np.sqrt(layers.n_in)
    return Drawn(layers, [w.astype(np.float32) for w in weights], targets.astype(np.float32))


def by_topokit(case: Drawn, form: FormRule = fastest_form) -> Descent:
    """`topokit.products`, as `reconstruct` calls them."""
    network = compile_product(case.layers, batch=len(case.targets), form=form)
    start = [jnp.asarray(np.concatenate([w.T for w in case.weights]))]
    goals = arrange_goal(network, jnp.asarray(case.targets.transpose(2, 1, 0)))

    unit = jnp.ones(len(case.targets))

    def loss(weights: list, network: Any, goals: jax.Array) -> jax.Array:
        return total_error(network, weights[0], goals, jnp.square, unit=unit).sum()

    def edges(weights: list) -> list[np.ndarray]:
        ends = np.cumsum([s.size for s in case.layers.senders])[:-1]
        return np.split(np.asarray(weights[0]).T, ends, axis=1)

    return Descent(compiled(loss, start, network, goals), edges)


def by_jax_dense(case: Drawn) -> Descent:
    """Dense masked matrices in JAX, all targets in one batch."""
    masks = [jnp.asarray(mask, jnp.float32) for mask in tk.to_masks(case.layers)]

    def loss(dense: list, masks: list, goals: jax.Array) -> jax.Array:
        product = dense[0] * masks[0]
        for matrix, mask in zip(dense[1:], masks[1:], strict=True):
            product = product @ (matrix * mask)
        return jnp.sum((product - goals) ** 2)

    start = [jnp.asarray(matrix) for matrix in to_dense(case)]
    run = compiled(loss, start, masks, jnp.asarray(case.targets))
    return Descent(run, lambda dense: from_dense(case.layers, dense))


def compiled(loss: Callable, start: list, *given: Any) -> Callable[[int], tuple[Any, Any]]:
    """All steps in one compiled loop."""

    @jax.jit
    def descend(start: list, given: tuple, steps: int) -> tuple[jax.Array, list]:
        def step(_: jax.Array, state: tuple[jax.Array, list]) -> tuple[jax.Array, list]:
            value, gradient = jax.value_and_grad(loss)(state[1], *given)
            return value, jax.tree.map(lambda w, g: w - RATE * g, state[1], gradient)

        return jax.lax.fori_loop(0, steps, step, (jnp.float32(0), start))

    return lambda steps: jax.block_until_ready(descend(start, given, steps))


def by_numpy(case: Drawn) -> Descent:
    """Dense matrices in numpy, all targets in one batch, the gradient by hand."""
    masks = [mask.astype(np.float32) for mask in tk.to_masks(case.layers)]
    start = to_dense(case)

    def step(dense: list[np.ndarray]) -> float:
        products = [dense[0]]
        for matrix in dense[1:]:
            products.append(products[-1] @ matrix)
        error = products[-1] - case.targets
        back = 2 * error
        for layer in reversed(range(1, len(dense))):
            gradient = products[layer - 1].mT @ back
            back = back @ dense[layer].mT
            dense[layer] -= RATE * masks[layer] * gradient
        dense[0] -= RATE * masks[0] * back
        return float(np.vdot(error, error))

    def run(steps: int) -> tuple[float, list[np.ndarray]]:
        dense, value = [matrix.copy() for matrix in start], 0.0
        for _ in range(steps):
            value = step(dense)
        return value, dense

    return Descent(run, lambda dense: from_dense(case.layers, dense))


def by_scipy(case: Drawn) -> Descent:
    """Scipy's CSR, target by target, the gradient by hand; the structure is set up once."""
    senders, receivers = case.layers.senders, case.layers.receivers
    rows = list(zip(senders, receivers, pairwise(case.layers.widths), strict=True))
    down = [sp.csr_array((np.ones(s.size, np.float32), (r, s)), shape=q[::-1]) for s, r, q in rows]
    up = [sp.csr_array((np.ones(s.size, np.float32), (s, r)), shape=q) for s, r, q in rows]
    orders = [np.lexsort((r, s)) for s, r, _ in rows]

    def step(own: list[np.ndarray], goal: np.ndarray) -> float:
        for matrix, weight in zip(down, own, strict=True):
            matrix.data[:] = weight
        products = [down[0].toarray()]
        for matrix in down[1:]:
            products.append(matrix @ products[-1])
        error = products[-1] - goal
        back = 2 * error
        for layer in reversed(range(1, len(own))):
            ends = back[receivers[layer]], products[layer - 1][senders[layer]]
            up[layer].data[:] = own[layer][orders[layer]]
            back = up[layer] @ back
            own[layer] -= RATE * np.einsum("ei,ei->e", *ends)
        own[0] -= RATE * back[receivers[0], senders[0]]
        return float(np.vdot(error, error))

    def run(steps: int) -> tuple[float, list[list[np.ndarray]]]:
        value, final = 0.0, []
        for target, goal in enumerate(case.targets):
            own, goal, last = [w[target].copy() for w in case.weights], goal.T.copy(), 0.0
            for _ in range(steps):
                last = step(own, goal)
            final.append(own)
            value += last
        return value, final

    return Descent(run, lambda final: [np.stack(layer) for layer in zip(*final, strict=True)])


def to_dense(case: Drawn) -> list[np.ndarray]:
    """The weights as dense matrices, `(n_targets, n_senders, n_receivers)` a layer."""
    rows = zip(case.layers.senders, case.layers.receivers, case.weights, strict=True)
    blank = [np.zeros((len(case.targets), *q), np.float32) for q in pairwise(case.layers.widths)]
    for matrix, (senders, receivers, weights) in zip(blank, rows, strict=True):
        matrix[:, senders, receivers] = weights
    return blank


def from_dense(layers: tk.Layers, dense: list) -> list[np.ndarray]:
    """Undo `to_dense`."""
    rows = zip(dense, layers.senders, layers.receivers, strict=True)
    return [np.asarray(matrix)[:, senders, receivers] for matrix, senders, receivers in rows]
