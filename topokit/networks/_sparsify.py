"""Any Equinox model with topologies in the places of its dense layers and convolutions."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any, TypeVar

import equinox as eqx
import jax
import networkx as nx
from jaxtyping import PRNGKeyArray

from topokit._checks import check_wiring
from topokit.layers import Layers, to_layers
from topokit.networks._conv import SparseConv2d
from topokit.networks._factored_layer import FactoredLayer
from topokit.networks._initialization import Radii, kaiming
from topokit.networks._linear import SparseLinear
from topokit.networks._patch_conv import PatchConv2d
from topokit.networks._patch_matrices import nonzero_edges, patch_matrices
from topokit.networks._rules import Rule

Model = TypeVar("Model")
Topology = nx.DiGraph | Layers


def kernels(model: Any) -> dict[str, tuple[int, int]]:
    """Name, inputs and outputs of each layer that `sparsify` can replace.

    These are `equinox.nn.Linear` between vectors, and `equinox.nn.Conv2d` in one group, without
    dilation, whose padding is zeros in given numbers, and `PatchConv2d`. The inputs of a
    convolution are the entries of a patch, `channels * height * width`. A layer whose weights alone
    stand in another place too (`equinox.nn.Shared`) is none of them; a layer that stands there as a
    whole is.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> networks.kernels(model)
        {'layers.1': (64, 16), 'layers.3': (16, 10)}

    See Also:
        `sparsify`, which replaces them.
    """
    return {name: _widths(layer) for name, layer in _dense_layers(model)}


def sparsify(
    model: Model,
    wiring: Rule | Mapping[str, Topology],
    *,
    key: PRNGKeyArray,
    init: Callable[[Layers], Radii] = kaiming,
) -> Model:
    """Put topologies in the places of dense layers, with fresh weights.

    Args:
        model: Any Equinox model.
        wiring: A rule for every layer that `kernels` lists, such as `clos_with(0.2)`, or a mapping
            from names of it to topologies; layers that it does not name stay as they are.
        key: Random key.
        init: Radii of the first weights, as in `SparseLinear`.

    Returns:
        The model with `SparseLinear` and `SparseConv2d` in these places, of the same types of
        numbers. A bias starts at 0.

    Raises:
        ValueError: If a name is not in the model, a topology has other widths than its layer,
            the rule has none for a layer, or there is no array in the model, as in PyTorch's.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> small = networks.sparsify(model, networks.low_rank_with(0.5), key=jax.random.key(1))
        >>> networks.n_parameters(small) < networks.n_parameters(model)
        True
        >>> small(jax.numpy.ones((1, 8, 8))).shape
        (10,)

    See Also:
        `clos_with`, `low_rank_with` and `random_with`, rules for all layers; `kernels`, the names.
    """
    found = dict(_dense_layers(model))
    check_wiring(wiring)
    chosen = wiring if isinstance(wiring, Mapping) else _by_rule(wiring, found)
    unknown = [name for name in chosen if name not in found]
    if unknown:
        raise ValueError(f"the model has no layer {unknown[0]!r}; its layers are {list(found)}")
    if not chosen:
        return model
    keys = jax.random.split(key, len(chosen))
    new = {
        name: _sparse(name, found[name], to_layers(topology), key, init)
        for (name, topology), key in zip(chosen.items(), keys, strict=True)
    }
    return with_nodes(model, new, _is_dense)


def kernel_topologies(model: Any) -> dict[str, Layers]:
    """The nonzero weights of each dense layer of a model as a recipe of one layer.

    This is how a pruned network (`prune`) becomes a wiring for `sparsify`. A neuron that has lost
    all its connections stays, and keeps its bias. A layer that `decompose` has taken apart is one
    recipe of several layers, under the name of the layer that it was.

    Raises:
        ValueError: If a layer has no connection left.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> {name: layers.n_edges for name, layers in networks.kernel_topologies(model).items()}
        {'layers.1': 1024, 'layers.3': 160}

    See Also:
        `to_topology`, of a sparse layer; `topokit.from_weights`, of matrices.
    """
    found = named_nodes(model, _is_kernel_or_factored)
    return {name: _of_weights(name, layer) for name, _, layer in found}


def n_parameters(model: Any) -> int:
    """How many numbers of a model are trained.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> networks.n_parameters(model)
        1210

    See Also:
        `kernels`, layer by layer.
    """
    _check_model(model)
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))


def named_nodes(
    model: Any, wanted: Callable[[Any], bool]
) -> list[tuple[str, tuple[Any, ...], Any]]:
    """Name, path and node of each wanted node of a model whose arrays stand nowhere else.

    Raises:
        ValueError: If there is no array in the model, or two nodes have one name.
    """
    _check_model(model)
    tied = _tied(model)
    named = [
        (name, path, node)
        for name, path, node in _nodes(model, wanted)
        if wanted(node) and not tied.intersection(map(id, jax.tree.leaves(node)))
    ]
    twice = [name for name, count in Counter(name for name, *_ in named).items() if count > 1]
    if twice:
        raise ValueError(f"two layers of the model are called {twice[0]}; rename a field or a key")
    return named


def with_nodes(model: Model, new: Mapping[str, Any], wanted: Callable[[Any], bool]) -> Model:
    """The model with others in the places of wanted nodes; one object may stand in several."""
    places = _nodes(model, wanted)
    nodes = [new.get(name, node) if wanted(node) else node for name, _, node in places]
    return jax.tree.unflatten(jax.tree.structure(model, is_leaf=wanted), nodes)


def _dense_layers(model: Any) -> list[tuple[str, Any]]:
    return [(name, node) for name, _, node in named_nodes(model, _is_dense)]


def _check_model(model: Any) -> None:
    """Refuse what holds no array, as a model of PyTorch does: none is said to be in it."""
    if any(hasattr(leaf, "dtype") for leaf in jax.tree.leaves(model)):
        return
    if any(kind.__module__.startswith("torch.nn.") for kind in type(model).__mro__):
        raise ValueError(
            "model must be one of Equinox; given one of PyTorch: take topokit.torch.sparsify and "
            "its neighbors"
        )
    raise ValueError(
        "model must hold arrays, as a model of Equinox does; there is none in the "
        f"{type(model).__name__} that is given"
    )


def _nodes(model: Any, wanted: Callable[[Any], bool]) -> list[tuple[str, tuple[Any, ...], Any]]:
    """All wanted nodes and what leaves are beside them, by name and path."""
    places, _ = jax.tree_util.tree_flatten_with_path(model, is_leaf=wanted)
    name = partial(jax.tree_util.keystr, simple=True, separator=".")
    return [(name(path), path, node) for path, node in places]


def _tied(model: Any) -> set[int]:
    """Identities of the arrays that stand in other places, too, without the layer around them."""
    nodes = jax.tree.leaves(model, is_leaf=_is_shared)
    shared = [node for node in nodes if _is_shared(node)]
    parts = (jax.tree.leaves(each.get(each.pytree), is_leaf=_is_dense) for each in shared)
    own = {id(part) for some in parts for part in some if not _is_dense(part)}
    return own.union(*(_tied(each.pytree) for each in shared))


def _is_shared(node: Any) -> bool:
    return isinstance(node, eqx.nn.Shared)


def _is_dense(node: Any) -> bool:
    if isinstance(node, PatchConv2d):
        return True
    if isinstance(node, eqx.nn.Linear):
        return "scalar" not in (node.in_features, node.out_features) and _axes(node) == 2
    return (
        isinstance(node, eqx.nn.Conv2d)
        and _axes(node) == 4
        and node.groups == 1
        and node.dilation == (1, 1)
        and node.padding_mode == "ZEROS"
        and not isinstance(node.padding, str)
    )


def _axes(node: Any) -> int | None:
    """Of its weight: more in a stack by `equinox.filter_vmap`, None where another layer has it."""
    return getattr(node.weight, "ndim", None)


def _by_rule(rule: Rule, found: Mapping[str, Any]) -> dict[str, Topology]:
    """A topology for each layer; what the rule refuses is told with the layer's name."""
    chosen = {}
    for name, layer in found.items():
        try:
            chosen[name] = rule(*_widths(layer))
        except ValueError as error:
            raise ValueError(f"{name}: {error}" if name else str(error)) from error
    return chosen


