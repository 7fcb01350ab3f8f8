"""Any PyTorch model with topologies in the places of its dense layers."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import networkx as nx
import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from topokit._checks import check_instance, check_wiring
from topokit.layers import Layers, sort_layers, to_layers
from topokit.networks import Rule, kaiming
from topokit.torch._own_attributes import Dense, own_attributes
from topokit.torch._pointwise import SparsePointwiseConv2d
from topokit.torch._sparse_modules import Radii, SparseLinear

Topology = nx.DiGraph | Layers


def kernels(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Name, inputs and outputs of each layer that `sparsify` can replace.

    These are `torch.nn.Linear`, and `torch.nn.Conv2d` of 1 x 1 pixels in one group without padding,
    pruned ones too. What derives from them or is parametrized is left out, as others read its
    weights; so is a layer that shares its parameters with another module. A module that is used in
    several places has the name of the first. What has hooks is listed, for `sparsify` to refuse.

    Examples:
        >>> import topokit as tk
        >>> from torch import nn
        >>> tk.torch.kernels(nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)))
        {'0': (64, 16), '2': (16, 10)}

    See Also:
        `sparsify`, which replaces them.
    """
    return {name: _widths(layer) for name, layer in _dense_layers(model).items()}


def kernel_topologies(model: nn.Module) -> dict[str, Layers]:
    """What is left of each dense layer of a model, as a recipe of one layer.

    That is what the mask of `torch.nn.utils.prune` keeps, or else the weights that are not 0. This
    is how a pruned network becomes a wiring for `sparsify`. A neuron that has lost all its
    connections stays, and keeps its bias.

    Raises:
        ValueError: If a layer has no connection left.

    Examples:
        >>> import topokit as tk
        >>> from torch import nn
        >>> from torch.nn.utils import prune
        >>> model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
        >>> _ = prune.ln_structured(model[0], "weight", amount=0.5, n=2, dim=1)
        >>> {name: layers.n_edges for name, layers in tk.torch.kernel_topologies(model).items()}
        {'0': 512, '2': 160}

    See Also:
        `topokit.from_weights`, which makes one topology of a whole state dict.
    """
    return {name: _of_weights(name, layer) for name, layer in _dense_layers(model).items()}


def sparsify(
    model: nn.Module,
    wiring: Rule | Mapping[str, Topology],
    *,
    keep: bool = False,
    init: Callable[[Layers], Radii] = kaiming,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """A copy of a model with topologies in the places of dense layers.

    Args:
        model: Any module; it stays as it is.
        wiring: A rule for every layer that `kernels` lists, such as
            `topokit.networks.clos_with(0.2)`, or a mapping from names of it to topologies; layers
            that it does not name stay as they are.
        keep: Whether the new layers have the weights of the old ones on their edges, and the
            biases: for topologies of one layer, such as those of `kernel_topologies`. Otherwise
            weights are fresh.
        init: Radii of the first weights, as in `SparseLinear`.
        generator: Where their draws come from, as in `SparseLinear`.

    Returns:
        The copy, with `SparseLinear` and `SparsePointwiseConv2d` in these places, on the same
        devices and of the same types, as frozen or not as the old ones, and with what attributes
        others have put on these. A fresh bias starts at 0.

    Raises:
        ValueError: If a name is not in the model, a topology has other widths than its layer, the
            rule has none for a layer, a topology cannot keep weights, or a layer has hooks (but
            those of pruning), a `forward` or parameters of its own, which would be lost with it.

    Examples:
        >>> import topokit as tk
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        >>> tk.torch.sparsify(model, tk.networks.low_rank_with(0.5))
        Sequential(
          (0): SparseLinear(64 -> 32, 960 edges in 2 layers, 960 trainable, bias=True)
          (1): ReLU()
          (2): SparseLinear(32 -> 10, 320 edges in 1 layer, 320 trainable, bias=True)
        )

    See Also:
        `topokit.networks.clos_with` and its neighbors, rules for all layers; `kernels`, the names.
    """
    found = _dense_layers(model)
    check_wiring(wiring)
    chosen = wiring if isinstance(wiring, Mapping) else _by_rule(wiring, found)
    unknown = [name for name in chosen if name not in found]
    if unknown:
        raise ValueError(f"the model has no layer {unknown[0]!r}; its layers are {list(found)}")
    copies, own = _without_history(model), {}
    for name, topology in chosen.items():
        layers, dense = _fitting(name, topology, found[name]), found[name]
        sparse = _sparse(dense, layers, init, generator)
        copies[id(dense)] = _in_place_of(dense, sparse)
        own[id(dense)] = own_attributes(name, dense, copies[id(dense)])
        _freeze_alike(dense, sparse)
        if keep:
            _take_over(name, dense, sparse)
    for place, attributes in own.items():
        vars(copies[place]).update(copy.deepcopy(attributes, copies))
    return copy.deepcopy(model, copies)


def _freeze_alike(dense: Dense, sparse: SparseLinear) -> None:
    for layer in sparse.layers:
        layer.weight.requires_grad_(_learns(dense, "weight"))
    if sparse.bias is not None:
        sparse.bias.requires_grad_(_learns(dense, "bias"))


def _learns(dense: Dense, part: str) -> bool:
    """Whether what is stored of a part learns: from it, pruning computes the part."""
    parameters, before = dict(dense.named_parameters()), f"{part}_orig"
    return parameters[before if before in parameters else part].requires_grad


def _without_history(model: nn.Module) -> dict[int, Any]:
    """What to take for copies of tensors that PyTorch would not copy: those of pruned modules."""
    held = (value for module in model.modules() for value in vars(module).values())
    tensors = (value for value in held if isinstance(value, Tensor) and not value.is_leaf)
    return {id(tensor): tensor.detach().clone() for tensor in tensors}


def _dense_layers(model: nn.Module) -> dict[str, Dense]:
    check_instance("model", model, nn.Module, "a torch.nn.Module")
    owners: dict[int, set[int]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), set()).add(id(module))
    return {
        name: module
        for name, module in model.named_modules()
        if _is_dense(module)
        and all(len(owners[id(p)]) == 1 for p in module.parameters(recurse=False))
    }


