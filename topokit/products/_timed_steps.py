"""Steps of training that are timed: compiled, and in turn, for others may share the machine."""

from collections.abc import Callable, Sequence
from time import perf_counter

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from topokit.products._differentiable_layer import apply_layer
from topokit.products._wiring import Wiring

REPEATS = 7


def in_turn(steps: Sequence[Callable[[], object]]) -> list[float]:
    """Seconds of the shortest run of each step, which take turns: others may share the machine.

    Args:
        steps: Functions that give arrays, compiled before.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import products
        >>> len(products.in_turn([lambda: jnp.ones(3), lambda: jnp.ones(4)]))
        2

    See Also:
        `step_time`, of a topology.
    """
    runs = [[_seconds(step) for step in steps] for _ in range(REPEATS)]
    return [min(times) for times in zip(*runs, strict=True)]


def gradient_step(loss: Callable[..., Array], *arguments: object) -> Callable[[], object]:
    """The compiled gradients of weights and signals, the first two arguments; run once."""
    step = jax.jit(jax.grad(loss, argnums=(0, 1)))
    jax.block_until_ready(step(*arguments))
    return lambda: step(*arguments)


def energy(
    weights: Sequence[Float[Array, " _edges"]],
    x: Float[Array, "n_in batch"],
    wirings: Sequence[Wiring],
) -> Float[Array, ""]:
    """The sum of the squared signals behind some layers."""
    for wiring, weight in zip(wirings, weights, strict=True):
        x = apply_layer(wiring, weight, x)
    return jnp.square(x).sum()


def _seconds(step: Callable[[], object]) -> float:
    start = perf_counter()
    jax.block_until_ready(step())
    return perf_counter() - start
