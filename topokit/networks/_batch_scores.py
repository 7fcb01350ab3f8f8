"""All scores of an untrained network that one batch of examples can give, side by side."""

from collections.abc import Iterator
from dataclasses import fields
from time import perf_counter
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Shaped

from topokit._records import Record
from topokit.networks._activation_patterns import count_gates, log_agreement, patterns_of
from topokit.networks._gradient_scores import flow_of, grasp_of, sensitivity_of
from topokit.networks._kernel_regression import judge, split_batch, standard_error
from topokit.networks._kernel_spectrum import condition_number, effective_rank
from topokit.networks._tangent_kernel import kernel_of
from topokit.networks._untrained import Untrained, check_batch, draw_models

HELD_OUT = 0.5

# The most examples whose patterns are compared, as many as in the paper; see `naswot`.
COMPARED = 128


class BatchScores(Record):
    """Scores of an untrained network on a batch, each the mean over draws of first weights.

    Attributes:
        error: Squared error of the kernel regression on the half held out, relative to that of the
            training half's mean; lower is better. None without targets.
        accuracy: Share of right labels there; None without labels.
        naswot: Log-determinant of the agreement of ReLU patterns of some examples; None of a
            network without ReLUs.
        trace: Mean squared length of the gradient of an example's outputs, the tangent kernel's
            trace over the number of examples.
        effective_rank: Directions that the tangent kernel tells apart, from 1 to the examples.
        condition: Greatest over least eigenvalue of the tangent kernel.
        synflow: Natural logarithm of the synaptic flow.
        grasp: Gain of gradient flow as weights shrink; None without targets.
        ntk_sap: The trace again, of all weights, by finite differences of predictions.
        draws: For each draw all of these numbers, in this order.
        seconds: Wall time of all draws, compilation included.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> model = networks.mlp((5,), [16], 3, key=jax.random.key(0))
        >>> found = networks.batch_scores(model, np.random.default_rng(0).standard_normal((9, 5)))
        >>> len(found.draws), found.error
        (1, None)

    See Also:
        `batch_scores`, which returns it.
    """

    error: float | None
    accuracy: float | None
    naswot: float | None
    trace: float
    effective_rank: float
    condition: float
    synflow: float
    grasp: float | None
    ntk_sap: float
    draws: tuple[tuple[float | None, ...], ...]
    seconds: float

    @property
    def standard_errors(self) -> dict[str, float | None]:
        """Of each mean, over draws; None for a single one, or where one is not finite."""
        columns = dict(zip(SCORES, np.array(self.draws, float).T, strict=True))
        known = {name: np.isfinite(column).all() for name, column in columns.items()}
        return {name: standard_error(c) if known[name] else None for name, c in columns.items()}


SCORES = tuple(field.name for field in fields(BatchScores))[:-2]


def batch_scores(
    model: Any,
    x: Shaped[np.ndarray | Array, "n *shape"],
    y: Shaped[np.ndarray | Array, "_n *outputs"] | None = None,
    *,
    state: Any = None,
    sparse_only: bool = True,
    draws: int = 1,
    seed: int = 0,
) -> BatchScores:
    """Every score of an untrained network on one batch, from one tangent kernel a draw.

    Compare networks of the same outputs by them, on the same examples. Which of them order
    accuracies is a matter of the data: look at `error` and `accuracy` first, which alone know the
    labels, then at `naswot`, and see the page on scores and accuracy.

    ReLU patterns are compared of 128 examples, spread over the batch, or of half as many as the
    network has ReLUs where that is less: more than those no pattern can tell apart.

    Cost: that of `tangent_kernel` and of a few eigendecompositions for each draw; all else is
    small beside it.

    Args:
        model: Any Equinox model that takes one example and returns a vector; or a function that
            makes one from the keyword `key`, for several draws.
        x: Examples, at least 8.
        y: Labels, integers from 0, or floats, `(n, outputs)`, as in `kernel_regression`; None for
            the scores that need none.
        state: The state of a model that has one, as in `train`; what makes a model may make both.
        sparse_only: As in `kernel_regression`; all that is told of the tangent kernel is of that
            one, and `synflow`, `grasp` and `ntk_sap` are of all weights.
        draws: How many models to make and average over.
        seed: The first is made with `jax.random.key(seed)`, the next with the next seed.

    Raises:
        ValueError: As `kernel_regression`.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> x = np.random.default_rng(0).standard_normal((200, 8))
        >>> model = networks.mlp((8,), [32], 2, key=jax.random.key(0))
        >>> found = networks.batch_scores(model, x, (x[:, 0] > 0).astype(int))
        >>> found.accuracy > 0.8, 1 < found.effective_rank < 200
        (True, True)

    See Also:
        `kernel_regression`, the first two alone, with more choices.
    """
    began = perf_counter()
    models = draw_models(model, state, draws=draws, seed=seed)
    rows = tuple(tuple(_scores(one, x, y, seed, sparse_only)) for one in models)
    means: dict[str, Any] = {
        name: None if None in column else float(np.mean(column))
        for name, column in zip(SCORES, zip(*rows, strict=True), strict=True)
    }
    return BatchScores(**means, draws=rows, seconds=perf_counter() - began)


def _scores(one: Untrained, x: Any, y: Any, seed: int, sparse_only: bool) -> Iterator[float | None]:
    """Those of one draw, in the order of the record."""
    batch = check_batch(one, x, y)
    kernel = kernel_of(one, batch.x, sparse_only=sparse_only)
    if not kernel.any():
        raise ValueError(
            "the model must have weights that move its outputs; given one whose gradients are all "
            "0 for these examples, as where every ReLU is off"
        )
    known = batch.targets is not None
    judged = judge(kernel, batch, split_batch(batch, HELD_OUT)) if known else None
    yield judged.error if judged else None
    yield judged.accuracy if judged and batch.labels is not None else None
    yield _agreement(one, batch.x)
    yield float(np.trace(kernel, dtype=float)) / len(kernel)
    yield effective_rank(kernel)
    yield condition_number(kernel)
    yield flow_of(one, batch.x.shape[1:])
    yield grasp_of(one, batch) if known else None
    yield sensitivity_of(one, batch.x, seed=seed)


def _agreement(one: Untrained, x: Float[Array, "n *shape"]) -> float | None:
    """`naswot` of examples spread over the batch, fewer than there are gates."""
    n_gates = count_gates(one, x)
    if not n_gates:
        return None
    n = min(len(x), COMPARED, max(2, n_gates // 2))
    return log_agreement(patterns_of(one, x[np.arange(n) * len(x) // n]))
