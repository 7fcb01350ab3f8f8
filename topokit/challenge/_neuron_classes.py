"""What equal columns of a layer allow: a layer of classes instead of one of neurons.

The matrix of a challenge layer is a Kronecker product with ones, behind any permutations of its
rows and columns. So receivers fall into classes with the very same senders, and senders into
classes that feed the very same receivers: a layer is a sum within each class of senders, a sparse
step from classes to classes, and a broadcast. The next layer sums over that broadcast, so that it
need not be made: only the classes' signals are.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from topokit._records import one_line
from topokit.layers import padded_table


class Classes(NamedTuple):
    """A layer, factored.

    Attributes:
        members: The senders of each class of senders, ascending.
        joined: For each class of receivers the classes of senders that it sums over.
        receivers: The class of each receiver.
    """

    members: Int[np.ndarray, "sender_classes size"]
    joined: Int[np.ndarray, "receiver_classes fan_in"]
    receivers: Int[np.ndarray, " neurons"]

    __repr__ = one_line


def find_classes(senders: Int[np.ndarray, "neurons fan_in"]) -> Classes:
    """Factor a layer into its classes; cost O(E log E).

    Args:
        senders: Senders of each receiver, ascending.

    Raises:
        ValueError: If the classes are not equally large, so that they cannot be tables.
    """
    sets, receivers = np.unique(senders, axis=0, return_inverse=True)
    numbers = np.arange(sets.size) // sets.shape[1]
    fed = padded_table(sets.ravel(), numbers, blank=-1, n_owners=len(senders))
    _check_even(fed, "do not feed equally many classes of receivers")
    _, sender_class = np.unique(fed, axis=0, return_inverse=True)
    members = padded_table(sender_class.ravel(), np.arange(len(senders)), blank=-1)
    uneven = "do not fall into equally large classes"
    _check_even(members, uneven, sets.shape[1] % members.shape[1] == 0)
    joined = np.sort(sender_class.ravel()[sets], axis=1)[:, :: members.shape[1]]
    return Classes(members.astype(np.int32), joined.astype(np.int32), receivers.ravel())


def _check_even(table: Int[np.ndarray, "rows most"], told: str, fits: bool = True) -> None:
    if not fits or (table < 0).any():
        raise ValueError(f"the senders of this layer {told}; use topokit.challenge.by_edges")
