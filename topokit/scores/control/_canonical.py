"""The canonical K: of all that have the least loss, the one of least sum of squares.

The loss fixes what each output has in all (`Totals`), and leaves open of which inputs. Among the K
with these totals the one of least sum of squares is unique, for the sum is strictly convex. Where
the wiring lets every output have all inputs that reach it evenly, that is the canonical K: no K
with these totals can have less, and flows that bring it about prove it (`_even_flow`). Elsewhere a
search goes on: neuron by neuron, or by kinds of pairs where these are much fewer, or pair by pair
where few inputs reach a neuron.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from topokit._limits import check_memory
from topokit.layers import Layers
from topokit.scores.control import primal_dual
from topokit.scores.control._bound import Totals, least_totals
from topokit.scores.control._color_refinement import find_kinds
from topokit.scores.control._control_network import ControlNetwork, make_network
from topokit.scores.control._even_flow import flow_evenly
from topokit.scores.control._flow_network import FlowNetwork, neuron_by_neuron
from topokit.scores.control._flow_plan import Plan, plan_evenly, realize, share_evenly
from topokit.scores.control._merged_pairs import NotAlikeError, merge_pairs
from topokit.scores.control._pair_graph import count_pairs, make_pairs
from topokit.scores.control._pair_kinds import each_its_own, find_pair_kinds

LIMIT = 2**34

# Whether to stop is asked after so many steps.
STEPS_AT_ONCE = 50

# Flows are made more even as long as so many sweeps bring K nearer to the even one by this factor.
SWEEPS_AT_ONCE = 10
NEARER = 0.75

# Numbers on all edges from which on a step takes so long that JAX is worth loading: 10 ms.
LARGE = 2**22

# Where pairs have so many times fewer kinds than there are places for them, they are merged; where
# they take so many times less memory, before anything else is tried.
SMALLER = 8

# Pair by pair, a step of the search is faster where it takes so many times less memory: what does
# not reach a neuron is then not carried along as zeros.
FASTER = 2

# A plan is good if the loss it comes to is within this of the bound, relative to the bound or to 1
# where that is less, and every K comes out as planned and as it was before the last steps but for
# this share of the greatest.
GAP = 2e-5
CLOSE = 3e-5

# What sums in single precision lose, relative to the number of terms, where the bound is 0.
ROUNDING = 5e-7


class SearchEnd(NamedTuple):
    """Where a search ended: K of all outputs, the losses at every check, and if it converged."""

    K: Float[np.ndarray, "n_out kinds"]
    losses: list[float]
    converged: bool


class Sizes(NamedTuple):
    """Bytes of flows in tables, of a search on the whole or by pairs, and of merging pairs."""

    tables: int
    whole: int
    by_pair: int
    merging: int

    @property
    def few(self) -> bool:
        """Whether it goes by pairs in any case: they are few, or no table fits."""
        return self.tables > LIMIT or SMALLER * self.by_pair <= self.whole


def find_canonical(
    layers: Layers, *, steps: int, callback: Callable[[int, int], object] | None = None
) -> tuple[Float[np.ndarray, "n_in n_out"], float, Float[np.ndarray, " checks"], bool]:
    """The canonical K, the bound on its loss, the losses at every check, and if K has converged.

    The callback gets the number of steps taken at every check, and the most there may be.
    """
    network = make_network(layers)
    sizes = _count_bytes(network)
    _check_size(min(sizes.tables, sizes.by_pair))
    totals = least_totals(network)
    merged = _merge(network, totals, sizes) if sizes.few else None
    flows = merged or (neuron_by_neuron(network), totals)
    found = _spread(*flows, network.n_in)
    if found is None:
        _check_size(min(sizes.whole, sizes.by_pair))
        flows = merged or _lay_out(network, totals, sizes) or flows
        found = _search(*flows, network.n_in, steps=steps, callback=callback)
    elif callback is not None:
        callback(0, steps)
    K = found.K[:, network.kind].T.astype(float)
    return K, totals.bound, np.array(found.losses), found.converged


def _spread(network: FlowNetwork, totals: Totals, n_in: int) -> SearchEnd | None:
    """Try to give each output all inputs evenly; None where flows come no nearer to that."""
    ideal = share_evenly(network, totals.taken)
    greatest, off = float(ideal.max()), []
    for K in flow_evenly(network, ideal):
        loss, met = _judge(network, totals, K, n_in)
        off.append(float(np.abs(K - ideal).max()))
        if met and off[-1] <= CLOSE * greatest:
            return SearchEnd(network.expand(K), [loss], converged=True)
        before, now = off[:-SWEEPS_AT_ONCE], off[-SWEEPS_AT_ONCE:]
        if before and min(now) >= NEARER * min(before):
            return None
    raise AssertionError("sweeps have no end")


def _search(
    network: FlowNetwork,
    totals: Totals,
    n_in: int,
    *,
    steps: int,
    callback: Callable[[int, int], object] | None = None,
) -> SearchEnd:
    """Try the even plan, and improve it for so many steps at most."""
    start = plan_evenly(network, totals.taken)
    greatest = float(start.K.max())
    K, losses, converged = start.K, [], False
    for plan, moved in _plans(network, totals.taken, start, steps=steps):
        K = realize(network, plan)
        loss, met = _judge(network, totals, K, n_in)
        losses.append(loss)
        off = max(moved, float(np.abs(K - plan.K).max()))
        if callback is not None:
            callback(min(STEPS_AT_ONCE * (len(losses) - 1), steps), steps)
        converged = met and off <= CLOSE * greatest
        if converged:
            break
    return SearchEnd(network.expand(K), losses, converged)


def _judge(
    network: FlowNetwork, totals: Totals, K: Float[np.ndarray, "ends columns"], n_in: int
) -> tuple[float, bool]:
    """The loss, and whether it meets its bound."""
    outputs = network.neurons[-totals.taken.size :]
    held = network.total(K.astype(float), network.outputs)[-outputs.size :]
    loss = float(outputs @ (n_in - 1 - held) ** 2)
    rounding = outputs.sum() * (ROUNDING * n_in) ** 2
    return loss, bool(loss - totals.bound <= GAP * max(totals.bound, 1) + rounding)


def _plans(
    network: FlowNetwork, taken: Float[np.ndarray, " outputs"], plan: Plan, *, steps: int
) -> Iterator[tuple[Plan, float]]:
    """Yield ever better plans, the first as given, and how far K has moved from one to the next."""
    yield plan, 0.0
    if steps == 0:
        return
    problem = primal_dual.make_problem(network, taken)
    search = primal_dual.begin_on_host(problem, plan)
    on_device = plan.sent.size >= LARGE and primal_dual.has_device()
    improve = primal_dual.improve_on_device if on_device else primal_dual.improve_on_host
    for first in range(0, steps, STEPS_AT_ONCE):
        at_once = min(STEPS_AT_ONCE, steps - first)
        search, moved = improve(at_once, problem, search)
        yield Plan(*map(np.asarray, search.plan)), float(moved)


def _count_bytes(network: ControlNetwork) -> Sizes:
    """The arrays of a sweep, of a step and of its check, in single precision, and K."""
    widest = max(rows.stop - rows.start for rows in network.layers)
    neurons, edges = network.gain.size, network.senders.size
    pairs, ends = count_pairs(network)
    numbers = neurons + 12 * widest, 8 * edges + 12 * neurons
    needs = *(4 * network.inputs.size * n for n in numbers), 64 * pairs + 72 * ends
    merging = 48 * pairs + 24 * ends
    return Sizes(*(need + 8 * network.n_in * network.n_out for need in (*needs, merging)))


def _check_size(n_bytes: int) -> None:
    check_memory(
        "controllability",
        n_bytes,
        LIMIT,
        "topokit.scores.control_bound and control_capacity give its loss and total in less",
    )


def _lay_out(
    network: ControlNetwork, totals: Totals, sizes: Sizes
) -> tuple[FlowNetwork, Totals] | None:
    """The network to search on, if it is not the whole: by kinds of pairs, or pair by pair."""
    merged = None if sizes.few else _merge(network, totals, sizes)
    if merged is not None or FASTER * sizes.by_pair > sizes.whole or sizes.by_pair > LIMIT:
        return merged
    graph = make_pairs(network)
    return merge_pairs(network, graph, totals, each_its_own(network, graph))


def _merge(
    network: ControlNetwork, totals: Totals, sizes: Sizes
) -> tuple[FlowNetwork, Totals] | None:
    """The network by kinds of pairs, if many pairs may be alike, or nothing else fits."""
    only, kinds = sizes.whole > LIMIT, find_kinds(network)
    alike = 2 * int(kinds.max()) < network.gain.size
    if sizes.merging > LIMIT or not (alike or only or sizes.few):
        return None
    graph = make_pairs(network)
    most = graph.neuron.size if only else network.reach.size // SMALLER
    found = find_pair_kinds(network, graph, kinds, most=most)
    if found is None:
        return None
    try:
        return merge_pairs(network, graph, totals, found)
    except NotAlikeError:
        alone = each_its_own(network, graph)
        return merge_pairs(network, graph, totals, alone) if only else None
