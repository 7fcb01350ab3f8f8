"""What do cascades over many devices send, what would XLA, and does the model of costs hold?

`sent` has layers of 1,024 inputs and outputs on 16 devices, which are threads of this machine: what
a device sends in a prediction, and in a step with all gradients, by the placements of
`topokit.devices` and by XLA, which is given the same layer with each weight in the same place.
Counted from the compiled programs, as rings send it.

`times` fits the seconds of a prediction to what it takes of a device,

    messages alpha + share (sent beta + operations gamma + moved delta),

where `sent` and `moved` are bytes, over the mesh and in memory (`costs.work`), and `share` is how
many devices have a core between them. Of a ternary mean of gradients, operations are its entries.
The rates are those of least squares of relative errors, none negative, of one kind of program at
some sizes and batches, for small products run at other rates than large ones; with these the
seconds of other sizes and batches, between and beyond those, are foretold. Devices are a thread
each; times are the least of many, all cases in turn. It holds if all that is foretold comes within
a fifth of what is measured, and in part if half of it does.

Writes `devices.json` beside this script; `--sections sent` counts alone; `--quick` takes few cases
and writes nothing.
"""

from math import prod
from typing import Any

import numpy as np
from scipy.optimize import nnls

from analyses._many_devices import on_devices
from analyses.benchmarks._device_programs import sent, times
from analyses.kit import Study, chosen_sections, nested, verdict

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
) + tuple(
    ("clos", (n, n, r, r, r), (2, 2), batch)
    for n, r in ((256, 16), (1024, 32), (4096, 64))
    for batch in (16, 256)
)
FITTED += tuple(("ternary", (2**bits,), (p,), 1) for bits in (12, 16, 20) for p in (2, 4))
FORETOLD = tuple(
    ("dense", (n, n), (p,), batch) for n in (512, 1536) for p in (2, 4) for batch in (32, 64, 128)
) + tuple(
    ("clos", (n, n, r, r, r), (2, 2), batch)
    for n, r in ((576, 24), (2304, 48), (4096, 64))
    for batch in (32, 64, 128)
)
FORETOLD += tuple(("ternary", (2**bits,), (p,), 1) for bits in (14, 18, 19) for p in (2, 4))
CORES, REPETITIONS, SLOT = 2, 25, 0.05
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"
TERMS = ("messages", "sent", "operations", "moved")
FIFTH = 0.2
SECTIONS = ("sent", "times")


def cases() -> list[str]:
    """The sections."""
    return chosen_sections(SECTIONS)


def measure(section: str) -> dict[str, Any]:
    """What each case of a section is found to send, or to take."""
    if section == "sent":
        rows = on_devices(16, sent, [(*case, BATCH) for case in SENT])
        return {name(*case): row for case, row in zip(SENT, rows, strict=True)}
    cases = [*FITTED, *FORETOLD]
    rows = on_devices(4, times, cases, REPETITIONS, SLOT, flags=ONE_THREAD)
    pairs = list(zip(cases, map(shared, rows, cases), strict=True))
    kinds = dict.fromkeys(case[0] for case in FITTED)
    return {kind: foretold([pair for pair in pairs if pair[0][0] == kind]) for kind in kinds}


def name(kind: str, numbers: tuple, sides: tuple, batch: int | None = None) -> str:
    """Such as `clos(1024, 1024, 32, 32, 32) on 4 x 4`."""
    where = f"{kind}{numbers} on {' x '.join(map(str, sides))}"
    return where if batch is None else f"{where}, batch {batch}"


def shared(row: dict[str, Any], case: tuple) -> dict[str, Any]:
    """What devices take that have a core between them, one after the other."""
    share = max(1.0, prod(case[2]) / CORES)
    return {key: value * (share if key in TERMS[1:] else 1) for key, value in row.items()}


def foretold(pairs: list[tuple[tuple, dict[str, Any]]]) -> dict[str, Any]:
    """The rates of a kind of program, and how far what they foretell is from what is measured."""
    rates = fitted([row for case, row in pairs if case in FITTED])
    rows = {
        name(*case): {
            "seconds": row["seconds"],
            "foretold": sum(row[term] * rate for term, rate in zip(TERMS, rates, strict=True)),
            "fitted": case in FITTED,
        }
        for case, row in pairs
    }
    errors = [
        abs(row["foretold"] / row["seconds"] - 1) for row in rows.values() if not row["fitted"]
    ]
    within = float(np.mean(np.array(errors) <= FIFTH))
    return {
        "rates": dict(zip(TERMS, rates.tolist(), strict=True)),
        "foretold": len(errors),
        "within_a_fifth": within,
        "median_error": float(np.median(errors)),
        "largest_error": max(errors),
        "verdict": verdict(within == 1, within >= 1 / 2),
        "cases": rows,
    }


def fitted(rows: list[dict[str, Any]]) -> np.ndarray:
    """Seconds of a message, a byte sent, an operation and a byte moved, none negative."""
    amounts = np.array([[row[term] / row["seconds"] for term in TERMS] for row in rows])
    most = amounts.max(axis=0)
    scale = np.where(most == 0, 1, most)
    return nnls(amounts / scale, np.ones(len(rows)))[0] / scale


def summarize(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The sections."""
    return nested({(section,): rows for section, rows in found.items()})


STUDY = Study(
    __name__,
    quick={
        "SENT": (("clos", (8, 8, 2, 2, 2), (2, 2)),),
        "FITTED": FITTED[:2],
        "FORETOLD": (("dense", (64, 64), (2,), 4),),
        "REPETITIONS": 1,
        "SLOT": 0.001,
    },
    alone=True,
    sections=SECTIONS,
)

if __name__ == "__main__":
    STUDY.main()
