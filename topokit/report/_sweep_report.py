"""The page of a sweep: the losses of many reconstructions, topology by topology."""

import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from topokit._docstrings import entries
from topokit.ranking import Result, SizedLoss, mean_losses
from topokit.report._page import Card, Column, Field, Page, entry_of, looks_of, write_page
from topokit.report._page_charts import Axis, Chart, Cloud, points_chart
from topokit.report._page_text import label_of_field, number_text, short

MOST_POINTS = 20_000  # of single results that are drawn
TOLD_APART = ("name", "family", "n_in", "n_out", "depth", "edges", "trainable", "solver")
DECIMALS = {"seconds": 2}
MEANINGS = entries(SizedLoss, "Attributes") | {
    "targets": "How many results the mean is of: one for each seed and target.",
    "least": "Least loss of a target.",
    "greatest": "Greatest loss of a target.",
    "seeds": "How many seeds were run.",
    "seconds": "Mean wall time of the targets of a seed, which run together, compilation included.",
    "solver": "How it was descended.",
}
GOOD = {"loss": "low", "least": "low", "greatest": "low"}
COLUMNS = (
    ("loss", "Loss"),
    ("loss_error", "±"),
    ("least", "Least"),
    ("greatest", "Greatest"),
    ("trainable", "Trainable"),
    ("depth", "Depth"),
    ("seeds", "Seeds"),
    ("targets", "Results"),
    ("seconds", "Seconds"),
    ("family", "Family"),
)


class Swept(NamedTuple):
    """The results of one topology with one solver."""

    results: tuple[Result, ...]

    @property
    def losses(self) -> np.ndarray:
        """The loss of each."""
        return np.array([result.loss for result in self.results], float)

    @property
    def values(self) -> dict[str, Any]:
        """What the page says of them."""
        (mean,) = mean_losses(self.results)
        seconds = {result.seed: result.seconds for result in self.results}
        return mean._asdict() | {
            "least": float(self.losses.min()),
            "greatest": float(self.losses.max()),
            "seeds": len(seconds),
            "seconds": float(np.mean([*seconds.values()])),
            "solver": self.results[0].solver,
        }


def write_sweep_report(path: str | os.PathLike[str], results: Iterable[Result]) -> None:
    """Write the results of a sweep as one page to click through.

    It has the mean loss of each topology and solver as a table to sort and to filter, losses
    against parameters with every single result, and two topologies side by side. A store does not
    keep the topologies themselves: for maps, drawings and diagnoses see `write_report`.

    Args:
        path: The file to write, such as `sweep.html`. An existing file is replaced.
        results: What `topokit.ranking.sweep` yielded, or `topokit.ranking.read_store` read.

    Raises:
        ValueError: If there is no result.
        OSError: If the file cannot be written.

    Examples:
        >>> from pathlib import Path
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> topologies = {f"rank {rank}": tk.topologies.low_rank(8, 8, rank) for rank in (1, 2)}
        >>> results = tk.ranking.sweep(topologies, targets=2, solver=quick)
        >>> tk.report.write_sweep_report("sweep.html", results)
        >>> Path("sweep.html").read_text(encoding="utf-8")[:15]
        '<!doctype html>'

    See Also:
        `write_report`, for a ranking; `topokit.ranking.sweep`.
    """
    results = list(results)
    other = next((one for one in results if not isinstance(one, Result)), None)
    if other is not None:
        raise ValueError(f"results must be those of topokit.ranking.sweep; given {other!r}")
    swept = _grouped(results)
    if not swept:
        raise ValueError("there are no results: nothing was rebuilt yet; run a sweep or a ranking")
    write_page(_page(swept), path)


