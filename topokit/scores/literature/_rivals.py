"""Data-free scores that others have proposed, so that those of topokit can be compared.

Each is cheap and tells something; none knows which entries of the end-to-end matrix the weights can
set, which is what `degrees_of_freedom` and `leverage` count.
"""

import networkx as nx
import numpy as np
from jaxtyping import Bool

from topokit._checks import check_count
from topokit._records import Record
from topokit.layers import EXACT, Layers, at_outputs, live_edges, live_neurons, to_layers
from topokit.scores.literature._distances import average_path_length
from topokit.scores.literature._expansion import (
    graph_spectral_gap,
    mean_difference_of_bound,
    ramanujan_bounds,
    second_singular_values,
)
from topokit.scores.literature._synflow import log_synflow

ROUNDING = 1e-9


class Rivals(Record):
    """Rival scores as plain numbers; each says which way its authors read it.

    Attributes:
        edges: Edges, constant ones included. More is better.
        trainable: Edges whose weight is free. More is better.
        effective_edges: Edges on a path from an input to an output, 1 to `edges` (Vysogorets and
            Kempe, 2021, arXiv:2107.02306: "effective sparsity" is the share of all others). More.
        effective_nodes: Neurons on such a path, inputs and outputs included (Pham et al., 2023,
            "Towards data-agnostic pruning at initialization: what makes a good sparse mask?").
            More, in balance with the paths.
        effective_paths: Paths from any input to any output, a Python integer of any size (Pham et
            al., 2023). More, in balance with the nodes.
        log_synflow: `log_synflow` at one draw of sparse Xavier weights. More.
        spectral_gap_min: One less the greatest of `second_singular_values`: the gap of the layer
            that mixes worst, in [0, 1]. More.
        spectral_gap_mean: The mean of the layers' gaps, in [0, 1]. More.
        graph_spectral_gap: The gap of the whole network as one graph, in [0, 1]. More.
        ramanujan_share: Share of layers whose second singular value is at most the Ramanujan bound,
            in [0, 1] (Pal et al., 2022; Hoang et al., 2023). More.
        ramanujan_margin: Mean of bound less second singular value, in units of the first, in
            [-1, 1]. More.
        difference_of_bound: `mean_difference_of_bound`, or None where it is not defined. More.
        average_path_length: `average_path_length`, at least 1. A middling one, or less.

    Examples:
        >>> import topokit as tk
        >>> found = tk.scores.rivals(tk.topologies.dense(4, 4))
        >>> found.effective_paths, round(found.spectral_gap_min, 6)
        (16, 1.0)

    See Also:
        `rivals`, which returns it.
    """

    edges: int
    trainable: int
    effective_edges: int
    effective_nodes: int
    effective_paths: int
    log_synflow: float
    spectral_gap_min: float
    spectral_gap_mean: float
    graph_spectral_gap: float
    ramanujan_share: float
    ramanujan_margin: float
    difference_of_bound: float | None
    average_path_length: float


def rivals(topology: nx.DiGraph | Layers, *, seed: int = 0) -> Rivals:
    """Score a topology as others would, by its graph or by one draw of weights.

    Cost: mostly `average_path_length`, O(diameter * neurons * E / 64); the others are about linear
    in E. Memory near that of the recipe.

    Args:
        topology: A graph or a recipe.
        seed: For the weights of SynFlow, the only random part.

    Raises:
        ValueError: If the graph is not a valid topology, or `seed` is negative.

    Examples:
        >>> import topokit as tk
        >>> found = tk.scores.rivals(tk.topologies.butterfly(8))
        >>> found.effective_edges, round(found.average_path_length, 2)
        (48, 3.45)

    See Also:
        `topokit.score`, the scores of this package.
    """
    layers, seed = to_layers(topology), check_count("seed", seed, least=0)
    second = np.minimum(second_singular_values(layers), 1.0)
    margins = ramanujan_bounds(layers) - second
    return Rivals(
        edges=layers.n_edges,
        trainable=layers.n_trainable,
        effective_edges=sum(int(on.sum()) for on in live_edges(layers)),
        effective_nodes=sum(int(on.sum()) for on in live_neurons(layers)),
        effective_paths=_count_paths(layers),
        log_synflow=log_synflow(layers, seed=seed),
        spectral_gap_min=float(1 - second.max()),
        spectral_gap_mean=float(1 - second.mean()),
        graph_spectral_gap=graph_spectral_gap(layers),
        ramanujan_share=float((margins > -ROUNDING).mean()),
        ramanujan_margin=float(margins.mean()),
        difference_of_bound=mean_difference_of_bound(layers),
        average_path_length=average_path_length(layers),
    )


def effective_edges(topology: nx.DiGraph | Layers) -> list[Bool[np.ndarray, " _edges"]]:
    """For each layer, which edges lie on a path from an input to an output; cost O(E).

    The others can be removed without a change of the end-to-end matrix (Vysogorets and Kempe, 2021,
    arXiv:2107.02306, who call them inactivated).

    Examples:
        >>> import topokit as tk
        >>> import numpy as np
        >>> graph = tk.from_masks([np.array([[1, 1], [0, 1]]), np.array([[1], [0]])])
        >>> [kept.tolist() for kept in tk.scores.effective_edges(graph)]
        [[True, False, False], [True]]

    See Also:
        `topokit.trim`, which takes the others out.
    """
    return list(live_edges(to_layers(topology)))


def _count_paths(layers: Layers) -> int:
    """Paths from any input to any output, in Python integers, which do not overflow."""
    last = at_outputs(layers, np.ones(layers.n_in, object), algebra=EXACT)
    return int(last.sum())
