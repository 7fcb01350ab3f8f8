"""Force regularization: filters of a layer attract each other while they learn.

Filters that lie close together span few dimensions, so that a layer which is trained like this can
be taken apart into two of low rank afterwards (Wen and others, "Coordinating filters for faster
deep neural networks", 2017; Li and others, 2018, section IV). Of a filter `W_i` with the direction
`w_i = W_i / |W_i|` only the direction is pulled, so that what is added to its step,

    D_i = |W_i| sum over j of (f_ji - (f_ji . w_i) w_i)                                (4)

is perpendicular to it; `f_ji` is the force with which filter `j` pulls: `w_j - w_i`, the l2 force,
weaker the closer they are, or `(w_j - w_i) / |w_j - w_i|`, the l1 force, which is constant. The
step is `W_i <- W_i - rate (gradient - strength D_i)` (5), before momentum.

The part of `w_j - w_i` perpendicular to `w_i` is that of `w_j`. So no pair needs to be looked at
for the l2 force: with `m` the sum of all directions, `D_i = |W_i| (m - (m . w_i) w_i)`, which is
`|W_i|^2` times the negative gradient of `1/2 sum over i < j of |w_i - w_j|^2`.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from topokit._binades import unit_of
from topokit._checks import check_flag, check_real
from topokit._real_arrays import check_real_array
from topokit._records import brief
from topokit.networks._prune import is_kernel
from topokit.networks._strengths import as_schedule

# Squared distances of directions, in roundings of a number near 1, below which filters have met.
MET = 64

Pull = Callable[[Float[Array, "filters entries"]], Float[Array, "filters entries"]]
"""From filters, one a row, to what is added to each: `l2_force`, `l1_force`, or one like them."""


class ForceState(NamedTuple):
    """What `force` remembers.

    Attributes:
        step: Number of updates taken.
    """

    step: Int[Array, ""]


def l2_force(filters: Float[Array, "filters entries"]) -> Float[Array, "filters entries"]:
    """What a force in proportion to distance adds to filters: (4) in closed form, O(entries).

    Args:
        filters: One a row; a filter of zeros has no direction, pulls nothing and stays.

    Returns:
        `|W_i| (m - (m . w_i) w_i)` for each, `m` the sum of all directions.

    Raises:
        ValueError: If the filters are no array of numbers with two axes.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> networks.l2_force(jnp.array([[2.0, 0.0], [0.0, 1.0]])).tolist()
        [[0.0, 2.0], [1.0, 0.0]]

    See Also:
        `l1_force`; `force`, which adds it to gradients.
    """
    check_real_array("filters", filters, axes=2)
    sizes, directions = _directions(filters)
    return sizes * _across(directions.sum(0), directions)


def l1_force(filters: Float[Array, "filters entries"]) -> Float[Array, "filters entries"]:
    """What a force of constant size adds to filters: (4), O(filters entries) for each filter.

    Filters whose directions are the same to rounding have met: neither pulls the other.

    Args:
        filters: One a row; a filter of zeros has no direction, pulls nothing and stays.

    Returns:
        `|W_i| (s - (s . w_i) w_i)` for each, `s` the sum of `w_j / |w_j - w_i|` over the others.

    Raises:
        ValueError: If the filters are no array of numbers with two axes.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> networks.l1_force(jnp.array([[2.0, 0.0], [0.0, 1.0]])).round(3).tolist()
        [[0.0, 1.4140000343322754], [0.7070000171661377, 0.0]]

    See Also:
        `l2_force`; `force`, which adds it to gradients.
    """
    check_real_array("filters", filters, axes=2)
    sizes, directions = _directions(filters)
    squares = 2 - 2 * (directions @ directions.T)
    met = squares <= MET * jnp.finfo(directions.dtype).eps
    nearness = jnp.where(met, 0, 1 / jnp.sqrt(jnp.where(met, 1, squares)))
    return sizes * _across(nearness @ directions, directions)


def force(
    strength: float | optax.Schedule,
    *,
    pull: Pull = l2_force,
    layers: Iterable[str] | Mapping[str, float] | None = None,
    adaptive: bool = False,
) -> optax.GradientTransformation:
    """Let the filters of each layer attract each other; stands before the momentum in a chain.

    The published place is behind clipping and weight decay and before momentum:

        optax.chain(
            optax.clip_by_global_norm(35.0),
            optax.add_decayed_weights(5e-4),
            networks.force(1e-3),
            optax.sgd(0.01, momentum=0.9),
        )

    Adam divides by the size of what it sees, so that a force before it would count most where the
    loss is flat; put it behind, as AdamW does with the decay of weights:
    `optax.chain(optax.scale_by_adam(), force(1e-3), optax.scale_by_learning_rate(1e-3))`.

    Filters lie along the first axis of a matrix or kernel, as in Equinox: what a neuron receives is
    one, a row. All filters of an array attract each other, those of different groups of a
    convolution too. Biases and the vectors of sparse layers are left alone.

    Args:
        strength: Weight of the force, at least 0: a number, or a function of the number of updates
            before this one. Of a function only the first value is checked: below 0 filters repel
            each other, and nothing says so. The paper takes 1e-3 for Lenet from scratch; deeper
            networks are trained without a force first. The l2 force grows with the number of
            filters.
        pull: `l2_force`, `l1_force`, or a function like them.
        layers: Names of the layers that it acts on, as `kernels` lists them, such as "layers.1", or
            a mapping from them to factors of the strength; None for all. The paper leaves the first
            convolution and the shortcuts of a residual network alone.
        adaptive: Scale the force in each layer to `strength` times the norm of what the chain has
            made of its gradient so far, so that one strength serves layers of any size; a fixed
            strength is what is published.

    Returns:
        A transformation for `jax.jit` and `jax.lax.scan`. A step costs O(weights) with the l2
        force; with the l1 force for each layer as much as the products of all pairs of filters.

    Raises:
        ValueError: If the strength, or the first that it is, is no number of at least 0, or
            another argument is none of these; when the optimizer is begun, if a name stands for no
            matrix or kernel of the model, no name is given, or it has none; at an update without
            `params`, or if the pull does not return as many filters as it gets.

    Examples:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from topokit import networks
        >>> weights = {"kernel": jnp.array([[1.0, 0.0], [0.0, 1.0]])}
        >>> optimizer = optax.chain(networks.force(0.1), optax.sgd(1.0))
        >>> still = {"kernel": jnp.zeros((2, 2))}
        >>> updates, _ = optimizer.update(still, optimizer.init(weights), weights)
        >>> optax.apply_updates(weights, updates)["kernel"].round(3).tolist()
        [[1.0, 0.10000000149011612], [0.10000000149011612, 1.0]]

    See Also:
        `decompose`, which takes the layers apart; `filter_ranks`, which says how far that goes;
        `group_lasso`, which takes filters out.
    """
    schedule = as_schedule("strength", strength)
    factors = _factors(layers)
    if not callable(pull):
        raise ValueError(
            "pull must be a function of filters, such as topokit.networks.l2_force; given "
            f"{brief(pull)}"
        )
    adaptive = check_flag("adaptive", adaptive)

    def init(params: PyTree) -> ForceState:
        _check_layers(params, factors)
        return ForceState(jnp.zeros((), jnp.int32))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None
    ) -> tuple[PyTree, ForceState]:
        if params is None:
            raise ValueError(
                "force needs the weights: give params to update(updates, state, params)"
            )
        weight = jnp.asarray(schedule(state.step))

        def pulled(path: Any, filters: Any, gradient: Any) -> Any:
            factor = _factor(_name(path), factors)
            if gradient is None or not is_kernel(filters) or factor == 0:
                return gradient
            change = _pulled(pull, filters).astype(gradient.dtype)
            if adaptive:
                change = _resized(change, gradient)
            return gradient - (weight * factor).astype(gradient.dtype) * change

        paths = jax.tree_util.tree_map_with_path(pulled, params, updates, is_leaf=_is_none)
        return paths, ForceState(state.step + 1)

    return optax.GradientTransformation(init, update)


def _check_layers(params: PyTree, factors: Mapping[str, float] | None) -> None:
    """Refuse a model without kernels, and names that stand for none of them."""
    names = [name for name, leaf in _named(params) if is_kernel(leaf)]
    if not names:
        raise ValueError(
            "the model must have matrices or kernels for a force to act on; it has none (sparse"
            " layers hold their weights as vectors)"
        )
    if factors is not None and not factors:
        raise ValueError(
            "layers must name a layer at least, or be None for all; given none of the model's "
            f"{names}"
        )
    for given in factors or ():
        if not any(_within(name, given) for name in names):
            raise ValueError(
                f"layers must name matrices or kernels of the model; given {given!r}, which is "
                f"none; there are {names}"
            )


@jax.jit
def _directions(filters: Array) -> tuple[Float[Array, "filters 1"], Float[Array, "filters k"]]:
    """Norm and direction of each filter, of any size; that of zeros is none."""
    units = unit_of(jnp.abs(filters).max(1, keepdims=True, initial=0))
    filters = filters / units
    sizes = jnp.linalg.norm(filters, axis=1, keepdims=True)
    return units * sizes, jnp.where(sizes == 0, 0, filters / jnp.where(sizes == 0, 1, sizes))


@jax.jit
def _across(pull: Array, directions: Float[Array, "filters k"]) -> Float[Array, "filters k"]:
    """The part of a pull that is perpendicular to each direction."""
    along = (pull * directions).sum(1, keepdims=True)
    return pull - along * directions


def _pulled(pull: Pull, filters: Array) -> Array:
    """The pull on the filters of an array of any shape, in single precision at least."""
    rows = filters.reshape(len(filters), -1)
    wide = rows.astype(jnp.promote_types(rows.dtype, jnp.float32))
    found = pull(wide)
    if np.shape(found) != wide.shape:
        raise ValueError(
            "pull must be a function from filters, one a row, to what is added to each, such as "
            f"topokit.networks.l2_force: of filters {wide.shape} it must return as many; it returns"
            f" {brief(found)}"
        )
    return jnp.asarray(found).reshape(filters.shape)


def _resized(change: Array, gradient: Array) -> Array:
    """A change made as long as a gradient; none stays none."""
    _, direction = _directions(change.reshape(1, -1))
    length, _ = _directions(gradient.reshape(1, -1))
    return (length * direction).reshape(change.shape)


def _factors(layers: Any) -> dict[str, float] | None:
    if layers is None:
        return None
    listed = isinstance(layers, Iterable) and not isinstance(layers, str)
    names = list(layers) if listed else []
    if not listed or not all(isinstance(name, str) for name in names):
        raise ValueError(f"layers must be a list of names, as kernels lists them; given {layers!r}")
    pairs = layers if isinstance(layers, Mapping) else dict.fromkeys(names, 1.0)
    return {
        name: check_real(f"layers[{name!r}]", factor, least=0, most=inf)
        for name, factor in pairs.items()
    }


def _factor(name: str, factors: dict[str, float] | None) -> float:
    """The factor of the first name given that an array stands under; 0 if it is not given."""
    if factors is None:
        return 1.0
    return next((factor for given, factor in factors.items() if _within(name, given)), 0.0)


def _within(name: str, given: str) -> bool:
    return f"{name}.".startswith(f"{given}.")


def _named(params: PyTree) -> list[tuple[str, Any]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    return [(_name(path), leaf) for path, leaf in leaves]


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _is_none(leaf: Any) -> bool:
    return leaf is None
