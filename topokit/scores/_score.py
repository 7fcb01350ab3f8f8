"""Every data-free number of a topology in one row."""

from collections.abc import Callable
from typing import Any, NamedTuple

import networkx as nx

from topokit._limits import TooLargeError
from topokit.layers import Layers, to_layers
from topokit.scores.control import Controllability, controllability
from topokit.scores.counts import satisfiable_constraints, structure
from topokit.scores.freedom import degrees_of_freedom, loss_of_counts


class Score(NamedTuple):
    """What is known of a topology before any data: plain numbers, ready for JSON.

    The fields up to `fan_out_max` are those of `topokit.scores.Structure`, explained there.

    Attributes:
        n_in: Inputs.
        n_out: Outputs.
        depth: Layers of edges.
        edges: Edges, constant ones included.
        trainable: Edges whose weight is free.
        density: Share of the possible edges, in (0, 1].
        bandwidth: Most paths that share no neuron.
        paths_min: Fewest paths between an input and an output.
        paths_mean: Paths of a pair on average.
        paths_max: Most paths between an input and an output.
        reachable: Share of pairs that a path joins, in (0, 1].
        fan_in_min: Fewest in-edges of a neuron behind the inputs.
        fan_in_max: Most in-edges of a neuron.
        fan_out_min: Fewest out-edges of a neuron before the outputs.
        fan_out_max: Most out-edges of a neuron.
        satisfiable: Entries of the end-to-end matrix that could each have an edge of their own, at
            most `trainable`; None where beyond the memory limit of `satisfiable_constraints`.
        degrees_of_freedom: Independent directions in which the weights can move the end-to-end
            matrix, at most `satisfiable`; None where beyond the limit of that function.
        predicted_loss: Relative loss that the reconstruction of a Gaussian matrix is likely to
            leave, in [0, 1], by `topokit.scores.predicted_loss`; None where beyond the memory limit
            of leverage.
        control_total: Sum of the controllability matrix K, at least 0.
        control_loss: Its loss, NeuroFabric's equation (20), at least 0; 0 is perfect.
        control_bound: What that loss cannot go below.
        control_mean: Mean of K.
        control_deviation: Standard deviation of the canonical K over its entries; 0 is fair to
            every pair.
    """

    n_in: int
    n_out: int
    depth: int
    edges: int
    trainable: int
    density: float
    bandwidth: int
    paths_min: int
    paths_mean: float
    paths_max: int
    reachable: float
    fan_in_min: int
    fan_in_max: int
    fan_out_min: int
    fan_out_max: int
    satisfiable: int | None
    degrees_of_freedom: int | None
    predicted_loss: float | None
    control_total: float
    control_loss: float
    control_bound: float
    control_mean: float
    control_deviation: float


def score(topology: nx.DiGraph | Layers) -> Score:
    """Every data-free number of a topology; `controllability(topology).K` is the map behind some.

    Cost: mostly `topokit.scores.predicted_loss` and `controllability`. Each part is also a function
    of its own: `structure`, `satisfiable_constraints`, `degrees_of_freedom`,
    `topokit.scores.predicted_loss` and `controllability`.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology, or is beyond the memory limit of
            `controllability`.
    """
    return score_control(to_layers(topology))[0]


def score_control(layers: Layers) -> tuple[Score, Controllability]:
    """The score and the controllability it took numbers from."""
    control = controllability(layers)
    freedom, shape = _within_limits(degrees_of_freedom, layers), structure(layers)
    score = Score(
        **shape._asdict(),
        satisfiable=_within_limits(satisfiable_constraints, layers),
        degrees_of_freedom=freedom,
        predicted_loss=_within_limits(_predicted_loss, layers, freedom, shape.bandwidth),
        control_total=float(control.total),
        control_loss=float(control.loss),
        control_bound=float(control.bound),
        control_mean=float(control.K.mean()),
        control_deviation=float(control.K.std()),
    )
    return score, control


def _predicted_loss(layers: Layers, freedom: int | None, bandwidth: int) -> float | None:
    return None if freedom is None else loss_of_counts(layers, freedom, bandwidth)


def _within_limits(part: Callable[..., Any], *arguments: Any) -> Any:
    """A part of the score, or None where it would take too much memory."""
    try:
        return part(*arguments)
    except TooLargeError:
        return None
