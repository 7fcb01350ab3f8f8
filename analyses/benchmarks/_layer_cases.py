"""Who takes part in `layers.py`: topokit's layers and their peers, made by name and width."""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

import jax
import numpy as np

import topokit as tk
from analyses.benchmarks._layer_peers import Batch, Peer, by_dense, by_masked, by_topokit
from topokit.networks import SparseLinear, to_matrices

DENSITY = 0.05
has_torch = find_spec("torch") is not None
if has_torch:
    from analyses.benchmarks._layer_torch import MAKERS as torch_makers
else:
    torch_makers = {}

t = tk.topologies


def side(n: int) -> int:
    """The greatest power of 2 whose square is at most `n`."""
    return 1 << (n.bit_length() - 1) // 2


def clos(n: int) -> tk.Layers:
    """As many routers as inputs of each, and so many middle ones as make up the density."""
    routers = side(n)
    middle = max(1, round(DENSITY * n * n / (2 * n + routers**2)))
    return t.clos.layers(n, n, routers, middle, routers)


def narrow_clos(n: int) -> tk.Layers:
    """As many middle routers as outer ones: about `3 n**1.5` edges."""
    return t.clos.layers(n, n, side(n), side(n), side(n))


def random(n: int) -> tk.Layers:
    """One layer of the density."""
    return t.random_regular.layers([n, n], max(1, round(DENSITY * n)), seed=0)


TOPOLOGIES = {
    "clos": clos,
    "butterfly": lambda n: t.butterfly.layers(n),
    "random": random,
    "narrow clos": narrow_clos,
}
OWN = "clos", "butterfly", "random"
SAME = "random"  # has the same entries as masked dense and CSR


@cache
def model(name: str, n: int) -> SparseLinear:
    """A layer of topokit with its first weights."""
    return SparseLinear(TOPOLOGIES[name](n), key=jax.random.key(0))


def dense_matrix(n: int) -> list[np.ndarray]:
    """In single precision, of the variance that suits a ReLU."""
    scale = np.float32(np.sqrt(2 / n))
    return [np.random.default_rng(0).standard_normal((n, n), np.float32) * scale]


def same_matrix(n: int) -> list[np.ndarray]:
    """The random layer with its zeros."""
    return to_matrices(model(SAME, n))


def _own(name: str) -> Callable[[int, Batch], Peer]:
    return lambda n, batch: by_topokit(model(name, n), batch)


PLAIN: dict[str, Callable[[int, Batch], Peer]] = {
    **{name: _own(name) for name in TOPOLOGIES},
    "JAX dense": lambda n, batch: by_dense(dense_matrix(n), batch),
    "JAX masked dense": lambda n, batch: by_masked(same_matrix(n), batch),
}
TORCH: dict[str, Callable[[int, Batch], Peer]] = {
    "torch dense": lambda n, batch: torch_makers["dense"](dense_matrix(n), batch),
    "torch dense, fused Adam": lambda n, batch: torch_makers["fused"](dense_matrix(n), batch),
    "torch CSR": lambda n, batch: torch_makers["CSR"](same_matrix(n), batch),
}
MAKERS = PLAIN | TORCH


def known(names: tuple[str, ...]) -> list[str]:
    """Those that are installed."""
    return [name for name in names if has_torch or name not in TORCH]


PEERS = tuple(name for name in MAKERS if name not in TOPOLOGIES)
