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
    fed = _receivers_of(sets, len(senders))
    _, sender_class = np.unique(fed, axis=0, return_inverse=True)
    sizes = np.bincount(sender_class.ravel())
    if (sizes != sizes[0]).any() or sets.shape[1] % sizes[0]:
        raise ValueError(
            "the senders of this layer do not fall into equally large classes; use "
            "topokit.challenge.by_edges"
        )
    members = np.argsort(sender_class.ravel(), kind="stable").reshape(len(sizes), -1)
    joined = np.sort(sender_class.ravel()[sets], axis=1)[:, :: sizes[0]]
    return Classes(members.astype(np.int32), joined.astype(np.int32), receivers.ravel())


def _receivers_of(sets: Int[np.ndarray, "sets fan_in"], n: int) -> Int[np.ndarray, "n fan_out"]:
    """For each sender the sets that it is in, ascending."""
    degrees = np.bincount(sets.ravel(), minlength=n)
    if (degrees != degrees[0]).any():
        raise ValueError(
            "the senders of this layer do not feed equally many classes of receivers; use "
            "topokit.challenge.by_edges"
        )
    order = np.argsort(sets.ravel(), kind="stable")
    return (order // sets.shape[1]).reshape(n, -1)
