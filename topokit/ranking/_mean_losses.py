"""The results of a sweep, averaged over what was drawn: one row a topology, without scores."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from topokit.ranking._rows import Result, SizedLoss
from topokit.scores import Label, Size


def mean_losses(results: Iterable[Result]) -> list[SizedLoss]:
    """Average the results of a sweep over their targets and seeds, topology by topology.

    Cheaper than the rows of `topokit.rank`, which are scored too, and enough for
    `topokit.plotting.plot_parameters`.

    Args:
        results: What `sweep` yields, of one solver and of topologies that differ in their names.

    Returns:
        One row for each name, in the order in which they come.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> topologies = {f"rank {rank}": tk.topologies.low_rank(8, 8, rank) for rank in (1, 2)}
        >>> results = tk.ranking.sweep(topologies, targets=3, solver=quick)
        >>> [(row.name, row.trainable, row.targets) for row in tk.ranking.mean_losses(results)]
        [('rank 1', 16, 3), ('rank 2', 32, 3)]

    See Also:
        `sweep`, target by target; `topokit.rank`, with scores.
    """
    by_name: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_name[result.name].append(result)
    return [_mean(some) for some in by_name.values()]


def statistics(results: Sequence[Result]) -> dict[str, Any]:
    """The fields that `MeanLoss` has of its own."""
    loss = np.array([result.loss for result in results])
    return {
        "loss": float(loss.mean()),
        "loss_error": float(loss.std(ddof=1) / np.sqrt(loss.size)) if loss.size > 1 else None,
        "targets": loss.size,
        "steps": max(result.steps for result in results),
    }


def _mean(results: Sequence[Result]) -> SizedLoss:
    said = results[0]._asdict()
    shared = {name: said[name] for kind in (Label, Size) for name in kind.__dataclass_fields__}
    return SizedLoss(**shared, **statistics(results))
