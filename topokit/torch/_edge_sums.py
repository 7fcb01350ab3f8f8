"""A layer as lists of edges, in PyTorch: three sums, each of them the derivative of another.

A layer is a trilinear form in the weights `w`, the senders' rows `x` and the receivers' rows `y`,
as in `topokit.products`. Each partial sum leaves one role open: `y` is made of `(w, x)`, what goes
back to `x` of `(w, y)`, the gradient of `w` of `(x, y)`. They are closed under differentiation,
gather alone, and keep nothing that is larger than the weights and the signals.

Sums of gathered rows are what `embedding_bag` computes; a single column of many senders goes faster
through a matrix in CSR, and products of rows are a sampled product of matrices. Measured on one
core of a CPU (analyses/benchmarks/torch_layers.py). To `torch.compile` each sum is one operator.
"""

import warnings
from typing import Any, NamedTuple

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

ROLES = ("w", "x", "y")
# Columns of a sampled product at a time, so that rows stay in the cache, and the fan-in from which
# on a matrix in CSR is faster for a single column.
COLUMNS, CSR_FAN_IN = 512, 8
CSR_TYPES = (torch.float32, torch.float64)

with warnings.catch_warnings():
    # PyTorch says once in a process that matrices in CSR are new there.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1), check_invariants=False, device="cpu")


class EdgeTables(NamedTuple):
    """The edges of a layer by receiver and then by sender, as weights are; and back.

    Attributes:
        ends: Where the edges of each receiver begin, and at last where all end.
        senders: The sender of each edge.
        back_ends: Where the edges of each sender begin, and at last where all end.
        receivers: The receiver of each of these.
        order: The place of each of these among the weights.
    """

    ends: Tensor
    senders: Tensor
    back_ends: Tensor
    receivers: Tensor
    order: Tensor


def contract(missing: str, first: Tensor, second: Tensor, tables: EdgeTables) -> Tensor:
    """The partial sum that leaves one role open, from the other two in the order w, x, y."""
    if torch.is_grad_enabled():
        return _Contraction.apply(missing, first, second, *tables)
    return _compute(missing, first, second, *tables)


class _Contraction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, missing: str, first: Tensor, second: Tensor, *tables: Tensor) -> Tensor:
        ctx.missing, ctx.tables = missing, tables
        ctx.save_for_backward(first, second)
        return _compute(missing, first, second, *tables)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        given = [role for role in ROLES if role != ctx.missing]
        (cotangent,) = grad_outputs
        roles = dict(zip(given, ctx.saved_tensors, strict=True)) | {ctx.missing: cotangent}
        parts = []
        for unknown, needed in zip(given, ctx.needs_input_grad[1:3], strict=True):
            first, second = (roles[role] for role in ROLES if role != unknown)
            tables = EdgeTables(*ctx.tables)
            parts.append(contract(unknown, first, second, tables) if needed else None)
        return None, *parts, *(None for _ in ctx.tables)


def _compute(missing: str, first: Tensor, second: Tensor, *tables: Tensor) -> Tensor:
    compute = _one_operator if torch.compiler.is_compiling() else _partial_sum
    return compute(missing, first, second, *tables)


def _partial_sum(
    missing: str,
    first: Tensor,
    second: Tensor,
    ends: Tensor,
    senders: Tensor,
    back_ends: Tensor,
    receivers: Tensor,
    order: Tensor,
) -> Tensor:
    if missing == "y":
        return _sum(first, second, ends, senders)
    if missing == "x":
        return _sum(first.index_select(0, order), second, back_ends, receivers)
    products = sampled_products if first.device.type == "cpu" else bag_products
    return products(first, second, ends, senders)


_one_operator = torch.library.custom_op("topokit::partial_sum", _partial_sum, mutates_args=())


@_one_operator.register_fake
def _shape(missing: str, first: Tensor, second: Tensor, *tables: Tensor) -> Tensor:
    del first
    ends, senders, back_ends, *_ = tables
    if missing == "w":
        return second.new_empty(senders.shape[0])
    n_rows = (ends if missing == "y" else back_ends).shape[0] - 1
    return second.new_empty(n_rows, second.shape[1])


def _sum(w: Tensor, x: Tensor, ends: Tensor, senders: Tensor) -> Tensor:
    """The weighted sum of the senders' rows of each receiver."""
    columns = x.shape[1]
    if columns == 0:
        return x.new_zeros(ends.shape[0] - 1, 0)
    if columns == 1 and _by_csr(x, ends, senders):
        return _csr(ends, senders, w, x.shape[0]) @ x
    rows, weights = x.detach().contiguous(), w.detach().contiguous()
    # Its arguments: no gradient by frequency, mode 0 for sums, none sparse, the last end is given.
    return torch.embedding_bag(rows, senders, ends, False, 0, False, weights, True)[0]


def _by_csr(x: Tensor, ends: Tensor, senders: Tensor) -> bool:
    known = x.device.type == "cpu" and x.dtype in CSR_TYPES and torch.backends.mkl.is_available()
    return known and senders.shape[0] >= CSR_FAN_IN * (ends.shape[0] - 1)


def _csr(ends: Tensor, senders: Tensor, values: Tensor, n_senders: int) -> Tensor:
    shape = ends.shape[0] - 1, n_senders
    return torch.sparse_csr_tensor(ends, senders, values, shape, check_invariants=False)


def sampled_products(x: Tensor, y: Tensor, ends: Tensor, senders: Tensor) -> Tensor:
    """Products of rows by edge, the faster way on a CPU; at least in single precision."""
    if x.dtype not in CSR_TYPES:
        return sampled_products(x.float(), y.float(), ends, senders).to(x.dtype)
    places = _csr(ends, senders, x.new_zeros(senders.shape[0]), x.shape[0])
    parts = zip(x.split(COLUMNS, 1), y.split(COLUMNS, 1), strict=True)
    factors = ((after.contiguous(), before.contiguous().T) for before, after in parts)
    first, *more = (torch.sparse.sampled_addmm(places, *f, beta=0.0).values() for f in factors)
    return sum(more, first)


def bag_products(x: Tensor, y: Tensor, ends: Tensor, senders: Tensor) -> Tensor:
    """The same as the gradient of `embedding_bag` has it, for any device.

    At least in single precision as well: GPUs have it for no bfloat16.
    """
    if x.dtype not in CSR_TYPES:
        return bag_products(x.float(), y.float(), ends, senders).to(x.dtype)
    numbers = torch.arange(ends.shape[0] - 1, dtype=ends.dtype, device=ends.device)
    bags = torch.repeat_interleave(numbers, ends.diff(), output_size=senders.shape[0])
    rows = y.contiguous(), x.contiguous()
    gradient = torch.ops.aten._embedding_bag_per_sample_weights_backward
    return gradient(*rows, senders, ends, bags, 0)
