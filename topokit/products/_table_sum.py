"""Sums of rows by a table: a layer whose neurons have equally many senders, and equal weights."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

# Slots added up in one pass over the receivers, in a loop that compilers cannot fuse with what
# follows. Measured on one core of a CPU (analyses/benchmarks/challenge.py).
CHUNK = 4


def sum_rows(
    table: Int[Array, "receivers fan_in"], x: Float[Array, "senders columns"]
) -> Float[Array, "receivers columns"]:
    """For each receiver the sum of its senders' rows; cost O(receivers * fan_in * columns).

    Args:
        table: Senders of each receiver, of which one may occur several times.
        x: Signals of the senders.
    """
    chunk = next(size for size in range(CHUNK, 0, -1) if table.shape[1] % size == 0)
    slots = table.T.reshape(-1, chunk, len(table))

    def step(total: Array, senders: Int[Array, "chunk receivers"]) -> tuple[Array, None]:
        return total + sum(x[row] for row in senders), None

    return lax.scan(step, jnp.zeros((len(table), x.shape[1]), x.dtype), slots)[0]
