"""What every form of a layer can do, and a layer of a recipe in the form that is made for signals.

Weights are one number an edge, in the order of `Layers`: by receiver, then by sender. No form keeps
a copy of them. Signals are `(neurons, columns)`; both may have a batch at the end.
"""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Num


@runtime_checkable
class Wiring(Protocol):
    """One layer of a topology, compiled; a pytree of index arrays, with three partial sums.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> wiring = products.make_wiring(tk.topologies.butterfly.layers(4), 1)
        >>> products.apply_layer(wiring, jnp.ones(8), jnp.ones((4, 3))).shape
        (4, 3)

    See Also:
        `make_wiring`, which makes it.
    """

    @property
    def n_in(self) -> int:
        """Number of senders."""
        ...

    @property
    def n_out(self) -> int:
        """Number of receivers."""
        ...

    @property
    def n_edges(self) -> int:
        """Number of edges, constant ones included."""
        ...

    def receive(
        self, w: Num[Array, "edges *batch"], x: Num[Array, "n_in columns *batch"]
    ) -> Num[Array, "n_out columns *batch"]:
        """The receivers' signals from the senders'."""
        ...

    def send_back(
        self, w: Num[Array, "edges *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "n_in columns *batch"]:
        """What comes back to the senders from the receivers: the transposed layer."""
        ...

    def correlate(
        self, x: Num[Array, "n_in columns *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "edges *batch"]:
        """For each edge the scalar product of its sender's row and its receiver's."""
        ...


def edge_ends(wiring: Wiring) -> tuple[Int[np.ndarray, " edges"], Int[np.ndarray, " edges"]]:
    """Sender and receiver of each edge, read off the wiring itself.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> wiring = products.make_wiring(tk.topologies.butterfly.layers(4), 1)
        >>> senders, receivers = products.edge_ends(wiring)
        >>> senders.tolist(), receivers.tolist()
        ([0, 2, 1, 3, 0, 2, 1, 3], [0, 0, 1, 1, 2, 2, 3, 3])

    See Also:
        `make_wiring`, which makes it.
    """
    senders, receivers = _ends(wiring)
    return np.asarray(senders, np.int64), np.asarray(receivers, np.int64)


@jax.jit
def _ends(wiring: Wiring) -> tuple[Array, Array]:
    senders, receivers = (jnp.arange(n)[:, None] for n in (wiring.n_in, wiring.n_out))
    first = wiring.correlate(senders, jnp.ones_like(receivers))
    return first, wiring.correlate(jnp.ones_like(senders), receivers)
