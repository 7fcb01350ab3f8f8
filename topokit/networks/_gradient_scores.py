"""Scores of an untrained network from a few gradients, as methods of pruning at first weights sum.

Each of these methods gives every weight a number, and prunes the least. Here the numbers of all
weights are added up, which scores a network as a whole.
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from topokit._checks import check_count, check_real, check_seed
from topokit.networks._constants import Constants
from topokit.networks._infer_one import double_if, infer_one
from topokit.networks._untrained import (
    Batch,
    Untrained,
    check_batch,
    check_learned,
    count_outputs,
    draw_models,
    needing_gradients,
)

TOGETHER = 500  # examples at once

# The step of NTK-SAP relative to weights of size 1, and how many are averaged over.
STEP, PROBES = 1e-3, 8


def synflow(model: Any, shape: tuple[int, ...], *, state: Any = None) -> float:
    """Natural logarithm of what the magnitudes of all weights make of an example of ones.

    The sum of the outputs for an example of ones, with the magnitude of each weight in its place.
    Source: Tanaka, Kunin, Yamins and Ganguli, "Pruning neural networks without any data by
    iteratively conserving synaptic flow" (2020, arXiv:2006.05467), section 6. Where there are no
    biases, and activations let positive numbers through as ReLU does, it is the sum over all paths
    of the products of magnitudes, as `topokit.scores.log_synflow` has it of a topology; a bias
    begins paths of its own. It sees no data. More is meant to be better. Cost: a prediction.

    Args:
        model: Any Equinox model that takes one example and returns a vector.
        shape: The shape of an example.
        state: The state of a model that has one, as in `train`.

    Returns:
        The logarithm, of any sign; minus infinity if nothing arrives.

    Raises:
        ValueError: If the model is none, does not take that shape, or returns no vector.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((5,), [16], 3, key=jax.random.key(0))
        >>> networks.synflow(model, (5,)) > 0
        True

    See Also:
        `grasp` and `ntk_sap`, which see examples; `topokit.scores.log_synflow`, of a topology.
    """
    (one,) = draw_models(model, state, draws=1, seed=0)
    count_outputs(one, tuple(shape))
    return flow_of(one, tuple(shape))


def flow_of(one: Untrained, shape: tuple[int, ...]) -> float:
    """The same, of what was checked."""
    positive = jax.tree.map(_magnitude, one.model, is_leaf=_constant)
    ones = jnp.ones(shape, double_if(one.model))
    with np.errstate(divide="ignore"):
        return float(np.log(_outputs(Untrained(positive, one.state), ones[None]).sum()))


def grasp(
    model: Any,
    x: Shaped[np.ndarray | Array, "n *shape"],
    y: Shaped[np.ndarray | Array, "_n *outputs"],
    *,
    state: Any = None,
) -> float:
    """How much stronger the gradient would flow were all weights a little smaller, of any sign.

    `-w^T H g`, with the gradient `g` and the Hessian `H` of the loss by the weights `w`: half the
    rate at which `|g|^2` grows as all weights shrink alike. Source: Wang, Zhang and Grosse,
    "Picking winning tickets before training by preserving gradient flow" (ICLR 2020,
    arXiv:2002.07376), equation (8), which prunes the weights of the greatest summands. For networks
    as a whole Abdelfattah and others (ICLR 2021, arXiv:2101.08134) take more as better; expect
    little. The loss is the mean cross entropy of labels, without a temperature, or half the mean
    squared error of numbers.

    Cost: that of some gradients of the whole batch, in time and memory.

    Args:
        model: Any Equinox model that takes one example and returns a vector.
        x: Examples.
        y: Labels or numbers, as in `kernel_regression`.
        state: The state of a model that has one, as in `train`.

    Raises:
        ValueError: As `kernel_regression`.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> model = networks.mlp((5,), [16], 3, key=jax.random.key(0))
        >>> x = np.random.default_rng(0).standard_normal((10, 5))
        >>> bool(np.isfinite(networks.grasp(model, x, np.arange(10) % 3)))
        True

    See Also:
        `ntk_sap`, without labels.
    """
    (one,) = draw_models(model, state, draws=1, seed=0)
    return grasp_of(one, check_learned(one, x, y))


def grasp_of(one: Untrained, batch: Batch) -> float:
    """The same, of what was checked."""
    assert batch.targets is not None  # as `check_learned` sees to
    targets = jnp.asarray(batch.targets, batch.x.dtype)
    with needing_gradients():
        return float(_gradient_flow(one, batch.x, targets, labeled=batch.labels is not None))


def ntk_sap(
    model: Any,
    x: Shaped[np.ndarray | Array, "n *shape"],
    *,
    state: Any = None,
    step: float = STEP,
    probes: int = PROBES,
    seed: int = 0,
) -> float:
    """How far outputs move when weights do: the trace of the tangent kernel by finite differences.

    The mean over examples and random directions z of `|f(w + step z) - f(w)|^2 / step^2`, with z of
    independent standard normal entries, one a weight: for small steps its mean is that of the
    squared lengths of the gradients, `trace / n` of `tangent_kernel`, without any gradient. Source:
    Wang, Li and Sun, "NTK-SAP: improving neural network pruning by aligning training dynamics"
    (ICLR 2023, arXiv:2304.02840), which takes random examples, draws weights anew for
    each, and prunes the weights that change this least. More is meant to be better, 0 the least.

    Cost: `probes + 1` predictions of each example; the standard error relative to the value is at
    most `sqrt(2 / probes)`.

    Args:
        model: Any Equinox model that takes one example and returns a vector.
        x: Examples.
        state: The state of a model that has one, as in `train`.
        step: How far a weight moves; well below the first weights, and above their rounding.
        probes: How many directions to average over.
        seed: For the directions.

    Raises:
        ValueError: If the model or the examples are refused, as by `tangent_kernel`, or a number is
            out of range.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> model = networks.mlp((5,), [16], 3, key=jax.random.key(0))
        >>> x = np.random.default_rng(0).standard_normal((10, 5))
        >>> exact = np.trace(networks.tangent_kernel(model, x)) / 10
        >>> bool(0.3 * exact < networks.ntk_sap(model, x) < 3 * exact)
        True

    See Also:
        `tangent_kernel`, all of it.
    """
    step = check_real("step", step, least=0, most=1, above=True)
    probes, seed = check_count("probes", probes), check_seed("seed", seed)
    (one,) = draw_models(model, state, draws=1, seed=0)
    return sensitivity_of(one, check_batch(one, x).x, step=step, probes=probes, seed=seed)


def sensitivity_of(
    one: Untrained,
    x: Float[Array, "n *shape"],
    *,
    step: float = STEP,
    probes: int = PROBES,
    seed: int,
) -> float:
    """The same, of what was checked."""
    before = _outputs(one, x)
    keys = jax.random.split(jax.random.key(seed), probes)
    moved = [_outputs(_moved(one, step, key), x) for key in keys]
    return float(np.mean([((m - before) ** 2).sum(axis=1).mean() for m in moved]) / step**2)


@eqx.filter_jit
def _outputs(one: Untrained, x: Float[Array, "n *shape"]) -> Float[Array, "n outputs"]:
    return lax.map(partial(infer_one, *one), x, batch_size=min(TOGETHER, len(x)))


@eqx.filter_jit
def _gradient_flow(
    one: Untrained, x: Float[Array, "n *shape"], targets: Float[Array, "n outputs"], labeled: bool
) -> Float[Array, ""]:
    weights, rest = eqx.partition(one.model, eqx.is_inexact_array)

    def loss(weights: Any) -> Array:
        found = jax.vmap(partial(infer_one, eqx.combine(weights, rest), one.state))(x)
        each = optax.softmax_cross_entropy if labeled else optax.l2_loss
        return each(found, targets).sum() / len(x)

    slope = jax.grad(loss)
    gradient = slope(weights)
    _, change = jax.jvp(slope, (weights,), (gradient,))
    return -jnp.vdot(ravel_pytree(weights)[0], ravel_pytree(change)[0])


def _moved(one: Untrained, step: float, key: PRNGKeyArray) -> Untrained:
    """The model after a step of all its weights in a random direction."""
    weights, rest = eqx.partition(one.model, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(weights)
    moved = unravel(flat + step * jax.random.normal(key, flat.shape, flat.dtype))
    return Untrained(eqx.combine(moved, rest), one.state)


def _constant(part: Any) -> bool:
    return isinstance(part, Constants)


def _magnitude(part: Any) -> Any:
    if isinstance(part, Constants):
        return Constants(np.abs(np.asarray(part.values)))
    return jnp.abs(part) if eqx.is_inexact_array(part) else part
