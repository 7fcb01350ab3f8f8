"""Weights of a network from elsewhere, such as a pruned one, as a topology.

What is not zero is an edge. Frameworks disagree on which axis of a matrix the neurons that receive
lie on, and on what else they keep beside it. A network goes in only if there is one that the arrays
can be; everything else is a question to the caller.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from topokit._checks import check_choice
from topokit.files._found_layers import Choices, listed_layers, mapped_layers
from topokit.files._named_leaves import Named, label, named_leaves, read_named
from topokit.files._readings import Network
from topokit.files._refusals import refusals
from topokit.files._settle import Said, settle
from topokit.layers import Layers, from_layers, make_layers


def from_weights(
    weights: Iterable[Any] | Mapping[str, Any] | str | os.PathLike[str],
    *,
    names: Sequence[str] | None = None,
    transpose: bool | Sequence[bool] | None = None,
    order: str | None = None,
    masks: Mapping[str, Any] | Sequence[Any] | None = None,
    groups: int | Mapping[str, int] | None = None,
) -> nx.DiGraph:
    """The topology of a network's weights or masks: an edge wherever an entry is not 0.

    The answer is the one network that the arrays can be. Where they can be two, the error shows
    both, as widths and edges, and the argument that settles it.

    Known by their names are: weights and the mask that multiplies them (`x_orig` and `x_mask` of
    PyTorch's pruning, `weight` and `mask`, trees of masks beside trees of weights), the parts of
    weight norm and spectral norm, biases, whose length says which axis receives, and the state of
    an optimizer, which is passed over, as vectors and scalars are. Pointwise convolutions count as
    the matrices that they are. Every other array of two axes or more has to be a layer, or is asked
    for.

    Args:
        weights: One of

            - a list of matrices, one for each layer, inputs first; vectors that follow one, as in
              what Keras's `get_weights` returns, are its bias;
            - a mapping from names to arrays, such as the state dict of a PyTorch module, or nested
              ones of Flax and Haiku, whose names are joined by `/`;
            - the path of an `.npz` or `.safetensors` file of named arrays, or of one by
              `scipy.sparse.save_npz`.

            An array is one of numpy, JAX or PyTorch, also in half precision, quantized or sparse,
            or a sparse matrix of scipy. In a list it may be the path of a file with one array.
        names: Of a mapping or file, the arrays that are the layers, in order. By default all that
            have two axes or more.
        transpose: True if arrays are `(n_out, n_in)`, as PyTorch and Equinox keep them, false if
            they are `(n_in, n_out)`; a list of one for each layer where they differ. By default
            what the lengths of biases, the name `kernel` and the chain of widths tell; a square
            matrix of a mapping lies as the others of its kind do. A list without biases is turned
            as a whole, and false if it chains that way alone.
        order: `"given"` if a mapping has its layers in order, `"numbers"` if all numbers in their
            names say the order. By default numbers such as those of `fc2` and `layers.10` do, and
            not those that frameworks append, as in `Dense_1`; without them the one order that
            chains, unless layers of different names, such as an actor and a critic, could also be
            fed side by side.
        masks: What multiplies the weights beside what their names tell. Of a mapping or file, by
            the name of the layer, the name of its mask, the mask itself, or None if there is none;
            of a list, a list of the same length.
        groups: Groups of the convolutions, one number for all or by the name of the layer.

    Returns:
        The graph, all its edges trainable; the values are not kept. Cost O(E) in Python objects.
        A hidden neuron may be without edges.

    Raises:
        ValueError: If there is nothing to make layers of, more than one network can be meant, an
            array is no matrix of finite real numbers or holds only zeros, the shapes do not chain,
            a name is missing, a file is damaged, or an output cannot be reached.
        OSError: If the file cannot be read.

    Examples:
        >>> import topokit as tk
        >>> import numpy as np
        >>> first, last = np.array([[0.5, 0.0], [0.1, -0.3], [0.0, 0.0]]), np.ones((2, 3))
        >>> graph = tk.from_weights([first, last], transpose=True)
        >>> tk.to_layers(graph).widths, graph.number_of_edges()
        ((2, 3, 2), 9)
        >>> state = {"0.weight": np.ones((3, 2)), "0.mask": np.eye(3, 2), "0.bias": np.zeros(3)}
        >>> state["2.weight"] = np.ones((1, 3))
        >>> tk.from_weights(state).number_of_edges()
        5

    See Also:
        `from_masks`, which checks instead of guessing.
    """
    if order is not None:
        check_choice("order", order, ("given", "numbers"))
    choices = Choices(names, masks, groups, transpose)
    said = Said(transpose, order, ordered=True, listed=False)
    if isinstance(weights, str | os.PathLike):
        layers = _layers_in_file(Path(weights), choices, said)
    else:
        layers = _layers(_network(weights, choices, said))
    graph = from_layers(layers)
    graph.graph.update(name="from_weights", family="from_weights")
    return graph


def _layers_in_file(path: Path, choices: Choices, said: Said) -> Layers:
    arrays = read_named(path)
    said = said._replace(ordered=path.suffix != ".safetensors")
    with refusals(path, ""):
        if said.order == "given" and not said.ordered:
            raise ValueError(
                "a .safetensors file does not keep the order of its arrays; give names=[...], the "
                "layers in order"
            )
        return _layers(_network(arrays, choices, said))


def _network(weights: Any, choices: Choices, said: Said) -> Network:
    if not isinstance(weights, Mapping):
        return settle(listed_layers(weights, choices), said._replace(listed=True))

    def attempt(names: Sequence[str], masks: Mapping[str, str]) -> str | None:
        tried = choices._replace(names=names, masks=masks)
        try:
            return str(_network(weights, tried, said))
        except ValueError:
            return None

    named = named_leaves(weights)
    if choices.names is None:
        _refuse_edges(named)
    layers = mapped_layers(named, choices, attempt)
    return settle(layers, said._replace(order="given") if choices.names is not None else said)


def _refuse_edges(named: Named) -> None:
    """Sparse layers of topokit: their widths and constants are known to their topology alone."""
    for name in named:
        stem = name.removesuffix("senders")
        if stem != name and {f"{stem}receivers", f"{stem}weight"} <= named.keys():
            raise ValueError(
                f"{label(stem + 'weight')} belongs to a sparse layer of topokit, a list of edges: "
                "take the topology of the layer, topokit.networks.to_topology(layer) or, in "
                "PyTorch, layer.topology; or choose matrices with names=[...]"
            )


def _layers(found: Network) -> Layers:
    places = [matrix.tocoo() for matrix in found.matrices]
    return make_layers(
        found.widths,
        [p.row.astype(np.int64) for p in places],
        [p.col.astype(np.int64) for p in places],
    )
