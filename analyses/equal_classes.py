"""What separates good wirings from bad where width, depth, fans and degrees of freedom are equal?

Each class holds random wirings with the same widths, depth, fan-in and degrees of freedom (as many
as edges without the hidden neurons; a draw with fewer is left out), so that edges, paths in all,
bandwidth and total K tie, and with one fan-out, where the widths are equal. A wiring's loss is its
mean over Gaussian targets, two halves of them, each with starting weights of its own; all wirings
of a class share the targets.

For each score: Spearman's rank correlation with the loss within a class, turned so that 1 means
that the wiring which it calls better always loses less, and its 95 % bootstrap interval over
wirings. The ceiling is the root of the losses' reliability (the correlation of the two halves,
stepped up by Spearman and Brown to the whole): a score that knew the loss on all targets and from
all starts would be expected to reach it and no more.

Claim: of the scores here soft leverage, `mean((1 - H)^2)` with H from
`topokit.scores.soft_leverage`, agrees best in every class, though often by less than the intervals
tell apart. It is near the ceiling in most, and well below it in the deepest of fan-in 2 and of
fan-in 3, where the loss is also known least well. Leverage does as well in shallow networks and
fails in deep ones that reach all pairs: it counts a direction as free however far the weights would
have to go. The number of unreached pairs, the variance of the path counts and the coverage (mean
over pairs of `1 / (1 + hidden neurons on a path between them)`) see part of it for next to nothing.
The matching is the same for all.

In words: a good wiring serves all pairs alike. None is without a path, and the hidden neurons on
paths are shared out evenly, instead of many to some pairs and one to others. How well single layers
mix (second singular values) tells little.

Caveats: small networks whose weights are all free, and one optimizer from one start a target: what
it fails to find counts as loss. The ceiling is itself an estimate from 60 wirings. `softness`, and
signs for weights, were chosen among many scores on other wirings of the classes marked `seen`, with
the first half of these targets; the other classes were not looked at. Designed wirings are another
matter: the butterfly of its class has the lowest loss and the best score, but a Clos network,
called middling, loses more than all random ones of its class, so that serving all pairs alike is
not the whole of it.

Writes `equal_classes.png` and, with its numbers, `equal_classes.json` beside this script. `--quick`
takes two small classes, few targets and steps, and keeps nothing.
"""

from collections.abc import Callable
from itertools import accumulate, count
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import topokit as tk
from analyses.kit import COLORS, Look, Study, estimate, rank_correlation
from topokit import reconstruct
from topokit.reconstruction import Adam
from topokit.topologies import random_regular

WIRINGS, TARGETS, STEPS, DRAWS, RESAMPLES = 60, 128, 1000, 16, 999  # targets of one half
FIRST_SEED = 10_000  # of the wirings; the score was made on those of seeds below
STYLES = {
    "soft leverage": Look("o", COLORS.blue),
    "coverage": Look("D", COLORS.green),
    "leverage": Look("s", COLORS.red),
    "unreached pairs": Look("^", COLORS.amber),
    "second singular values": Look("x", "0.5"),
}


class Class(NamedTuple):
    """Wirings that easy scores cannot tell apart."""

    widths: tuple[int, ...]
    fan_in: int
    seen: bool

    @property
    def name(self) -> str:
        """Such as `16 x 3 layers, fan-in 4`."""
        equal = len(set(self.widths)) == 1
        shape = (
            f"{self.widths[0]} x {len(self.widths) - 1} layers"
            if equal
            else "-".join(map(str, self.widths))
        )
        return f"{shape}, fan-in {self.fan_in}"

    @property
    def freedom(self) -> int:
        """Degrees of freedom if hidden neurons waste one each and nothing else is wasted."""
        return self.fan_in * sum(self.widths[1:]) - sum(self.widths[1:-1])


CLASSES = (
    Class((16,) * 5, 2, True),
    Class((16,) * 7, 2, True),
    Class((16,) * 8, 2, False),
    Class((16,) * 9, 2, True),
    Class((16,) * 5, 3, True),
    Class((16,) * 4, 4, True),
    Class((16,) * 3, 6, True),
    Class((16, 24, 16), 4, False),
    Class((20,) * 4, 4, False),
)
DESIGNED = {
    "butterfly": (CLASSES[0], tk.topologies.butterfly(16, 4)),
    "clos": (CLASSES[5], tk.topologies.clos(16, 16, 4, 4, 4)),
}


