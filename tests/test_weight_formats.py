"""Weights in the formats that people have: the right network, or a question that says the cure.

What is right is what the module computes: each layer is a function from senders to receivers, and a
sender feeds a receiver if a signal at it alone changes the receiver. The tables below give both,
the arrays under the names of the framework and the functions, and no case reads one from the other.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from jax.experimental import sparse as jax_sparse
from scipy import sparse

import topokit as tk
from topokit.files._from_weights import from_weights

Layer = tuple[int, Callable[[np.ndarray], np.ndarray]]

# The widths of a chain that tell the axes and the order apart, that fit from both ends, and that
# tell nothing.
WIDTHS = {"telling": (3, 5, 4), "ring": (3, 5, 3), "square": (4, 4, 4), "squares": (3, 4, 4, 2)}


ARGUMENTS = ("transpose=", "order=", "names=", "masks=", "groups=")


class Case(NamedTuple):
    """Arrays, what their layers compute, what settles the question, and what it has to name.

    `refused` says that the arrays alone cannot be understood.
    """

    weights: Any
    layers: Sequence[Layer]
    settles: Mapping[str, Any] = {}
    asks: Sequence[str] = ARGUMENTS
    refused: bool = False


def probed(layers: Sequence[Layer]) -> list[np.ndarray]:
    """Masks of layers, from what a signal at a single sender changes."""
    return [np.array([f(e) != 0 for e in np.eye(n)]) for n, f in layers]


def is_network(graph, masks: Sequence[np.ndarray]) -> bool:
    found = tk.to_masks(graph)
    return len(found) == len(masks) and all(map(np.array_equal, found, masks))


def thin(rng, *shape: int) -> np.ndarray:
    """Normal numbers, a quarter of them zero, none of them alone in its row or column."""
    kept = rng.random(shape) < 0.75
    kept |= np.eye(*shape[:2], dtype=bool).reshape(*shape[:2], *[1] * (len(shape) - 2))
    kept[-1], kept[:, -1] = True, True
    kept[0, -1] = shape[0] < 3 or shape[1] < 3
    return np.where(kept, rng.standard_normal(shape), 0.0)


def chain(widths, rng, *, turned: bool) -> list[np.ndarray]:
    rows = zip(widths, widths[1:], strict=False)
    return [thin(rng, b, a) if turned else thin(rng, a, b) for a, b in rows]


# PyTorch: x @ W.T + b ---------------------------------------------------------------------------


def linear(w: np.ndarray) -> Layer:
    return w.shape[1], lambda x: np.einsum("oi,i->o", w, x)


def torch_sequential(widths, rng, *, bias: bool) -> Case:
    """`nn.Sequential(nn.Linear(...), nn.ReLU(), ...).state_dict()`."""
    arrays = chain(widths, rng, turned=True)
    named = {}
    for n, w in enumerate(arrays):
        named[f"{2 * n}.weight"] = w
        if bias:
            named[f"{2 * n}.bias"] = rng.standard_normal(len(w))
    return Case(named, [linear(w) for w in arrays], {"transpose": True})


def torch_attributes(widths, rng, *, bias: bool) -> Case:
    """A module with `self.encoder`, `self.middle`, `self.decoder`."""
    arrays = chain(widths, rng, turned=True)
    names = ["encoder", "middle", "decoder"]
    names = [names[0], *names[1 : len(arrays) - 1], names[-1]]
    named = {}
    for name, w in zip(names, arrays, strict=True):
        named |= {f"{name}.weight": w} | ({f"{name}.bias": np.ones(len(w))} if bias else {})
    return Case(named, [linear(w) for w in arrays], {"transpose": True, "order": "given"})


def torch_normed(widths, rng) -> Case:
    """Layers without bias and batch norms, with all that these keep."""
    arrays = chain(widths, rng, turned=True)
    named: dict[str, Any] = {}
    for n, w in enumerate(arrays):
        named[f"net.{3 * n}.weight"] = w
        for name in ("weight", "bias", "running_mean", "running_var"):
            named[f"net.{3 * n + 1}.{name}"] = np.ones(len(w))
        named[f"net.{3 * n + 1}.num_batches_tracked"] = np.array(7)
    return Case(named, [linear(w) for w in arrays], {"transpose": True})


def torch_pruned(widths, rng) -> Case:
    """`torch.nn.utils.prune.l1_unstructured` of weights and biases."""
    named, layers = {}, []
    for n, w in enumerate(chain(widths, rng, turned=True)):
        whole = rng.standard_normal(w.shape)
        named |= {f"fc{n}.weight_orig": whole, f"fc{n}.bias_orig": np.ones(len(w))}
        named |= {f"fc{n}.weight_mask": (w != 0) * 1.0, f"fc{n}.bias_mask": np.ones(len(w))}
        layers.append((w.shape[1], lambda x, m=(w != 0) * whole: m @ x))
    return Case(named, layers, {"transpose": True})


def torch_masked(widths, rng) -> Case:
    """A linear layer of one's own, whose buffer `mask` multiplies `weight`."""
    named, layers = {}, []
    for n, w in enumerate(chain(widths, rng, turned=True)):
        whole = rng.standard_normal(w.shape)
        named |= {f"{n}.weight": whole, f"{n}.bias": np.ones(len(w)), f"{n}.mask": w != 0}
        layers.append((w.shape[1], lambda x, m=(w != 0) * whole: m @ x))
    return Case(named, layers, {"transpose": True})


def torch_weight_norm(widths, rng, names) -> Case:
    """`weight_norm`, old and as a parametrization: g v / |v|, row by row."""
    named, layers = {}, []
    for n, v in enumerate(chain(widths, rng, turned=True)):
        g = np.arange(len(v))[:, None] + float(n > 0)
        named |= {f"{n}.bias": np.ones(len(v))}
        named |= {f"{n}.{names[0]}": g, f"{n}.{names[1]}": v}
        layers.append((v.shape[1], lambda x, g=g, v=v: (g[:, 0] * (v @ x)) / np.hypot.reduce(v, 1)))
    return Case(named, layers, {"transpose": True})


