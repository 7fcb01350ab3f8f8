"""What a network would learn near its first weights: regression with its tangent kernel.

A network that is trained with small steps, and hardly leaves its first weights, becomes a kernel
regression with the tangent kernel that it has there. How well that foretells examples that were
held out can be known without any training, on few examples. The ridge is the one that leaves the
least error when each training example is left out in turn, which has a closed form: for the kernel
`K`, `B = (K + ridge I)^-1` and `a = B Y` the error of what was left out is `a_i / B_ii`. With a row
for each output of an example, `B_ii` is a block, and a linear system takes the place of the
quotient.
"""

from collections.abc import Iterator
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from topokit._checks import check_flag, check_real
from topokit._records import Record
from topokit.networks._dataset import split_by_class
from topokit.networks._tangent_kernel import kernel_of
from topokit.networks._untrained import Batch, check_learned, draw_models

# Ridges to choose from, relative to the mean eigenvalue of the training examples' kernel.
RIDGES = 10.0 ** np.arange(-6.0, 2.1, 0.5)


# The share of targets that rounding may leave of a difference that is 0.
ROUNDING = 1e-13


class KernelRegression(Record):
    """How well the tangent kernels of untrained networks foretell examples that were held out.

    Attributes:
        error: Mean over draws of the squared error on held-out examples, relative to that of the
            training examples' mean: 0 is exact, 1 no better than that mean; there is no upper end.
        error_standard_error: Of that mean, over draws; None for one draw.
        accuracy: Mean share of held-out examples whose largest output is the right one, in [0, 1];
            None of numbers.
        accuracy_standard_error: Of that mean, over draws; None for one draw, and of numbers.
        errors: The error of each draw.
        accuracies: The accuracy of each draw; None of numbers.
        ridges: The ridge of each draw, relative to the mean eigenvalue of the kernel.
        n_train: Examples to learn from.
        n_held_out: Examples held out.
        seconds: Wall time of all draws, compilation included.

    Examples:
        >>> from functools import partial
        >>> import numpy as np
        >>> from topokit import networks
        >>> x = np.random.default_rng(0).standard_normal((60, 8))
        >>> build = partial(networks.mlp, (8,), [16], 2)
        >>> found = networks.kernel_regression(build, x, (x[:, 0] > 0).astype(int), draws=3)
        >>> found.errors.shape, found.n_train, found.n_held_out
        ((3,), 30, 30)

    See Also:
        `kernel_regression`, which returns it.
    """

    error: float
    error_standard_error: float | None
    accuracy: float | None
    accuracy_standard_error: float | None
    errors: Float[np.ndarray, " draws"]
    accuracies: Float[np.ndarray, " draws"] | None
    ridges: Float[np.ndarray, " draws"]
    n_train: int
    n_held_out: int
    seconds: float


class Judged(NamedTuple):
    """One draw on the examples held out.

    Attributes:
        error: Squared error relative to that of the training examples' mean.
        accuracy: Share of right labels; NaN of numbers.
        ridge: The ridge relative to the mean eigenvalue.
    """

    error: float
    accuracy: float
    ridge: float


class Split(NamedTuple):
    """Which examples are learned from, and which are held out."""

    train: Int[np.ndarray, " n_train"]
    held_out: Int[np.ndarray, " n_held_out"]


