"""Controllability, as its users ask for it: one K, what it adds up to, and how good it is."""

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Float

from topokit._checks import check_choice, check_count, check_key, check_real
from topokit._html import heat_map
from topokit._records import Record
from topokit.layers import Layers, to_layers
from topokit.scores.control import descent
from topokit.scores.control._bound import control_bound
from topokit.scores.control._canonical import find_canonical

# The weight of evenness beside the loss where a descent has to weigh both.
EVENNESS = 0.01


class Controllability(Record):
    """What each output controls, and how far from the best that is.

    Attributes:
        K: `K[i, k] = sum_j C_ij(k)`: how many ratios of input `i` to other inputs output `k`
            controls, in [0, n_in - 1]. A column sums to at most `n_in - 1`.
        total: Sum of K: the ratios that the network controls in all.
        loss: Equation (20): the sum over outputs of `(n_in - 1 - sum_i K[i, k])^2`; 0 is perfect.
        bound: A proven lower bound on the loss; where they meet, no other K can do better.
        losses: The loss at every step of a descent. Of the canonical K, the loss at the start and
            at every check.
        converged: Whether K is the canonical one: the loss has met its bound and K stands still.
            False if `steps` ended the search, and of a descent, which knows no end.

    Examples:
        >>> import topokit as tk
        >>> found = tk.controllability(tk.topologies.butterfly(4))
        >>> found.K.round(3).tolist()
        [[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]
        >>> found.converged
        True

    See Also:
        `topokit.controllability`, which returns it.
    """

    K: Float[np.ndarray, "n_in n_out"]
    total: float
    loss: float
    bound: float
    losses: Float[np.ndarray, " checks"]
    converged: bool

    @property
    def gap(self) -> float:
        """How much of the loss may be the method's: `loss - bound`, relative to the bound.

        Where the bound is less than 1, the loss of one ratio missing, relative to 1.
        """
        return (self.loss - self.bound) / max(self.bound, 1.0)

    def _repr_html_(self) -> str:
        """The numbers, and K as a map, for notebooks."""
        return super()._repr_html_() + heat_map(self.K, "K")


