"""Four workers send gradients as -1, 0 and 1 (TernGrad; Wang and others 2019, section V).

Lenet-5 learns MNIST, and a part of CIFAR-10, and ConvNet that part at half as many pixels each way,
on four workers that take a quarter of each batch. They send their gradients in full, as ternary
digits, and without one of the techniques: clipping, a scaler for each array (instead: one for all),
or sharing the largest scaler (instead: each worker's own). Everything else is identical: the
batches, and Adam at one rate. Curves are test accuracies by step, means of three seeds. Runs are
short, some hundred steps where the paper has many thousands, and networks small: its claims are
about AlexNet.

What a worker sends a step is read from the compiled programs (`topokit.devices.traffic`), for
Lenet-5, and for Lenet-300-100, dense or with Clos networks of 5 % of the edges.

Claims of the paper, and how they are judged here.

a. Ternary gradients come to the accuracy of plain ones: on no data set is the mean of the last
   accuracies lower by more than a point. In part, if by no more than three.
b. Removing clipping or layer-wise scalers degrades accuracy: without either the last accuracy is
   lower by more than two standard errors of the difference. In part, if without one.
c. 71 % of a large dense layer's ternary gradients are 0: at least as many are in Lenet-5's largest
   layer, over the steps at which it is looked at.
d. What is sent shrinks by 32 / log2(3), and what comes back by 32 / log2(1 + 2N): each by at least
   0.95 of that. In part, if one is.

Reads MNIST and the part of CIFAR-10 from the folders that `--mnist` and `--cifar10` name. Writes
`ternary_gradients.png` and, with its numbers, `ternary_gradients.json` beside this script.
`--quick` learns a few of scikit-learn's digits for two ways and keeps nothing.
"""

from math import hypot, log2
from typing import Any, NamedTuple

import jax
from matplotlib.figure import Figure

from analyses._many_devices import on_devices
from analyses._shared_training import CONVNET, Plan, Way, found
from analyses.kit import COLORS, Study, mean, standard_error, verdict

WORKERS, SEEDS = 4, 3
IMAGES, JUDGED, EPOCHS, BATCH = 3200, 1000, 8, 64
RATE = 1e-3
SHARES = {"Lenet-300-100, Clos 5 %": 0.05}
QUICK_TOGETHER = False
WITHIN, WITHIN_PART, ZEROS, REACHED = 0.01, 0.03, 0.7132, 0.95
PLAIN, TERNARY = "plain", "ternary"
WAYS: dict[str, Way] = {
    PLAIN: None,
    TERNARY: {},
    "no clipping": {"clip": None},
    "one scaler": {"together": True},
    "own scalers": {"share": False},
}
SETS = {"mnist": tuple(WAYS), "cifar10": (PLAIN, TERNARY), CONVNET: (PLAIN, TERNARY)}
TITLES = {
    "mnist": "MNIST, Lenet-5",
    "cifar10": "part of CIFAR-10, Lenet-5",
    CONVNET: "part of CIFAR-10, ConvNet",
}
STYLES = {
    PLAIN: (COLORS.black, "-"),
    TERNARY: (COLORS.red, "-"),
    "no clipping": (COLORS.blue, "--"),
    "one scaler": (COLORS.green, "-."),
    "own scalers": (COLORS.pink, ":"),
}


class Case(NamedTuple):
    """A data set with the network that learns it, and a way in which gradients are sent."""

    data: str
    way: str


def cases() -> list[tuple[Case, ...]]:
    """All that is learned, and one without any for what is sent; a quick run has one process."""
    each = [Case(data, way) for data, ways in SETS.items() for way in ways]
    return [tuple(each)] if QUICK_TOGETHER else [(), *((case,) for case in each)]


def measure(group: tuple[Case, ...]) -> dict[str, Any]:
    """Learn, or count, on as many devices."""
    plan = Plan(IMAGES, JUDGED, EPOCHS, BATCH, RATE, SEEDS)
    learned = [(case.data, WAYS[case.way]) for case in group]
    shares = None if group and not QUICK_TOGETHER else SHARES
    return on_devices(WORKERS, found, learned, plan, shares)


