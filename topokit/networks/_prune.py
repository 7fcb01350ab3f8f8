"""Magnitude pruning: small weights become zero, and stay zero.

A mask is true where a weight is kept. Masks only shrink: what is pruned has no way back, whatever
gradients and moments say. How many weights are kept is `size (1 - share)`, rounded in single
precision, and which ones are kept is their order by magnitude; of equal magnitudes the earlier is
pruned first. The masks of a trained network are a topology: `topokit.from_weights`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from topokit._checks import check_real
from topokit.networks._schedules import Schedule

Share = float | Float[Array, ""]
Scope = Callable[[Sequence[Array], Share], list[Array]]


class PruneState(NamedTuple):
    """What `prune` remembers; in a chain that it ends, `opt_state[-1]`.

    Attributes:
        step: Number of updates taken.
        share: The share of zeros that the masks have; the schedule's highest value so far.
        masks: The tree of the parameters, with a boolean array for every leaf that is pruned and
            None for every other one.

    Examples:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from topokit import networks
        >>> weights = {"kernel": jnp.array([[1.0, -0.1], [0.2, -3.0]])}
        >>> optimizer = optax.chain(optax.sgd(0.1), networks.prune(networks.one_shot(0.5, step=0)))
        >>> state = optimizer.init(weights)
        >>> gradient = {"kernel": jnp.zeros((2, 2))}
        >>> updates, state = optimizer.update(gradient, state, weights)
        >>> state[-1].masks["kernel"].astype(int).tolist(), round(float(state[-1].share), 3)
        ([[1, 0], [0, 1]], 0.5)

    See Also:
        `prune`, whose state it is.
    """

    step: Int[Array, ""]
    share: Float[Array, ""]
    masks: PyTree


def is_kernel(leaf: Any) -> bool:
    """Whether a leaf is what pruning prunes: a matrix or a convolution kernel of real numbers.

    That is two axes, or more of which the first is not the only one longer than 1: the biases of
    Equinox's convolutions, of shape `(n_out, 1, 1)`, are none.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> weights = {"kernel": jnp.array([[1.0, -0.1], [0.2, -3.0]]), "bias": jnp.ones(2)}
        >>> networks.is_kernel(weights["kernel"]), networks.is_kernel(weights["bias"])
        (True, False)

    See Also:
        `magnitude_masks`, which prunes them.
    """
    if not hasattr(leaf, "shape") or not jnp.issubdtype(leaf.dtype, jnp.floating):
        return False
    return leaf.ndim == 2 or (leaf.ndim > 2 and leaf.size > leaf.shape[0])


def by_layer(magnitudes: Sequence[Array], share: Share) -> list[Array]:
    """Prune each array to the share by itself (Zhu and Gupta, 2017; Alford et al., 2018).

    Every layer keeps its part, but an array of `size (1 - share) < 1/2` keeps nothing.

    Args:
        magnitudes: One array for each layer; what is negative has been pruned before.
        share: The share of zeros to reach, in [0, 1].

    Returns:
        For each array a mask that keeps `round(size (1 - share))` of its entries, the largest.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> large, small = jnp.array([4.0, 3.0]), jnp.array([2.0, 1.0])
        >>> [kept.tolist() for kept in networks.by_layer([large, small], 0.5)]
        [[True, False], [True, False]]

    See Also:
        `by_network`, over all layers at once.
    """
    return [_largest(array.ravel(), share).reshape(array.shape) for array in magnitudes]


def by_network(magnitudes: Sequence[Array], share: Share) -> list[Array]:
    """Prune all arrays together to the share: layers of large weights keep more.

    A layer whose weights are all small may lose all of them. Arguments and result are those of
    `by_layer`, but the masks together keep `round(size (1 - share))`, `size` that of all arrays.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> large, small = jnp.array([4.0, 3.0]), jnp.array([2.0, 1.0])
        >>> [kept.tolist() for kept in networks.by_network([large, small], 0.5)]
        [[True, True], [False, False]]

    See Also:
        `by_layer`, each by itself.
    """
    if not magnitudes:
        return []
    kept = _largest(jnp.concatenate([array.ravel() for array in magnitudes]), share)
    ends = [0]
    for array in magnitudes:
        ends.append(ends[-1] + array.size)
    parts = zip(magnitudes, ends, ends[1:], strict=False)
    return [kept[start:stop].reshape(array.shape) for array, start, stop in parts]


def magnitude_masks(weights: PyTree, sparsity: float, *, scope: Scope = by_layer) -> PyTree:
    """The masks of a trained network pruned once, by magnitude.

    Args:
        weights: Any tree of arrays. Its matrices and convolution kernels are pruned; to leave one
            of them alone, put None in its place.
        sparsity: The share of zeros, in [0, 1].
        scope: `by_layer`, `by_network`, or a function like them.

    Returns:
        The same tree, with a boolean array for every pruned leaf and None for every other one.
        Cost O(n log n) for n weights.

    Raises:
        ValueError: If `sparsity` is not in [0, 1].

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> weights = {"kernel": jnp.array([[1.0, -0.1], [0.2, -3.0]]), "bias": jnp.ones(2)}
        >>> masks = networks.magnitude_masks(weights, 0.5)
        >>> masks["kernel"].astype(int).tolist(), masks["bias"]
        ([[1, 0], [0, 1]], None)

    See Also:
        `apply_masks`, which takes them; `prune`, while training.
    """
    sparsity = check_real("sparsity", sparsity, least=0, most=1)
    return _shrunk(_all_kept(weights), weights, sparsity, scope)


def apply_masks(weights: PyTree, masks: PyTree) -> PyTree:
    """The weights with zeros where their mask is false; leaves without a mask as they are.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> weights = {"kernel": jnp.array([[1.0, -0.1], [0.2, -3.0]]), "bias": jnp.ones(2)}
        >>> masks = networks.magnitude_masks(weights, 0.5)
        >>> networks.apply_masks(weights, masks)["kernel"].tolist()
        [[1.0, 0.0], [0.0, -3.0]]

    See Also:
        `magnitude_masks`, which finds them.
    """
    return jax.tree.map(
        lambda w, m: w if m is None else jnp.where(m, w, jnp.zeros_like(w)),
        weights,
        masks,
        is_leaf=_is_none,
    )


def prune(schedule: Schedule, *, scope: Scope = by_layer) -> optax.GradientTransformation:
    """Prune while training; the last part of a chain that begins with the optimizer.

        optimizer = optax.chain(optax.adam(1e-3), prune(one_shot(0.9, step=1000)))

    Where the schedule rises above all it said before, the smallest of the weights that the update
    leaves, `params + updates`, are pruned; nothing is sorted at the other steps. The updates
    returned are such that `optax.apply_updates` gives exactly 0 for every weight ever pruned, which
    is why nothing may change them afterwards. Moments of the optimizer go on for pruned weights,
    without effect.

    Matrices and convolution kernels are pruned (see `is_kernel`); the weights of a `SparseLayer`,
    which are a vector, are not. To prune fewer of them, wrap it:
    `optax.masked(prune(s), tree_of_booleans)`. Trees of an Equinox partition, with None among their
    leaves, are welcome.

    The number kept is that of the share as JAX's default float holds it: where `size (1 - share)`
    lies halfway between two integers, single precision decides between them, and in layers of some
    ten million weights it is off by one.

    Args:
        schedule: The share of zeros after each update, such as `zhu_gupta` or `one_shot` make; a
            function of the number of updates before it, a traced integer. Where it falls, nothing
            comes back.
        scope: `by_layer`, `by_network`, or a function like them.

    Returns:
        A transformation for `jax.jit` and `jax.lax.scan`. Its state holds a byte a weight; a
        pruning costs O(n log n) for n weights, every other step O(n).

    Raises:
        ValueError: At an update without `params`.

    Examples:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from topokit import networks
        >>> weights = {"kernel": jnp.array([[1.0, -0.1], [0.2, -3.0]])}
        >>> optimizer = optax.chain(optax.sgd(0.1), networks.prune(networks.one_shot(0.5, step=0)))
        >>> state = optimizer.init(weights)
        >>> gradient = {"kernel": jnp.zeros((2, 2))}
        >>> updates, state = optimizer.update(gradient, state, weights)
        >>> optax.apply_updates(weights, updates)["kernel"].tolist()
        [[1.0, 0.0], [0.0, -3.0]]

    See Also:
        `zhu_gupta` and `one_shot`, its schedules; `group_lasso`, which takes out whole neurons;
        `magnitude_masks`, afterwards.
    """

    def init(params: PyTree) -> PruneState:
        return PruneState(jnp.zeros((), jnp.int32), jnp.zeros(()), _all_kept(params))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None
    ) -> tuple[PyTree, PruneState]:
        if params is None:
            raise ValueError(
                "prune needs the weights: give params to update(updates, state, params)"
            )
        share = jnp.asarray(schedule(state.step), state.share.dtype)
        masks = jax.lax.cond(
            share > state.share,
            lambda masks, weights: _shrunk(masks, weights, share, scope),
            lambda masks, _: masks,
            state.masks,
            _moved(params, updates),
        )
        state = PruneState(state.step + 1, jnp.maximum(share, state.share), masks)
        return _without_revival(updates, params, masks), state

    return optax.GradientTransformation(init, update)


@jax.jit
def _largest(magnitudes: Float[Array, " n"], share: Share) -> Bool[Array, " n"]:
    """Keep the `round(n (1 - share))` largest; a NaN counts as the largest, to stay seen."""
    n = magnitudes.size
    n_pruned = n - jnp.rint(n * (1 - jnp.asarray(share))).astype(int)
    order = jnp.argsort(magnitudes, stable=True)
    return jnp.zeros(n, bool).at[order].set(jnp.arange(n) >= n_pruned)


def _all_kept(weights: PyTree) -> PyTree:
    return jax.tree.map(lambda w: jnp.ones(w.shape, bool) if is_kernel(w) else None, weights)


def _shrunk(masks: PyTree, weights: PyTree, share: Share, scope: Scope) -> PyTree:
    """The masks with the smallest of the weights that they keep taken out."""
    old, structure = jax.tree.flatten(masks)
    scored = jax.tree.map(_magnitudes, masks, weights, is_leaf=_is_none)
    chosen = scope(jax.tree.leaves(scored), share)
    return jax.tree.unflatten(structure, [m & c for m, c in zip(old, chosen, strict=True)])


def _magnitudes(mask: Array | None, weight: Any) -> Array | None:
    return None if mask is None else jnp.where(mask, jnp.abs(jnp.asarray(weight)), -1)


def _moved(params: PyTree, updates: PyTree) -> PyTree:
    """What `optax.apply_updates` will make of the kernels; other leaves are left out."""
    return jax.tree.map(
        lambda u, p: (p + _or_zero(u)).astype(p.dtype) if is_kernel(p) else None,
        updates,
        params,
        is_leaf=_is_none,
    )


def _without_revival(updates: PyTree, params: PyTree, masks: PyTree) -> PyTree:
    """The updates, with `-p` for pruned weights: `p + (-p)` is 0 without rounding."""
    return jax.tree.map(
        lambda u, p, m: u if m is None else jnp.where(m, _or_zero(u), -p),
        updates,
        params,
        masks,
        is_leaf=_is_none,
    )


def _or_zero(update: Any) -> Any:
    """A weight without an update, one that does not learn, is pruned like the others."""
    return 0 if update is None else update


def _is_none(leaf: Any) -> bool:
    return leaf is None
