"""Skip connections: in every neuron that mixes, one weight is fixed.

A neuron with `k` in-edges mixes `k` signals; their `k - 1` ratios are all that it must set, for the
magnitude can be set by a later layer. So one of its weights can be a constant, and a parameter is
saved without a loss (NeuroFabric, section VII.A).
"""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Int

from topokit._checks import check_count
from topokit.layers import each_layer, to_layers
from topokit.topologies._compose import Topology, as_given

PLACEMENTS = ("straight", "crossing", "random")
"""Where `topokit.with_skip` can put the constant edges."""


def with_skip(
    topology: Topology,
    *,
    placement: str = "straight",
    weight: float = 1.0,
    seed: int | None = None,
) -> Topology:
    """Make one in-edge of every neuron a constant, where it has two or more and none is constant.

    The place of a neuron is its index divided by the width of its layer, both counted from the
    middle of a neuron. Where one width is a multiple of the other and every neuron has an in-edge
    from its own place within a copy (parallel butterflies, Kronecker-widened layers), places are
    counted within the copy. Of several senders at the same distance, neuron `j` takes the `j`-th in
    turn, so that copies which feed one output share the constants evenly. A neuron with a constant
    in-edge keeps that one alone, so a second call changes nothing.

    What to expect of constants:

    - An output that sums parallel copies is one neuron with one constant. One a copy would fix
      every entry of the diagonal at the number of copies.
    - Where every neuron mixes, a path of constants leads into every output. If it is the only path
      of its pair, that entry cannot be set: `n` entries in a butterfly of depth `log2 n`.
    - The matrix has a scale of its own. Start with small trainable weights, or the product blows up
      with depth; give targets unit variance, or append `topokit.with_diagonal`.

    Args:
        topology: A graph or a recipe.
        placement: Which in-edge becomes constant: `"straight"`, the one from the sender whose place
            is nearest; `"crossing"`, farthest; `"random"`, drawn uniformly.
        weight: The constant, finite and not 0.
        seed: Seed of random placement, which needs one; the others do not read it.

    Returns:
        The same wiring with the chosen edges constant.

    Raises:
        ValueError: If `placement` is none of the three, `weight` cannot be a constant, or the seed
            of random placement is missing.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.butterfly(8, 6)
        >>> skipped = tk.with_skip(graph)
        >>> tk.structure(graph).trainable, tk.structure(skipped).trainable
        (96, 48)
        >>> tk.degrees_of_freedom(graph), tk.degrees_of_freedom(skipped)
        (56, 48)

    See Also:
        `topokit.topologies.PLACEMENTS`, where the constants can go; `with_diagonal`.
    """
    if placement not in PLACEMENTS:
        raise ValueError(f"placement must be one of {', '.join(PLACEMENTS)}; given {placement!r}")
    if not np.isfinite(weight) or weight == 0:
        raise ValueError(f"weight must be finite and not 0; given {weight}")
    if placement == "random" and seed is None:
        raise ValueError("placement='random' needs a seed, such as seed=0")
    number = check_count("seed", seed or 0, least=0)
    rng = np.random.default_rng(number)
    layers = to_layers(topology)
    free, constant = [], []
    for place, row in enumerate(each_layer(layers)):
        chosen = _chosen(*row[:3], layers.widths[place : place + 2], placement, rng)
        free.append(row[2].copy())
        constant.append(row[3].copy())
        free[-1][chosen], constant[-1][chosen] = False, weight
    changed = replace(layers, trainable=tuple(free), constant=tuple(constant))
    word = "skip" if placement == "straight" else f"{placement} skip"
    options: dict[str, Any] = {"placement": placement, "weight": float(weight)}
    options |= {"seed": number} if placement == "random" else {}
    return as_given(topology, changed, f"+ {word}", "with_skip", **options)


def _chosen(
    senders: np.ndarray,
    receivers: np.ndarray,
    trainable: np.ndarray,
    shape: tuple[int, ...],
    placement: str,
    rng: np.random.Generator,
) -> Int[np.ndarray, " chosen"]:
    """The edges of one layer that become constant."""
    fixed = np.bincount(receivers[~trainable], minlength=shape[1])
    mixes = (np.bincount(receivers, minlength=shape[1]) > 1) & (fixed == 0)
    edges = np.flatnonzero(mixes[receivers])
    if not edges.size:
        return edges
    if placement == "random":
        cost = rng.permutation(edges.size)
    else:
        cost = _distance(senders[edges], receivers[edges], shape)
        cost = cost if placement == "straight" else -cost
    starts, counts = _runs(receivers[edges])
    tied = edges[cost == np.repeat(np.minimum.reduceat(cost, starts), counts)]
    starts, counts = _runs(receivers[tied])
    return tied[starts + receivers[tied[starts]] % counts]


def _distance(
    senders: np.ndarray, receivers: np.ndarray, shape: tuple[int, ...]
) -> Int[np.ndarray, " edges"]:
    """Distance between the places of both ends, times twice both widths: an exact integer."""
    unit = min(shape)
    own = receivers[(senders - receivers) % unit == 0]
    if max(shape) % unit == 0 and np.unique(own).size == np.unique(receivers).size:
        senders, receivers, shape = senders % unit, receivers % unit, (unit, unit)
    return abs((2 * senders + 1) * shape[1] - (2 * receivers + 1) * shape[0])


def _runs(receivers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of each run of equal receivers, which ascend."""
    starts = np.flatnonzero(np.diff(receivers, prepend=-1))
    return starts, np.diff(starts, append=receivers.size)
