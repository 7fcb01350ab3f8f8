"""Weights as frameworks lay them out, beside what their layers compute.

Each layer is a function from senders to receivers, and a sender feeds a receiver if a signal at it
alone changes the receiver. The tables give both, the arrays under the names of the framework and
the functions, and no case reads one from the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse as jax_sparse
from scipy import sparse

import topokit as tk

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
