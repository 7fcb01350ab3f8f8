"""Sparsity schedules: the share of zeros as a function of the optimizer's step.

Steps count updates from 0, as optax counts them: update `t` turns the weights `w[t]` into `w[t+1]`,
and a schedule's value at `t` is the share of zeros in `w[t+1]`, right after that update. So a
network that took its updates `0, ..., t` has been pruned by all that a schedule says up to and with
`t`. Any traceable function of the step is a schedule; those made here are constant between
prunings, so that `prune` sorts weights at the scheduled steps alone.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from topokit._checks import check_count, check_real

Schedule = Callable[[ArrayLike], Array]


def one_shot(sparsity: float, *, step: int) -> Schedule:
    """Prune once: share 0 before `step`, `sparsity` from `step` on.

    Args:
        sparsity: The share of zeros, in [0, 1].
        step: The update, counted from 0, right after which the weights are pruned.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        >>> from topokit import networks
        >>> schedule = networks.one_shot(0.9, step=100)
        >>> [round(float(schedule(step)), 3) for step in (99, 100)]
        [0.0, 0.9]

    See Also:
        `zhu_gupta`, gradually; `prune`, which follows it.
    """
    sparsity = check_real("sparsity", sparsity, least=0, most=1)
    step = check_count("step", step, least=0)
    return lambda now: jnp.where(jnp.asarray(now) < step, 0.0, sparsity)


def zhu_gupta(
    final: float, *, initial: float = 0.0, start: int, every: int, times: int
) -> Schedule:
    """Prune gradually, much at first and ever less (Zhu and Gupta, 2017, equation 1).

    At the steps `t = start + k every`, `k = 0, ..., times`,

        s(t) = final + (initial - final) (1 - k / times)^3,

    between them the value of the last of them, 0 before `start`, `final` after the last. These are
    `times + 1` steps: at `start` itself the share is `initial`, so with `initial=0` the first
    zeros come at `start + every`, and `final` is reached after update `start + times every`.
    Public implementations differ by one step; here, as in the whole module, `s(t)` holds right
    after update `t`, counted from 0. Alford et al. (2018) prune every 200 steps, to .5, .75, .9,
    .95 and .99.

    Args:
        final: The share of zeros in the end, in [`initial`, 1].
        initial: The share of zeros at `start`, in [0, 1].
        start: The first step, at least 0: how long the dense network trains.
        every: Steps from one pruning to the next.
        times: How often the share rises.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        >>> from topokit import networks
        >>> schedule = networks.zhu_gupta(0.9, start=100, every=100, times=3)
        >>> [round(float(schedule(step)), 3) for step in (0, 100, 200, 300, 400)]
        [0.0, 0.0, 0.633, 0.867, 0.9]

    See Also:
        `one_shot`, all at once; `prune`, which follows it.
    """
    initial = check_real("initial", initial, least=0, most=1)
    final = check_real("final", final, least=initial, most=1)
    start = check_count("start", start, least=0)
    every = check_count("every", every)
    times = check_count("times", times)
    # Computed here in double precision: a step only looks its share up.
    shares = [final + (initial - final) * (1 - k / times) ** 3 for k in range(times + 1)]

    def share(now: ArrayLike) -> Array:
        done = (jnp.asarray(now) - start) // every
        return jnp.where(done < 0, 0.0, jnp.asarray(shares)[jnp.clip(done, 0, times)])

    return share
