"""Stacks of layers of every kind, for laws that hold of all of them."""

from typing import Any

import equinox as eqx
import jax

import topokit as tk
from topokit import networks

relu = eqx.nn.Lambda(jax.nn.relu)


def sparse(layers: tk.Layers, seed: int, **options: Any) -> networks.SparseLinear:
    """A layer with weights of its own everywhere, the bias too."""
    linear = networks.SparseLinear(layers, key=jax.random.key(seed), **options)
    bias = jax.random.normal(jax.random.key(seed + 1), (layers.n_out,))
    return eqx.tree_at(lambda s: s.bias, linear, bias) if linear.bias is not None else linear


@eqx.filter_jit
def value(model: Any, x: Any) -> Any:
    """What a model makes of an example, by one program."""
    return model(x)


def stack() -> eqx.nn.Sequential:
    """Every kind of layer: random edges, a dense layer, a cascade, dense outputs; ReLU between."""
    t = tk.topologies
    first = sparse(t.erdos_renyi.layers([8, 12], 0.4, seed=0), 0)
    dense = eqx.nn.Linear(12, 8, key=jax.random.key(2))
    cascade = sparse(t.butterfly.layers(8), 3)
    return eqx.nn.Sequential(
        [first, relu, dense, relu, cascade, relu, eqx.nn.Linear(8, 3, key=jax.random.key(4))]
    )
