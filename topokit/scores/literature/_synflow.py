"""SynFlow: how much magnitude flows from the inputs to the outputs, and through which edge.

For weights `w` the flow of a path is the product of its `|w|`, and `R` the sum over all paths. What
flows through an edge is `|w dR/dw|`. Every path crosses each layer once, so that these add up to
`R` layer by layer (the conservation law), and with all weights 1 they count paths. Products of many
layers leave the range of floats; here all is kept as logarithms.
"""

from collections.abc import Iterable, Sequence

import networkx as nx
import numpy as np
from jaxtyping import Float

from topokit._checks import check_count
from topokit.layers import LOGS, Layers, at_outputs, backward, draw_xavier, forward, to_layers

Weights = Sequence[Float[np.ndarray, " _edges"]]


def log_synflow(
    topology: nx.DiGraph | Layers, weights: Weights | None = None, *, seed: int = 0
) -> float:
    """Natural logarithm of the synaptic flow `R = 1^T |W_1| |W_2| ... |W_L| 1`, of any sign.

    The sum of the magnitudes of all paths, and the l1 path norm of a linear network. It rewards
    many paths of large weights. Source: Tanaka, Kunin, Yamins and Ganguli (2020, arXiv:2006.05467),
    section 6, where `R` is what pruning shall keep. As there, no activations and no biases; a
    constant edge counts with the magnitude of its constant.

    Args:
        topology: A graph or a recipe.
        weights: For each layer, the weight of every edge in the recipe's order; what it says of
            constant edges is used too. By default constants as they are and trainable edges drawn
            as for training, sparse Xavier with true fans (see `topokit.leverage`).
        seed: Of that draw.

    Returns:
        The logarithm; minus infinity if a weight of 0 stops every path. Cost O(E).

    Raises:
        ValueError: If `weights` do not fit the topology or are not finite, or `seed` is negative.

    Examples:
        >>> import topokit as tk
        >>> import numpy as np
        >>> flow = tk.scores.log_synflow(tk.topologies.butterfly(4), [np.ones(8), np.ones(8)])
        >>> round(np.exp(flow).item(), 6)
        16.0

    See Also:
        `synflow_shares`, edge by edge.
    """
    layers = to_layers(topology)
    logs = _log_magnitudes(layers, weights, seed)
    last = at_outputs(layers, np.zeros(layers.n_in), logs, algebra=LOGS)
    return float(np.logaddexp.reduce(last))


def synflow_shares(
    topology: nx.DiGraph | Layers, weights: Weights | None = None, *, seed: int = 0
) -> list[Float[np.ndarray, " _edges"]]:
    """The synaptic flow through every edge as a share of all; each in [0, 1], each layer's sum 1.

    SynFlow's score of a weight, `|w dR/dw|`, divided by `R` (Tanaka et al., 2020, section 6); that
    a layer's scores sum to `R` is their conservation law (section 4). SynFlow prunes the least
    first. An edge without a share lies on no path. Arguments and cost are those of `log_synflow`.

    Raises:
        ValueError: As `log_synflow`, or if a weight of 0 stops every path.

    Examples:
        >>> import topokit as tk
        >>> first, last = tk.scores.synflow_shares(tk.topologies.butterfly(4))
        >>> first.shape, round(float(first.sum()), 6)
        ((8,), 1.0)

    See Also:
        `log_synflow`, the whole.
    """
    layers = to_layers(topology)
    logs = _log_magnitudes(layers, weights, seed)
    before = list(forward(layers, np.zeros(layers.n_in), logs, algebra=LOGS))
    behind = backward(layers, np.zeros(layers.n_out), logs, algebra=LOGS)
    total = np.logaddexp.reduce(before[-1])
    if total == -np.inf:
        raise ValueError("weights let nothing flow: every path holds a weight of 0; raise some")
    rows = zip(before, layers.senders, logs, behind[1:], layers.receivers, strict=False)
    return [np.exp(b[s] + log + o[r] - total) for b, s, log, o, r in rows]


def _log_magnitudes(
    layers: Layers, weights: Weights | None, seed: int
) -> list[Float[np.ndarray, " _edges"]]:
    seed = check_count("seed", seed, least=0)
    if weights is None:
        weights = draw_xavier(layers, np.random.default_rng(seed))
    expected = [s.shape for s in layers.senders]
    given = [np.shape(w) for w in weights] if isinstance(weights, Iterable) else [type(weights)]
    if given != expected:
        raise ValueError(
            f"weights must hold one array a layer, one weight an edge, of shapes {expected}; "
            f"given {given}"
        )
    weights = [np.asarray(w) for w in weights]
    if any(w.dtype.kind not in "fiub" for w in weights):
        raise ValueError(f"weights must be real numbers; given {[str(w.dtype) for w in weights]}")
    if not all(np.isfinite(w).all() for w in weights):
        raise ValueError("weights must be finite; given some that are infinite or not a number")
    with np.errstate(divide="ignore"):
        return [np.log(np.abs(w)) for w in weights]