def torch_spectral_norm(widths, rng, names) -> Case:
    """`spectral_norm`, old and as a parametrization: W / |W|."""
    named, layers = {}, []
    for n, w in enumerate(chain(widths, rng, turned=True)):
        named |= {f"{n}.bias": np.ones(len(w)), f"{n}.{names[0]}": w}
        named |= {f"{n}.{names[1]}": np.ones(len(w)), f"{n}.{names[2]}": np.ones(w.shape[1])}
        layers.append((w.shape[1], lambda x, w=w: (w / np.linalg.norm(w, 2)) @ x))
    return Case(named, layers, {"transpose": True})


def torch_parametrized_mask(widths, rng) -> Case:
    """A parametrization of one's own that multiplies by its buffer `mask`."""
    named, layers = {}, []
    for n, w in enumerate(chain(widths, rng, turned=True)):
        whole = rng.standard_normal(w.shape)
        named |= {f"{n}.bias": np.ones(len(w)), f"{n}.parametrizations.weight.original": whole}
        named |= {f"{n}.parametrizations.weight.0.mask": w != 0}
        layers.append((w.shape[1], lambda x, m=(w != 0) * whole: m @ x))
    return Case(named, layers, {"transpose": True})


def torch_sparsifier(widths, rng) -> Case:
    """`torch.ao.pruning`, whose masks are in no state dict."""
    arrays = chain(widths, rng, turned=True)
    wholes = [rng.standard_normal(w.shape) for w in arrays]
    named, masks = {}, {}
    for n, (whole, w) in enumerate(zip(wholes, arrays, strict=True)):
        named |= {f"{n}.bias": np.ones(len(w)), f"{n}.parametrizations.weight.original": whole}
        masks[f"{n}.weight"] = w != 0
    layers: list[Layer] = [
        (w.shape[1], lambda x, m=(w != 0) * whole: m @ x)
        for w, whole in zip(arrays, wholes, strict=True)
    ]
    return Case(named, layers, {"transpose": True, "masks": masks}, ["squash_mask"], True)


def torch_convolutions(widths, rng, *, axes: int) -> Case:
    """Pointwise convolutions of images or of signals, `(n_out, n_in, 1, 1)`."""
    arrays = chain(widths, rng, turned=True)
    named = {}
    for n, w in enumerate(arrays):
        named |= {f"{n}.weight": w.reshape(*w.shape, *[1] * axes), f"{n}.bias": np.ones(len(w))}
    return Case(named, [linear(w) for w in arrays], {"transpose": True, "groups": 1})


