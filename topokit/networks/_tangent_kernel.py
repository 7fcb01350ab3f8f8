"""The empirical tangent kernel of a network, from the gradients of its outputs.

For weights `w` and outputs `f(x)` the kernel of two examples is `J(x) J(x')^T` with the Jacobian
`J = df/dw`: how far a step that changes the output of one changes that of the other. A sparse
layer's gradient is as short as its edges, so that Jacobians are multiplied as they stand, some
examples at a time.
"""

from functools import partial
from itertools import product
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Shaped

from topokit._checks import check_flag
from topokit._limits import check_memory
from topokit._progress import Bar, progress
from topokit.networks._counted_weights import counted_weights
from topokit.networks._infer_one import infer_one
from topokit.networks._untrained import (
    Untrained,
    check_batch,
    count_outputs,
    draw_models,
    needing_gradients,
)

# Bytes of the Jacobians that are held while others pass by, of those, and of what is computed at
# once: arrays beyond some 32 MiB are slow to come by.
HELD, PASSING, AT_ONCE = 2**29, 2**27, 2**25

# Bytes that the kernel may take.
LIMIT = 2**32

# Bytes for each entry: the kernel's own, and in double precision those of what takes it apart.
ENTRY = 4 + 3 * 8


def tangent_kernel(
    model: Any,
    x: Shaped[np.ndarray | Array, "n *shape"],
    *,
    state: Any = None,
    full: bool = False,
    sparse_only: bool = False,
) -> Float[np.ndarray, "rows rows"]:
    """The tangent kernel of a network at its weights, on a batch.

    Source: Jacot, Gabriel and Hongler (2018, arXiv:1806.07572), section 4, at finite width. The
    weights are all inexact arrays of the model, biases among them, as for an optimizer, or those of
    its sparse layers; dropout and batch normalization are set to inference.

    Cost: for n examples, c outputs and P weights about `n^2 c P` operations, `n^2 c^2 P` for the
    full kernel: a network of sparse layers takes as much less as it has fewer edges. Memory: `n^2`
    numbers, `(n c)^2` for the full one, and at most some 700 MiB of gradients at a time, or twice
    those of one example if they are more.

    Args:
        model: Any Equinox model that takes one example and returns a vector.
        x: Examples.
        state: The state of a model that has one, as in `train`.
        full: Whether each output of each example has a row, and not each example the sum over its
            outputs.
        sparse_only: Whether dense layers are left out, as in `kernel_regression`.

    Returns:
        The kernel, symmetric and positive semidefinite but for rounding; in single precision unless
        the model has double. Of the full one row `i c + k` is output k of example i.

    Raises:
        ValueError: If there are fewer than 8 examples or one does not fit the model, a value is not
            finite, the model returns no vector, or more than 4 GiB would be needed.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> model = networks.mlp((5,), [16], 3, key=jax.random.key(0))
        >>> x = np.random.default_rng(0).standard_normal((10, 5))
        >>> networks.tangent_kernel(model, x).shape
        (10, 10)
        >>> networks.tangent_kernel(model, x, full=True).shape
        (30, 30)

    See Also:
        `kernel_regression`, what it can learn; `effective_rank` and `condition_number`, of it.
    """
    full = check_flag("full", full)
    (one,) = draw_models(model, state, draws=1, seed=0)
    return kernel_of(one, check_batch(one, x).x, full=full, sparse_only=sparse_only)


