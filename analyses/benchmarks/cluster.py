"""What do a killed, a slow and a late worker of a Dask cluster cost `rank` and `choose`?

Four workers on this machine, one thread each. In the disturbed run one is killed by SIGKILL at the
end of its second case, before its result is sent, and is not started again; one is slow, and waits
four times as long in each case; one is started when the others have finished four cases, and takes
some seconds until it is there; one is steady. In the undisturbed run four workers are there from
the beginning and are alike. Both are run in turn, several times.

A case is a task of topokit: the scores or the reconstructions of a topology, the kernel regression
of a candidate, or a rung of a training. Each waits a second besides its own work, as there may be
fewer cores than workers. Compiled programs lie in one folder, which a run before the others has
filled, so that seconds are of cases and not of compilers.

`equal`: the fewest rows of any run that are those of a run in this process, without a cluster, in
every field but seconds. `again`: cases of a disturbed run that were begun more than once, and of
these those that had been `finished` before, and were done for nothing; the most of any. `lost_s`:
seconds of the disturbed run less those of the undisturbed one before it, median; `ideal_s`: what
the loss of workers alone costs, if cases could be cut as small as one likes (`_ideal`). `done`:
cases that each worker has finished, and `present_s` when the late one began its first.

The claim: nothing is lost, as all rows are equal, and no case is done again but the one in which
the worker died.

Writes `cluster.json` beside this script; `--quick` has two workers in this process, of which none
is killed or late, and writes nothing.
"""

import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import topokit as tk
from analyses.benchmarks._disturbed import DIES_AT, SLOWER, Noting, lines, processes, threads
from analyses.kit import Study, verdict
from topokit import networks

RUNS = {
    "undisturbed": ("first", "second", "third", "fourth"),
    "disturbed": ("steady", "killed", "slow", "late"),
}
REPETITIONS, WAIT_S = 3, 1.0
RANKS, INPUTS, TARGETS, STEPS = range(1, 17), 16, 2, 50
WIDTHS, EXAMPLES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64), 600
OPTIONS = {
    "budget": 0.3,
    "epochs": 10,
    "batch_size": 16,
    "learning_rate": 0.01,
    "keep": 0.75,
    "eta": 2,
    "seeds": 2,
}
WORKERS: Callable[..., AbstractContextManager[Executor]] = processes


def cases() -> list[str]:
    """The two commands."""
    return ["rank", "choose"]


def measure(case: str) -> dict[str, Any]:
    """Equality, work done again, and seconds."""
    command = {"rank": ranked, "choose": chosen}[case]
    expected = command()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        first = run(command, RUNS["undisturbed"], place / "first", place)
        pairs = [
            [run(command, own, place / f"{name}{turn}", place) for name, own in RUNS.items()]
            for turn in range(REPETITIONS)
        ]
    return judge(expected, first, pairs)


def ranked(**options: Any) -> list[Any]:
    """Rows of a ranking."""
    topologies = {f"rank {rank}": tk.topologies.low_rank(INPUTS, INPUTS, rank) for rank in RANKS}
    solver = tk.reconstruction.Adam(max_steps=STEPS)
    return list(tk.rank(topologies, targets=TARGETS, solver=solver, **options))


def chosen(**options: Any) -> list[Any]:
    """Contenders of a choice among networks of several widths, without their seconds."""
    x = np.random.default_rng(0).standard_normal((EXAMPLES + 1, INPUTS)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    data = networks.make_dataset(x[:-1], y[:-1], x[-1:], y[-1:], validation=0.4)
    models = {f"{n} hidden": partial(networks.mlp, (INPUTS,), [n], 2) for n in WIDTHS}
    found = networks.choose(models, data, **OPTIONS, **options)
    return [replace(one, seconds=0.0) for one in found.contenders]


def run(
    command: Callable[..., list[Any]], workers: tuple[str, ...], log: Path, place: Path
) -> dict[str, Any]:
    """A command on a cluster: its rows, its seconds without the cluster's start, and its log."""
    log.touch()
    with WORKERS(workers, log, place / "programs") as executor:
        begin = time.time()
        noting = Noting(executor, WAIT_S, log)
        rows = command(executor=noting, store=log.with_suffix(".sqlite"))
        seconds = time.time() - begin
    begun, finished = lines(log, "begun"), lines(log, "finished")
    cases = {line.case for line in begun}
    late = [float(line.time) - begin for line in begun if line.worker == "late"]
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "cases": len(cases),
        "again": len(begun) - len(cases),
        "finished": len(finished) - len(cases),
        "done": {worker: sum(line.worker == worker for line in finished) for worker in workers},
        "present_s": round(min(late), 2) if late else None,
    }


def judge(
    expected: list[Any], first: dict[str, Any], pairs: list[list[dict[str, Any]]]
) -> dict[str, Any]:
    """What repetitions say together."""
    calm, disturbed = zip(*pairs, strict=True)
    equal = min(
        sum(one == other for one, other in zip(run["rows"], expected, strict=True))
        for run in (first, *calm, *disturbed)
    )
    again, finished = (max(run[name] for run in disturbed) for name in ("again", "finished"))
    seconds = {
        "undisturbed_s": [run["seconds"] for run in calm],
        "disturbed_s": [run["seconds"] for run in disturbed],
        "lost_s": [two["seconds"] - one["seconds"] for one, two in pairs],
        "ideal_s": [_ideal(one, two) for one, two in pairs],
    }
    same = equal == len(expected)
    return {
        "rows": len(expected),
        "equal": equal,
        "cases": calm[0]["cases"],
        "again": again,
        "finished": finished,
        **{name: round(float(np.median(each)), 2) for name, each in seconds.items()},
        "runs": [{key: run[key] for key in run if key != "rows"} for run in disturbed],
        "undisturbed_runs": seconds["undisturbed_s"],
        "verdict": verdict(same and again <= 1 and finished == 0, same),
    }


def _ideal(calm: dict[str, Any], disturbed: dict[str, Any]) -> float:
    """Seconds that workers which are away or slow cost, if the others never waited.

    A case takes what it took the undisturbed workers, all of the time at work. The killed worker
    finishes all but its last case; the late one works from its first case on.
    """
    case = calm["seconds"] * len(RUNS["undisturbed"]) / calm["cases"]
    present = inf if disturbed["present_s"] is None else disturbed["present_s"]
    left = calm["cases"] - (DIES_AT - 1)
    alone = left * case / (1 + 1 / SLOWER)
    both = (left * case + present) / (2 + 1 / SLOWER)
    return min(alone, both if present < alone else inf) - calm["seconds"]


def summarize(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Both commands."""
    return {"commands": found}


STUDY = Study(
    __name__,
    quick={
        "RUNS": {"undisturbed": ("first", "second"), "disturbed": ("steady", "slow")},
        "REPETITIONS": 1,
        "WAIT_S": 0.01,
        "RANKS": (1, 2),
        "STEPS": 2,
        "WIDTHS": (1, 2),
        "EXAMPLES": 60,
        "OPTIONS": OPTIONS | {"budget": 1.0, "epochs": 1, "keep": 1, "seeds": 1},
        "WORKERS": threads,
    },
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
