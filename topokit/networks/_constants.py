"""Numbers of a model that nothing trains: arrays that no optimizer takes for weights.

What trains, decays, prunes, counts or casts a model goes by its inexact arrays
(`equinox.is_inexact_array`), and asks nobody. So constants are kept as the bits of their numbers,
unsigned integers, like the indices of a wiring, and become numbers where they are used. They are
arrays for all else: a compiled function takes others without being compiled anew, and maps,
checkpoints and files hold them.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, UInt


class Constants(eqx.Module):
    """Real numbers, of JAX's default type, that stay as they are.

    Attributes:
        bits: The numbers as unsigned integers of the same bits.
    """

    bits: UInt[Array, "*shape"]

    def __init__(self, values: Float[np.ndarray, "*shape"]) -> None:
        """Keep the values."""
        floats = np.asarray(values, jnp.zeros(0).dtype)
        self.bits = jax.device_put(floats.view(f"u{floats.itemsize}"))

    @property
    def values(self) -> Float[Array, "*shape"]:
        """The numbers themselves; at once where a program closes over them, as ONNX needs them."""
        with jax.ensure_compile_time_eval():
            return lax.bitcast_convert_type(self.bits, jnp.dtype(f"f{self.bits.dtype.itemsize}"))