def kernel_of(
    one: Untrained, x: Float[Array, "n *shape"], *, full: bool = False, sparse_only: bool = False
) -> Float[np.ndarray, "rows rows"]:
    """The same, of what was checked."""
    n, n_outputs = len(x), count_outputs(one, x.shape[1:])
    rows = n_outputs if full else 1
    counted = counted_weights(one.model, sparse_only=sparse_only)
    n_weights = sum(leaf.size for leaf in jax.tree.leaves(counted))
    each = rows * n_weights * x.dtype.itemsize
    _check_memory(n, rows, each)
    held, passing = (_at_most(n, size, each) for size in (HELD, PASSING))
    large, small = (np.empty((k * rows, n_weights), x.dtype) for k in (held, passing))
    kernel = np.zeros((n, rows, n, rows), x.dtype)
    chosen = np.eye(n_outputs, dtype=x.dtype).reshape(-1, rows, n_outputs)
    work = progress("tangent kernel", n * n * len(chosen))
    with work as bar, np.errstate(over="ignore", invalid="ignore"):
        for outputs, block in product(chosen, _blocks(0, n, held)):
            fill = partial(_fill, one=one, weights=counted, outputs=outputs, bar=bar)
            own = fill(large, x=x[block])
            for other in (block, *_blocks(block.stop, n, passing)):
                across = own if other == block else fill(small, x=x[other])
                there = kernel[block, :, other]
                there += (own @ across.T).reshape(there.shape)
                bar.advance(there.size / rows**2 * (1 if other == block else 2))
    return _whole(kernel.reshape(n * rows, n * rows))


def _whole(kernel: Float[np.ndarray, "rows rows"]) -> Float[np.ndarray, "rows rows"]:
    """A kernel whose blocks on and above the diagonal are there."""
    for row in range(len(kernel)):
        kernel[row, :row] = kernel[:row, row]
    _check_finite(kernel)
    return kernel


def _at_most(n: int, size: int, each: int) -> int:
    """How many of n things of so many bytes fit a size, 1 at least."""
    return min(n, max(1, size // each))


def _blocks(first: int, last: int, length: int) -> list[slice]:
    return [slice(start, min(start + length, last)) for start in range(first, last, length)]


def _check_memory(n: int, rows: int, gradients: int) -> None:
    """Refuse more examples than memory holds, at so many rows and bytes of gradients each."""
    check_memory(
        "the tangent kernel",
        ENTRY * (n * rows) ** 2 + 3 * gradients,
        LIMIT,
        "give fewer of them, or a smaller model" + (", or full=False" if rows > 1 else ""),
        of=f"{n} examples",
    )


def _check_finite(kernel: Float[np.ndarray, "rows rows"]) -> None:
    if not np.isfinite(kernel).all():
        raise ValueError(
            "the gradients of the model overflow, or are not a number, for some of the examples: "
            "scale the examples, or the first weights, down"
        )


def _fill(
    buffer: Float[np.ndarray, "most weights"],
    *,
    one: Untrained,
    weights: Any,
    x: Float[Array, "n *shape"],
    outputs: Float[np.ndarray, "each n_outputs"],
    bar: Bar,
) -> Float[np.ndarray, "rows weights"]:
    """Gradients of some outputs of examples, in the first rows of a buffer.

    Always as many are mapped together.
    """
    rows = len(outputs)
    piece = _at_most(len(x), AT_ONCE, rows * buffer[0].nbytes)
    for part in _blocks(0, len(x), piece):
        chosen = np.resize(np.arange(part.start, part.stop), piece)
        there, column = buffer[part.start * rows : part.stop * rows], 0
        for leaf in _differentiated(one, weights, x[chosen], outputs):
            flat = np.asarray(leaf).reshape(piece * rows, -1)
            there[:, column : column + flat.shape[1]] = flat[: len(there)]
            column += flat.shape[1]
        bar.advance(0)  # what counts is the product, and yet something is done
    return buffer[: len(x) * rows]


def _differentiated(
    one: Untrained,
    weights: Any,
    x: Float[Array, "piece *shape"],
    outputs: Float[np.ndarray, "each n_outputs"],
) -> list[Float[Array, "piece each *_weights"]]:
    """Gradients, or one line where the model has none."""
    with needing_gradients():
        return _gradients(one, weights, x, outputs)


@eqx.filter_jit
def _gradients(
    one: Untrained,
    weights: Any,
    x: Float[Array, "piece *shape"],
    outputs: Float[Array | np.ndarray, "each n_outputs"],
) -> list[Float[Array, "piece each *_weights"]]:
    """Of each array of weights on its own: to join them would take as long as to compute them."""

    def rows(x: Array) -> list[Array]:
        returned, back = jax.vjp(
            lambda w: infer_one(eqx.combine(w, one.model), one.state, x), weights
        )
        (found,) = jax.vmap(back)(outputs.astype(returned.dtype))
        return jax.tree.leaves(found)

    return jax.vmap(rows)(x)
