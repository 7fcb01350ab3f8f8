"""The Jacobian of the end-to-end matrix as an operator on a GPU, with layers as dense matrices.

A GPU multiplies dense matrices so fast that the zeros of a sparse layer of some thousand neurons
cost less than finding its edges. Columns are scaled to length 1 and neurons have units of their
own, as by `_jacobian_operator`.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Shaped

from topokit._jax_backend import jax_backend
from topokit.layers import (
    NOTHING,
    Bundles,
    Layers,
    in_bundles,
    in_units,
    live_weights,
    out_bundles,
    own_powers,
    step_in_units,
)
from topokit.scores.freedom._lsqr_projection import Operator

# Up to which share of its greatest summand a sum is one of constants that cancel.
NOISE = 2.0**-17

# On a GPU the library's own choice of algorithms: to try them all takes longer than the products.
QUICK_START = {"xla_gpu_autotune_level": 0, "xla_gpu_enable_triton_gemm": False}
compiled = partial(jax.jit, compiler_options=QUICK_START)


def has_gpu() -> bool:
    """Whether JAX computes on a GPU."""
    return jax_backend() == "gpu"


def device_operator(layers: Layers, weights: Sequence[Shaped[np.ndarray, " _edges"]]) -> Operator:
    """The Jacobian at these weights; vectors are arrays on JAX's default device, of 32 bits.

    Cost: for a product two of all dense layers with a matrix; memory for two matrices a layer.
    """
    held = list(_carry(layers.n_in, in_bundles(layers), weights))
    turned = [w[bundles.order] for w, bundles in zip(weights, out_bundles(layers), strict=True)]
    behind = _carry(layers.n_out, out_bundles(layers)[::-1], turned[::-1])
    lengths = [(np.asarray(jnp.linalg.norm(rows, axis=1)), units) for rows, units in behind][::-1]
    ahead, columns, scales = [], [], []
    for number, (senders, receivers) in enumerate(
        zip(layers.senders, layers.receivers, strict=True)
    ):
        (_, before), (length, after) = lengths[number : number + 2]
        own = in_units(weights[number], after[receivers], before[senders])
        shape = layers.widths[number + 1], layers.widths[number]
        ahead.append(_matrix(shape, receivers, senders, own))
        state = np.asarray(jnp.linalg.norm(held[number][0], axis=1))
        norms = state[senders] * length[receivers]
        edges = np.flatnonzero(live_weights(layers)[number] & (norms > 0))
        columns.append((jnp.asarray(receivers[edges]), jnp.asarray(senders[edges])))
        scales.append(jnp.asarray(1 / norms[edges], jnp.float32))
    states, n_columns = [rows for rows, _ in held[:-1]], sum(scale.size for scale in scales)
    return Operator(
        (layers.n_in * layers.n_out, n_columns),
        lambda x: _push(ahead, states, columns, scales, jnp.asarray(x)),
        lambda y: _pull(ahead, states, columns, scales, jnp.asarray(y)),
    )


def _carry(
    n: int, bundles: Sequence[Bundles], weights: Sequence[Shaped[np.ndarray, " _edges"]]
) -> Iterator[tuple[jax.Array, Int[np.ndarray, " _width"]]]:
    """The products of the layers so far, rows near 1, and the powers of two of these."""
    rows, powers = jnp.eye(n), np.zeros(n, np.int64)
    yield rows, powers
    for each, weight in zip(bundles, weights, strict=True):
        factors, units = step_in_units(each, powers, weight)
        shape = each.bounds.size - 1, each.width
        rows = _product(_matrix(shape, each.heads, each.tails, factors), rows)
        own, powers = own_powers(np.asarray(jnp.abs(rows).max(axis=1)), units, NOISE)
        factors = np.ldexp(1.0, -own) * (powers > NOTHING)
        rows = rows * jnp.asarray(factors, jnp.float32)[:, None]
        yield rows, powers


def _matrix(
    shape: tuple[int, int], rows: np.ndarray, columns: np.ndarray, weights: np.ndarray
) -> jax.Array:
    return jnp.zeros(shape).at[rows, columns].set(jnp.asarray(weights, jnp.float32))


def _times(one: jax.Array, other: jax.Array) -> jax.Array:
    """A product in full precision, which GPUs cut short unless told."""
    return jnp.matmul(one, other, precision=jax.lax.Precision.HIGHEST)


_product = compiled(_times)  # where it is a program of its own


@compiled
def _push(ahead: list, states: list, columns: list, scales: list, changes: jax.Array) -> jax.Array:
    """How `W_d`, transposed and flattened, moves with the scaled weights."""
    moved, first = jnp.zeros_like(states[0]), 0
    for matrix, state, places, scale in zip(ahead, states, columns, scales, strict=True):
        part = changes[first : first + scale.size] * scale
        first += scale.size
        change = jnp.zeros_like(matrix).at[places].set(part)
        moved = _times(matrix, moved) + _times(change, state)
    return moved.ravel()


@compiled
def _pull(ahead: list, states: list, columns: list, scales: list, image: jax.Array) -> jax.Array:
    """The transposed product: how the columns agree with a matrix."""
    carried, result = image.reshape(ahead[-1].shape[0], -1), []
    rows = list(zip(ahead, states, columns, scales, strict=True))
    for matrix, state, places, scale in reversed(rows):
        result.append(_times(carried, state.T)[places] * scale)
        carried = _times(matrix.T, carried)
    return jnp.concatenate(result[::-1])
