"""Group lasso: training that brings whole groups of weights to exactly zero.

Group lasso adds to the loss the norms, not squared, of groups of weights,

    strength * sum over groups g of scale_g * |w_g|

(Yuan and Lin, "Model selection and estimation in regression with grouped variables", 2006, section
2, with the roots of sizes as scales; of filters, channels, shapes and layers of a network: Wen and
others, "Learning structured sparsity in deep neural networks", 2016, as Li and others, 2018,
section III and equations (1) to (3), tell it, with scales of 1; in fine-tuning: FSSL, Wang and
others, 2019, who give no formula). The norm has an edge at 0, so that at the minimum whole groups
are 0, not only small. There are two ways to train with it, which are two functions:

- `group_lasso` steps onto the edge, by the proximal operator of the penalty, behind the optimizer.
  Where no two groups share a weight it is a closed form for each group,

      w_g  ->  max(0, 1 - learning_rate * strength * scale_g / |w_g|) * w_g.

  Where families of groups overlap, as filters and channels do, the operator of the sum is not that
  of one family after that of the other. Dykstra's algorithm in the form of Bauschke and Combettes
  (2008) comes to it: it goes through the families again and again, and gives back to each what it
  took off in the last sweep before it is applied anew.
- `group_lasso_gradient` adds the gradient `strength * scale_g * w_g / |w_g|`, taken as 0 at 0, to
  that of the loss, before the optimizer: what was published. It sees no edge, so that weights come
  near 0 and oscillate there; `zero_below` sets them to 0.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import reduce
from itertools import chain, combinations
from math import inf
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from topokit._binades import unit_of
from topokit._checks import check_count, check_real
from topokit._records import brief
from topokit.networks._group_parts import Groups, Part, Path
from topokit.networks._groups import Grouping
from topokit.networks._neuron_groups import neuron_groups
from topokit.networks._strengths import as_schedule

NEURONS = neuron_groups()
SWEEPS = 10


class GroupLassoState(NamedTuple):
    """What `group_lasso` remembers; in a chain that it ends, `opt_state[-1]`.

    Attributes:
        step: Number of updates taken.
    """

    step: Int[Array, ""]


class Penalty(NamedTuple):
    """Families of groups of a model, and every array that is in one of them.

    Attributes:
        families: The groups of each family.
        places: For the arrays of each group their places in `arrays`.
        arrays: Each array once, by one of its parts.
        overlap: Whether an array is in more than one family.
    """

    families: list[list[Groups]]
    places: list[list[list[int]]]
    arrays: list[Part]
    overlap: bool


def group_lasso(
    model: Any,
    strength: float,
    *,
    learning_rate: float | optax.Schedule,
    groups: Grouping | Sequence[Grouping] = NEURONS,
    sweeps: int = SWEEPS,
) -> optax.GradientTransformation:
    """Bring whole groups of weights to zero while training; the last part of an optimizer's chain.

        optimizer = optax.chain(optax.adam(1e-3), group_lasso(model, 0.1, learning_rate=1e-3))

    After the update that the chain has made so far, the proximal operator of the penalty (see the
    module) is applied to all groups. The updates returned are such that `optax.apply_updates`
    gives exactly 0 for a group that vanishes, which is why nothing may change them afterwards; a
    gradient may bring it back later.

    With plain gradient descent of the same learning rate this is proximal gradient descent, which
    stands still where loss and penalty together do; with momentum `m` it is so with
    `learning_rate=rate / (1 - m)`, which is how far a constant gradient moves a weight in a step.
    There a group vanishes that the loss pulls at less, by the root mean square of its gradient,
    than the strength. This tells groups that matter from others; prefer it to Adam.

    Behind Adam the penalty is taken apart from the scaling of gradients, as AdamW takes weight
    decay: the strength then compares with scaled gradients, which are near 1 for what matters much
    and little. A gradient that is noise alone moves a weight by `sqrt((1 - b1) / (1 + b1))` of the
    rate, .23 by default: groups with such gradients rest at 0 from that strength on, from about
    half of it where two families have each weight, and below come near 0 alone. At 1 little
    survives, so that useful strengths lie close together.

    Either way the penalty takes `learning_rate * strength` a step from the root mean square of a
    group's weights, where scales are the roots of sizes: with `r` before, the group needs at least
    `r / (learning_rate * strength)` steps to vanish.

    Groups of one family share no weight, and the step is exact. Of several families in the same
    layers, such as filters and shapes, the step comes near the exact one by `sweeps` over all of
    them, and a group that the last sweep brings to 0 is 0; with one sweep they are applied one
    after the other, which penalizes more than the sum. Groups that two families share, such as
    channels and shapes of a dense layer, count once.

    Args:
        model: Any model; only its wiring and shapes are used. With `neuron_groups`, the default, it
            is a stack of `SparseLinear` and `equinox.nn.Linear` layers with elementwise functions
            between them. The updates are those of its parameters,
            `equinox.filter(model, equinox.is_inexact_array)`.
        strength: Weight of the penalty, at least 0.
        learning_rate: That of the optimizer before it, over 1 minus its momentum: a number of at
            least 0, or a function of the number of updates before this one, of which the first
            value is checked.
        groups: A family, such as `filter_groups()`, or several.
        sweeps: Of families that overlap, how often each is applied.

    Returns:
        A transformation for `jax.jit` and `jax.lax.scan`; a step costs O(n) for n parameters, times
        `sweeps` where families overlap. Constant edges are left alone.

    Raises:
        ValueError: If the model has no such groups, a family is there twice, `strength` or
            `learning_rate` is no number of at least 0; at an update without `params`, or with those
            of another model.

    Examples:
        >>> import jax
        >>> import optax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> lasso = networks.group_lasso(model, 0.01, learning_rate=0.1)
        >>> optimizer = optax.chain(optax.sgd(0.1), lasso)
        >>> isinstance(optimizer, optax.GradientTransformation)
        True

    See Also:
        `filter_groups` and its neighbors, the families; `shrink`, which takes out what is left;
        `group_lasso_gradient`, the published form; `prune`, weight by weight.
    """
    strength = check_real("strength", strength, least=0, most=inf)
    sweeps = check_count("sweeps", sweeps)
    rate = as_schedule("learning_rate", learning_rate)
    penalty = make_penalty(model, groups)

    def init(params: PyTree) -> GroupLassoState:
        del params
        return GroupLassoState(jnp.zeros((), jnp.int32))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None
    ) -> tuple[PyTree, GroupLassoState]:
        old = _weights("group_lasso", penalty, params)
        moved = [w + part.leaf(updates) for part, w in zip(penalty.arrays, old, strict=True)]
        threshold = jnp.asarray(rate(state.step)) * strength
        shrunk = proximal_step(penalty, moved, threshold, sweeps)
        new = [a - w for a, w in zip(shrunk, old, strict=True)]
        return _replaced(penalty, updates, new), GroupLassoState(state.step + 1)

    return optax.GradientTransformation(init, update)


def group_lasso_gradient(
    model: Any, strength: float, *, groups: Grouping | Sequence[Grouping] = NEURONS
) -> optax.GradientTransformation:
    """Add the gradient of group lasso to that of the loss; the first part of an optimizer's chain.

        optimizer = optax.chain(group_lasso_gradient(model, 1e-3), optax.sgd(0.01, 0.9))

    This is structured sparsity learning as it was published: `strength * scale_g * w_g / |w_g|`, 0
    for a group that is 0, before momentum; for families that overlap the sum of theirs. The
    published code has no roots of sizes: give its groups `scale=1.0`. Groups end near 0 and never
    at it; put `zero_below()` at the end of the chain.

    Args:
        model: As in `group_lasso`.
        strength: Weight of the penalty, at least 0.
        groups: As in `group_lasso`.

    Returns:
        A transformation without a state; a step costs O(n) for n parameters.

    Raises:
        ValueError: As `group_lasso`.

    Examples:
        >>> import jax
        >>> import optax
        >>> from topokit import networks
        >>> model = networks.lenet5(key=jax.random.key(0))
        >>> filters = networks.filter_groups(["layers.1", "layers.4"], scale=1.0)
        >>> penalty = networks.group_lasso_gradient(model, 1e-3, groups=filters)
        >>> optimizer = optax.chain(penalty, optax.sgd(0.01, momentum=0.9), networks.zero_below())

    See Also:
        `group_lasso`, whose zeros are exact.
    """
    strength = check_real("strength", strength, least=0, most=inf)
    penalty = make_penalty(model, groups)

    def update(updates: PyTree, state: Any, params: PyTree | None = None) -> tuple[PyTree, Any]:
        weights = _weights("group_lasso_gradient", penalty, params)
        new = [part.leaf(updates) for part in penalty.arrays]
        for family, places in zip(penalty.families, penalty.places, strict=True):
            for each, own in zip(family, places, strict=True):
                norms = _norms(each, [weights[place] for place in own])
                pull = jnp.where(norms == 0, 0.0, strength * _scales(each, norms))
                safe = jnp.where(norms == 0, 1.0, norms)
                for part, place in zip(each.parts, own, strict=True):
                    slope = part.spread(pull) * (weights[place] / part.spread(safe))
                    new[place] = new[place] + slope.astype(new[place].dtype)
        return _replaced(penalty, updates, new), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)  # noqa: ARG005


def make_penalty(model: Any, groups: Grouping | Sequence[Grouping]) -> Penalty:
    """The groups of all families in a model.

    Raises:
        ValueError: If there is no family, one has no groups in the model, or two have the same.
    """
    chosen = [groups] if isinstance(groups, Grouping) else groups
    families = list(chosen) if isinstance(chosen, Sequence) else []
    if not families or not all(isinstance(each, Grouping) for each in families):
        raise ValueError(
            "groups must be a family of groups, such as topokit.networks.filter_groups(), or a "
            f"list of some; given {brief(groups)}"
        )
    found = [each(model) for each in families]
    _check_once(families, [_by_path(some) for some in found])
    found = _each_once(found)
    in_families = [_by_path(some) for some in found]
    arrays = dict(chain.from_iterable(own.items() for own in in_families))
    order = {path: place for place, path in enumerate(arrays)}
    places = [[[order[part.path] for part in each.parts] for each in some] for some in found]
    overlap = sum(map(len, in_families)) > len(arrays)
    return Penalty(found, places, list(arrays.values()), overlap)


def _check_once(families: list[Grouping], in_families: list[dict[Path, Part]]) -> None:
    """Refuse the same groups of an array in two families, which would double their strength."""
    pairs = combinations(zip(families, in_families, strict=True), 2)
    for (one, own), (other, theirs) in pairs:
        shared = [path for path in own if path in theirs and one.what == other.what]
        for path in shared:
            if np.array_equal(own[path].labels(), theirs[path].labels()):
                raise ValueError(
                    f"groups must hold each family once: two have the {one.what} of "
                    f"{jax.tree_util.keystr(path)}, which would count twice; give one of them, with"
                    " a scale, or name other layers"
                )


def _by_path(family: list[Groups]) -> dict[Path, Part]:
    return {part.path: part for each in family for part in each.parts}


def _each_once(families: list[list[Groups]]) -> list[list[Groups]]:
    """Without groups that an earlier family has too, as channels are shapes in a dense layer."""
    kept: list[list[Groups]] = []
    for family in families:
        before = list(chain.from_iterable(kept))
        kept.append([each for each in family if not any(_alike(each, one) for one in before)])
    return kept


def _alike(one: Groups, other: Groups) -> bool:
    """Whether two are the same groups of the same arrays, by whatever name, equally strong."""
    theirs = {part.path: part for part in other.parts}
    if {part.path for part in one.parts} != set(theirs):
        return False
    if not np.array_equal(one.scales, other.scales):
        return False
    return all(np.array_equal(part.labels(), theirs[part.path].labels()) for part in one.parts)


def proximal_step(
    penalty: Penalty, arrays: list[Array], threshold: Float[Array, ""] | float, sweeps: int
) -> list[Array]:
    """The proximal operator of `threshold` times the penalty, near it where families overlap."""

    def applied(number: int, arrays: list[Array]) -> list[Array]:
        new = list(arrays)
        for each, own in zip(penalty.families[number], penalty.places[number], strict=True):
            some = shrink_groups(each, [arrays[place] for place in own], threshold)
            for place, array in zip(own, some, strict=True):
                new[place] = array
        return new

    numbers = range(len(penalty.families))
    if not penalty.overlap:
        for number in numbers:
            arrays = applied(number, arrays)
        return arrays

    def sweep(_: Any, carry: tuple) -> tuple:
        arrays, taken, _ = carry
        left, new = [], []
        for number in numbers:
            given = [a + t for a, t in zip(arrays, taken[number], strict=True)]
            arrays = applied(number, given)
            new.append([g - a for g, a in zip(given, arrays, strict=True)])
            left.append(arrays)
        return arrays, new, left

    nothing = [[jnp.zeros_like(array) for array in arrays] for _ in numbers]
    arrays, _, left = jax.lax.fori_loop(0, sweeps, sweep, (arrays, nothing, nothing))
    for family in left:
        arrays = [jnp.where(kept == 0, 0, a) for a, kept in zip(arrays, family, strict=True)]
    return arrays


def shrink_groups(
    groups: Groups, arrays: list[Array], threshold: Float[Array, ""] | float
) -> list[Array]:
    """The proximal operator of `threshold * sum of scale |w_g|`: group soft thresholding."""
    norms = _norms(groups, arrays)
    left = jnp.maximum(0.0, 1.0 - threshold * _scales(groups, norms) / norms)
    factors = jnp.where(norms == 0, 0.0, left)
    return [part.spread(factors) * w for part, w in zip(groups.parts, arrays, strict=True)]


def _norms(groups: Groups, arrays: list[Array]) -> Float[Array, " groups"]:
    """The norm of each group, found in the unit of its largest entry."""
    pairs = list(zip(groups.parts, arrays, strict=True))
    units = unit_of(reduce(jnp.maximum, [part.largest(w) for part, w in pairs]))
    scaled = [(part, w / part.spread(units).astype(w.dtype)) for part, w in pairs]
    squares = [part.sums(w * w) for part, w in scaled]
    return units * jnp.sqrt(sum(squares[1:], squares[0]))


def _scales(groups: Groups, norms: Array) -> Float[Array, " groups"]:
    return jnp.asarray(groups.scales, norms.dtype)


def _weights(name: str, penalty: Penalty, params: PyTree | None) -> list[Array]:
    if params is None:
        raise ValueError(f"{name} needs the weights: give params to update(updates, state, params)")
    return [_weight(name, part, params) for part in penalty.arrays]


def _weight(name: str, part: Part, params: PyTree) -> Array:
    """An array of weights, in the shape that it has in the model a penalty was made of."""
    found: Any = None
    with suppress(AttributeError, IndexError, KeyError, TypeError):
        found = part.leaf(params)
    if getattr(found, "shape", None) != part.shape:
        raise ValueError(
            f"{name} was made of a model with weights of the shape {part.shape} at "
            f"{jax.tree_util.keystr(part.path)}; given {brief(found)} there: make it of the model "
            "that is trained"
        )
    return found


def _replaced(penalty: Penalty, updates: PyTree, new: list[Array]) -> PyTree:
    return eqx.tree_at(lambda tree: [part.leaf(tree) for part in penalty.arrays], updates, new)
