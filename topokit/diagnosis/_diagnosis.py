"""All that was found out about a topology, and its door."""

import networkx as nx
import numpy as np
from jaxtyping import Float

from topokit._checks import check_flag
from topokit._escapes import shown
from topokit._html import bullets, table
from topokit._text_table import SHELL, text_table
from topokit.diagnosis._bottleneck import Bottleneck, find_bottleneck
from topokit.diagnosis._criteria import (
    Criterion,
    bandwidth_criterion,
    depth_criterion,
    fairness_criterion,
    skip_criterion,
)
from topokit.diagnosis._fairness import Fairness, find_fairness
from topokit.diagnosis._in_words import (
    tell_bottleneck,
    tell_criteria,
    tell_fairness,
    tell_layers,
    tell_waste,
    written,
)
from topokit.diagnosis._reach import Reach, find_reach
from topokit.diagnosis._skips import Skips, count_skips
from topokit.diagnosis._waste import Waste, find_waste, most_freedom
from topokit.layers import Layers, to_layers
from topokit.scores.counts import Label, Size, label_of, size_of
from topokit.topologies import true_name


class Diagnosis(Size, Label):
    """Where a topology is weak; `print` shows it in words.

    It begins with a `Label`, of the name "topology" where the graph has none, and a `Size`.

    Attributes:
        skips: How far the topology uses skip connections.
        reach: Which pairs have a path, and how soon.
        fairness: How evenly the canonical K serves inputs, outputs and pairs; None where
            `topokit.controllability` is beyond its memory limit.
        bottleneck: Where signals get stuck.
        waste: Trainable edges without a degree of freedom of their own.
        criteria: The verdicts on the four criteria, in the paper's order.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.topologies.butterfly(8, 6))
        >>> found.trainable, found.waste.total, found.bottleneck.bandwidth
        (96, 40, 8)

    See Also:
        `topokit.diagnose`, which returns it.
    """

    skips: Skips
    reach: Reach
    fairness: Fairness | None
    bottleneck: Bottleneck
    waste: Waste
    criteria: tuple[Criterion, Criterion, Criterion, Criterion]

    @property
    def title(self) -> str:
        """Name and size on one line."""
        return (
            f"{shown(self.name)}: n_in {self.n_in:,}, n_out {self.n_out:,}, depth {self.depth:,}, "
            f"{self.trainable:,} of {self.edges:,} edges trainable"
        )

    def findings(self) -> dict[str, list[str]]:
        """What lies behind the verdicts, in lines under headings."""
        return {
            "Control": tell_fairness(self.fairness, self.reach, self.n_in),
            "Bottlenecks": tell_bottleneck(self.bottleneck),
            "Wasted weights": tell_waste(self.waste),
        }

    def wasted_layers(self) -> list[dict[str, str]]:
        """What each layer wastes, in texts by name; empty where none does, or it is not known."""
        return tell_layers(self.waste)

    def __str__(self) -> str:
        """All of it in words, no line beyond 80 columns."""
        words = written(self.title, {"Criteria": tell_criteria(self.criteria)} | self.findings())
        rows = self.wasted_layers()
        cells = [[*row.values()] for row in rows]
        lines = text_table([*rows[0]], cells, width=SHELL) if rows else []
        return "\n".join([words, *(f"  {line.text}" for line in lines)])

    def _repr_html_(self) -> str:
        """The verdicts as a table with what to change, and what lies behind them, for notebooks."""
        verdicts = [(c.name, c.verdict, c.evidence, c.advice) for c in self.criteria]
        heading = "criterion", "verdict", "because", "what to change"
        rows = self.wasted_layers()
        layer_table = table([[*row.values()] for row in rows], [*rows[0]]) if rows else ""
        return (
            bullets(self.title, [])
            + table(verdicts, heading)
            + "".join(bullets(title, lines) for title, lines in self.findings().items())
            + layer_table
        )


def diagnose(topology: nx.DiGraph | Layers, *, descend: bool = False) -> Diagnosis:
    """Where a topology is weak, and what to change: `print(diagnose(topology))`.

    The verdicts are on the four criteria of NeuroFabric, section VII.E (see `Criterion`): skip
    connections, a K without variance, a depth that does not grow with the parameters, a bandwidth
    that does not shrink with them. The third is a matter of a family; it is open for a graph that
    names none in `G.graph["family"]`. Behind the verdicts are numbers: the parts of the deviation
    of K (`Fairness`), the neurons that cut all paths (`Bottleneck`), the weights wasted in each
    layer (`Waste`), and more, for users to set thresholds of their own.

    Cost: mostly that of `controllability`, of `degrees_of_freedom` where that takes a minute at
    most, and of two maximum flows. What does not fit is None.

    Args:
        topology: A graph or a recipe.
        descend: Whether to find the paper's K too, by plain descent, so that the unevenness of the
            solver can be told from that of the wiring. It takes far longer than all the rest.

    Raises:
        ValueError: If the graph is not a valid topology.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.topologies.butterfly(8, 6))
        >>> print(str(found).splitlines()[0])
        butterfly(8, 6): n_in 8, n_out 8, depth 6, 96 of 96 edges trainable
        >>> for criterion in found.criteria:
        ...     print(f"{criterion.name}: {criterion.verdict}")
        skip connections: not met
        a K without variance: met
        constant depth: not met
        bandwidth: met

    See Also:
        `score`, the numbers alone; `topokit.plotting.plot_control`, where it is uneven.
    """
    return _diagnosis(topology, None, None, descend=check_flag("descend", descend))


def diagnose_known(
    topology: nx.DiGraph | Layers,
    control: Float[np.ndarray, "_n_in _n_out"] | None,
    freedom: int | None,
) -> Diagnosis:
    """The same where its longest parts are known, as of what has been ranked.

    Args:
        topology: A graph or a recipe.
        control: Its canonical K; None to find it, where it fits.
        freedom: Its degrees of freedom; None to find them, where they fit.

    Raises:
        ValueError: If the topology can have no such K, or not so many.
    """
    layers = to_layers(topology)
    name = true_name(topology, layers)
    pairs, most = (layers.n_in, layers.n_out), most_freedom(layers)
    if control is not None and control.shape != pairs:
        raise ValueError(f"control must have the shape {pairs} of {name}; given {control.shape}")
    if freedom is not None and not 0 <= freedom <= most:
        raise ValueError(f"{name} has at most {most} degrees of freedom; given {freedom}")
    return _diagnosis(topology, control, freedom, descend=False)


def _diagnosis(
    topology: nx.DiGraph | Layers,
    control: Float[np.ndarray, "_n_in _n_out"] | None,
    freedom: int | None,
    *,
    descend: bool,
) -> Diagnosis:
    layers = to_layers(topology)
    label = label_of(true_name(topology, layers), topology, layers)
    skips = count_skips(layers)
    reach, reached = find_reach(layers)
    fairness = find_fairness(layers, reached, control, descend=descend)
    bottleneck = find_bottleneck(layers)
    return Diagnosis(
        **label._asdict(),
        **size_of(layers)._asdict(),
        skips=skips,
        reach=reach,
        fairness=fairness,
        bottleneck=bottleneck,
        waste=find_waste(layers, freedom),
        criteria=(
            skip_criterion(skips, reach),
            fairness_criterion(fairness, reach, (layers.n_in, layers.n_out)),
            depth_criterion(layers.depth, reach, label.family),
            bandwidth_criterion(bottleneck),
        ),
    )
