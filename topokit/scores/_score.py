"""Every data-free number of a topology in one row."""

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Float

from topokit._limits import TooLargeError
from topokit._records import brief
from topokit.layers import Layers, to_layers
from topokit.scores.control import (
    Controllability,
    control_bound,
    control_capacity,
    controllability,
)
from topokit.scores.counts import Structure, satisfiable_constraints, structure
from topokit.scores.freedom import (
    cheap,
    draw_leverage,
    freedom_and_error,
    loss_of_maps,
    predicted_loss,
)

# Operations up to which degrees of freedom are counted, about 10 s.
QUICK = 2**37


class Score(Structure):
    """What is known of a topology before any data: its `Structure`, and what follows.

    Attributes:
        satisfiable: Entries of the end-to-end matrix that could each have an edge of their own, at
            most `trainable`; None where beyond the memory limit of `satisfiable_constraints`.
        degrees_of_freedom: Independent directions in which the weights can move the end-to-end
            matrix, at most `satisfiable`: counted where that takes seconds, estimated by
            `topokit.scores.estimate_freedom` beyond; None where even that is beyond its limit.
        freedom_error: What `degrees_of_freedom` may be off by; 0 where it is counted.
        predicted_loss: Relative loss that the reconstruction of a Gaussian matrix is likely to
            leave, in [0, 1], by `topokit.predicted_loss`, which says more of how it is known; None
            where even an estimate is beyond its memory limit.
        predicted_loss_error: Standard error of `predicted_loss`, and what further steps would take
            from an estimate; None where that is.
        control_total: Sum of the controllability matrix K, at least 0; it counts the ratios between
            two inputs that weights set, of `n_out * (n_in - 1)` in all.
        control_loss: Its loss, NeuroFabric's equation (20), at least 0; 0 is perfect.
        control_bound: What that loss cannot go below.
        control_mean: Mean of K; ratios that an input sets at an output.
        control_deviation: Standard deviation of the canonical K over its entries; 0 is fair to
            every pair; None where K is beyond the memory limit of `controllability`, whose totals
            are then known from `topokit.scores.control_bound` and `control_capacity`.

    Examples:
        >>> import topokit as tk
        >>> found = tk.score(tk.topologies.low_rank(8, 8, 2))
        >>> found.edges, found.satisfiable, found.degrees_of_freedom
        (32, 32, 28)

    See Also:
        `topokit.score`, which returns it.
    """

    satisfiable: int | None
    degrees_of_freedom: int | None
    freedom_error: float | None
    predicted_loss: float | None
    predicted_loss_error: float | None
    control_total: float
    control_loss: float
    control_bound: float
    control_mean: float
    control_deviation: float | None


def score(topology: nx.DiGraph | Layers, *, control: Controllability | None = None) -> Score:
    """Every data-free number of a topology; `controllability(topology).K` is the map behind some.

    Cost: mostly `topokit.predicted_loss` and `controllability`. Each part is also a function
    of its own: `structure`, `satisfiable_constraints`, `degrees_of_freedom`,
    `topokit.predicted_loss` and `controllability`.

    Args:
        topology: A graph or a recipe.
        control: Its `controllability`, where that is known already; it is not found again then.

    Raises:
        ValueError: If the graph is not a valid topology, is beyond the memory limit of
            `topokit.scores.control_bound`, or `control` is that of a topology of another shape.

    Examples:
        >>> import topokit as tk
        >>> found = tk.score(tk.topologies.butterfly(8, 6))
        >>> found.trainable, found.satisfiable, found.degrees_of_freedom
        (96, 64, 56)
        >>> round(found.predicted_loss, 2), round(found.control_total, 3)
        (0.03, 48.0)

    See Also:
        `structure`, which counts alone; `diagnose`, in words; `rank`, for many topologies.
    """
    layers = to_layers(topology)
    return score_and_leverage(layers, control=control)[0]


def score_and_leverage(
    layers: Layers, *, control: Controllability | None = None
) -> tuple[Score, Float[np.ndarray, "n_in n_out"] | None]:
    """`score`, and the leverage map that its predicted loss comes from, if there is one."""
    if control is not None:
        _check_control(control, layers)
    totals = _control(layers, control)  # the first to refuse what is too large
    shape = structure(layers)
    freedom, freedom_error = freedom_and_error(layers, within=QUICK)
    maps = None
    if freedom is not None and freedom_error == 0 and cheap(layers):
        maps = draw_leverage(layers, freedom)
    loss = (
        _within_limits(predicted_loss, layers)
        if maps is None
        else loss_of_maps(layers, maps, shape.bandwidth)
    )
    found = Score(
        **shape._asdict(),
        satisfiable=_within_limits(satisfiable_constraints, layers),
        degrees_of_freedom=freedom,
        freedom_error=freedom_error,
        predicted_loss=loss,
        predicted_loss_error=None if loss is None else loss.error,
        **totals,
    )
    return found, None if maps is None else np.mean(maps, axis=0)


def _check_control(control: Controllability, layers: Layers) -> None:
    if not isinstance(control, Controllability):
        raise ValueError(
            f"control must be what controllability(topology) returns; given {brief(control)}"
        )
    if control.K.shape != (layers.n_in, layers.n_out):
        raise ValueError(
            f"control must have a K of shape {(layers.n_in, layers.n_out)}, one entry for each "
            f"pair of the topology; given {control.K.shape}: leave it out, or give "
            "controllability(topology)"
        )


def _control(layers: Layers, control: Controllability | None) -> dict[str, Any]:
    """What is known of control: of the canonical K, or of its totals alone where it is too large.

    Of all K with the least loss each has as much in all: what can reach the outputs.
    """
    control = _within_limits(controllability, layers) if control is None else control
    if control is None:
        least, total = control_bound(layers), float(control_capacity(layers))
        numbers = total, least, least, total / (layers.n_in * layers.n_out), None
    else:
        spread = float(control.K.mean()), float(control.K.std())
        numbers = float(control.total), float(control.loss), float(control.bound), *spread
    names = ("total", "loss", "bound", "mean", "deviation")
    return {f"control_{name}": number for name, number in zip(names, numbers, strict=True)}


def _within_limits(part: Callable[..., Any], *arguments: Any) -> Any:
    """A part of the score, or None where it would take too much memory."""
    try:
        return part(*arguments)
    except TooLargeError:
        return None
