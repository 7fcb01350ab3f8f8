"""Lenets with random sparse layers and RadiX-Nets, with as many neurons or with more of them.

With a share of the connections, Lenet-300-100 keeps its last layer whole, and Lenet-5 its first and
last one. With `k` times the neurons, hidden layers are `k` times as wide, channels of convolutions
included, and each sparse layer has as many connections as the dense one that it stands for: in
Lenet-300-100 all layers are sparse, so that the sum is the same; in Lenet-5 the first and last one
stay whole and grow `k` times.

Lenet-5 with a share of its connections is trained as a dense network whose zero weights stay zero
(see `_pruned`); all others are sparse layers.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import topokit as tk
from analyses._pruned import PatchConv, complete, lenet5, restart
from topokit import networks

HIDDEN = (300, 100)
RADICES = [[10, 10]]
KRONECKER = {1: (8, 3, 1), 10: (8, 30, 1)}
TWIN = "random, RadiX-Net's widths"


class Variant(NamedTuple):
    """A kind of wiring, with a share of the connections or with so many times the neurons."""

    kind: str
    share: float
    times: int


def coins(n_in: int, n_out: int, share: float, rng: np.random.Generator) -> tk.Layers:
    """A layer in which each edge is present with the same probability; neurons may have none."""
    cells = n_in * n_out
    chosen = np.sort(rng.choice(cells, rng.binomial(cells, share), replace=False))
    receivers, senders = np.divmod(chosen, n_in)
    every = np.ones(chosen.size)
    return tk.Layers((n_in, n_out), (senders,), (receivers,), (every > 0,), (every,))


def lenet_300_100(variant: Variant, shape: tuple[int, ...], seed: int) -> eqx.nn.Sequential:
    """Lenet-300-100 of sparse layers."""
    relu, keys = eqx.nn.Lambda(jax.nn.relu), jax.random.split(jax.random.key(seed), 3)
    layers: list[Any] = [eqx.nn.Lambda(jnp.ravel)]
    for topology, key in zip(_wiring(variant, int(np.prod(shape)), seed), keys, strict=True):
        layers += [networks.SparseLinear(topology, key=key), relu]
    return eqx.nn.Sequential(layers[:-1])


def _wiring(variant: Variant, n_in: int, seed: int) -> list[tk.Layers]:
    rng, times = np.random.default_rng(seed), variant.times
    first, second = HIDDEN
    last = tk.to_layers(tk.topologies.dense(second, 10))
    if variant.kind == "RadiX-Net":
        return [*_radix(KRONECKER[times], n_in), last]
    if variant.kind == TWIN:
        wide = first * times
        return [coins(n_in, wide, 1 / times, rng), coins(wide, second, 1 / times, rng), last]
    if times == 1:
        share = variant.share
        return [coins(n_in, first, share, rng), coins(first, second, share, rng), last]
    first, second = first * times, second * times
    return [
        coins(n_in, first, 1 / times, rng),
        coins(first, second, 1 / times**2, rng),
        coins(second, 10, 1 / times, rng),
    ]


def _radix(kronecker: tuple[int, ...], n_in: int) -> list[tk.Layers]:
    """The layers of a RadiX-Net, without the inputs that the data does not have."""
    whole = tk.to_layers(tk.topologies.radix_net(RADICES, kronecker))
    layers = tk.trim(whole, drop_inputs=range(n_in, whole.n_in))
    edges = zip(layers.senders, layers.receivers, layers.trainable, layers.constant, strict=True)
    return [
        tk.Layers(pair, (senders,), (receivers,), (trainable,), (constant,))
        for pair, (senders, receivers, trainable, constant) in zip(
            pairwise(layers.widths), edges, strict=True
        )
    ]


def lenet5_with(share: float, shape: tuple[int, ...], seed: int) -> eqx.nn.Sequential:
    """Lenet-5 with zeros in the places of the edges that it lacks."""
    blank = lenet5(shape)
    wiring, rng = complete(blank), np.random.default_rng(seed)
    for name in list(wiring)[1:-1]:
        whole = wiring[name]
        wiring[name] = coins(whole.n_in, whole.n_out, share, rng)
    return restart(blank, wiring, seed=seed)


def wide_lenet5(times: int, shape: tuple[int, ...], seed: int) -> eqx.nn.Sequential:
    """Lenet-5 with so many times the channels and neurons, and as many sparse connections."""
    pad, _, relu, pool, _, _, _, ravel, *_ = lenet5(shape).layers
    rng, keys = np.random.default_rng(seed), jax.random.split(jax.random.key(seed), 5)

    def sparse(n_in: int, n_out: int, key: Any) -> networks.SparseLinear:
        topology = coins(times * n_in, times * n_out, 1 / times**2, rng)
        return networks.SparseLinear(topology, key=key)

    first = PatchConv(shape[0], times * 6, key=keys[0])
    second = networks.SparseConv2d(sparse(150, 16, keys[1]), (5, 5), (1, 1), ((0, 0), (0, 0)))
    last = eqx.nn.Linear(times * 84, 10, key=keys[4])
    dense = sparse(400, 120, keys[2]), relu, sparse(120, 84, keys[3]), relu, last
    return eqx.nn.Sequential([pad, first, relu, pool, second, relu, pool, ravel, *dense])


def connections(model: Any) -> int:
    """How many weights are not zero, biases apart."""
    leaves = jax.tree.leaves(model, is_leaf=lambda node: isinstance(node, networks.SparseLayer))
    sparse = [leaf.weight for leaf in leaves if isinstance(leaf, networks.SparseLayer)]
    kernels = [leaf for leaf in leaves if networks.is_kernel(leaf)]
    return int(sum(np.count_nonzero(weight) for weight in (*sparse, *kernels)))
