"""The rows of rankings and sweeps: plain values, for JSON and for `pandas.DataFrame(rows)`."""

from topokit.scores import Label, Score, Size


class MeanLoss(Label):
    """How well a topology rebuilds matrices, on average.

    Attributes:
        loss: Mean relative reconstruction loss over the targets; 0 is exact, 1 as
            good as the zero matrix.
        loss_error: Standard error of that mean; None for a single target.
        targets: Number of targets.
        steps: Gradient steps taken, at most, for a target.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> (row,) = tk.rank({"rank 2": tk.topologies.low_rank(8, 8, 2)}, targets=2, solver=quick)
        >>> row.targets, row.steps
        (2, 0)

    See Also:
        `Row`, which holds them beside the scores.
    """

    loss: float
    loss_error: float | None
    targets: int
    steps: int


class SizedLoss(Size, MeanLoss):
    """How well a topology rebuilds matrices, on average, beside its size.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> topologies = {"rank 2": tk.topologies.low_rank(8, 8, 2)}
        >>> (row,) = tk.ranking.mean_losses(tk.ranking.sweep(topologies, targets=2, solver=quick))
        >>> row.name, row.trainable, row.targets
        ('rank 2', 32, 2)

    See Also:
        `mean_losses`, which returns them; `Row`, with all scores.
    """


class Row(Score, MeanLoss):
    """One topology of a ranking: its label and `MeanLoss`, and then its `Score`.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> (row,) = tk.rank({"rank 2": tk.topologies.low_rank(8, 8, 2)}, targets=2, solver=quick)
        >>> row.name, row.degrees_of_freedom, 0 < row.loss < 1
        ('rank 2', 28, True)

    See Also:
        `topokit.rank`, which returns them.
    """

    @property
    def order(self) -> tuple[float, int, str]:
        """What rankings are sorted by: the loss, then the trainable edges, then the name."""
        return self.loss, self.trainable, self.name


class Result(Size, Label):
    """One target of a sweep, behind the `Label` and the `Size` of its topology.

    Attributes:
        solver: How it was descended, as the solver's `repr`.
        seed: Seed of the initial weights, and of the targets where their number was given.
        target: Which of the targets, from 0.
        loss: Relative reconstruction loss; 0 is exact, 1 as good as the zero matrix.
        steps: Gradient steps taken.
        seconds: Wall time of the call of `reconstruct`, which all targets of a topology and a seed
            share, compilation included: the one field that differs from run to run.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> topologies = {"rank 2": tk.topologies.low_rank(8, 8, 2)}
        >>> (row,) = tk.ranking.sweep(topologies, targets=1, solver=quick)
        >>> row.name, row.trainable, row.seed, row.target
        ('rank 2', 32, 0, 0)

    See Also:
        `sweep`, which yields them.
    """

    solver: str
    seed: int
    target: int
    loss: float
    steps: int
    seconds: float