def cases() -> list[Class | str]:
    """All classes, and the designed wirings that stand beside them."""
    return [*CLASSES, *DESIGNED]


def measure(case: Class | str) -> dict[str, Any]:
    """Of a class every wiring's losses and scores; of a designed wiring its own."""
    if isinstance(case, Class):
        wirings = draw_wirings(case, WIRINGS)
    else:
        wirings = [tk.to_layers(DESIGNED[case][1])]
    return {
        "halves": measure_losses(wirings),
        "scores": {
            name: np.array([score(wiring) for wiring in wirings]) for name, score in SCORES.items()
        },
    }


def draw_wirings(kind: Class, wirings: int) -> list[tk.Layers]:
    """The first random wirings that have all degrees of freedom."""
    found = []
    for seed in count(FIRST_SEED):
        layers = tk.to_layers(random_regular(list(kind.widths), kind.fan_in, seed=seed))
        if tk.degrees_of_freedom(layers) == kind.freedom:
            found.append(layers)
        if len(found) == wirings:
            return found
    raise AssertionError


def measure_losses(wirings: list[tk.Layers]) -> np.ndarray:
    """Mean loss of each wiring in each half, `(2, wirings)`."""
    shape = (TARGETS, wirings[0].n_in, wirings[0].n_out)
    halves = [np.random.default_rng(half).standard_normal(shape) for half in (0, 1)]
    solver = Adam(max_steps=STEPS)
    return np.array(
        [
            [reconstruct(w, half, solver=solver, key=key).loss.mean() for w in wirings]
            for key, half in enumerate(halves)
        ]
    )


def coverage(layers: tk.Layers) -> float:
    """Mean over pairs of `1 / (1 + hidden neurons on a path between them)`."""
    masks = [mask.astype(float) for mask in tk.to_masks(layers)]
    reached = list(accumulate(masks, lambda held, mask: np.minimum(held @ mask, 1)))
    reaching = list(accumulate(masks[::-1], lambda held, mask: np.minimum(mask @ held, 1)))
    pairs = zip(reached[:-1], reaching[-2::-1], strict=True)
    shared = np.sum([a @ b for a, b in pairs], axis=0)
    return float((1 / (1 + shared)).mean())


SCORES: dict[str, Callable[[tk.Layers], float]] = {
    "soft leverage": lambda w: float(
        ((1 - tk.scores.soft_leverage(w, n_samples=DRAWS)) ** 2).mean()
    ),
    "coverage": coverage,
    "leverage": lambda w: float(((1 - tk.leverage(w, n_samples=DRAWS)) ** 2).mean()),
    "unreached pairs": lambda w: float(np.mean(tk.scores.path_counts(w) == 0)),
    "variance of paths": lambda w: float(tk.scores.path_counts(w).var()),
    "second singular values": lambda w: float(tk.scores.second_singular_values(w).mean()),
    "SynFlow": lambda w: -tk.scores.log_synflow(w),
    "satisfiable constraints": lambda w: -float(tk.satisfiable_constraints(w)),
}


def summarize(found: dict[Class | str, dict[str, Any]]) -> dict[str, Any]:
    """What is reported of each class, over all of them, and of designed wirings beside them."""
    rows = {kind.name: study(kind, found[kind]) for kind in CLASSES}
    return {
        "mean_agreement": summary(rows),
        "classes": rows,
        "designed": {n: set_beside(n, found[n], found) for n in DESIGNED},
        "wirings": {kind.name: cloud(found[kind]) for kind in CLASSES},
    }


def study(kind: Class, record: dict[str, Any]) -> dict[str, Any]:
    """What is reported of a class."""
    halves = record["halves"]
    loss = halves.mean(axis=0)
    both = max(float(np.corrcoef(halves)[0, 1]), 0.0)
    return {
        "seen": kind.seen,
        "wirings": WIRINGS,
        "degrees_of_freedom": kind.freedom,
        "loss_least": round(float(loss.min()), 4),
        "loss_mean": round(float(loss.mean()), 4),
        "loss_most": round(float(loss.max()), 4),
        "halves_correlate": round(both, 3),
        "ceiling": round(float(np.sqrt(2 * both / (1 + both))), 3),
        "scores": {n: judge(v, loss, RESAMPLES) for n, v in record["scores"].items()},
    }


