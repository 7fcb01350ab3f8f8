"""What a table of rows does not show by itself: how far to trust its prediction and its order."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from topokit._escapes import shown
from topokit._rank_correlation import rank_correlation
from topokit._records import Record


class Agreement(Record):
    """How well predicted losses agree with measured ones.

    Attributes:
        topologies: Rows that have both, as finite numbers, and a prediction above 0: where all can
            be set, nothing is predicted but that training decides.
        correlation: Spearman's rank correlation of both, in [-1, 1]; None of fewer than five rows,
            which agree by chance, or where either is the same for all.
        median_error: Median over the rows of the difference of both as a share of the measured
            loss; None where none is above 0.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> ranks = range(1, 6)
        >>> topologies = {f"rank {rank}": tk.topologies.low_rank(8, 8, rank) for rank in ranks}
        >>> found = tk.ranking.agreement(tk.rank(topologies, targets=4, solver=quick))
        >>> found.topologies, round(found.correlation, 3)
        (5, 1.0)

    See Also:
        `agreement`, which returns it.
    """

    topologies: int
    correlation: float | None
    median_error: float | None


def agreement(rows: Sequence[Any]) -> Agreement:
    """How well the losses that were predicted agree with those that were measured.

    Equal losses share the mean of their ranks.

    Args:
        rows: Rows of `topokit.rank`: of each are read `loss` and `predicted_loss`. Rows without a
            finite number of either are left out, and so are those of which a loss of 0 is
            predicted.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> rows = tk.rank({"rank 2": tk.topologies.low_rank(8, 8, 2)}, targets=4, solver=quick)
        >>> found = tk.ranking.agreement(rows)
        >>> found.correlation, round(found.median_error, 2)
        (None, 0.04)

    See Also:
        `topokit.predicted_loss`; `remarks`, in words.
    """
    known = _predicted(rows)
    predicted, loss = np.array([(row.predicted_loss, row.loss) for row in known]).reshape(-1, 2).T
    some = loss > 0
    errors = abs(predicted - loss)[some] / loss[some]
    return Agreement(
        topologies=loss.size,
        correlation=rank_correlation(predicted, loss),
        median_error=float(np.median(errors)) if errors.size else None,
    )


def remarks(rows: Sequence[Any]) -> list[str]:
    """What to know of a ranking before its order is believed, a sentence each.

    How many topologies have all degrees of freedom: any matrix is near one of theirs, so that their
    order is that of training. And how well the losses were predicted, and which is the worst of
    the predictions.

    Args:
        rows: Rows of `topokit.rank`: of each are read `name`, `n_in`, `n_out`,
            `degrees_of_freedom`, `loss` and `predicted_loss`.

    Returns:
        Sentences without a full stop; none where there is nothing to say.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> whole, part = tk.topologies.dense(8, 8), tk.topologies.butterfly(8, 2)
        >>> rows = tk.rank({"dense": whole, "butterfly": part}, targets=4, solver=quick)
        >>> tk.ranking.remarks(rows)[0]
        '1 of 2 can set every entry of its matrix: its loss is what training leaves'

    See Also:
        `agreement`, as numbers.
    """
    return [remark for remark in (_saturation(rows), _prediction(rows)) if remark]


def _saturation(rows: Sequence[Any]) -> str:
    free = sum(row.degrees_of_freedom == row.n_in * row.n_out for row in rows)
    unknown = sum(row.degrees_of_freedom is None for row in rows)
    count = f"{'at least ' if unknown else ''}{free} of {len(rows)}"
    match free:
        case 0:
            return ""
        case 1:
            return f"{count} can set every entry of its matrix: its loss is what training leaves"
        case _ if free == len(rows):
            return f"all {free} can set every entry: this order is that of training, not of wirings"
    return f"{count} can set every entry: their order is that of training, not of wirings"


def _prediction(rows: Sequence[Any]) -> str:
    found = agreement(rows)
    if found.median_error is None:
        return ""
    if found.topologies == 1 == len(rows):
        return f"the loss predicted without training is off by {found.median_error:.0%}"
    known = _predicted(rows)
    error, worst = max(
        ((abs(row.predicted_loss - row.loss) / row.loss, row) for row in known if row.loss > 0),
        key=lambda pair: pair[0],
    )
    some = f" of {len(known)} of the {len(rows)}" if len(known) < len(rows) else ""
    said = (
        f"losses predicted without training{some} are off by {found.median_error:.0%} in the "
        f"median and by {error:.0%} at most ({shown(worst.name)})"
    )
    if found.correlation is None:
        return said
    first, named = (min(known, key=attrgetter(key)) for key in ("loss", "predicted_loss"))
    best = f"but the best by prediction is {shown(named.name)}"
    best = "and both have the same best" if named is first else best
    return (
        f"{said}; their order agrees with the measured one at {found.correlation:.2f} (Spearman's "
        f"rank correlation: 1 is the same order), {best}"
    )


def _predicted(rows: Sequence[Any]) -> list[Any]:
    """The rows with a loss and a prediction, except for what can be set at will."""
    pairs = np.array([(row.predicted_loss, row.loss) for row in rows], float).reshape(-1, 2)
    told = np.isfinite(pairs).all(axis=1) & (pairs[:, 0] > 0)
    return [row for row, known in zip(rows, told, strict=True) if known]
