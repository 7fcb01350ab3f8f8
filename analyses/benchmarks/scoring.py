"""Every number of `score` at the sizes of real layers: which are there, how sure, and how soon.

The member of each family nearest to a number of trainable edges: between 32 neurons as the default
ranking has them, there also with skip connections; between 256 and 1,024; and in the place of
layers of real networks, at a tenth of the dense layer. Each is scored in a process of its own, and
says its seconds on the clock and of the processor, the peak of its memory, which fields stay empty,
and what is an estimate, with its error.

Claim: no field is empty, and up to 1,024 x 1,024 none takes a processor more than 30 s.

Writes `scoring.json` beside this script; `--quick` takes one small layer and writes nothing. On one
core: `OPENBLAS_NUM_THREADS=1`.
"""

from itertools import product
from time import process_time
from typing import Any, NamedTuple

import topokit as tk
from analyses.kit import Study, apart, peak_bytes, timed, verdict
from topokit.designs import nearest, why_far

SQUARE = {32: 640, 256: 15_360, 1024: 61_440}
WIDE = ((3072, 512), (768, 3072))  # an hour of the processor, half of it RadiX-Nets of many layers
REAL = ((784, 300), (300, 100), (512, 10), *WIDE)
SHARE = 0.1
WITHOUT = ("dense",)  # which has one size
WITH_SKIPS = 32  # neurons up to which members with skip connections, twice as deep, are scored
LIMIT_S, UP_TO = 30.0, 1024**2  # pairs


class Case(NamedTuple):
    """The member of a family between so many inputs and outputs."""

    n_in: int
    n_out: int
    budget: int
    family: str
    skip: bool


def cases() -> list[Case]:
    """All of them, the smaller layers first."""
    layers = [(n, n, budget) for n, budget in SQUARE.items()]
    layers += [(*widths, int(SHARE * widths[0] * widths[1])) for widths in REAL]
    named = [name for name in tk.topologies.families() if name not in WITHOUT]
    every = (
        Case(*layer, name, skip)
        for layer, name, skip in product(layers, named, (False, True))
        if not skip or max(layer[:2]) <= WITH_SKIPS
    )
    return [case for case in every if has_member(case)]


def has_member(case: Case) -> bool:
    """Whether the family has a member near enough, and of skips only one that has some."""
    n_in, n_out, budget, family, skip = case
    try:
        found = nearest(family, n_in, n_out, budget, skip=skip)
    except ValueError:
        return False
    return not why_far(found, budget) and (not skip or found.depth > 1)


def measure(case: Case) -> Any:
    """Apart from all others."""
    return apart(measure_alone, case)


def measure_alone(case: Case) -> dict[str, Any]:
    """Seconds, peak memory, and what the score says of itself."""
    n_in, n_out, budget, family, skip = case
    layers = nearest(family, n_in, n_out, budget, skip=skip).layers()
    before = process_time()
    seconds, found = timed(lambda: tk.score(layers))
    row = found._asdict()
    return {
        "edges": layers.n_trainable,
        "depth": layers.depth,
        "seconds": seconds,
        "processor_s": process_time() - before,
        "peak_gib": peak_bytes() / 2**30,
        "empty": [name for name, value in row.items() if value is None],
        "degrees_of_freedom": found.degrees_of_freedom,
        "freedom_error": found.freedom_error,
        "predicted_loss": found.predicted_loss,
        "predicted_loss_error": found.predicted_loss_error,
    }


def summarize(found: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """By layer: all rows, the slowest, and what is empty; and whether the claim holds."""
    layers: dict[str, dict[str, Any]] = {}
    for case, row in found.items():
        rows = layers.setdefault(f"{case.n_in} x {case.n_out}", {})
        rows[f"{case.family}, skip" if case.skip else case.family] = row
    filled = not any(row["empty"] for row in found.values())
    slowest = max(
        row["processor_s"] for case, row in found.items() if case.n_in * case.n_out <= UP_TO
    )
    quick = slowest <= LIMIT_S
    return {
        "verdict": verdict(filled and quick, filled or quick),
        "slowest_processor_s": {name: most(rows, "processor_s") for name, rows in layers.items()},
        "peak_gib": {name: most(rows, "peak_gib") for name, rows in layers.items()},
        "empty": sorted({name for row in found.values() for name in row["empty"]}),
        "layers": layers,
    }


def most(rows: dict[str, dict[str, Any]], field: str) -> float:
    """The greatest value of a field."""
    return max(row[field] for row in rows.values())


STUDY = Study(
    __name__,
    quick={"SQUARE": {8: 40}, "REAL": ()},
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
