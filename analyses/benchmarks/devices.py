"""What do cascades over many devices send, what would XLA, and does the model of costs hold?

`sent` has layers of 1,024 inputs and outputs on 16 devices, which are threads of this machine: what
a device sends in a prediction, and in a step with all gradients, by the placements of
`topokit.devices` and by XLA, which is given the same layer with each weight in the same place.
Counted from the compiled programs, as rings send it.

`times` fits seconds of a prediction, `messages alpha + bytes beta + operations gamma`, to dense
layers on rings, by least squares of relative errors, and foretells those of Clos networks on tori.
Figures are what was foretold over what was measured.

Writes `devices.json` beside this script; `--sections sent` counts alone; `--quick` takes few cases
and writes nothing.
"""

from typing import Any

import numpy as np
from scipy.optimize import nnls

from analyses._many_devices import on_devices
from analyses.benchmarks._device_programs import sent, times
from analyses.kit import Study, chosen_sections, nested

BATCH = 64
SENT = (
    ("clos", (1024, 1024, 32, 32, 32), (4, 4)),
    ("clos", (1024, 1024, 32, 8, 32), (4, 4)),
    ("clos", (1024, 1024, 16, 16, 16), (2, 8)),
    ("butterfly", (1024, 10), (2, 2, 2, 2)),
    ("dense", (1024, 1024), (16,)),
)
FITTED = tuple(
    ("dense", (n, n), (p,), batch) for n in (256, 1024, 2048) for p in (2, 4) for batch in (16, 256)
)
FORETOLD = tuple(
    ("clos", (n, n, r, r, r), (2, 2), batch)
    for n, r in ((1024, 32), (4096, 64))
    for batch in (64, 512)
)
REPETITIONS, SLOT = 5, 0.2
TERMS = ("messages", "bytes", "operations")
SECTIONS = ("sent", "times")


def cases() -> list[str]:
    """The sections."""
    return chosen_sections(SECTIONS)


def measure(section: str) -> dict[str, Any]:
    """What each case of a section is found to send, or to take."""
    if section == "sent":
        rows = on_devices(16, sent, [(*case, BATCH) for case in SENT])
        return {name(*case): row for case, row in zip(SENT, rows, strict=True)}
    rows = on_devices(4, times, [*FITTED, *FORETOLD], REPETITIONS, SLOT)
    terms = fitted(rows[: len(FITTED)])
    told = {
        name(*case): row | {"foretold_over_measured": seconds_of(row, terms) / row["seconds"]}
        for case, row in zip([*FITTED, *FORETOLD], rows, strict=True)
    }
    return {"seconds of each": dict(zip(TERMS, terms, strict=True))} | told


def name(kind: str, numbers: tuple, sides: tuple, batch: int | None = None) -> str:
    """Such as `clos(1024, 1024, 32, 32, 32) on 4 x 4`."""
    where = f"{kind}{numbers} on {' x '.join(map(str, sides))}"
    return where if batch is None else f"{where}, batch {batch}"


def fitted(rows: list[dict[str, Any]]) -> np.ndarray:
    """Seconds of a message, a byte and an operation, none negative, by relative errors."""
    amounts = np.array([[row[term] / row["seconds"] for term in TERMS] for row in rows])
    scale = amounts.max(axis=0)
    return nnls(amounts / scale, np.ones(len(rows)))[0] / scale


def seconds_of(row: dict[str, Any], terms: np.ndarray) -> float:
    """What the model foretells."""
    return float(sum(row[term] * seconds for term, seconds in zip(TERMS, terms, strict=True)))


def summarize(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The sections."""
    return nested({(section,): rows for section, rows in found.items()})


STUDY = Study(
    __name__,
    quick={
        "SENT": (("clos", (8, 8, 2, 2, 2), (2, 2)),),
        "FITTED": FITTED[:3],
        "FORETOLD": (("clos", (16, 16, 4, 4, 4), (2, 2), 4),),
        "REPETITIONS": 1,
        "SLOT": 0.001,
    },
    alone=True,
    sections=SECTIONS,
)

if __name__ == "__main__":
    STUDY.main()
