"""A layer as lists of edges, in PyTorch: three sums, each of them the derivative of another.

A layer is a trilinear form in the weights `w`, the senders' rows `x` and the receivers' rows `y`,
as in `topokit.products`. Each of its partial sums is an operator of PyTorch, which autograd and
`torch.compile` take as one piece: `receive` makes `y` of `(w, x)`, `send_back` makes `x` of
`(w, y)`, `correlate` makes `w` of `(x, y)`. They are closed under differentiation, gather alone,
and keep nothing that is larger than the weights and the signals.

Sums of gathered rows are what `embedding_bag` computes; one column is multiplied faster by a matrix
in CSR, and the products of rows are a sampled matrix product. Measured on one core of a CPU
(analyses/benchmarks/torch_layers.py).
"""

import warnings
from collections.abc import Callable

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

ROLES = ("w", "x", "y")
TABLES = 5
# Columns of a sampled product at a time, so that rows stay in the cache.
COLUMNS = 512
CSR_TYPES = (torch.float32, torch.float64)

with warnings.catch_warnings():
    # PyTorch says once in a process that matrices in CSR are new there.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1), check_invariants=False, device="cpu")


@torch.library.custom_op("topokit::receive", mutates_args=())
def receive(
    w: Tensor,
    x: Tensor,
    ends: Tensor,
    senders: Tensor,
    back_ends: Tensor,
    receivers: Tensor,
    order: Tensor,
) -> Tensor:
    """The receivers' rows from the senders'.

    Args:
        w: The weight of each edge, by receiver and then by sender.
        x: Rows of the senders, `(n_in, columns)`.
        ends: Where the edges of each receiver begin, and at last where all end.
        senders: The sender of each edge.
        back_ends: Where the edges of each sender begin, by sender and then by receiver.
        receivers: The receiver of each edge in that order.
        order: Place of each of these edges among the weights.
    """
    del back_ends, receivers, order
    return _sum(w, x, ends, senders)


@torch.library.custom_op("topokit::send_back", mutates_args=())
def send_back(
    w: Tensor,
    y: Tensor,
    ends: Tensor,
    senders: Tensor,
    back_ends: Tensor,
    receivers: Tensor,
    order: Tensor,
) -> Tensor:
    """What comes back to the senders from the receivers; arguments as in `receive`."""
    del ends, senders
    return _sum(w.index_select(0, order), y, back_ends, receivers)


@torch.library.custom_op("topokit::correlate", mutates_args=())
def correlate(
    x: Tensor,
    y: Tensor,
    ends: Tensor,
    senders: Tensor,
    back_ends: Tensor,
    receivers: Tensor,
    order: Tensor,
) -> Tensor:
    """For each edge the scalar product of its sender's row and its receiver's."""
    del back_ends, receivers, order
    products = sampled_products if x.device.type == "cpu" else bag_products
    return products(x, y, ends, senders)


@receive.register_fake
def _(w: Tensor, x: Tensor, ends: Tensor, *tables: Tensor) -> Tensor:
    del w, tables
    return x.new_empty(ends.shape[0] - 1, x.shape[1])


@send_back.register_fake
def _(
    w: Tensor, y: Tensor, ends: Tensor, senders: Tensor, back_ends: Tensor, *tables: Tensor
) -> Tensor:
    del w, ends, senders, tables
    return y.new_empty(back_ends.shape[0] - 1, y.shape[1])


@correlate.register_fake
def _(x: Tensor, y: Tensor, ends: Tensor, senders: Tensor, *tables: Tensor) -> Tensor:
    del y, ends, tables
    return x.new_empty(senders.shape[0])


PARTIAL_SUMS = {"w": correlate, "x": send_back, "y": receive}


def _derivative_without(missing: str) -> Callable[..., tuple[Tensor | None, ...]]:
    """The derivative of the sum that leaves this role open: sums that leave another one open."""
    given = [role for role in ROLES if role != missing]

    def backward(ctx, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        first, second, *tables = ctx.saved_tensors
        roles = {given[0]: first, given[1]: second, missing: cotangent}
        parts = [
            PARTIAL_SUMS[unknown](*(roles[role] for role in ROLES if role != unknown), *tables)
            if needed
            else None
            for unknown, needed in zip(given, ctx.needs_input_grad, strict=False)
        ]
        return *parts, *[None] * TABLES

    return backward


def _save(ctx, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    del output
    ctx.save_for_backward(*inputs)


for _missing, _operator in PARTIAL_SUMS.items():
    _operator.register_autograd(_derivative_without(_missing), setup_context=_save)


def _sum(w: Tensor, x: Tensor, ends: Tensor, senders: Tensor) -> Tensor:
    """The weighted sum of the senders' rows of each receiver."""
    columns = x.shape[1]
    if columns == 0:
        return x.new_zeros(ends.shape[0] - 1, 0)
    if columns == 1 and _by_csr(x):
        return _csr(ends, senders, w, x.shape[0]) @ x
    rows, weights = x.detach().contiguous(), w.detach().contiguous()
    # Its arguments: no gradient by frequency, mode 0 for sums, none sparse, the last end is given.
    return torch.embedding_bag(rows, senders, ends, False, 0, False, weights, True)[0]


def _by_csr(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype in CSR_TYPES and torch.backends.mkl.is_available()


def _csr(ends: Tensor, senders: Tensor, values: Tensor, n_senders: int) -> Tensor:
    shape = ends.shape[0] - 1, n_senders
    return torch.sparse_csr_tensor(ends, senders, values, shape, check_invariants=False)


def sampled_products(x: Tensor, y: Tensor, ends: Tensor, senders: Tensor) -> Tensor:
    """Products of rows by edge, the faster way on a CPU; at least in single precision."""
    wide = torch.promote_types(x.dtype, torch.float32)
    total = torch.zeros(senders.shape[0], dtype=wide, device=x.device)
    places = _csr(ends, senders, total, x.shape[0])
    for before, after in zip(x.split(COLUMNS, 1), y.split(COLUMNS, 1), strict=True):
        factors = after.to(wide).contiguous(), before.to(wide).contiguous().T
        total = total + torch.sparse.sampled_addmm(places, *factors, beta=0.0).values()
    return total.to(x.dtype)


def bag_products(x: Tensor, y: Tensor, ends: Tensor, senders: Tensor) -> Tensor:
    """The same as the gradient of `embedding_bag` has it, for any device and type."""
    numbers = torch.arange(ends.shape[0] - 1, dtype=ends.dtype, device=ends.device)
    bags = torch.repeat_interleave(numbers, ends.diff(), output_size=senders.shape[0])
    rows = y.contiguous(), x.contiguous()
    gradient = torch.ops.aten._embedding_bag_per_sample_weights_backward
    return gradient(*rows, senders, ends, bags, 0)
