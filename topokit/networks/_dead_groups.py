"""Groups of weights that are all 0: what a penalty on groups has found, before it is taken out."""

from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Any

import jax
import numpy as np

from topokit._records import Record
from topokit.networks._group_lasso import make_penalty
from topokit.networks._group_parts import Groups
from topokit.networks._groups import Grouping


class DeadGroups(Record):
    """How many groups of a family are 0 in a layer.

    Attributes:
        layer: Name of the layer; in a cascade each of its layers has one.
        what: What the groups are called, such as filters.
        dead: Groups whose weights are all 0.
        groups: Groups that there are.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> networks.dead_groups(model, networks.filter_groups())[0].groups
        16

    See Also:
        `dead_groups`, which returns them.
    """

    layer: str
    what: str
    dead: int
    groups: int


def dead_groups(model: Any, groups: Grouping | Sequence[Grouping]) -> tuple[DeadGroups, ...]:
    """Count the groups of each layer that training has brought to 0, those of two families once.

    Args:
        model: The model that was trained, before `shrink`.
        groups: The families, as in `group_lasso`.

    Raises:
        ValueError: As `group_lasso`.

    Examples:
        >>> import equinox as eqx
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> weight = model.layers[1].weight.at[:4].set(0.0)
        >>> model = eqx.tree_at(lambda m: m.layers[1].weight, model, weight)
        >>> found = networks.dead_groups(model, networks.filter_groups())
        >>> [(each.layer, each.dead) for each in found]
        [('layers.1', 4), ('layers.3', 0)]

    See Also:
        `shrink`, which takes them out; `group_lasso`, which makes them.
    """
    families = make_penalty(model, groups).families
    chosen = [groups] if isinstance(groups, Grouping) else groups
    return tuple(
        _counted(model, grouping.what, each)
        for grouping, found in zip(chosen, families, strict=True)
        for each in found
    )


def _counted(model: Any, what: str, groups: Groups) -> DeadGroups:
    silent = [np.asarray(part.largest(part.leaf(model))) == 0 for part in groups.parts]
    layer = jax.tree_util.keystr(groups.parts[0].path[:-1], simple=True, separator=".")
    dead = reduce(and_, silent)
    return DeadGroups(layer, what, int(dead.sum()), dead.size)