def _grouped(results: Iterable[Result]) -> list[Swept]:
    """By topology and solver, the best mean first."""

    def key(result: Result) -> tuple:
        return tuple(str(getattr(result, name)) for name in TOLD_APART)

    groups = groupby(sorted(results, key=key), key)
    swept = [Swept(tuple(group)) for _, group in groups]
    means = [float(one.losses.mean()) for one in swept]
    order = np.argsort(np.nan_to_num(means, nan=np.inf), kind="stable")
    return [swept[place] for place in order]


def _page(swept: Sequence[Swept]) -> Page:
    rows = [one.values for one in swept]
    solvers = {str(row["solver"]) for row in rows}
    names = [_name(row, several=len(solvers) > 1) for row in rows]
    families, numbers, looks = looks_of(
        [str(row["family"]) for row in rows], [not row["skip"] for row in rows]
    )
    most = max(one.losses.mean() for one in swept)
    return Page(
        title="A sweep of reconstructions",
        lead=[
            f"{len(rows):,} wirings, {sum(one.losses.size for one in swept):,} reconstructions of "
            "random matrices. The loss is the share of a matrix that could not be rebuilt: lower "
            "is better, 0 is exact, 1 is no better than nothing."
        ],
        cards=_cards(names, rows),
        notes=(),
        table_heading="The wirings",
        table_means="The letters put two of them side by side below. Headings sort.",
        family_word="Families",
        filled_means="Open marks: with constant edges." if any(r["skip"] for r in rows) else "",
        families=families,
        columns=_columns(solvers),
        entries=[
            entry_of(
                row, name=name, family=number, look=look, decimals=DECIMALS, bar=("loss", most)
            )
            for row, name, number, look in zip(rows, names, numbers, looks, strict=True)
        ],
        charts=[_chart(swept, names, rows, [look.marker for look in looks])],
        fields=[
            Field(key, label_of_field(key), MEANINGS[key], GOOD.get(key, ""))
            for key in rows[0]
            if key != "name"
        ],
    )


def _columns(solvers: set[str]) -> list[Column]:
    """Those of the table, the solver among them where there are several."""
    columns = COLUMNS + (("solver", "Solver"),) * (len(solvers) > 1)
    named = Column("name", "Wiring", "The name under which it was run first.", number=False)
    return [
        named,
        *(
            Column(key, label, MEANINGS[key], key not in ("family", "solver"), key == "loss")
            for key, label in columns
        ),
    ]


def _name(row: dict, *, several: bool) -> str:
    return f"{row['name']}, {row['solver']}" if several else str(row["name"])


def _cards(names: Sequence[str], rows: Sequence[dict]) -> list[Card]:
    ends = [("Best", 0), ("Worst", len(rows) - 1)][: len(rows)]
    return [
        Card(
            heading,
            short(names[place]),
            number_text(rows[place]["loss"]),
            f"of a matrix is lost on average, with {rows[place]['trainable']:,} trainable weights "
            f"in {rows[place]['depth']:,} layers",
        )
        for heading, place in ends
    ]


def _chart(
    swept: Sequence[Swept], names: Sequence[str], rows: Sequence[dict], markers: Sequence[str]
) -> Chart:
    counts = [one.losses.size for one in swept]
    single = sum(counts) <= MOST_POINTS
    trainable = np.array([row["trainable"] for row in rows], float)
    cloud = Cloud(
        np.repeat(trainable, counts),
        np.concatenate([one.losses for one in swept]),
        np.repeat(np.arange(len(swept)), counts),
    )
    return points_chart(
        "parameters",
        "Loss against parameters",
        "Lower and further left is better." + " Faint dots are single targets." * single,
        x=Axis("trainable weights", [row["trainable"] for row in rows]),
        y=Axis("loss", [row["loss"] for row in rows]),
        spread=[row["loss_error"] for row in rows],
        looks={"marker": markers},
        told={
            "wiring": [short(name) for name in names],
            "loss": [f"{number_text(r['loss'])} ± {number_text(r['loss_error'])}" for r in rows],
            "trainable": [number_text(row["trainable"]) for row in rows],
        },
        cloud=cloud if single else None,
    )