def judge(score: np.ndarray, loss: np.ndarray, resamples: int) -> dict[str, Any] | None:
    """Correlation and interval; None where the score is the same for all."""
    score = np.round(score, 9)  # so that equals tie
    if np.ptp(score) == 0:
        return None
    found = estimate(rank_correlation, score, loss, resamples=resamples)
    return {"agreement": found["value"], "interval": found["interval"]}


def set_beside(
    name: str, record: dict[str, Any], found: dict[Any, dict[str, Any]]
) -> dict[str, Any]:
    """A designed wiring beside the random ones of its class."""
    kind, graph = DESIGNED[name]
    loss, (score,) = record["halves"].mean(), record["scores"]["soft leverage"]
    losses = found[kind]["halves"].mean(axis=0)
    return {
        "class": kind.name,
        "degrees_of_freedom": tk.degrees_of_freedom(graph),
        "loss": round(float(loss), 4),
        "wirings_with_less_loss": int((losses < loss).sum()),
        "wirings_called_better": int((found[kind]["scores"]["soft leverage"] < score).sum()),
        "of": WIRINGS,
    }


def cloud(record: dict[str, Any]) -> dict[str, list[float]]:
    """The loss and the soft leverage of each wiring."""
    loss, score = record["halves"].mean(axis=0), record["scores"]["soft leverage"]
    return {"loss": loss.astype(float).round(6).tolist(), "soft leverage": score.round(6).tolist()}


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, float | int]]:
    """Mean agreement of each score over the classes, a tie of all counting as 0."""
    result = {}
    for part, seen in (("seen", True), ("not_seen", False)):
        chosen = [row for row in rows.values() if row["seen"] == seen]
        if chosen:
            means = {
                name: np.mean(
                    [(row["scores"][name] or {"agreement": 0})["agreement"] for row in chosen]
                )
                for name in SCORES
            }
            means["ceiling"] = np.mean([row["ceiling"] for row in chosen])
            result[part] = {"classes": len(chosen)} | {
                name: round(float(mean), 3) for name, mean in means.items()
            }
    return result


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Agreement on the left, the wirings themselves on the right."""
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    draw_agreement(left, results["classes"])
    draw_spread(right, results["wirings"])
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False
    )


def draw_agreement(ax: Axes, rows: dict[str, dict[str, Any]]) -> None:
    """For each class a row: its ceiling as a black bar, and some scores."""
    for place, row in enumerate(rows.values()):
        ax.plot([row["ceiling"]] * 2, [place - 0.38, place + 0.38], color="black", linewidth=2)
        for name, (marker, color, _) in STYLES.items():
            found = row["scores"][name]
            if found is not None:
                ax.plot(found["agreement"], place, marker, color=color, markersize=7)
        ax.plot(
            row["scores"]["soft leverage"]["interval"], [place] * 2, color=COLORS.blue, zorder=1
        )
    ax.plot([], [], color="black", linewidth=2, label="ceiling")
    for name, (marker, color, _) in STYLES.items():
        ax.plot([], [], marker, color=color, label=name)
    labels = [name + (" *" if not row["seen"] else "") for name, row in rows.items()]
    ax.set_yticks(range(len(rows)), labels)
    ax.set(xlim=(-0.45, 1.02), ylim=(len(rows) - 0.4, -0.6))
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_xlabel("rank correlation with the loss within the class (* not seen before)")
    ax.grid(alpha=0.3)


def draw_spread(ax: Axes, clouds: dict[str, dict[str, list[float]]]) -> None:
    """Every wiring, both numbers relative to the mean of its class."""
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.95, len(clouds)))
    for (name, found), color in zip(clouds.items(), colors, strict=True):
        values = (np.array(found[key]) for key in ("soft leverage", "loss"))
        x, y = (100 * (own / own.mean() - 1) for own in values)
        ax.plot(x, y, ".", color=color, markersize=5, label=name)
    ax.set_xlabel("mean (1 - soft leverage)², % above its class")
    ax.set_ylabel("loss, % above its class")
    ax.legend(fontsize=8, frameon=False, handletextpad=0.1)
    ax.grid(alpha=0.3)


STUDY = Study(
    __name__,
    quick={
        "CLASSES": (Class((6,) * 3, 3, False), Class((6,) * 4, 2, False)),
        "DESIGNED": {},
        "WIRINGS": 4,
        "TARGETS": 4,
        "STEPS": 100,
        "DRAWS": 2,
        "RESAMPLES": 19,
    },
    size=(12.0, 5.6),
)

if __name__ == "__main__":
    STUDY.main()
