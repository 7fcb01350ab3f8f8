"""The Jacobian of the end-to-end matrix as an operator on a GPU, with layers as dense matrices.

A GPU multiplies dense matrices so fast that the zeros of a sparse layer of some thousand neurons
cost less than finding its edges. Columns are scaled to length 1, as by `_jacobian_operator`.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from topokit._jax_backend import jax_backend
from topokit.layers import Layers, live_weights
from topokit.scores.freedom._lsqr_projection import Operator

NEGLIGIBLE = 1e-12

# On a GPU the library's own choice of algorithms: to try them all takes longer than the products.
QUICK_START = {"xla_gpu_autotune_level": 0, "xla_gpu_enable_triton_gemm": False}
compiled = partial(jax.jit, compiler_options=QUICK_START)


def has_gpu() -> bool:
    """Whether JAX computes on a GPU."""
    return jax_backend() == "gpu"


def device_operator(layers: Layers, weights: list[Float[np.ndarray, " _edges"]]) -> Operator:
    """The Jacobian at these weights; vectors are arrays on JAX's default device, of 32 bits.

    Cost: for a product two of all dense layers with a matrix; memory for two matrices a layer.
    """
    ahead, states, columns, scales = [], [jnp.eye(layers.n_in)], [], []
    for number, (senders, receivers) in enumerate(
        zip(layers.senders, layers.receivers, strict=True)
    ):
        weight = jnp.asarray(weights[number] / np.abs(weights[number]).max(), jnp.float32)
        shape = layers.widths[number + 1], layers.widths[number]
        matrix = jnp.zeros(shape).at[receivers, senders].set(weight)
        state = _product(matrix, states[-1])
        factor = 1 / (jnp.abs(state).max() or 1.0)
        ahead.append(matrix * factor)
        states.append(state * factor)
    carried = jnp.eye(layers.n_out)
    for number in reversed(range(layers.depth)):
        senders, receivers = layers.senders[number], layers.receivers[number]
        lengths = np.asarray(jnp.linalg.norm(carried, axis=1))
        held = np.asarray(jnp.linalg.norm(states[number], axis=1))
        norms = held[senders] * lengths[receivers]
        wanted = live_weights(layers)[number] & (norms > NEGLIGIBLE * norms.max())
        edges = np.flatnonzero(wanted)
        columns.insert(0, (jnp.asarray(receivers[edges]), jnp.asarray(senders[edges])))
        scales.insert(0, jnp.asarray(1 / norms[edges], jnp.float32))
        carried = _product(ahead[number].T, carried)
    states, n_columns = states[:-1], sum(scale.size for scale in scales)
    entries = layers.n_in * layers.n_out
    return Operator(
        (entries, n_columns),
        lambda x: _push(ahead, states, columns, scales, jnp.asarray(x)),
        lambda y: _pull(ahead, states, columns, scales, jnp.asarray(y)),
    )


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