def summarize(records: dict[tuple[Case, ...], dict[str, Any]]) -> dict[str, Any]:
    """The curves, their ends, what was sent, and what that says of the claims."""
    rows = [
        {"data": case.data, "way": case.way, **_ends(one["curves"]), **one}
        for group, record in records.items()
        for case, one in zip(group, record["learned"], strict=True)
    ]
    (traffic,) = (record["sent"] for record in records.values() if record["sent"])
    zeros = [share for row in rows if row["data"] != CONVNET for share in row["zeros"]]
    factors = _factors(traffic["Lenet-5"])
    reached = [factors[part]["factor"] >= REACHED * factors[part]["least_bits"] for part in factors]
    told: dict[str, Any] = {"zeros": mean(zeros), "factors": factors}
    ends = {(row["data"], row["way"]): row for row in rows}
    off = [ends[d, PLAIN]["accuracy"] - ends[d, TERNARY]["accuracy"] for d in SETS]
    told["a"] = verdict(max(off) <= WITHIN, max(off) <= WITHIN_PART)
    ways = [way for way in ("no clipping", "one scaler") if ("mnist", way) in ends]
    worse = [_lower(ends["mnist", way], ends["mnist", TERNARY]) for way in ways]
    told["b"] = verdict(len(worse) > 1 and all(worse), any(worse))
    told["c"] = verdict(told["zeros"] >= ZEROS, False)
    told["d"] = verdict(all(reached), any(reached))
    return {"terngrad": told, "sent": traffic, "rows": rows}


def _ends(found: list[list[float]]) -> dict[str, float]:
    last = [curve[-1] for curve in found]
    return {"accuracy": mean(last), "error": standard_error(last)}


def _lower(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether an accuracy is lower by more than two standard errors of the difference."""
    return other["accuracy"] - one["accuracy"] > 2 * hypot(one["error"], other["error"])


def _factors(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """How many times fewer bits go there and back than in full, beside the least there can be."""
    whole = 32 * found[PLAIN]["weights"] / 8 * (WORKERS - 1) / WORKERS
    ways = found[TERNARY]["by_kind"]
    least = {"all-to-all": 32 / log2(3), "all-gather": 32 / log2(1 + 2 * WORKERS)}
    return {
        kind: {"factor": round(whole / ways[kind], 2), "least_bits": round(bits, 2)}
        for kind, bits in least.items()
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """A panel for each data set, a curve for each way."""
    panels = figure.subplots(1, len(SETS), squeeze=False)[0]
    for ax, name in zip(panels, SETS, strict=True):
        for row in (row for row in results["rows"] if row["data"] == name):
            color, line = STYLES[row["way"]]
            means = [100 * mean(each) for each in zip(*row["curves"], strict=True)]
            steps = [(place + 1) * (IMAGES // BATCH) for place in range(len(means))]
            ax.plot(steps, means, line, color=color, label=row["way"], marker=".", linewidth=1.4)
        ax.set_title(TITLES[name], fontsize=9)
        ax.set_xlabel("steps", fontsize=9)
        ax.tick_params(labelsize=8)
        ax.grid(alpha=0.3)
    panels[0].set_ylabel("test accuracy (%)", fontsize=9)
    panels[0].legend(fontsize=8)


STUDY = Study(
    __name__,
    quick={
        "SEEDS": 1,
        "IMAGES": 128,
        "JUDGED": 50,
        "EPOCHS": 1,
        "SETS": {"mnist": (PLAIN, TERNARY)},
        "SHARES": {},
        "QUICK_TOGETHER": True,
    },
    size=(9.0, 3.0),
    data=("mnist", "cifar10"),
    alone=True,
)

if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", WORKERS)  # so that no case needs a process
    STUDY.main()
