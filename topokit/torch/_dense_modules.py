"""Out of a sparse module again: a dense one, or one that is pruned as PyTorch prunes."""

import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn.utils import prune  # pyright: ignore[reportMissingImports]

from topokit._checks import check_instance
from topokit.torch._pointwise import SparsePointwiseConv2d
from topokit.torch._sparse_modules import SparseLinear

Sparse = SparseLinear | SparsePointwiseConv2d
KINDS = SparseLinear, SparsePointwiseConv2d
SAID = "a SparseLinear or a SparsePointwiseConv2d, one layer of a model"


@torch.no_grad()
def to_dense(sparse: Sparse) -> nn.Linear | nn.Conv2d:
    """The dense layer that computes the same; cost O(n_in edges).

    Examples:
        >>> import torch
        >>> import topokit as tk
        >>> layer = tk.torch.SparseLinear(tk.topologies.butterfly(4))
        >>> dense, x = tk.torch.to_dense(layer), torch.ones(3, 4)
        >>> dense, bool(torch.allclose(dense(x), layer(x), atol=1e-5))
        (Linear(in_features=4, out_features=4, bias=True), True)

    See Also:
        `to_pruned`, with the zeros of one layer.
    """
    check_instance("sparse", sparse, KINDS, SAID)
    linear = sparse if isinstance(sparse, SparseLinear) else sparse.linear
    widths = linear.in_features, linear.out_features
    kind = {"bias": linear.bias is not None, "device": "meta", "dtype": linear.weight.dtype}
    if isinstance(sparse, SparseLinear):
        dense = nn.Linear(*widths, **kind)
    else:
        dense = nn.Conv2d(*widths, 1, stride=sparse.stride, **kind)
    dense.weight = nn.Parameter(linear.weight.reshape(dense.weight.shape))
    if linear.bias is not None:
        dense.bias = nn.Parameter(linear.bias.clone())
    return dense.train(sparse.training)


def to_pruned(sparse: Sparse) -> nn.Linear | nn.Conv2d:
    """A layer of edges as a dense one with a mask of `torch.nn.utils.prune`.

    It has the same weights, bit for bit, as `weight_orig`, and `weight_mask` where there are edges.

    Raises:
        ValueError: If the topology has several layers, whose product has other zeros, or constant
            edges, which a mask cannot tell from trained ones.

    Examples:
        >>> import topokit as tk
        >>> layer = tk.torch.SparseLinear(tk.topologies.random_regular([8, 4], 2, seed=0))
        >>> pruned = tk.torch.to_pruned(layer)
        >>> sorted(pruned.state_dict()), int(pruned.weight_mask.sum())
        (['bias', 'weight_mask', 'weight_orig'], 8)

    See Also:
        `sparsify`, the way back, where it is told to keep weights.
    """
    check_instance("sparse", sparse, KINDS, SAID)
    linear = sparse if isinstance(sparse, SparseLinear) else sparse.linear
    recipe = linear.topology
    if recipe.depth > 1 or recipe.n_trainable < recipe.n_edges:
        raise ValueError(
            "a mask can show one layer of trainable edges; this topology has "
            f"{recipe.depth} layers and {recipe.n_edges - recipe.n_trainable} constant edges: take "
            "to_dense, which computes the same without a mask"
        )
    (layer,), dense = linear.layers, to_dense(sparse)
    mask = torch.zeros_like(dense.weight).flatten(1)
    mask[layer.receivers.long(), layer.senders.long()] = 1
    return prune.custom_from_mask(dense, "weight", mask.reshape(dense.weight.shape))