def _is_dense(module: nn.Module) -> TypeGuard[Dense]:
    if type(module) is nn.Linear:
        return True
    return (
        type(module) is nn.Conv2d
        and module.kernel_size == (1, 1)
        and module.groups == 1
        and module.padding in {(0, 0), "valid"}
    )


def _widths(layer: Dense) -> tuple[int, int]:
    n_out, n_in = layer.weight.shape[:2]
    return n_in, n_out


def _by_rule(rule: Rule, found: Mapping[str, Dense]) -> dict[str, Topology]:
    """A topology for each layer; what the rule refuses is told with the layer's name."""
    chosen = {}
    for name, layer in found.items():
        try:
            chosen[name] = rule(*_widths(layer))
        except ValueError as error:
            raise ValueError(f"{name}: {error}" if name else str(error)) from error
    return chosen


def _fitting(name: str, topology: Topology, dense: Dense) -> Layers:
    layers, (n_in, n_out) = to_layers(topology), _widths(dense)
    if (layers.n_in, layers.n_out) != (n_in, n_out):
        raise ValueError(
            f"the topology for {name!r} must have {n_in} inputs and {n_out} outputs; "
            f"given {layers.n_in} and {layers.n_out}"
        )
    return layers


def _sparse(
    dense: Dense,
    layers: Layers,
    init: Callable[[Layers], Radii],
    generator: torch.Generator | None,
) -> SparseLinear:
    kind = {"device": dense.weight.device, "dtype": dense.weight.dtype}
    bias = dense.bias is not None
    sparse = SparseLinear(layers, bias=bias, init=init, generator=generator, **kind)
    return sparse.train(dense.training)


@torch.no_grad()
def _take_over(name: str, dense: Dense, sparse: SparseLinear) -> None:
    """Weights and bias, number by number."""
    if sparse.topology.depth > 1 or sparse.topology.n_trainable < sparse.topology.n_edges:
        raise ValueError(
            f"the topology for {name!r} cannot keep weights: it must be of one layer without "
            "constant edges, such as those of kernel_topologies; leave out keep=True"
        )
    (layer,) = sparse.layers
    ends = layer.receivers.long(), layer.senders.long()
    layer.weight.copy_(dense.weight.flatten(1)[ends])
    if sparse.bias is not None and dense.bias is not None:
        sparse.bias.copy_(dense.bias)


def _in_place_of(dense: Dense, sparse: SparseLinear) -> nn.Module:
    if isinstance(dense, nn.Conv2d):
        down, right = dense.stride
        return SparsePointwiseConv2d(sparse, stride=(down, right)).train(dense.training)
    return sparse


def _of_weights(name: str, layer: Dense) -> Layers:
    mask = getattr(layer, "weight_mask", layer.weight).detach().flatten(1).cpu()
    receivers, senders = (ends.numpy() for ends in mask.nonzero(as_tuple=True))
    if not senders.size:
        raise ValueError(f"layer {name!r} has no weight left; prune it less")
    return sort_layers([mask.shape[1], mask.shape[0]], [senders], [receivers])
