"""Kernel regressions with parts of a network's tangent kernel, from one kernel.

The weights of the last, dense layer are the same in number and kind whatever the wiring. Their part
of the kernel, summed over outputs, is known from what goes into that layer: for features `h` it is
`outputs (h h' + 1)`. What is left is the kernel of the sparse layers, which is what wirings differ
in; its entries may be divided by those of the diagonal, so that all examples count alike.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from analyses.kit import significant
from topokit import networks
from topokit.networks._kernel_regression import judge, split_batch
from topokit.networks._untrained import Untrained, check_batch

HELD_OUT, DIGITS = 0.5, 6


def score_kernels(
    model: eqx.nn.Sequential, x: Float[np.ndarray, "n n_in"], y: Int[np.ndarray, " n"]
) -> dict[str, float]:
    """Held-out errors and accuracies by kernel, and two numbers without labels."""
    kernel = networks.tangent_kernel(model, x)
    batch = check_batch(Untrained(model, None), x, y)
    split = split_batch(batch, HELD_OUT)
    sparse = kernel - last_part(model, x)
    found: dict[str, float] = {
        "trace": float(np.trace(kernel, dtype=float)) / len(x),
        "effective rank": networks.effective_rank(kernel),
    }
    for name, each in {"all": kernel, "sparse": sparse, "unit": unit(sparse)}.items():
        judged = judge(each, batch, split)
        found |= {f"error, {name}": judged.error, f"accuracy, {name}": judged.accuracy}
    return {name: significant(value, DIGITS) for name, value in found.items()}


def last_part(model: eqx.nn.Sequential, x: Float[np.ndarray, "n n_in"]) -> Float[np.ndarray, "n n"]:
    """What the weights and biases of the last layer add to the kernel."""
    features = np.asarray(_features(model[:-1], jnp.asarray(x)), float)
    return model.layers[-1].out_features * (features @ features.T + 1)


def unit(kernel: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The same with ones on its diagonal, or zeros where it has them."""
    lengths = np.sqrt(np.maximum(np.diag(kernel), 0))
    inverse = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return kernel * inverse * inverse[:, None]


@eqx.filter_jit
def _features(model: Any, x: Array) -> Array:
    return jax.vmap(model)(x)
