"""Sums over workers of which little crosses the mesh.

Two ways lead to the sum of `n` packed values of `N` workers. All can send all they have to all
others: `(N - 1) n` values a worker. Or each adds up one part in `N`, as if it were the server of
that part: all others send it theirs, and it sends them the sum, `(N - 1) / N n` values each way, of
which those on the way back need more bits.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Integer, Num

from topokit.devices._digits import pack_digits, unpack_digits, words_of


def sum_digits(digits: Integer[Array, " n"], base: int, axis: str) -> Integer[Array, " n"]:
    """The sum over workers of digits of a base, by whichever way sends fewer bytes."""
    workers, n = lax.axis_size(axis), len(digits)
    most = workers * (base - 1) + 1
    block = -(-n // workers)
    if words_of(n, base) <= words_of(block, base) + words_of(block, most):
        return gather_digits(digits, base, axis).sum(0)
    parts = _parts(digits, workers)
    sent = lax.all_to_all(pack_digits(parts, base), axis, 0, 0)
    total = pack_digits(unpack_digits(sent, base, block).sum(0), most)
    return unpack_digits(lax.all_gather(total, axis), most, block).ravel()[:n]


def gather_digits(
    digits: Integer[Array, " n"], base: int, axis: str
) -> Integer[Array, "workers n"]:
    """The digits of all workers, in their order."""
    return unpack_digits(lax.all_gather(pack_digits(digits, base), axis), base, len(digits))


def mean_encoded(
    values: Float[Array, " n"],
    encode: Callable[[Array], Num[Array, "..."]],
    decode: Callable[[Array], Float[Array, "..."]],
    axis: str,
) -> Float[Array, " n"]:
    """The mean over workers of values that are sent, there and back, as something shorter."""
    parts = _parts(values, lax.axis_size(axis))
    mean = decode(lax.all_to_all(encode(parts), axis, 0, 0)).mean(0)
    return decode(lax.all_gather(encode(mean), axis)).ravel()[: len(values)]


def _parts(values: Num[Array, " n"], workers: int) -> Num[Array, "workers block"]:
    """One part for each worker, the last ones filled up with zeros."""
    block = -(-len(values) // workers)
    return jnp.pad(values, (0, block * workers - len(values))).reshape(workers, block)
