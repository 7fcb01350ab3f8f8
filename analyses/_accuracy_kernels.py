"""Kernel regressions with a network's tangent kernel, and with that of its sparse layers.

The weights of the last, dense layer are the same in number and kind whatever the wiring. What is
left without them is what wirings differ in; the entries of that kernel may be divided by those of
the diagonal, so that all examples count alike.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from analyses.kit import significant
from topokit import networks
from topokit.networks._kernel_regression import judge, split_batch
from topokit.networks._untrained import Untrained, check_batch

HELD_OUT, DIGITS = 0.5, 6


def score_kernels(
    model: eqx.nn.Sequential,
    sparse: Float[np.ndarray, "n n"],
    x: Float[np.ndarray, "n n_in"],
    y: Int[np.ndarray, " n"],
) -> dict[str, float]:
    """Held-out errors and accuracies by kernel, and numbers without labels.

    Args:
        model: The network.
        sparse: The kernel of its sparse layers.
        x: Examples.
        y: Their labels.
    """
    kernel = networks.tangent_kernel(model, x)
    batch = check_batch(Untrained(model, None), x, y)
    split = split_batch(batch, HELD_OUT)
    found: dict[str, float] = {
        "trace": float(np.trace(kernel, dtype=float)) / len(x),
        "trace, sparse": float(np.trace(sparse, dtype=float)) / len(x),
        "effective rank": networks.effective_rank(kernel),
    }
    for name, each in {"all": kernel, "sparse": sparse, "unit": unit(sparse)}.items():
        judged = judge(each, batch, split)
        found |= {f"error, {name}": judged.error, f"accuracy, {name}": judged.accuracy}
    return {name: significant(value, DIGITS) for name, value in found.items()}


def unit(kernel: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The same with ones on its diagonal, or zeros where it has them."""
    lengths = np.sqrt(np.maximum(np.diag(kernel), 0))
    inverse = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return kernel * inverse * inverse[:, None]
