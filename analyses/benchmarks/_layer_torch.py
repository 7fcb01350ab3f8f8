"""The layer of `_layer_peers.py` as one would write it in PyTorch, the gradient by autograd.

`torch.nn.Linear` and `torch.optim.Adam`: as they come, and with the fused step, which one has to
ask for on a CPU; masked as `torch.nn.utils.prune` masks. Adam refuses parameters in CSR, and the
gradient of a CSR matrix comes as a dense one; so the parameters are the values of its entries, from
which the matrix is built in each pass. Its gradient is dense on the way even so. `by_module` is
topokit's own module. Everything is on PyTorch's default device.
"""

import copy
import warnings

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from analyses.benchmarks._layer_peers import RATE, Batch, Peer
from topokit import Layers
from topokit.torch import SparseLinear

warnings.filterwarnings("ignore", "Sparse", UserWarning)
torch.set_num_threads(1)


class CSRLinear(torch.nn.Module):
    """A layer whose parameters are the entries of a sparse matrix `(receivers, senders)`."""

    ends: torch.Tensor
    senders: torch.Tensor

    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__()
        receivers, senders = matrix.T.nonzero()
        ends = np.searchsorted(receivers, np.arange(matrix.shape[1] + 1))
        self.shape = matrix.shape[::-1]
        self.values = torch.nn.Parameter(torch.tensor(matrix[senders, receivers]))
        self.bias = torch.nn.Parameter(torch.zeros(matrix.shape[1]))
        self.register_buffer("ends", torch.tensor(ends.astype(np.int32)))
        self.register_buffer("senders", torch.tensor(senders.astype(np.int32)))

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return (self.sparse() @ x.T).T + self.bias

    def sparse(self) -> "torch.Tensor":
        return torch.sparse_csr_tensor(self.ends, self.senders, self.values, self.shape)

    def matrix(self) -> "torch.Tensor":
        return self.sparse().to_dense().T


class OwnLinear(torch.nn.Module):
    """A layer of topokit."""

    def __init__(self, recipe: Layers) -> None:
        super().__init__()
        generator = torch.Generator(torch.get_default_device()).manual_seed(0)
        self.linear = SparseLinear(recipe, generator=generator)

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return self.linear(x)

    def matrix(self) -> "torch.Tensor":
        return self.linear.weight.T


class MaskedLinear(torch.nn.Linear):
    """`torch.nn.Linear` with a mask on its weights: the nonzeros of a matrix."""

    mask: torch.Tensor

    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__(*matrix.shape)
        with torch.no_grad():
            self.weight.copy_(torch.tensor(matrix.T))
            self.bias.zero_()
        self.register_buffer("mask", (self.weight != 0).to(self.weight.dtype))

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return torch.nn.functional.linear(x, self.weight * self.mask, self.bias)

    def matrix(self) -> "torch.Tensor":
        return (self.weight * self.mask).T


class DenseLinear(torch.nn.Linear):
    """`torch.nn.Linear` with a given matrix `(senders, receivers)`."""

    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__(*matrix.shape)
        with torch.no_grad():
            self.weight.copy_(torch.tensor(matrix.T))
            self.bias.zero_()

    def matrix(self) -> "torch.Tensor":
        return self.weight.T


def by_dense(matrix: list[np.ndarray], batch: Batch) -> Peer:
    """A dense layer and Adam as they come."""
    return _peer(DenseLinear(matrix[0]), batch, fused=None)


def by_fused(matrix: list[np.ndarray], batch: Batch) -> Peer:
    """A dense layer and Adam's fused step."""
    return _peer(DenseLinear(matrix[0]), batch, fused=True)


def by_masked(start: list[np.ndarray], batch: Batch) -> Peer:
    """A dense layer times its mask and Adam's fused step."""
    return _peer(MaskedLinear(start[0]), batch, fused=True)


def by_module(recipe: Layers, batch: Batch) -> Peer:
    """The module of topokit and Adam's fused step."""
    return _peer(OwnLinear(recipe), batch, fused=True)


def by_csr(start: list[np.ndarray], batch: Batch) -> Peer:
    """The nonzeros in CSR and Adam's fused step."""
    return _peer(CSRLinear(start[0]), batch, fused=True)


def _peer(first: torch.nn.Module, batch: Batch, *, fused: bool | None) -> Peer:
    x, y = map(torch.tensor, batch)

    def begin(keep: bool) -> tuple:
        model = copy.deepcopy(first) if keep else first
        return model, torch.optim.Adam(model.parameters(), lr=RATE, fused=fused)

    def train(state: tuple, steps: int) -> tuple[float, tuple]:
        (model, optimizer), value = state, torch.zeros(())
        for _ in range(steps):
            optimizer.zero_grad()
            value = torch.square(torch.relu(model(x)) - y).sum()
            value.backward()
            optimizer.step()
        return value.item(), state

    def forward(times: int) -> np.ndarray:
        with torch.inference_mode():
            for _ in range(times - 1):
                torch.relu(first(x))
            return torch.relu(first(x)).cpu().numpy()

    def matrices(state: tuple) -> list[np.ndarray]:
        return [state[0].matrix().detach().cpu().numpy()]

    return Peer(begin, train, forward, matrices, _n_bytes)


def _n_bytes(state: tuple) -> dict[str, int]:
    model, optimizer = state
    parameters = list(model.parameters())
    parts = {
        "parameters": parameters,
        "gradients": [p.grad for p in parameters],
        "optimizer": [part for p in parameters for part in optimizer.state[p].values()],
        "indices": list(model.buffers()),
    }
    return {name: sum(part.nbytes for part in each) for name, each in parts.items()}


MAKERS = {
    "dense": by_dense,
    "fused": by_fused,
    "masked": by_masked,
    "CSR": by_csr,
    "module": by_module,
}
