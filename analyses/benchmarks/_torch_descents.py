"""The descent of `_descents.py` as one would write it in PyTorch, the gradient by autograd.

Dense masked matrices, one target at a time or all by batched products; sparse tensors in CSR and
COO; and a list of edges, gathered and added up, as graph networks do it. A sparse product needs
the sparse matrix on the left, so the sparse ones carry transposed activations. Everything is on
PyTorch's default device.
"""

import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

import topokit as tk
from analyses.benchmarks._descents import RATE, Descent, Drawn, from_dense, to_dense

warnings.filterwarnings("ignore", "Sparse", UserWarning)

Product = Callable[[list], "torch.Tensor"]


def descend(
    product: Product, start: list, goal: "torch.Tensor", steps: int
) -> tuple["torch.Tensor", list]:
    """Take steps from `start`; the squared error of the last one, and the weights."""
    weights = [w.detach().clone().requires_grad_() for w in start]
    loss = torch.zeros(())
    for _ in range(steps):
        loss = torch.square(product(weights) - goal).sum()
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(gradient, alpha=RATE)
    return loss.detach(), [w.detach() for w in weights]


def one_by_one(product: Product, starts: list[list], goals: "torch.Tensor") -> Callable:
    """Target after target."""

    def run(steps: int) -> tuple[float, list[list]]:
        done = [descend(product, s, g, steps) for s, g in zip(starts, goals, strict=True)]
        return float(sum(value for value, _ in done)), [weights for _, weights in done]

    return run


def by_dense(case: Drawn) -> Descent:
    """Dense masked matrices, one target at a time."""
    masks = [torch.tensor(mask, dtype=torch.float32) for mask in tk.to_masks(case.layers)]
    starts = [[torch.tensor(m[t]) for m in to_dense(case)] for t in range(len(case.targets))]

    def product(dense: list) -> "torch.Tensor":
        result = dense[0] * masks[0]
        for matrix, mask in zip(dense[1:], masks[1:], strict=True):
            result = result @ (matrix * mask)
        return result

    def edges(final: list[list]) -> list[np.ndarray]:
        return from_dense(case.layers, stacked(final))

    return Descent(one_by_one(product, starts, torch.tensor(case.targets)), edges)


def by_bmm(case: Drawn) -> Descent:
    """Dense masked matrices, all targets by batched products."""
    masks = [torch.tensor(mask, dtype=torch.float32) for mask in tk.to_masks(case.layers)]
    start, goals = [torch.tensor(m) for m in to_dense(case)], torch.tensor(case.targets)

    def product(dense: list) -> "torch.Tensor":
        result = dense[0] * masks[0]
        for matrix, mask in zip(dense[1:], masks[1:], strict=True):
            result = torch.bmm(result, matrix * mask)
        return result

    def run(steps: int) -> tuple[float, list]:
        value, dense = descend(product, start, goals, steps)
        return float(value), dense

    return Descent(run, lambda dense: from_dense(case.layers, [m.cpu() for m in dense]))


def by_edges(case: Drawn, multiply: Callable) -> Descent:
    """A weight for each edge; `multiply(layer, weights, x)` is a layer's product."""
    starts = [[torch.tensor(w[t]) for w in case.weights] for t in range(len(case.targets))]
    n_in, first = case.layers.widths[:2]
    places = index(case.layers.receivers[0]), index(case.layers.senders[0])

    def product(weights: list) -> "torch.Tensor":
        result = torch.zeros(first, n_in).index_put(places, weights[0])
        for layer in range(1, len(weights)):
            result = multiply(layer, weights[layer], result)
        return result

    return Descent(one_by_one(product, starts, torch.tensor(case.targets).mT), stacked)


def by_csr(case: Drawn) -> Descent:
    """Sparse tensors in CSR."""
    shapes = [(n_out, n_in) for n_in, n_out in pairwise(case.layers.widths)]
    columns = [index(senders) for senders in case.layers.senders]
    rows = zip(case.layers.receivers, shapes, strict=True)
    starts = [index(np.searchsorted(r, np.arange(shape[0] + 1))) for r, shape in rows]

    def multiply(layer: int, weights: "torch.Tensor", x: "torch.Tensor") -> "torch.Tensor":
        parts = starts[layer], columns[layer], weights, shapes[layer]
        return torch.sparse_csr_tensor(*parts) @ x

    return by_edges(case, multiply)


def by_coo(case: Drawn) -> Descent:
    """Sparse tensors in COO."""
    shapes = [(n_out, n_in) for n_in, n_out in pairwise(case.layers.widths)]
    rows = zip(case.layers.receivers, case.layers.senders, strict=True)
    places = [torch.stack([index(r), index(s)]) for r, s in rows]

    def multiply(layer: int, weights: "torch.Tensor", x: "torch.Tensor") -> "torch.Tensor":
        parts = places[layer], weights, shapes[layer]
        return torch.sparse.mm(torch.sparse_coo_tensor(*parts, is_coalesced=True), x)

    return by_edges(case, multiply)


def by_gathering(case: Drawn) -> Descent:
    """Rows gathered edge by edge and added up at the receivers."""
    senders, receivers = (
        [index(end) for end in ends] for ends in (case.layers.senders, case.layers.receivers)
    )

    def multiply(layer: int, weights: "torch.Tensor", x: "torch.Tensor") -> "torch.Tensor":
        blank = torch.zeros(case.layers.widths[layer + 1], x.shape[1])
        return blank.index_add(0, receivers[layer], weights[:, None] * x[senders[layer]])

    return by_edges(case, multiply)


def stacked(final: list[list]) -> list[np.ndarray]:
    """From weights target by target to those layer by layer."""
    return [np.stack([w.cpu() for w in layer]) for layer in zip(*final, strict=True)]


def index(values: np.ndarray) -> "torch.Tensor":
    """As torch wants its indices."""
    return torch.tensor(values.astype(np.int64))


torch.set_num_threads(1)

MAKERS = {
    "torch dense": by_dense,
    "torch bmm": by_bmm,
    "torch CSR": by_csr,
    "torch COO": by_coo,
    "torch edges": by_gathering,
}
