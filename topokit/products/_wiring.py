"""The wiring of one layer, ready for signals, in the form that is fastest for it.

Weights are one number an edge, in the order of `Layers`: by receiver, then by sender. No form keeps
a copy of them. Every form makes the three partial sums of the layer (see
`topokit.products._contract`) with signals as `(neurons, columns)`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Num

from topokit.layers import Layers
from topokit.products._lists import Lists, edge_products, gather_sum, make_lists

# Edges of a complete piece from which on it is multiplied as such, and the density from which on a
# layer is filled up with zeros. Measured on one core of a CPU (analyses/benchmarks/layers.py).
PIECE_EDGES, DENSE_DENSITY = 4, 0.25


class Pieces(NamedTuple):
    """A layer that falls into equal complete pieces, in which every sender feeds every receiver.

    Attributes:
        senders: Senders of each piece, ascending.
        receivers: Receivers of each piece, ascending.
        sent: Place of each sender in the pieces.
        received: Place of each receiver in the pieces.
    """

    senders: Int[Array, "pieces fan_in"]
    receivers: Int[Array, "pieces fan_out"]
    sent: Int[Array, " n_in"]
    received: Int[Array, " n_out"]


class Filled(NamedTuple):
    """A layer filled up with zeros while it is multiplied.

    Attributes:
        places: Place of each edge in the matrix `(n_out, n_in)`, row by row.
    """

    places: Int[Array, " edges"]


class Wiring(NamedTuple):
    """One layer of a topology, compiled; a pytree of index arrays.

    Attributes:
        form: How it is multiplied.
        fan_out: Number of receivers of each sender.
        fan_in: Number of senders of each receiver.
    """

    form: Lists | Pieces | Filled
    fan_out: Int[Array, " n_in"]
    fan_in: Int[Array, " n_out"]

    @property
    def n_in(self) -> int:
        """Number of senders."""
        return self.fan_out.size

    @property
    def n_out(self) -> int:
        """Number of receivers."""
        return self.fan_in.size

    @property
    def n_edges(self) -> int:
        """Number of edges, constant ones included."""
        match self.form:
            case Lists(ahead=ahead, slots=slots):
                return (ahead.buckets[0].senders if slots is None else slots).size
            case Pieces(senders=senders, receivers=receivers):
                return senders.size * receivers.shape[1]
            case Filled(places=places):
                return places.size


def make_wiring(layers: Layers, number: int) -> Wiring:
    """Compile layer `number` of a recipe; cost O(E log E)."""
    n_in, n_out = layers.widths[number : number + 2]
    senders, receivers = layers.senders[number], layers.receivers[number]
    form = _pieces((n_in, n_out), senders, receivers)
    if form is None and senders.size >= DENSE_DENSITY * n_in * n_out:
        form = Filled(_indices(receivers * n_in + senders))
    if form is None:
        form = make_lists((n_in, n_out), senders, receivers)
    degrees = np.bincount(senders, minlength=n_in), np.bincount(receivers, minlength=n_out)
    return Wiring(form, *map(_indices, degrees))


def receive(
    wiring: Wiring, w: Num[Array, " edges"], x: Num[Array, "n_in columns"]
) -> Num[Array, "n_out columns"]:
    """The receivers' signals from the senders'."""
    match wiring.form:
        case Lists(ahead=ahead):
            return gather_sum(ahead, w, x)
        case Pieces() as form:
            return _einsum("poi,pic->poc", _matrices(form, w), x[form.senders], form.received)
        case Filled(places=places):
            return _matmul(_filled(wiring, places, w), x)


def send_back(
    wiring: Wiring, w: Num[Array, " edges"], y: Num[Array, "n_out columns"]
) -> Num[Array, "n_in columns"]:
    """What comes back to the senders from the receivers: the transposed layer."""
    match wiring.form:
        case Lists(behind=behind):
            return gather_sum(behind, w, y)
        case Pieces() as form:
            return _einsum("poi,poc->pic", _matrices(form, w), y[form.receivers], form.sent)
        case Filled(places=places):
            return _matmul(_filled(wiring, places, w).T, y)


def correlate(
    wiring: Wiring, x: Num[Array, "n_in columns"], y: Num[Array, "n_out columns"]
) -> Num[Array, " edges"]:
    """For each edge the scalar product of its sender's row and its receiver's."""
    match wiring.form:
        case Lists() as form:
            return edge_products(form, x, y)
        case Pieces() as form:
            rows = _einsum("poc,pic->poi", y[form.receivers], x[form.senders], form.received)
            return rows.reshape(-1)
        case Filled() as form:
            return _matmul(y, x.T).reshape(-1)[form.places]


def edge_ends(wiring: Wiring) -> tuple[Int[np.ndarray, " edges"], Int[np.ndarray, " edges"]]:
    """Sender and receiver of each edge, read off the wiring itself."""
    senders, receivers = _ends(wiring)
    return np.asarray(senders, np.int64), np.asarray(receivers, np.int64)


@jax.jit
def _ends(wiring: Wiring) -> tuple[Array, Array]:
    senders, receivers = (jnp.arange(n)[:, None] for n in (wiring.n_in, wiring.n_out))
    first = correlate(wiring, senders, jnp.ones_like(receivers))
    return first, correlate(wiring, jnp.ones_like(senders), receivers)


def _matrices(form: Pieces, w: Array) -> Num[Array, "pieces fan_out fan_in"]:
    return w.reshape(form.received.size, -1)[form.receivers]


def _einsum(
    formula: str, first: Array, second: Array, places: Int[Array, " neurons"]
) -> Num[Array, "neurons columns"]:
    """A product piece by piece, then its rows in the order of the neurons."""
    rows = jnp.einsum(formula, first, second, precision="highest")
    return rows.reshape(places.size, -1)[places]


def _filled(wiring: Wiring, places: Array, w: Array) -> Num[Array, "n_out n_in"]:
    shape = wiring.n_out, wiring.n_in
    if w.size == wiring.n_out * wiring.n_in:
        return w.reshape(shape)
    blank = jnp.zeros(wiring.n_out * wiring.n_in, w.dtype)
    return blank.at[places].set(w, unique_indices=True).reshape(shape)


def _matmul(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision="highest")


def _pieces(
    shape: tuple[int, int],
    senders: Int[np.ndarray, " edges"],
    receivers: Int[np.ndarray, " edges"],
) -> Pieces | None:
    """The equal complete pieces of a layer, or None where it has none that pay."""
    n_in, n_out = shape
    fan_in = senders.size // n_out
    if (np.bincount(receivers, minlength=n_out) != fan_in).any():
        return None
    rows = senders.reshape(n_out, fan_in)
    sets, piece = np.unique(rows, axis=0, return_inverse=True)
    sizes = np.bincount(piece.ravel())
    disjoint = sets.size == n_in and np.array_equal(np.sort(sets, axis=None), np.arange(n_in))
    if not disjoint or (sizes != sizes[0]).any() or fan_in * sizes[0] < PIECE_EDGES:
        return None
    members = np.argsort(piece.ravel(), kind="stable")
    return Pieces(
        _indices(sets),
        _indices(members.reshape(len(sets), -1)),
        _indices(np.argsort(sets, axis=None)),
        _indices(np.argsort(members)),
    )


def _indices(array: np.ndarray) -> Array:
    """On the device, without a program of its size, which `jnp.asarray` would compile."""
    return jax.device_put(array.astype(np.int32))