def _widths(layer: Any) -> tuple[int, int]:
    if isinstance(layer, PatchConv2d):
        return layer.in_channels * prod(layer.kernel_size), len(layer.weight)
    n_out = layer.weight.shape[0]
    return layer.weight.size // n_out, n_out


def _sparse(
    name: str, layer: Any, layers: Layers, key: PRNGKeyArray, init: Callable[[Layers], Radii]
) -> SparseLinear | SparseConv2d:
    if (layers.n_in, layers.n_out) != _widths(layer):
        n_in, n_out = _widths(layer)
        raise ValueError(
            f"the topology for {name} must have {n_in} inputs and {n_out} outputs; "
            f"given {layers.n_in} and {layers.n_out}"
        )
    bias, dtype = layer.bias is not None, layer.weight.dtype
    linear = SparseLinear(layers, key=key, bias=bias, init=init, dtype=dtype)
    if isinstance(layer, eqx.nn.Linear):
        return linear
    return SparseConv2d(linear, layer.kernel_size, layer.stride, layer.padding)


def _is_kernel_or_factored(node: Any) -> bool:
    return isinstance(node, FactoredLayer) or _is_dense(node)


def _of_weights(name: str, layer: Any) -> Layers:
    if isinstance(layer, PatchConv2d):
        return nonzero_edges(name, [layer.matrix().T])[0]
    factors = layer.layers if isinstance(layer, FactoredLayer) else (layer,)
    return nonzero_edges(name, patch_matrices(factors))[0]
