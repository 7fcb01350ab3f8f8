"""What it costs a device to send a gradient as -1, 0 and 1: to make it ternary, pack, and unpack.

After W. Wen and others, "TernGrad" (NeurIPS 2017): values are clipped at 2.5 standard deviations;
each is the largest one's size with the sign and the probability of its own share of that, else 0.
Four of them go into a byte.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from analyses.kit import quartiles, race, timed

CLIP, PER_BYTE, REPETITIONS, SLOT = 2.5, 4, 5, 0.02


def measure_ternary(size: int) -> dict[str, object]:
    """Seconds of each part for so many values, beside those of a copy of them."""
    gradient = jax.random.normal(jax.random.key(0), (size,))
    packed, scale = pack(gradient, jax.random.key(1))
    calls = {
        "copy": lambda: copied(gradient),
        "ternarize and pack": lambda: pack(gradient, jax.random.key(1)),
        "unpack": lambda: unpack(packed, scale),
    }
    clocks = {name: partial(_seconds, call) for name, call in calls.items()}
    seconds = race(clocks, REPETITIONS, SLOT)
    values = np.asarray(unpack(packed, scale))
    return {
        "bytes": packed.size,
        "seconds": {name: quartiles(each) for name, each in seconds.items()},
        "of three values": bool(np.isin(values, np.float32(scale) * np.array([-1, 0, 1])).all()),
        "zeros": float(np.mean(values == 0)),
    }


def _seconds(call, steps: int) -> float:  # noqa: ANN001
    return timed(lambda: [call() for _ in range(steps)][-1])[0]


@jax.jit
def copied(gradient: jax.Array) -> jax.Array:
    """What a pass over the values takes at least."""
    return gradient + 1


@jax.jit
def pack(gradient: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Bytes of four values each, and the size of 1."""
    most = CLIP * gradient.std()
    clipped = jnp.clip(gradient, -most, most)
    scale = jnp.abs(clipped).max()
    kept = jax.random.uniform(key, gradient.shape) * scale < jnp.abs(clipped)
    # 0, 1 for a positive and 2 for a negative value.
    codes = jnp.where(kept, jnp.where(clipped > 0, 1, 2), 0).astype(jnp.uint8)
    shifts = 2 * jnp.arange(PER_BYTE, dtype=jnp.uint8)
    return (codes.reshape(-1, PER_BYTE) << shifts).sum(1, dtype=jnp.uint8), scale


@jax.jit
def unpack(packed: jax.Array, scale: jax.Array) -> jax.Array:
    """The values again."""
    shifts = 2 * jnp.arange(PER_BYTE, dtype=jnp.uint8)
    codes = (packed[:, None] >> shifts) & 3
    return scale * ((codes == 1).astype(jnp.float32) - (codes == 2)).ravel()