def controllability(
    topology: nx.DiGraph | Layers,
    *,
    method: str = "marginal",
    fairness: bool | float = True,
    steps: int | None = None,
    learning_rate: float = 0.03,
    key: Any = None,
    callback: Callable[[int, int], object] | None = None,
) -> Controllability:
    """How many ratios of inputs each output controls, and of which inputs.

    `C_ij(v)` in [0, 1] is how freely the ratio of inputs `i` and `j` can be set at neuron `v`:

    - An input controls nothing (equation (10)).
    - A neuron sums what arrives and adds up to `min(t, k - 1)` of its own, for `k` in-edges of
      which `t` are trainable, on pairs of the inputs A(v) that reach it ((12), (27), (28)).
    - `C_ij + C_ji <= 1` (9) and `sum_ij C_ij(v) <= |A(v)| - 1` (11); what exceeds is lost.
    - It splits each `C_ij` over its out-edges, by shares that sum to 1 ((15) to (17)).

    What is added and how it is split is to make the loss (20) least. That decides how much each
    output controls, but not whose ratios, so that there are two K:

    - The **canonical** K: of all that have the least loss, the one of least sum of squares. First
      the loss, then fairness (a lexicographic choice, the limit of a penalty whose weight goes to
      0), so that nothing is paid for it. It is unique, and unevenness that is left is the wiring's
      own: pairs that no path joins, outputs that get less, inputs that crowd.
    - The paper's K (`fairness=False`): where plain descent by Adam from nearly even shares ends.
      Besides the wiring it shows the way that the descent took.

    Edges that come from no input or lead to no output do not count.

    Cost of the canonical K: a maximum flow or some for the totals (`control_bound`), then
    O(kinds E) a sweep, a kind being all inputs that feed the same neurons, and memory for each kind
    and neuron. One sweep or tens find a K that is even; only where inputs crowd, in sparse and
    irregular networks, hundreds of steps follow, each of several times as much. Where few inputs
    reach a neuron, or many pairs of an input and a neuron play the same part, as in lattices, one
    of these stands for all, and a sweep or step costs next to nothing; to find them takes seconds
    for millions of pairs. Of a descent: O(n_in E) a step and as much memory (marginal),
    O(n_in^2 E) (pairwise). What takes steps is compiled once for each set of shapes.

    Args:
        topology: A graph or a recipe.
        method: `"marginal"` keeps for each input the sum over `j` of its C_ij, all that K needs.
            `"pairwise"` keeps every C_ij as the paper does, for `n_in` times the cost. Only this
            knows the bound on single pairs (9), so its total can be the less. It always descends;
            for fairness it adds a small penalty on the variance of K, so that its K is near the
            canonical and not certain to be.
        fairness: Whether to seek the canonical K. A number counts as true above 0.
        steps: How many steps to take: exactly so many in a descent (500 by default), at most so
            many to the canonical K (10,000 by default).
        learning_rate: Of a descent, where its cosine schedule starts.
        key: Of a descent, where it starts: a JAX key or an integer seed; 0 by default.
        callback: Called now and then with the number of steps done, and of those there may be.

    Returns:
        The canonical K, as near as `steps` allow (see `converged`), or the best iterate of a
        descent.

    Raises:
        ValueError: If `method` is neither form, a number is out of range, the graph is not a valid
            topology, or the arrays would take more than 16 GiB (8 GiB for a descent).

    Examples:
        >>> import topokit as tk
        >>> found = tk.controllability(tk.topologies.clos(8, 8, 4, 4, 4))
        >>> round(found.total, 3), round(found.loss, 3)
        (56.0, 0.0)
        >>> found.K.shape, round(float(found.K.std()), 3)
        ((8, 8), 0.0)

    See Also:
        `score`, which holds its totals; `topokit.plotting.plot_control`, its picture;
        `topokit.scores.control_bound`, what no plan can beat.
    """
    check_choice("method", method, ("marginal", "pairwise"))
    if not isinstance(fairness, bool | np.bool_):
        fairness = check_real("fairness", fairness, least=0, most=np.inf) > 0
    learning_rate = check_real("learning_rate", learning_rate, least=0, most=10)
    steps = None if steps is None else check_count("steps", steps)
    check_key(key)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback must be a function of two numbers of steps; given {callback!r}")
    layers = to_layers(topology)
    if fairness and method == "marginal":
        K, bound, losses, converged = find_canonical(
            layers, steps=steps or 10_000, callback=callback
        )
        return _result(layers, K, bound, losses, converged=converged)
    form, remedy = (
        (descent.marginal, "the canonical K, fairness=True, needs less")
        if method == "marginal"
        else (descent.pairwise, f"method='marginal' needs {layers.n_in} times less")
    )
    wiring = descent.lay_out(layers, form, remedy=remedy)
    bound = control_bound(layers)  # before the descent, for it may be refused
    K, losses = descent.descend(
        wiring,
        form,
        n_out=layers.n_out,
        evenness=EVENNESS if fairness else 0.0,
        steps=steps or 500,
        learning_rate=learning_rate,
        key=key,
        callback=callback,
    )
    return _result(layers, K, bound, losses, converged=False)


def _result(
    layers: Layers,
    K: Float[np.ndarray, "n_in n_out"],
    bound: float,
    losses: Float[np.ndarray, " checks"],
    *,
    converged: bool,
) -> Controllability:
    loss = float(np.sum((layers.n_in - 1 - K.sum(axis=0)) ** 2))
    # Rounding in single precision may take K beyond what is possible, by a millionth of the loss.
    return Controllability(K, float(K.sum()), loss, min(bound, loss), losses, converged)
