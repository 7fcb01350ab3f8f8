"""What a choice found: how far every candidate came, what that cost, and how sure the order is."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from topokit._escapes import SHOWN, shown
from topokit._html import bullets, table
from topokit._names import short_names
from topokit._records import Record, readable
from topokit._text_table import SHELL, fold, text_table
from topokit.networks._halving import Rung

# Resamples by which the order of the finalists is judged, and their seed.
RESAMPLES, SEED = 1000, 0


class Contender(Record):
    """A candidate of a choice.

    Attributes:
        name: What it is called.
        parameters: Numbers that are trained.
        kernel_error: Error of the kernel regression with its first weights, infinite where that
            failed, as where gradients overflow; None where none was needed.
        kernel_failure: Why it failed; None where it did not.
        rung: The last rung that it reached, from 1; 0 if the kernel regression left it out.
        accuracies: Share of the validation part that was right at the end of each rung, the mean
            over its seeds.
        accuracy_error: Standard error of the last of them, over seeds; None for a single one.
        first: Share of resamples in which it is the first; 0 of those that are no finalists.
        steps: Steps of all its trainings.
        seconds: Wall time of these and of the kernel regression, compilation included.
        diverged: Whether its loss was no number any more, which ended it.

    Examples:
        >>> from functools import partial
        >>> import numpy as np
        >>> from topokit import networks
        >>> x = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> models = {f"{n} hidden": partial(networks.mlp, (8,), [n], 2) for n in (1, 16)}
        >>> last = networks.choose(models, data, budget=40, seeds=2).contenders[-1]
        >>> last.rung, last.steps
        (1, 20)

    See Also:
        `Choice`, which has them; `choose`.
    """

    name: str
    parameters: int
    kernel_error: float | None
    kernel_failure: str | None
    rung: int
    accuracies: tuple[float, ...]
    accuracy_error: float | None
    first: float
    steps: int
    seconds: float
    diverged: bool


class Choice(Record):
    """Candidates, best first; `print` shows them as a table.

    Attributes:
        contenders: All candidates: those that came further before those that did not, then by
            validation accuracy, by fewer parameters, and by name.
        rungs: The schedule.
        steps: Steps of all trainings.
        share: The same as a share of training every candidate to the end, once.
        seconds: Wall time of all work, compilation included, as if it were done one after the
            other.

    Examples:
        >>> from functools import partial
        >>> import numpy as np
        >>> from topokit import networks
        >>> x = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> models = {f"{n} hidden": partial(networks.mlp, (8,), [n], 2) for n in (1, 16)}
        >>> found = networks.choose(models, data, budget=40, seeds=2)
        >>> found.steps, len(found.contenders), 0.5 <= found.certainty <= 1
        (40, 2, True)

    See Also:
        `choose`, which returns it.
    """

    contenders: tuple[Contender, ...]
    rungs: tuple[Rung, ...]
    steps: int
    share: float
    seconds: float

    @property
    def best(self) -> str:
        """The name of the first candidate."""
        return self.contenders[0].name

    @property
    def certainty(self) -> float:
        """Share of resamples, of seeds and of validation examples, in which the first is first.

        This is of the accuracies after the last rung: more steps may change them.
        """
        return self.contenders[0].first

    def texts(self) -> tuple[list[str], list[list[str]]]:
        """The heading of the table, and its rows."""
        known = any(one.kernel_error is not None for one in self.contenders)
        heading = ["", "candidate", "parameters", *(["kernel"] if known else []), "rung"]
        heading += [f"{rung.steps} steps" for rung in self.rungs]
        heading += ["+-", "first", "steps", "seconds"]
        names = short_names((one.name for one in self.contenders), SHOWN)
        rows = [
            [str(place), names[one.name], *self._texts_of(one, known=known)]
            for place, one in enumerate(self.contenders, start=1)
        ]
        return heading, rows

    def _texts_of(self, one: Contender, *, known: bool) -> list[str]:
        left = [None] * (len(self.rungs) - len(one.accuracies))
        return [
            *map(readable, (one.parameters, *([one.kernel_error] if known else []), one.rung)),
            *map(readable, (*one.accuracies, *left)),
            readable(one.accuracy_error, 2),
            readable(one.first if one.rung == len(self.rungs) else None, 3),
            *(str(one.steps), readable(one.seconds, 3)),
        ]

    def remarks(self) -> list[str]:
        """How far to trust it, what it cost, and what went wrong."""
        last, n = self.rungs[-1], len(self.contenders)
        said = [
            f"After {last.steps:,} steps the first is first in {self.certainty:.0%} of "
            f"{RESAMPLES:,} resamples of its seeds, {last.seeds}, and of the validation examples",
            f"{self.steps:,} steps, {100 * self.share:.3g} % of training all {n} to the end; "
            f"{self.seconds:.3g} s",
        ]
        for failure in dict.fromkeys(one.kernel_failure for one in self.contenders):
            if failure is not None:
                names = [shown(o.name) for o in self.contenders if o.kernel_failure == failure]
                said.append(
                    f"The kernel regression failed for {', '.join(names)}, which put them last "
                    f"before any training: {shown(failure)}"
                )
        told = [shown(one.name) for one in self.contenders if one.diverged]
        if told:
            said.append(f"The loss is no number any more of {', '.join(told)}: they fell out")
        return said

    def __str__(self) -> str:
        """The table, and how far to trust it, no line beyond 80 columns."""
        heading, rows = self.texts()
        lines = [line.text for line in text_table(heading, rows, width=SHELL, keys=2, gap=1)]
        told = [line for remark in self.remarks() for line in fold(f"{remark}.", SHELL)]
        return "\n".join([*lines, *told])

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        heading, rows = self.texts()
        return table(rows, heading) + bullets(f"{self.best} is chosen", self.remarks())


def shares_of_first(
    right: Sequence[Bool[np.ndarray, "seeds n_validation"]],
) -> Float[np.ndarray, " finalists"]:
    """How often each finalist is the first, where seeds and examples are drawn with repetition.

    All meet the same examples, each draws its own seeds, and those that tie share the first place.
    """
    rng, shares = np.random.default_rng(SEED), np.zeros(len(right))
    table_of = np.stack(right)
    _, n_seeds, n = table_of.shape
    finalists = np.arange(len(right))[:, None]
    for _ in range(RESAMPLES):
        often = np.bincount(rng.integers(n, size=n), minlength=n)
        counts = table_of @ often
        drawn = counts[finalists, rng.integers(n_seeds, size=(len(right), n_seeds))].sum(axis=1)
        first = drawn == drawn.max()
        shares += first / first.sum()
    return shares / RESAMPLES
