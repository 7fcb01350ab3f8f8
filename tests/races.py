"""A small choice among networks, of which the widest alone can learn; for processes, too."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from topokit.networks import Choice, Dataset, choose, make_dataset, mlp

WIDTHS, HIDDEN = (1, 2, 3, 32), 32
OPTIONS: dict[str, Any] = {
    "budget": 0.4,
    "epochs": 20,
    "batch_size": 16,
    "learning_rate": 0.01,
    "keep": 1,
    "eta": 2,
    "seeds": 2,
}


def parity() -> Dataset:
    """The sign of a product of two numbers among eight, which takes hidden neurons."""
    x = np.random.default_rng(0).standard_normal((700, 8)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    return make_dataset(x[:600], y[:600], x[600:], y[600:], validation=0.4, name="parity")


DATA = parity()


def build(width: int) -> Callable[..., Any]:
    """What makes a network of so many hidden neurons."""
    return partial(mlp, (8,), [width], 2)


def race(*, data: Dataset = DATA, **options: Any) -> Choice:
    """The best of four widths."""
    candidates = {f"{width} hidden": build(width) for width in WIDTHS}
    return choose(candidates, data, **OPTIONS, **options)
