"""What a design returns: candidates, best first, in a list that shows itself as a table."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import networkx as nx

from topokit._docstrings import meanings
from topokit._html import table
from topokit._records import Record, readable
from topokit._text_table import SHELL, text_table
from topokit.designs._members import Member
from topokit.layers import Layers, from_layers

OTHERS = {
    "step_share": "A step of training as a share of that of the dense layer.",
    "widest": "Neurons of its widest layer.",
    "free": "Degrees of freedom of its end-to-end matrix, estimated where a ~ stands before them.",
}
ALIKE = ("n", "n_in", "n_out", "seed")  # what all members of a family have alike
COLUMNS = (
    ("pred.", "predicted_loss", 3),
    ("+-", "predicted_loss_error", 1),
    ("edges", "trainable", 0),
    ("depth", "depth", 0),
    ("widest", "widest", 0),
    ("free", "free", 0),
    ("step", "step_share", 2),
    ("trial", "trial_loss", 3),
    ("loss", "measured_loss", 3),
)


class Candidate(Record):
    """A topology for a layer, and what is known of it before it is trained.

    Attributes:
        name: The call that makes it.
        member: The member of a family that it is, or was before edges were moved.
        layers: The topology as arrays.
        predicted_loss: Relative loss that reconstruction is likely to leave, in [0, 1].
        predicted_loss_error: Its standard error, and what further steps of an estimate would take.
        converged: Whether the prediction came to an end; if not, it is rather too high.
        trainable: Trainable edges.
        edges: All edges, constant ones too.
        depth: Layers of edges.
        degrees_of_freedom: Of its end-to-end matrix: counted where that is quick, estimated beyond.
        freedom_error: What these may be off by; 0 where they are counted.
        python: Lines of Python that leave its graph in `graph`.
        command: Words of a shell that build it, without the file to write; None where none do.
        moved: Share of its trainable edges that `refine` moved.
        trial_loss: Mean relative loss that a short descent left, by which those that were tried
            stand in order; None if not tried.
        step_seconds: A step of training here, of a batch of 128; None if not measured.
        dense_seconds: The same of the dense layer.
        measured_loss: Mean relative loss that a longer reconstruction left of other matrices; None
            if not measured.
        measured_loss_error: Standard error of it.

    Examples:
        >>> import topokit as tk
        >>> best = tk.design(8, 8, trainable=32, trials=0, measure=False)[0]
        >>> best.trainable <= 32, best.topology.number_of_edges() == best.edges
        (True, True)

    See Also:
        `topokit.design`, which returns them; `Design`, the list of them.
    """

    name: str
    member: Member
    layers: Layers
    predicted_loss: float
    predicted_loss_error: float
    converged: bool
    trainable: int
    edges: int
    depth: int
    degrees_of_freedom: int | None
    freedom_error: float | None
    python: tuple[str, ...]
    command: tuple[str, ...] | None
    moved: float
    trial_loss: float | None
    step_seconds: float | None
    dense_seconds: float | None
    measured_loss: float | None
    measured_loss_error: float | None

    @property
    def topology(self) -> nx.DiGraph:
        """The topology as a graph that keeps its family and its parameters."""
        return from_layers(self.layers, name=self.name) if self.moved else self.member.build()

    @property
    def kind(self) -> str:
        """Its family, and what was changed."""
        return self.member.family + self._changes()

    @property
    def label(self) -> str:
        """What tells it from others: its family, its parameters in short, and what was changed."""
        given = [
            (name, value) for name, value in self.member.arguments.items() if name not in ALIKE
        ]
        texts = (f"{name}={_short(value)}" for name, value in given)
        return " ".join([self.member.family, *texts]) + self._changes()

    def _changes(self) -> str:
        return " + skip" * self.member.skip + " + moved" * (self.moved > 0)

    @property
    def order(self) -> tuple[bool, float]:
        """Best first: those that were tried by their trials, the others by prediction."""
        if self.trial_loss is None:
            return True, self.predicted_loss
        return False, self.trial_loss

    @property
    def widest(self) -> int:
        """Neurons of its widest layer."""
        return max(self.layers.widths)

    @property
    def free(self) -> str | None:
        """Its degrees of freedom, marked where they are estimated."""
        if self.degrees_of_freedom is None:
            return None
        return "~" * bool(self.freedom_error) + str(self.degrees_of_freedom)

    @property
    def step_share(self) -> float | None:
        """A step as a share of that of the dense layer, above 1 where it is slower."""
        if self.step_seconds is None or self.dense_seconds is None:
            return None
        return self.step_seconds / self.dense_seconds


class Design(list[Candidate]):
    """Candidates, best first: a list, which prints as a table, in notebooks too.

    Attributes:
        budget: The most trainable edges.
        counted: Members of all families within the budget.
        bounded: Those that cannot be among the best, by a bound or a greater member of their line.
        predicted: Those whose loss was predicted.
        unseen: Those that might be better but would have taken too long to predict.
        tried: Leaders of these that rebuilt random matrices in short descents.
        agreement: Rank correlation of what that left with predictions; None of fewer than
            five, or where either is the same for all.
        refused: Families that have no member between layers of these sizes, and what they say.

    Examples:
        >>> import topokit as tk
        >>> found = tk.design(8, 8, share=0.5, trials=0, measure=False)
        >>> found.budget, len(found), found.counted == found.bounded + found.predicted
        (32, 5, True)
        >>> print(str(found).splitlines()[0].split()[1:4])
        ['pred.', '+-', 'edges']

    See Also:
        `topokit.design`, which returns it; `Candidate`, one of them.
    """

    def __init__(
        self,
        candidates: Iterable[Candidate],
        *,
        budget: int,
        counted: int,
        bounded: int,
        predicted: int,
        unseen: int,
        tried: int,
        agreement: float | None,
        refused: Mapping[str, str],
    ) -> None:
        """Take the candidates, and what is known of the search."""
        super().__init__(candidates)
        self.budget, self.counted, self.bounded = budget, counted, bounded
        self.predicted, self.unseen, self.refused = predicted, unseen, dict(refused)
        self.tried, self.agreement = tried, agreement

    def texts(self) -> tuple[list[str], list[list[str]]]:
        """The heading of the table, and its rows: the place, the name, and numbers."""
        shown = [column for column in COLUMNS if any(_known(one, column[1]) for one in self)]
        heading = ["", "design", *(title for title, _, _ in shown)]
        rows = [
            [str(place), one.label]
            + [readable(getattr(one, field), digits) for _, field, digits in shown]
            for place, one in enumerate(self, start=1)
        ]
        return heading, rows

    def remarks(self) -> list[str]:
        """How it was found, and what to know before one is taken."""
        said = [
            f"{self.counted} members of families have at most {self.budget} trainable edges; "
            f"{self.bounded} of them cannot be among the best, {self.predicted} were predicted"
        ]
        if self.unseen:
            said.append(
                f"{self.unseen} might be better but would take too long to predict: a limit to the "
                "depth leaves fewer"
            )
        if self.tried:
            said.append(self._trials())
        open_ = [str(place) for place, one in enumerate(self, start=1) if not one.converged]
        if open_:
            said.append(
                f"predictions that had not come to their end, rather high: {', '.join(open_)}"
            )
        slow = [one for one in self if one.step_share is not None and one.step_share >= 1]
        if slow:
            said.append(f"{len(slow)} of {len(self)} are not faster than the dense layer here")
        return [*said, *self._checks()]

    def _trials(self) -> str:
        """What decided the order."""
        said = f"the order is that of trials, short descents of {self.tried} leaders of all kinds"
        if self.agreement is None:
            return said
        return f"{said}; the rank correlation of predictions with these is {self.agreement:.2f}"

    def _checks(self) -> list[str]:
        """How measured losses agree with predictions."""
        pairs = [(one.measured_loss, one.predicted_loss) for one in self]
        losses = [measured for measured, _ in pairs if measured is not None]
        if not losses:
            return []
        off = max(abs(one - other) for one, other in pairs if one is not None)
        if len(losses) == 1:
            return [f"the first was rebuilt: its prediction is off by {off:.2g}"]
        order = "is" if losses == sorted(losses) else "is not"
        return [
            f"the first {len(losses)} were rebuilt: predictions are off by at most {off:.2g}, and "
            f"their order {order} that of the measured losses"
        ]

    def __repr__(self) -> str:
        heading, rows = self.texts()
        return "\n".join(
            line.text for line in text_table(heading, rows, width=SHELL, keys=2, gap=1)
        )

    def _repr_html_(self) -> str:
        """The table for notebooks, with what a column means under its heading's pointer."""
        heading, rows = self.texts()
        said = meanings(Candidate) | OTHERS
        fields = {title: field for title, field, _ in COLUMNS}
        tips = ["", "", *(said[fields[title]] for title in heading[2:])]
        return table(rows, heading, tips)


def _known(one: Candidate, field: str) -> bool:
    return getattr(one, field) is not None


def _short(value: Any) -> str:
    """A number, or a list of them or of lists, in which equal neighbors are counted: 32,48x6,32."""
    if not isinstance(value, Sequence):
        return readable(value)
    texts = (
        f"({_short(part)})" if isinstance(part, Sequence) else readable(part) for part in value
    )
    runs = [(text, len([*same])) for text, same in groupby(texts)]
    return ",".join(text if number == 1 else f"{text}x{number}" for text, number in runs)