def torch_grouped(widths, rng, *, groups: int = 2) -> Case:
    """Pointwise convolutions in two groups: each half of the channels has weights of its own."""
    named, layers = {}, []
    for n, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        w = thin(rng, b, a // groups)
        named |= {f"{n}.weight": w[:, :, None, None], f"{n}.bias": np.ones(b)}
        layers.append((a, lambda x, w=w: convolved(w, x, groups)))
    return Case(named, layers, {"transpose": True, "groups": groups}, refused=True)


def convolved(w: np.ndarray, x: np.ndarray, groups: int) -> np.ndarray:
    """A pointwise convolution at one place, by its definition."""
    n_out, n_each = w.shape
    return np.array(
        [
            sum(w[o, i] * x[(o * groups // n_out) * n_each + i] for i in range(n_each))
            for o in range(n_out)
        ]
    )


def torch_transposed(widths, rng) -> Case:
    """Pointwise transposed convolutions, `(n_in, n_out, 1, 1)` under the same names."""
    arrays = chain(widths, rng, turned=False)
    named = {}
    for n, w in enumerate(arrays):
        named |= {f"{n}.weight": w[:, :, None, None], f"{n}.bias": np.ones(w.shape[1])}
    settles = {"transpose": False, "groups": 1}
    return Case(named, [multiplied(w) for w in arrays], settles)


def torch_of_type(widths, rng, kind) -> Case:
    """Half precision of numpy and of JAX, and sparse tensors of JAX."""
    case = torch_sequential(widths, rng, bias=True)
    return case._replace(weights={n: kind(a) if a.ndim > 1 else a for n, a in case.weights.items()})


def torch_checkpoint(widths, rng) -> Case:
    """Module, optimizer and epoch in one dictionary."""
    case = torch_sequential(widths, rng, bias=True)
    arrays = enumerate(case.weights.values())
    state = {n: {"step": 1.0, "exp_avg": a * 2, "exp_avg_sq": a**2} for n, a in arrays}
    groups = [{"lr": 0.1, "betas": (0.9, 0.999), "fused": None, "params": [0, 1]}]
    optimizer = {"state": state, "param_groups": groups}
    whole = {"epoch": 3, "model_state_dict": case.weights, "optimizer_state_dict": optimizer}
    return case._replace(weights=whole)


def torch_two_copies(widths, rng) -> Case:
    """A model and its running average: the same network, once."""
    case = torch_sequential(widths, rng, bias=True)
    average = {n: a * 0.9 for n, a in case.weights.items()}
    names = [f"model/{n}" for n in case.weights if n.endswith("weight")]
    settles = {"transpose": True, "names": names}
    return Case(
        {"model": case.weights, "model_ema": average}, case.layers, settles, ["names="], True
    )


def conv1d(widths, rng, *, bias: bool) -> Case:
    """The Conv1D of transformers: PyTorch's names, and x @ W."""
    arrays = chain(widths, rng, turned=False)
    named = {}
    for n, w in enumerate(arrays):
        named[f"{n}.weight"] = w
        if bias:
            named[f"{n}.bias"] = np.ones(w.shape[1])
    return Case(named, [multiplied(w) for w in arrays], {"transpose": False})


def conv1d_and_linear(widths, rng) -> Case:
    """A Conv1D feeding a linear layer, in one state dict."""
    arrays = chain(widths, rng, turned=False)
    named, layers = {}, []
    for n, w in enumerate(arrays):
        named |= {f"{n}.weight": w if n == 0 else w.T, f"{n}.bias": np.ones(w.shape[1])}
        layers.append(multiplied(w) if n == 0 else linear(w.T))
    return Case(named, layers, {"transpose": [False, *[True] * (len(arrays) - 1)]})


def embedding_and_linear(widths, rng) -> Case:
    """`nn.Sequential(nn.Embedding(...), nn.Linear(...))`: a token is a signal at one sender."""
    table, *arrays = chain(widths, rng, turned=False)
    named = {"0.weight": table}
    for n, w in enumerate(arrays, 1):
        named |= {f"{n}.weight": w.T, f"{n}.bias": np.ones(w.shape[1])}
    layers = [multiplied(table), *(linear(w.T) for w in arrays)]
    return Case(named, layers, {"transpose": [False, *[True] * len(arrays)]})


# JAX and Keras: x @ W + b ------------------------------------------------------------------------


def multiplied(w: np.ndarray) -> Layer:
    return w.shape[0], lambda x: np.einsum("i,io->o", x, w)


def flax_compact(widths, rng, *, inside_out: bool) -> Case:
    """Flax names layers as it makes them: `Dense(4)(x)` in turn, or `Dense(2)(Dense(4)(x))`."""
    arrays = chain(widths, rng, turned=False)
    number = (lambda n: len(arrays) - 1 - n) if inside_out else (lambda n: n)
    named = {
        f"Dense_{number(n)}": {"bias": np.ones(w.shape[1]), "kernel": w}
        for n, w in enumerate(arrays)
    }
    order = [f"params/Dense_{number(n)}/kernel" for n in range(len(arrays))]
    settles = {"names": order} if inside_out else {"order": "numbers"}
    weights = {"params": dict(sorted(named.items())), "batch_stats": {"mean": np.ones(3)}}
    return Case(weights, [multiplied(w) for w in arrays], settles)


def flax_named(widths, rng) -> Case:
    """Submodules with names of their own, sorted by what went through `jax.jit`."""
    arrays = chain(widths, rng, turned=False)
    names = ["encoder", "middle", "decoder"]
    names = [names[0], *names[1 : len(arrays) - 1], names[-1]]
    named = {n: {"kernel": w} for n, w in zip(names, arrays, strict=True)}
    settles = {"names": [f"{n}/kernel" for n in names]}
    return Case(dict(sorted(named.items())), [multiplied(w) for w in arrays], settles)


def many_sorted(widths, rng) -> Case:
    """Twelve layers whose names a container sorted: layer1, layer10, layer11, layer12, layer2."""
    arrays = chain(widths[:-1] + (widths[-2],) * 10 + widths[-1:], rng, turned=False)
    named = {f"layer{n}": {"kernel": w} for n, w in enumerate(arrays, 1)}
    settles = {"order": "numbers"}
    return Case(dict(sorted(named.items())), [multiplied(w) for w in arrays], settles)


def flax_nnx(widths, rng) -> Case:
    """`nnx.to_pure_dict(nnx.state(model))`, in which lists are dictionaries of numbers."""
    arrays = chain(widths, rng, turned=False)
    named = {n: {"kernel": w, "bias": np.ones(w.shape[1])} for n, w in enumerate(arrays)}
    return Case({"layers": named}, [multiplied(w) for w in arrays])


def flax_masks(widths, rng) -> Case:
    """A collection of masks beside that of parameters."""
    params, masks, layers = {}, {}, []
    for n, w in enumerate(chain(widths, rng, turned=False)):
        whole = rng.standard_normal(w.shape)
        params[f"fc{n}"] = {"kernel": whole, "bias": np.ones(w.shape[1])}
        masks[f"fc{n}"] = {"kernel": w != 0}
        layers.append((w.shape[0], lambda x, m=(w != 0) * whole: x @ m))
    return Case({"masks": masks, "params": params}, layers)


def optax_in_one(widths, rng) -> Case:
    """Parameters and the state of Adam."""
    case = flax_nnx(widths, rng)
    layers = case.weights["layers"]
    moments = {n: {k: a**2 for k, a in layer.items()} for n, layer in layers.items()}
    state = [{"count": np.array(3), "mu": moments, "nu": moments}, {}]
    return case._replace(weights={"opt_state": state, "params": layers})


def flax_convolutions(widths, rng, *, groups: int | None = None) -> Case:
    """Pointwise convolutions of Flax and Keras, `(1, 1, n_in, n_out)`."""
    named, layers = {}, []
    for n, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        w = thin(rng, b, a // (groups or 1)).T
        named[f"conv{n}"] = {"kernel": w[None, None], "bias": np.ones(b)}
        layers.append((a, lambda x, w=w: convolved(w.T, x, groups or 1)))
    return Case(named, layers, {"groups": groups or 1}, ["groups="], True)


def haiku(widths, rng, *, inside_out: bool) -> Case:
    """Haiku: linear, linear_1, ... with w and b, numbered as they are made."""
    arrays = chain(widths, rng, turned=False)
    place = (lambda n: len(arrays) - 1 - n) if inside_out else (lambda n: n)
    names = ["linear" + (f"_{place(n)}" if place(n) else "") for n in range(len(arrays))]
    named = {n: {"w": w, "b": np.zeros(w.shape[1])} for n, w in zip(names, arrays, strict=True)}
    settles = {"names": [f"{n}/w" for n in names], "transpose": False}
    return Case(dict(sorted(named.items())), [multiplied(w) for w in arrays], settles)


def keras_list(widths, rng) -> Case:
    """`model.get_weights()`: kernel, bias, kernel, bias."""
    arrays = chain(widths, rng, turned=False)
    listed = [a for w in arrays for a in (w, np.ones(w.shape[1]))]
    return Case(listed, [multiplied(w) for w in arrays], {"transpose": False})


def torch_list(widths, rng) -> Case:
    """`list(model.parameters())`: weight, bias, weight, bias."""
    arrays = chain(widths, rng, turned=True)
    listed = [a for w in arrays for a in (w, np.ones(len(w)))]
    return Case(listed, [linear(w) for w in arrays], {"transpose": True})


def keras_embedding_list(widths, rng) -> Case:
    """`model.get_weights()` of an embedding and dense layers."""
    arrays = chain(widths, rng, turned=False)
    listed = [arrays[0], *(a for w in arrays[1:] for a in (w, np.ones(w.shape[1])))]
    return Case(listed, [multiplied(w) for w in arrays], {"transpose": False})


def torch_embedding_list(widths, rng) -> Case:
    """`list(model.parameters())` of the same in PyTorch, where tables have senders first."""
    table, *arrays = chain(widths, rng, turned=False)
    listed = [table, *(a for w in arrays for a in (w.T, np.ones(w.shape[1])))]
    layers = [multiplied(table), *(linear(w.T) for w in arrays)]
    return Case(listed, layers, {"transpose": [False, *[True] * len(arrays)]})


def keras_paths(widths, rng) -> Case:
    """`{v.name: v.numpy()}` of Keras 2, pruned by its model optimization."""
    named, layers = {}, []
    for n, w in enumerate(chain(widths, rng, turned=False)):
        whole, name = rng.standard_normal(w.shape), f"prune_low_magnitude_dense_{n + 9}"
        named |= {f"{name}/kernel:0": whole, f"{name}/bias:0": np.ones(w.shape[1])}
        named |= {f"{name}/mask:0": (w != 0) * 1.0, f"{name}/threshold:0": np.array(0.1)}
        layers.append((w.shape[0], lambda x, m=(w != 0) * whole: x @ m))
    return Case(named, layers, {"order": "numbers"})


def own_names(widths, rng) -> Case:
    """W1, b1, W2, b2 with biases as rows."""
    named, layers = {}, []
    for n, w in enumerate(chain(widths, rng, turned=False), 1):
        named |= {f"W{n}": w, f"b{n}": np.ones((1, w.shape[1]))}
        layers.append(multiplied(w))
    return Case(named, layers, {"transpose": False})


def scipy_list(widths, rng, kind) -> Case:
    arrays = chain(widths, rng, turned=False)
    return Case([kind(w) for w in arrays], [multiplied(w) for w in arrays], {"transpose": False})


def named_sparse(widths, rng, kind) -> Case:
    """Sparse matrices under the names of a tree."""
    arrays = chain(widths, rng, turned=False)
    named = {f"fc{n}": {"kernel": kind(w)} for n, w in enumerate(arrays)}
    return Case(named, [multiplied(w) for w in arrays])


def with_duplicates(w: np.ndarray) -> sparse.coo_array:
    """Entries in two parts, some of which cancel, and zeros that are stored."""
    places = tuple(
        np.concatenate(two) for two in zip(np.nonzero(w), np.nonzero(w == 0), strict=True)
    )
    once = np.concatenate([w[w != 0] - 1, np.full((w == 0).sum(), 2.0)])
    again = np.concatenate([np.ones((w != 0).sum()), np.full((w == 0).sum(), -2.0)])
    doubled = tuple(np.concatenate([p, p]) for p in places)
    return sparse.coo_array((np.concatenate([once, again]), doubled), shape=w.shape)


def padded_bcoo(w: np.ndarray) -> Any:
    """A BCOO with room for more entries than it has, as after `jit`."""
    return jax_sparse.BCOO.fromdense(jnp.asarray(w, jnp.float32), nse=w.size + 3)


WAYS: dict[str, Callable[..., Case]] = {
    "torch, with biases": lambda w, r: torch_sequential(w, r, bias=True),
    "torch, without biases": lambda w, r: torch_sequential(w, r, bias=False),
    "torch, attributes": lambda w, r: torch_attributes(w, r, bias=True),
    "torch, attributes without biases": lambda w, r: torch_attributes(w, r, bias=False),
    "torch, batch norms": torch_normed,
    "torch, prune": torch_pruned,
    "torch, masked linear": torch_masked,
    "torch, old weight norm": lambda w, r: torch_weight_norm(w, r, ("weight_g", "weight_v")),
    "torch, weight norm": lambda w, r: torch_weight_norm(
        w, r, ("parametrizations.weight.original0", "parametrizations.weight.original1")
    ),
    "torch, old spectral norm": lambda w, r: torch_spectral_norm(
        w, r, ("weight_orig", "weight_u", "weight_v")
    ),
    "torch, spectral norm": lambda w, r: torch_spectral_norm(
        w, r, [f"parametrizations.weight.{n}" for n in ("original", "0._u", "0._v")]
    ),
    "torch, parametrized mask": torch_parametrized_mask,
    "torch, sparsifier": torch_sparsifier,
    "torch, pointwise images": lambda w, r: torch_convolutions(w, r, axes=2),
    "torch, pointwise signals": lambda w, r: torch_convolutions(w, r, axes=1),
    "torch, transposed convolutions": torch_transposed,
    "torch, float16": lambda w, r: torch_of_type(w, r, np.float16),
    "torch, bfloat16": lambda w, r: torch_of_type(w, r, lambda a: jnp.asarray(a, jnp.bfloat16)),
    "torch, checkpoint": torch_checkpoint,
    "torch, two copies": torch_two_copies,
    "transformers, Conv1D": lambda w, r: conv1d(w, r, bias=True),
    "transformers, Conv1D without biases": lambda w, r: conv1d(w, r, bias=False),
    "transformers, Conv1D and linear": conv1d_and_linear,
    "torch, embedding and linear": embedding_and_linear,
    "flax, compact": lambda w, r: flax_compact(w, r, inside_out=False),
    "flax, compact and nested calls": lambda w, r: flax_compact(w, r, inside_out=True),
    "flax, named": flax_named,
    "flax, sorted": many_sorted,
    "flax, nnx": flax_nnx,
    "flax, masks": flax_masks,
    "flax, optimizer": optax_in_one,
    "flax, pointwise": flax_convolutions,
    "haiku": lambda w, r: haiku(w, r, inside_out=False),
    "haiku, nested calls": lambda w, r: haiku(w, r, inside_out=True),
    "keras, list": keras_list,
    "torch, list": torch_list,
    "keras, list with embedding": keras_embedding_list,
    "torch, list with embedding": torch_embedding_list,
    "keras, pruned": keras_paths,
    "own names": own_names,
    "scipy, csr": lambda w, r: scipy_list(w, r, sparse.csr_matrix),
    "scipy, csc": lambda w, r: scipy_list(w, r, sparse.csc_array),
    "scipy, duplicates": lambda w, r: scipy_list(w, r, with_duplicates),
    "jax, BCOO": lambda w, r: scipy_list(w, r, padded_bcoo),
    "jax, BCOO in a tree": lambda w, r: named_sparse(w, r, padded_bcoo),
    "scipy, in a tree": lambda w, r: named_sparse(w, r, sparse.coo_matrix),
    "jax, BCSR": lambda w, r: scipy_list(w, r, lambda a: jax_sparse.BCSR.fromdense(jnp.asarray(a))),
}

# Sizes whose channels fall into two groups.
GROUPED = {"telling": (4, 6, 2), "ring": (4, 2, 4), "square": (4, 4, 4), "one": (4, 6)}


def cases() -> dict[str, Case]:
    found = {}
    for way, make in WAYS.items():
        for size, widths in WIDTHS.items():
            found[f"{way}, {size}"] = make(widths, np.random.default_rng(len(found)))
    for size, widths in GROUPED.items():
        rng = np.random.default_rng(len(found))
        found[f"torch, grouped, {size}"] = torch_grouped(widths, rng)
        found[f"flax, grouped, {size}"] = flax_convolutions(widths, rng, groups=2)
    return found


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_the_network_is_right_or_the_question_names_what_settles_it(name: str) -> None:
    case = CASES[name]
    masks = probed(case.layers)
    graph, question = answered(case.weights)
    if graph is None:
        assert case.settles
        assert any(word in question for word in case.asks)
    else:
        assert not case.refused
        assert is_network(graph, masks)
    assert is_network(from_weights(case.weights, **case.settles), masks)


# What no widths tell.
ASKED = ("attributes without", "grouped", "pointwise", "transposed", "sparsifier", "two copies")


@pytest.mark.parametrize("name", [n for n in CASES if n.endswith(", telling")])
def test_widths_that_differ_are_understood_without_a_word(name: str) -> None:
    asked = any(word in name for word in ASKED)
    assert (answered(CASES[name].weights)[0] is None) == asked


def answered(weights: Any) -> tuple[nx.DiGraph | None, str]:
    """The network, or the question."""
    try:
        return from_weights(weights), ""
    except ValueError as question:
        return None, str(question)


def torch_modules(torch: Any) -> dict[str, tuple[Sequence[Any], Mapping[str, Any]]]:
    """Real layers, by what was done to them, and what has to be said beside `transpose=True`."""
    nn, utils = torch.nn, torch.nn.utils
    from_parametrizations = utils.parametrizations

    def linears(change: Callable[[Any], Any] = lambda layer: layer, **options: Any) -> list[Any]:
        return [change(nn.Linear(a, b, **options)) for a, b in ((6, 5), (5, 5), (5, 6))]

    def pruned(layer: Any) -> Any:
        utils.prune.l1_unstructured(layer, "weight", amount=0.3)
        return layer

    def finished(layer: Any) -> Any:
        return utils.prune.remove(pruned(layer), "weight")

    def sparse_linear(layout: str) -> Callable[[Any], Any]:
        def change(layer: Any) -> Any:
            finished(layer)
            layer.weight = nn.Parameter(getattr(layer.weight.detach(), layout)(), False)
            return layer

        return change

    class Masked(nn.Module):
        def __init__(self, shape: Sequence[int]) -> None:
            super().__init__()
            self.register_buffer("mask", torch.rand(shape) < 0.7)

        def forward(self, weight: Any) -> Any:
            return weight * self.mask

    def parametrized(layer: Any) -> Any:
        utils.parametrize.register_parametrization(layer, "weight", Masked(layer.weight.shape))
        return layer

    sparsifier = importlib.import_module("torch.ao.pruning").WeightNormSparsifier
    squashed = nn.Sequential(*linears())
    chosen = sparsifier(sparsity_level=0.4, sparse_block_shape=(1, 1))
    chosen.prepare(squashed, [{"tensor_fqn": f"{n}.weight"} for n in range(3)])
    chosen.step()
    chosen.squash_mask()
    convolutions = [nn.Conv2d(6, 4, 1, groups=2), nn.Conv2d(4, 4, 1, groups=2)]
    return {
        "pruned": (linears(pruned), {}),
        "pruned for good": (linears(finished), {}),
        "without biases": (linears(finished, bias=False), {}),
        "weight norm": (linears(from_parametrizations.weight_norm), {}),
        "spectral norm": (linears(from_parametrizations.spectral_norm), {}),
        "weight norm of the pruned": (
            linears(lambda layer: from_parametrizations.weight_norm(finished(layer))),
            {},
        ),
        "a mask as a parametrization": (linears(parametrized), {}),
        "squashed sparsifier": (list(squashed), {}),
        "half": (linears(lambda layer: finished(layer).half()), {}),
        "brain floats": (linears(lambda layer: finished(layer).bfloat16()), {}),
        "COO": (linears(sparse_linear("to_sparse_coo")), {}),
        "CSR": (linears(sparse_linear("to_sparse_csr")), {}),
        "CSC": (linears(sparse_linear("to_sparse_csc")), {}),
        "pointwise": ([nn.Conv1d(6, 4, 1), nn.Conv1d(4, 2, 1)], {"groups": 1}),
        "grouped": (convolutions, {"groups": 2}),
    }


def signal(torch: Any, layer: Any) -> np.ndarray:
    """What a signal at each sender of a real layer changes at its receivers."""
    convolved = hasattr(layer, "kernel_size")
    n = layer.in_channels if convolved else layer.in_features
    kind = torch.float32 if convolved or layer.bias is None else layer.bias.dtype
    signals = torch.eye(n, dtype=kind)
    signals = signals.reshape(n, n, *[1] * len(layer.kernel_size)) if convolved else signals
    with torch.no_grad():
        if layer.weight.layout != torch.strided:
            return np.array([(layer.weight @ s[:, None]).flatten().numpy() != 0 for s in signals])
        rows = [layer(s[None]) - layer(0 * s[None]) for s in signals]
    return np.array([row.float().flatten().numpy() != 0 for row in rows])


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")  # What PyTorch says of its own plans.
def test_real_state_dicts_of_pytorch_are_what_their_modules_compute() -> None:
    torch = pytest.importorskip("torch")
    importlib.import_module("torch.nn.utils.prune")
    torch.manual_seed(0)
    for name, (layers, says) in torch_modules(torch).items():
        truth = [signal(torch, layer.eval()) for layer in layers]
        for keep in (False, True):
            state = torch.nn.Sequential(*layers).state_dict(keep_vars=keep)
            graph = from_weights(state, transpose=True, **says)
            assert is_network(graph, truth), name


def test_masks_of_ones_own_multiply_the_weights() -> None:
    rng = np.random.default_rng(0)
    weights = {"a": rng.standard_normal((3, 5)), "b": rng.standard_normal((5, 2))}
    masks = {"a": thin(rng, 3, 5) != 0, "b": thin(rng, 5, 2) != 0}
    truth = probed([(len(w), lambda x, m=masks[n] * w: x @ m) for n, w in weights.items()])
    tree = {n: {"kernel": w, "bias": np.ones(w.shape[1])} for n, w in weights.items()}
    tree_of_masks = {n: {"kernel": m, "bias": None} for n, m in masks.items()}
    assert is_network(from_weights(tree, masks=tree_of_masks), truth)
    assert is_network(from_weights([*weights.values()], masks=[*masks.values()]), truth)
    both = weights | {f"keep_{n}": m for n, m in masks.items()}
    named = {n: f"keep_{n}" for n in masks}
    assert is_network(from_weights(both, names=["a", "b"], masks=named, transpose=False), truth)
    tables = {"x.table": weights["a"], "x.table_mask": masks["a"], "y.weight": weights["b"]}
    said = {"names": ["x.table", "y.weight"], "masks": {"y.weight": masks["b"]}}
    assert is_network(from_weights(tables, transpose=False, **said), truth)
    whole = [np.ones((3, 5)), np.ones((5, 2))]
    unmasked = from_weights(
        tree | {"mask": {"a": {"kernel": masks["a"]}}}, masks={"a/kernel": None}
    )
    assert is_network(unmasked, whole)


# Layers, senders first, that chain as given and may be a tree as well.
BRANCHES = {
    "two outputs of a trunk": {"trunk": (8, 16), "cls": (16, 16), "bbox": (16, 1)},
    "policy and value": {"trunk": (8, 16), "p": (16, 16), "v": (16, 1)},
    "actor and critic": {
        "actor.0": (8, 64), "actor.2": (64, 8), "critic.0": (8, 64), "critic.2": (64, 1)
    },
    "pi and v": {"pi.0": (4, 8), "pi.2": (8, 4), "v.0": (4, 8), "v.2": (8, 1)},
    "two encoders": {"image.encoder.0": (6, 5), "image.encoder.2": (5, 6), "text.encoder": (6, 4)},
    "user and item": {"user.0": (6, 3), "user.1": (3, 6), "item.0": (6, 3), "item.1": (3, 6)},
    "numbered modules": {
        "mlp/~/linear_0": (4, 8), "mlp/~/linear_1": (8, 4), "mlp_1/~/linear_0": (4, 1)
    },
}  # fmt: skip


@pytest.mark.parametrize("torch", [True, False])
@pytest.mark.parametrize("name", BRANCHES)
def test_layers_that_can_be_branches_are_a_chain_only_if_it_is_said(
    name: str, *, torch: bool
) -> None:
    rng = np.random.default_rng(0)
    arrays = {n: thin(rng, *shape) for n, shape in BRANCHES[name].items()}
    weights: dict[str, Any] = {f"{n}/kernel": w for n, w in arrays.items()}
    if torch:
        weights = {f"{n}.weight": w.T for n, w in arrays.items()}
        weights |= {f"{n}.bias": np.ones(w.shape[1]) for n, w in arrays.items()}
    graph, question = answered(weights)
    assert graph is None
    assert 'order="given"' in question
    assert is_network(from_weights(weights, order="given"), [w != 0 for w in arrays.values()])


@pytest.mark.parametrize("widths", [*product((2, 3, 4), repeat=4)])
def test_a_chain_without_a_word_is_the_only_tree_of_its_layers(widths: tuple[int, ...]) -> None:
    shapes = [*zip(widths, widths[1:], strict=False)]
    layers = zip("abc", shapes, strict=True)
    graph, _ = answered({n: {"kernel": np.ones(shape)} for n, shape in layers})
    assert (graph is not None) == (len(trees(shapes)) == 1)


def trees(shapes: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """For each layer the one that feeds it, -1 for the inputs, in all ways that fit."""
    places = range(-1, len(shapes))
    return [t for t in product(places, repeat=len(shapes)) if is_tree(t, shapes)]


def is_tree(feeders: Sequence[int], shapes: Sequence[tuple[int, int]]) -> bool:
    inputs = {shapes[n][0] for n, feeder in enumerate(feeders) if feeder < 0}
    fed = {-1}
    for _ in feeders:
        fed |= {n for n, feeder in enumerate(feeders) if feeder in fed}
    fits = all(f < 0 or shapes[f][1] == shapes[n][0] for n, f in enumerate(feeders))
    return fits and len(inputs) == 1 and fed == {-1, *range(len(shapes))}


def test_square_layers_lie_as_the_others_of_their_kind() -> None:
    rng = np.random.default_rng(0)
    arrays = [thin(rng, *shape) for shape in ((4, 4), (4, 4), (4, 3))]
    named = {f"{2 * n}.weight": w.T for n, w in enumerate(arrays)}
    biases = {f"{2 * n}.bias": np.ones(w.shape[1]) for n, w in enumerate(arrays)}
    for weights in (named, named | biases):
        assert is_network(from_weights(weights), [w != 0 for w in arrays])
    del biases["0.bias"], biases["2.bias"]
    graph, question = answered(named | biases)
    assert graph is None
    assert "transpose=[" in question


class Model:
    """What a module of PyTorch shows, which may also be a sequence of others."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def __iter__(self) -> Any:
        return iter([self])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (Model(), r"given Model; give its arrays, weights.state_dict\(\)"),
        ([Model()], r"weights\[0\] is of Model, no matrix; .* weights\[0\].state_dict\(\)"),
        (np.eye(3), r"given ndarray; write \[matrix\]"),
        (sparse.csr_matrix(np.eye(3)), r"given csr_matrix; write \[matrix\]"),
    ],
)
def test_what_is_no_list_of_arrays_is_told_what_to_give(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_weights(weights)


def test_a_cure_is_shown_once() -> None:
    with pytest.raises(ValueError, match="they chain with transpose=True") as refused:
        from_weights([np.ones((2, 3)), np.ones((4, 2))])
    assert str(refused.value).count("transpose=True") == 1


ones, square = np.ones, np.arange(9.0).reshape(3, 3)

# What has no reading as a chain of layers, or one that the arrays do not hold, and the cure.
REFUSED: dict[str, tuple[Any, str]] = {
    "peft, low rank": (
        {
            "base_model.model.0.base_layer.weight": ones((4, 4)),
            "base_model.model.0.lora_A.default.weight": ones((2, 4)),
            "base_model.model.0.lora_B.default.weight": ones((4, 2)),
        },
        "merge_and_unload",
    ),
    "nnx, low rank": (
        {"a": {"kernel": square, "lora": {"lora_a": ones((3, 1)), "lora_b": ones((1, 3))}}},
        "merge it first",
    ),
    "torch, attention": (
        {"in_proj_weight": ones((12, 4)), "out_proj.weight": ones((4, 4))},
        r"names=\[...\]",
    ),
    "torch, transformer": (
        {"self_attn.out_proj.weight": ones((4, 4)), "linear1.weight": ones((8, 4))},
        r"names=\[...\].* such as 'linear1.weight'",
    ),
    "flax, attention": (
        {n: {"kernel": ones((4, 2, 2))} for n in ("query", "key", "value", "out")},
        r"attention.* names=\[...\]",
    ),
    "torch, recurrent": (
        {"weight_ih_l0": ones((3, 3)), "weight_hh_l0": ones((3, 3))},
        "recurrent",
    ),
    "flax, embedding": (
        {"Embed_0": {"embedding": ones((4, 4))}, "Dense_0": {"kernel": ones((4, 4))}},
        "embeddings",
    ),
    "torch, embedding": (
        {"embed.weight": ones((4, 4)), "fc.weight": ones((4, 4))},
        "embeddings",
    ),
    "torch, dynamic quantization": (
        {"0._packed_params._packed_params": (square, ones(3)), "2.weight": square},
        r"names=\[...\]|quantized",
    ),
    "torch, quantization in training": (
        {"0.weight": ones((2, 3)), "0.weight_fake_quant.scale": ones(1)},
        "dequantized",
    ),
    "torch, packed integers": (
        {"0.weight": np.full((4, 3), 128, np.uint8), "0.bias": ones(4)},
        "zero_point",
    ),
    "bitsandbytes": (
        {"0.weight": np.ones((6, 1), np.uint8), "0.weight.absmax": ones(3)},
        "dequantized",
    ),
    "GPTQ": (
        {"0.qweight": np.ones((1, 3), np.int32), "0.scales": ones((1, 3)), "0.bias": ones(3)},
        r"names=\[...\]|quantized",
    ),
    "torch, orthogonal": (
        {"parametrizations.weight.original": square, "parametrizations.weight.0.base": square},
        "remove_parametrizations",
    ),
    "torch, symmetric": ({"parametrizations.weight.original": square}, "remove_parametrizations"),
    "torch, parameters without masks": (
        {"0.weight_orig": square, "0.bias": ones(3)},
        r"state_dict\(\).*masks=",
    ),
    "torch, one layer twice": ({"0.weight": square, "2.weight": square}, "list of the matrices"),
    "torch, tied autoencoder": (
        {"0.weight": square[:2], "0.bias": ones(2), "1.weight": square[:2].T, "1.bias": ones(3)},
        "list of the matrices",
    ),
    "torch, experts": ({f"experts.{n}.weight": square + n for n in (0, 1)}, "side by side"),
    "torch, heads": ({f"heads.{n}.weight": square + n for n in (0, 1)}, "side by side"),
    "torch, numbered heads": ({f"head{n}.weight": square + n for n in (1, 2)}, "side by side"),
    "torch, two heads": (
        {
            "trunk.weight": ones((4, 2)),
            "policy_head.weight": ones((4, 4)),
            "value_head.weight": ones((1, 4)),
        },
        "several heads, side by side.* such as 'trunk.weight'",
    ),
    "haiku, recurrent": (
        {"lstm/linear": {"w": ones((8, 16))}, "linear": {"w": ones((16, 2))}},
        "'lstm/linear/w'. is of a recurrent layer.* such as 'linear/w'",
    ),
    "flax, recurrent": (
        {"LSTMCell_0": {n: {"kernel": square + len(n)} for n in ("ii", "hi", "if", "hf")}},
        "recurrent",
    ),
    "flax, a cell alone": ({n: {"kernel": square} for n in ("hr", "ir", "hz")}, "recurrent"),
    "a scale of neurons": (
        {"fc.weight": ones((3, 2)), "fc.weight_scale": np.array([1.0, 0.0, 2.0])},
        "holds zeros.*multiply them in",
    ),
    "torch, gated": (
        {
            "w1.weight": ones((6, 4)),
            "w2.weight": ones((4, 6)),
            "w3.weight": ones((6, 4)),
            "w1.bias": ones(6),
            "w2.bias": ones(4),
            "w3.bias": ones(6),
        },
        "gated",
    ),
    "torch, projections": (
        {
            f"{n}_proj.weight": ones(s)
            for n, s in (("gate", (6, 4)), ("up", (6, 4)), ("down", (4, 6)))
        },
        "gate",
    ),
    "torch, skip": (
        {"fc1.weight": ones((3, 2)), "fc2.weight": ones((4, 3)), "skip.weight": ones((4, 2))},
        "skips layers",
    ),
    "torch, convolution": ({"0.weight": ones((6, 3, 5, 5))}, "convolution kernel"),
    "torch, convolution of one channel": ({"0.weight": ones((1, 1, 5, 5))}, "convolution kernel"),
    "torch, convolution in a list": ([ones((1, 1, 5, 5))], "convolution kernel"),
    "flax, convolution": ({"kernel": ones((3, 3, 1, 1))}, "convolution kernel"),
    "flax, general": ({"kernel": ones((4, 3, 2)), "bias": ones((3, 2))}, "does not tell|several"),
    "torch, bilinear": ({"weight": ones((2, 3, 4)), "bias": ones(2)}, "several matrices"),
    "flax, weight norm": (
        {
            "Dense_0": {"kernel": square, "bias": ones(3)},
            "WeightNorm_0": {"Dense_0/kernel/scale": np.array([1.0, 0.0, 2.0])},
        },
        "holds zeros.*multiply them in",
    ),
    "mask of another shape": (
        {"0.weight": ones((3, 2)), "0.mask": ones((2, 3))},
        r"0.mask'\] has shape \(2, 3\), its weights have \(3, 2\)",
    ),
    "mask of neurons": ({"0.weight": ones((3, 2)), "0.mask": ones(3)}, r"has shape \(3,\)"),
    "mask of nothing": ({"0.weight": square, "attn_mask": ones((3, 3))}, "masks="),
    "one mask for two": (
        {"0.weight": square, "0.kernel": square + 1, "0.mask": ones((3, 3))},
        "masks=",
    ),
    "matrix of another name": ({"0.weight": ones((2, 2)), "0.keep": np.eye(2)}, "masks="),
    "causal mask": ({"h.bias": ones((1, 1, 4, 4)), "h.weight": ones((4, 4))}, "names="),
    "moments alone": ({"exp_avg.0": square, "fc.weight": ones((3, 3))}, "names="),
    "an object": ({"0.weight": square, "packed": object()}, "leave it out"),
    "complex": ({"kernel": square * 1j}, "convert it"),
    "decoder first": (
        {"decoder": {"kernel": ones((2, 4))}, "encoder": {"kernel": ones((4, 2))}},
        'order="given".*names=',
    ),
    "numbers downward": ({f"up{n}": {"kernel": square + n} for n in (3, 2, 1)}, 'order="given"'),
    "bias of another layer": ({"0.weight": ones((3, 2)), "0.bias": ones(5)}, "groups="),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_chain_of_layers_is_refused_with_the_cure(name: str) -> None:
    weights, cure = REFUSED[name]
    with pytest.raises(ValueError, match=cure):
        from_weights(weights)


def test_the_question_of_many_layers_is_short_and_shows_the_order_of_numbers() -> None:
    rng = np.random.default_rng(0)
    kernels = {f"Dense_{n}": {"kernel": thin(rng, 3, 3)} for n in range(12)}
    with pytest.raises(ValueError, match='order="given", or as .* order="numbers"; say') as asked:
        from_weights(dict(sorted(kernels.items())))
    assert "widths (3, 3, 3, 3, 3, 3, ..., 3)" in str(asked.value)
    assert len(str(asked.value)) < 250


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"transpose": [True]}, "transpose has 1 entries for 2 layers"),
        ({"order": "sorted"}, "order must be 'given' or 'numbers'"),
        ({"masks": [square, None]}, "masks of a mapping must be one from the names"),
        ({"masks": {"2.weight": square}}, r"masks names '2.weight', but the layers are '0.weight'"),
        ({"masks": {"0.weight": "mask"}}, r"masks\['0.weight'\] is 'mask', but weights has"),
        ({"masks": {"0.weight": ones((2, 3))}}, "has shape"),
        ({"groups": {"2.weight": 2}}, "groups names '2.weight'"),
        ({"groups": 0}, "groups of .* must be an integer"),
        ({"groups": 2, "transpose": [True, True]}, "groups must divide the 3 channels"),
    ],
)
def test_what_is_said_wrong_is_named(said: dict[str, Any], message: str) -> None:
    weights = {"0.weight": ones((3, 3, 1, 1)), "1.weight": square}
    with pytest.raises(ValueError, match=message):
        from_weights(weights, **said)
