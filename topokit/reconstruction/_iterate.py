"""The loop of every iterative solver: keep the best, stop on a stall, all of it compiled.

One of the batch that has stopped is left as it was, so that its result does not depend on what it
is solved beside; the loop ends when all have stopped.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

from topokit._checks import MOST_STEPS, check_count, check_real
from topokit.reconstruction._problem import Solution

Parameters = PyTree[Float[Array, "*_shape batch"]]
Step = Callable[[Any], tuple[Any, Parameters, Float[Array, " batch"]]]
"""From a state to the next, with parameters that were evaluated on the way and their loss."""


class Stall(NamedTuple):
    """When a target has nothing more to gain.

    Attributes:
        patience: Stop a target whose lowest loss did not fall by more than `tolerance` of itself
            in this many steps; None never stops.
        tolerance: What fall is worth going on for.
    """

    patience: int | None
    tolerance: float


class _Progress(NamedTuple):
    state: Any
    best: Parameters
    lowest: Float[Array, " batch"]
    active: Bool[Array, " batch"]
    steps: Int[Array, " batch"]


def iterate(step: Step, state: Any, start: Parameters, *, steps: int, stall: Stall) -> Solution:
    """Take up to `steps` steps; `start` is what to return where no loss is ever finite."""
    steps = check_count("max_steps", steps, most=MOST_STEPS)
    check_real("tolerance", stall.tolerance, least=0.0, most=1.0)
    first = jax.tree.leaves(start)[0]
    batch = first.shape[-1]
    lowest = jnp.full(batch, jnp.inf, first.dtype)
    going = jnp.ones(batch, bool)
    progress = _Progress(state, start, lowest, going, jnp.zeros(batch, jnp.int32))
    advance = _advance(step)
    if stall.patience is None or check_count("patience", stall.patience) > steps:
        progress, losses = lax.scan(advance, progress, length=steps)
    else:
        progress, losses = _by_blocks(advance, progress, steps, stall.patience, stall.tolerance)
    return Solution(progress.best, progress.lowest, losses, progress.steps)


def _advance(step: Step) -> Callable[[_Progress, None], tuple[_Progress, Array]]:
    def advance(now: _Progress, _: None) -> tuple[_Progress, Array]:
        state, parameters, loss = step(now.state)
        better = now.active & (loss < now.lowest)
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), parameters, now.best)
        lowest = jnp.where(better, loss, now.lowest)
        after = _Progress(state, best, lowest, now.active, now.steps + now.active)
        return after, jnp.where(now.active, loss, lowest)

    return advance


def _by_blocks(
    advance: Callable, start: _Progress, steps: int, patience: int, tolerance: float
) -> tuple[_Progress, Array]:
    """Look for a stall after every `patience` steps; the last block may be a shorter one."""

    def block(carry: tuple[Array, _Progress, Array], length: int) -> tuple:
        done, before, losses = carry
        after, found = lax.scan(advance, before, length=length)
        losses = lax.dynamic_update_slice_in_dim(losses, found, done, 0)
        falling = after.lowest < (1 - tolerance) * before.lowest
        return done + length, after._replace(active=before.active & falling), losses

    def unfinished(carry: tuple[Array, _Progress, Array]) -> Array:
        return (carry[0] + patience <= steps) & carry[1].active.any()

    blank = jnp.zeros((steps, start.lowest.size), start.lowest.dtype)
    carry = (jnp.asarray(0, jnp.int32), start, blank)
    carry = lax.while_loop(unfinished, lambda c: block(c, patience), carry)
    if steps % patience:
        go_on = carry[1].active.any() & (carry[0] == steps - steps % patience)
        carry = lax.cond(go_on, lambda c: block(c, steps % patience), lambda c: c, carry)
    done, progress, losses = carry
    reached = jnp.arange(steps)[:, None] < done
    return progress, jnp.where(reached, losses, progress.lowest[None])
