"""A training in which one seed decides everything that is random."""

from collections.abc import Callable, Mapping
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import optax

from topokit._checks import check_count, check_real, check_seed
from topokit.networks._dataset import Dataset
from topokit.networks._fingerprint import check_settings
from topokit.networks._rules import Rule
from topokit.networks._sparsify import Topology, sparsify
from topokit.networks._train import Epoch, Training, train


def train_from_seed(
    build: Callable[..., Any],
    data: Dataset,
    rule: Rule | Mapping[str, Topology],
    *,
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    between: optax.GradientTransformation | None = None,
    behind: Callable[[Any, optax.Schedule], optax.GradientTransformation] | None = None,
    checkpoint: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    callback: Callable[[Epoch, Any, Any], object] | None = None,
) -> Training:
    """Build a model, put topologies into it, and train it by Adam.

    Args:
        build: Makes the dense model from the keyword `key`, such as a `partial` of `mlp`; it may
            have a state.
        data: Examples and labels.
        rule: Chooses the topologies, as in `sparsify`; an empty mapping keeps the dense model.
        seed: Decides the first weights and the order of the examples.
        epochs: As in `train`.
        batch_size: As in `train`.
        learning_rate: The first one, which falls to 0 along a cosine.
        between: What changes a step after Adam has scaled the gradients and before the learning
            rate does, such as `force`; with a checkpoint, state it in the settings.
        behind: From the model and the falling learning rate to what ends the chain, such as
            `group_lasso`; stated in the settings likewise.
        checkpoint: As in `train`.
        settings: As in `train`; the optimizer is stated already.
        callback: As in `train`.

    Raises:
        ValueError: As in `train`; and if the learning rate is not a positive number.

    Examples:
        >>> from functools import partial
        >>> import numpy as np
        >>> from topokit import networks
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> build = partial(networks.mlp, (8,), [8], 2)
        >>> found = networks.train_from_seed(
        ...     build,
        ...     data,
        ...     networks.low_rank_with(0.8),
        ...     seed=0,
        ...     epochs=1,
        ...     batch_size=50,
        ...     learning_rate=0.01,
        ... )
        >>> len(found.epochs)
        1

    See Also:
        `train`, with a model and an optimizer of one's own.
    """
    learning_rate = check_real("learning_rate", learning_rate, least=0, most=inf, above=True)
    check_count("batch_size", batch_size, most=len(data.train_x))
    key = jax.random.key(check_seed("seed", seed))
    model, state = eqx.nn.make_with_state(build)(key=key)
    steps = max(1, check_count("epochs", epochs, least=0) * (len(data.train_x) // batch_size))
    model = sparsify(model, rule, key=key)
    last = None if behind is None else behind(model, _falling(learning_rate, steps))
    return train(
        model,
        data,
        optimizer=falling_adam(learning_rate, steps, between, last),
        state=state,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        checkpoint=checkpoint,
        settings={"optimizer": {"adam": learning_rate, "steps": steps}} | check_settings(settings),
        callback=callback,
    )


@cache
def falling_adam(
    learning_rate: float,
    steps: int,
    between: optax.GradientTransformation | None = None,
    last: optax.GradientTransformation | None = None,
) -> optax.GradientTransformation:
    """Adam whose rate falls to 0 along a cosine in so many steps, and what is between and behind.

    The same object for the same settings, for which a step is compiled once.
    """
    rate = _falling(learning_rate, steps)
    if between is last is None:
        return optax.adam(rate)
    parts = optax.scale_by_adam(), between, optax.scale_by_learning_rate(rate), last
    return optax.chain(*(part for part in parts if part is not None))


@cache
def _falling(learning_rate: float, steps: int) -> optax.Schedule:
    return optax.cosine_decay_schedule(learning_rate, steps)
