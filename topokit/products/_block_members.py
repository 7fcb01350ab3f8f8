"""Which neurons belong to which block: by their numbers, or as a lattice that a reshape finds.

The blocks of butterflies, Clos and Monarch layers are lattices: member `i` of block `(a, b)` is the
neuron `(a * size + i) * inner + b`. Then no places are stored and nothing is gathered.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Num

from topokit.products._slot_tables import indices


class ListedMembers(NamedTuple):
    """Members in any order.

    Attributes:
        numbers: Members of each block.
        places: Where each neuron stands among the members of all blocks.
    """

    numbers: Int[Array, "blocks size"]
    places: Int[Array, " neurons"]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.numbers.shape[0]

    @property
    def size(self) -> int:
        """Members of a block."""
        return self.numbers.shape[1]

    def by_block(self, rows: Num[Array, "neurons *rest"]) -> Num[Array, "blocks size *rest"]:
        """Block by block."""
        return rows[self.numbers]

    def by_neuron(self, rows: Num[Array, "blocks size *rest"]) -> Num[Array, "neurons *rest"]:
        """In the order of the neurons."""
        return rows.reshape(-1, *rows.shape[2:])[self.places]


@jax.tree_util.register_static
@dataclass(frozen=True)
class LatticeMembers:
    """Members at equal distances; a program for each lattice, without an array.

    Attributes:
        outer: Blocks that lie one behind the other.
        size: Members of a block.
        inner: Blocks that lie between each other, and so the distance of two members.
    """

    outer: int
    size: int
    inner: int

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.outer * self.inner

    def by_block(self, rows: Num[Array, "neurons *rest"]) -> Num[Array, "blocks size *rest"]:
        """Block by block."""
        rest = rows.shape[1:]
        lattice = rows.reshape(self.outer, self.size, self.inner, *rest)
        return lattice.swapaxes(1, 2).reshape(self.blocks, self.size, *rest)

    def by_neuron(self, rows: Num[Array, "blocks size *rest"]) -> Num[Array, "neurons *rest"]:
        """In the order of the neurons."""
        rest = rows.shape[2:]
        lattice = rows.reshape(self.outer, self.inner, self.size, *rest)
        return lattice.swapaxes(1, 2).reshape(-1, *rest)


Members = ListedMembers | LatticeMembers


def find_members(numbers: Int[np.ndarray, "blocks size"]) -> Members:
    """The lattice of these members if they are one; each neuron is a member of one block."""
    blocks, size = numbers.shape
    inner = int(numbers[0, 1] - numbers[0, 0]) if size > 1 else blocks
    if inner > 0 and blocks % inner == 0:
        lattice = np.arange(numbers.size).reshape(-1, size, inner).swapaxes(1, 2)
        if np.array_equal(lattice.reshape(blocks, size), numbers):
            return LatticeMembers(blocks // inner, size, inner)
    return ListedMembers(indices(numbers), indices(np.argsort(numbers, axis=None)))
