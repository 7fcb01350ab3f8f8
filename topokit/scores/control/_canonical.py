"""The canonical K: of all that have the least loss, the one of least sum of squares.

The loss fixes what each output has in all (`Totals`), and leaves open of which inputs. Among the K
with these totals the one of least sum of squares is unique, for the sum is strictly convex. Where
the wiring lets every output have all inputs that reach it evenly, that is the canonical K: no K
with these totals can have less, and a plan that brings it about proves it. Elsewhere `improve`
searches on from there.
"""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from topokit._limits import check_memory
from topokit.layers import Layers
from topokit.scores.control import primal_dual
from topokit.scores.control._bound import least_totals
from topokit.scores.control._control_network import ControlNetwork, make_network
from topokit.scores.control._flow_plan import Plan, plan_evenly, realize

LIMIT = 2**34

# Whether to stop is asked after so many steps.
STEPS_AT_ONCE = 50

# Numbers on all edges from which on a step takes so long that JAX is worth loading: 10 ms.
LARGE = 2**22

# A plan is good if the loss it comes to is within this of the bound, relative to the bound or to 1
# where that is less, and every K comes out as planned and as it was before the last steps but for
# this share of the greatest.
GAP = 2e-5
CLOSE = 3e-5

# What sums in single precision lose, relative to the number of terms, where the bound is 0.
ROUNDING = 5e-7


def find_canonical(
    layers: Layers, *, steps: int, callback: Callable[[int, int], object] | None = None
) -> tuple[Float[np.ndarray, "n_in n_out"], float, Float[np.ndarray, " checks"], bool]:
    """The canonical K, the bound on its loss, the losses at every check, and if K has converged.

    The callback gets the number of steps taken at every check, and the most there may be.
    """
    network = make_network(layers)
    _check_size(network)
    totals = least_totals(network)
    start = plan_evenly(network, totals.carried, totals.taken)
    greatest = float(start.K.max())
    K, losses, converged = start.K, [], False
    rounding = network.n_out * (ROUNDING * network.n_in) ** 2
    for plan, moved in _plans(network, totals.taken, start, steps=steps):
        K = realize(network, plan)
        losses.append(float(np.sum((network.n_in - 1 - K.astype(float) @ network.inputs) ** 2)))
        off = max(moved, float(np.abs(K - plan.K).max()))
        short = losses[-1] - totals.bound
        if callback is not None:
            callback(min(STEPS_AT_ONCE * (len(losses) - 1), steps), steps)
        converged = short <= GAP * max(totals.bound, 1) + rounding and off <= CLOSE * greatest
        if converged:
            break
    return K[:, network.kind].T.astype(float), totals.bound, np.array(losses), converged


def _plans(
    network: ControlNetwork, taken: Float[np.ndarray, " n_out"], plan: Plan, *, steps: int
) -> Iterator[tuple[Plan, float]]:
    """Yield ever better plans, the first as given, and how far K has moved from one to the next."""
    yield plan, 0.0
    problem = primal_dual.make_problem(network, taken)
    search = primal_dual.begin_on_host(problem, plan)
    large = plan.sent.size >= LARGE
    improve = primal_dual.improve_on_device if large else primal_dual.improve_on_host
    for first in range(0, steps, STEPS_AT_ONCE):
        at_once = min(STEPS_AT_ONCE, steps - first)
        search, moved = improve(at_once, problem, search)
        yield Plan(*map(np.asarray, search.plan)), float(moved)


def _check_size(network: ControlNetwork) -> None:
    """The arrays of a step, and of a check, in single precision."""
    numbers = network.inputs.size * (8 * network.senders.size + 12 * network.gain.size)
    check_memory(
        "controllability",
        4 * numbers + 8 * network.n_in * network.n_out,
        LIMIT,
        "topokit.scores.control_bound and control_capacity give its loss and total in less",
    )