def kernel_regression(
    model: Any,
    x: Shaped[np.ndarray | Array, "n *shape"],
    y: Shaped[np.ndarray | Array, "_n *outputs"],
    *,
    state: Any = None,
    held_out: float = 0.5,
    full: bool = False,
    sparse_only: bool = True,
    draws: int = 1,
    seed: int = 0,
) -> KernelRegression:
    """Held-out error and accuracy of a regression with the tangent kernel of an untrained network.

    A score of a wiring, or of any architecture, that sees the data and trains nothing: the lower
    the error, and the higher the accuracy, the better. Source: Jacot, Gabriel and Hongler (2018,
    arXiv:1806.07572), section 5, where least squares in the limit of small steps is this
    regression; the leave-one-out error that chooses the ridge is that of Allen (1974).

    Targets are one-hot vectors of the labels, or the numbers given, less their means over the
    training examples. All outputs share one kernel, the sum of those of the outputs, unless it is
    the full one, which is as many times larger either way and tells outputs apart.

    Cost: that of `tangent_kernel` and an eigendecomposition of the training examples' part for each
    draw.

    Args:
        model: Any Equinox model that takes one example and returns one number a class, or one for
            each target; or a function that makes one from the keyword `key`, for several draws.
        x: Examples, at least 8; some hundreds tell wirings apart.
        y: Labels, integers from 0; or floats, `(n, outputs)`, for a regressor.
        state: The state of a model that has one, as in `train`; what makes a model may make both.
        held_out: Share of the examples on which to judge, of each class its share; nothing is
            chosen by them. They are spread evenly over the batch.
        full: Whether to take the full kernel, with a row for each output of each example.
        sparse_only: Whether the kernel is that of the weights and biases of `SparseLinear`,
            `SparseConv2d` and `FactoredLayer` alone, but for those that join all pairs, as where a
            rule leaves a layer dense; of a model without any it is of all weights.
            Of wirings at equal edges that orders accuracies better than all weights do on MNIST,
            and elsewhere about as well: the page on scores and accuracy has the figures. Take
            False to compare sparse models with dense ones.
        draws: How many models to make and average over.
        seed: The first is made with `jax.random.key(seed)`, as in `train_from_seed`, the next with
            the next seed.

    Raises:
        ValueError: If the model is none, has weights of other types than float32 and float64 or no
            gradients, returns no vector or does not fit the examples, there are fewer than 8 or all
            are of one class, labels do not fit, numbers are beyond 1e-15 to 1e15 in size or those
            held out all the mean of the others, a value is not finite, or more than 4 GiB would be
            needed.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> x = np.random.default_rng(0).standard_normal((200, 8))
        >>> model = networks.mlp((8,), [32], 2, key=jax.random.key(0))
        >>> found = networks.kernel_regression(model, x, (x[:, 0] > 0).astype(int))
        >>> found.error < 0.8, found.accuracy > 0.8
        (True, True)

    See Also:
        `batch_scores`, which adds scores that need no labels; `tangent_kernel`, the kernel.
    """
    began = perf_counter()
    models = draw_models(model, state, draws=draws, seed=seed)
    full = check_flag("full", full)
    share = check_real("held_out", held_out, least=0, most=1, above=True, below=True)
    found, split = [], None
    for one in models:
        batch = check_learned(one, x, y)
        split = split_batch(batch, share)
        kernel = kernel_of(one, batch.x, full=full, sparse_only=sparse_only)
        found.append(judge(kernel, batch, split))
    assert split is not None
    errors, accuracies, ridges = np.array(found).T
    labeled = not np.isnan(accuracies).any()
    return KernelRegression(
        error=float(errors.mean()),
        error_standard_error=standard_error(errors),
        accuracy=float(accuracies.mean()) if labeled else None,
        accuracy_standard_error=standard_error(accuracies) if labeled else None,
        errors=errors,
        accuracies=accuracies if labeled else None,
        ridges=ridges,
        n_train=len(split.train),
        n_held_out=len(split.held_out),
        seconds=perf_counter() - began,
    )


def standard_error(values: Float[np.ndarray, " draws"]) -> float | None:
    """Of their mean; None for a single one."""
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None


def split_batch(batch: Batch, share: float) -> Split:
    """Examples to learn from and to judge on, two of each at least."""
    n = len(batch.x)
    classes = np.zeros(n, int) if batch.labels is None else batch.labels
    n_held_out = min(max(round(share * n), 2), n - 2)
    return Split(*split_by_class(classes, n_held_out))


def judge(kernel: Float[np.ndarray, "rows rows"], batch: Batch, split: Split) -> Judged:
    """Learn from one part of a batch by a kernel, and judge on the other."""
    assert batch.targets is not None
    targets, (train, held_out) = batch.targets, split
    mean = targets[train].mean(axis=0)
    rows = len(kernel) // len(targets)
    grid = kernel.reshape(len(targets), rows, len(targets), rows)
    known, asked = (
        grid[part][:, :, train].reshape(len(part) * rows, -1).astype(float) for part in split
    )
    wanted = (targets[train] - mean).reshape(len(train), rows, -1)
    coefficients, ridge = _fit(known, wanted)
    found = (asked @ coefficients).reshape(len(held_out), -1)
    missing = targets[held_out] - mean
    if np.abs(missing).max() <= ROUNDING * np.abs(targets).max():
        raise ValueError(
            "y must differ, among the examples held out, from the mean of those learned from; "
            "given the same numbers: give more examples, or another share held_out"
        )
    error = float(((missing - found) ** 2).sum() / (missing**2).sum())
    if batch.labels is None:
        return Judged(error, np.nan, ridge)
    right = (found + mean).argmax(axis=1) == batch.labels[held_out]
    return Judged(error, float(right.mean()), ridge)


def _fit(
    kernel: Float[np.ndarray, "rows rows"], targets: Float[np.ndarray, "n each columns"]
) -> tuple[Float[np.ndarray, "rows columns"], float]:
    """Coefficients of the training rows, and the ridge of the least leave-one-out error."""
    values, vectors = np.linalg.eigh(kernel)
    values = np.maximum(values, 0.0)
    scale = values.mean() or 1.0  # a network that no weight moves
    rotated = vectors.T @ targets.reshape(len(kernel), -1)
    rows = list(_left_out(values, vectors, rotated, scale * RIDGES, targets.shape[1]))
    best = int(np.argmin(rows))
    shrunk = rotated / (values + scale * RIDGES[best])[:, None]
    return vectors @ shrunk, float(RIDGES[best])


def _left_out(
    values: Float[np.ndarray, " rows"],
    vectors: Float[np.ndarray, "rows rows"],
    rotated: Float[np.ndarray, "rows columns"],
    ridges: Float[np.ndarray, " ridges"],
    each: int,
) -> Iterator[float]:
    """For each ridge the squared error of examples left out, of `each` rows."""
    blocks = vectors.reshape(-1, each, len(vectors))
    for ridge in ridges:
        inverse = np.matmul(blocks / (values + ridge), blocks.transpose(0, 2, 1))
        coefficients = vectors @ (rotated / (values + ridge)[:, None])
        errors = np.linalg.solve(inverse, coefficients.reshape(len(blocks), each, -1))
        yield float((errors**2).sum())
