"""Arrays of parameters that fall into groups: sums over each, and what multiplies each.

Groups of one family share no entry of an array, so that every entry has the number of one group.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Path = tuple[Any, ...]


class Part(NamedTuple):
    """One array of parameters, and how it falls into groups.

    Attributes:
        path: Where the array stands in a model, as JAX tells it.
        shape: Its shape.
        sizes: Entries of each group.
        sums: From an array like it to the sums of each group.
        largest: From an array like it to the largest size of an entry of each group.
        spread: From one number a group to what multiplies the array.
    """

    path: Path
    shape: tuple[int, ...]
    sizes: Int[np.ndarray, " groups"]
    sums: Callable[[Array], Float[Array, " groups"]]
    largest: Callable[[Array], Float[Array, " groups"]]
    spread: Callable[[Float[Array, " groups"]], Array]

    def leaf(self, tree: Any) -> Any:
        """The array in a model or in a tree like it."""
        return reduce(below, self.path, tree)

    def labels(self) -> Int[np.ndarray, "..."]:
        """An array like it with the number of the group of each entry."""
        with jax.ensure_compile_time_eval():
            return np.asarray(self.spread(jnp.arange(len(self.sizes))))


class Groups(NamedTuple):
    """As many groups as the parts of each array, and the strength of each beside the others.

    Attributes:
        parts: The arrays whose entries make up the groups.
        scales: What multiplies the strength, a number a group.
    """

    parts: tuple[Part, ...]
    scales: Float[np.ndarray, " groups"]


def along(path: Path, shape: Sequence[int], axes: Sequence[int], split: Sequence[int]) -> Part:
    """A group is all that lies along axes of an array when it is reshaped to `split`."""
    kept = [n for axis, n in enumerate(split) if axis not in axes]
    sizes = np.full(prod(kept), prod(split) // max(1, prod(kept)))
    wide = [1 if axis in axes else n for axis, n in enumerate(split)]

    def spread(factors: Array) -> Array:
        return jnp.broadcast_to(factors.reshape(wide), split).reshape(shape)

    def sums(w: Array) -> Array:
        return w.reshape(split).sum(tuple(axes)).ravel()

    def largest(w: Array) -> Array:
        return jnp.abs(w).reshape(split).max(tuple(axes), initial=0).ravel()

    return Part(path, tuple(shape), sizes, sums, largest, spread)


def labeled(path: Path, shape: Sequence[int], labels: Int[np.ndarray, " weights"], n: int) -> Part:
    """A group is all entries of an array, row by row, with the same label, out of `n`."""
    sizes, labels = np.bincount(labels, minlength=n), labels.astype(np.int32)

    def sums(w: Array) -> Array:
        return jax.ops.segment_sum(w.ravel(), labels, n)

    def largest(w: Array) -> Array:
        return jnp.maximum(jax.ops.segment_max(jnp.abs(w).ravel(), labels, n), 0)

    def spread(factors: Array) -> Array:
        return factors[labels].reshape(shape)

    return Part(path, tuple(shape), sizes, sums, largest, spread)


def itself(path: Path, shape: Sequence[int]) -> Part:
    """A group for each entry."""
    return along(path, shape, (), shape)


def below(node: Any, key: Any) -> Any:
    """What a key of a path leads to."""
    if isinstance(key, jax.tree_util.GetAttrKey):
        return getattr(node, key.name)
    return node[key.idx if isinstance(key, jax.tree_util.SequenceKey) else key.key]
