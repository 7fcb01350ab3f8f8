"""Does a designed wiring rebuild random matrices better than hand-made ones of as many weights?

A panel is a layer and a budget of trainable edges. Dots are measured losses, with bars of two
standard errors to either side: of what `topokit.design` returns, of each family's hand-made member,
and of its best among random members. Gray marks are the losses predicted of all random members. The
dashed line is 10 % below the best hand-made member.

The hand-made member is the one by which a family is known (`topokit.designs.usual`), as large as
the budget allows, with or without skip connections, whichever is predicted to be better. Random
members are drawn within a tenth below the budget: a family, then one of its members of at most 24
layers, plain or with skips, until there are 200; of each family the one of least predicted loss is
measured too. Equal trainable edges are thus 90 to 100 % of the budget, and as few as there are for
hand-made members that are smaller; no one has more than the budget. Targets are others than those
of the design's own trials; all wirings of a panel have the same, and the same number of steps.

Claim: (a) the designed wiring leaves at least 10 % less than the best hand-made member in four of
six cases. (b) It does where only hand-made members count whose edges are not random. (c) No member
that is measured leaves less, but for the error.

(a) and (b) do not hold: a design is a member of a family, and where the families have good members
it finds one that is as good. What the best of very different families leave is nearly the same
power of one less the share of weights, 2.5 to 2.8.

Writes `designed.png` and, with its numbers, `designed.json` beside this script; `--quick` takes one
small layer and keeps nothing.
"""

from functools import lru_cache
from inspect import signature
from itertools import islice
from time import process_time
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import topokit as tk
from analyses import kit
from analyses.kit import COLORS, Look, Study, significant
from topokit import Layers
from topokit.designs import Member, members, usual
from topokit.reconstruction import Adam

# Inputs, outputs, trainable edges; targets and steps of what is measured.
LAYERS = (
    (32, 32, 384, 16, 2000),
    (32, 32, 640, 16, 2000),
    (64, 64, 1024, 8, 2000),
    (64, 64, 2048, 8, 2000),
    (48, 80, 1152, 9, 2000),
    (256, 256, 4096, 2, 1000),
)
DRAWS, LEAST, DEEPEST = 200, 0.9, 24
SEED = 1234
EXACT_UP_TO = 640  # trainable edges; beyond, predictions are rough estimates
ROUGH = (("method", "estimate"), ("n_samples", 1), ("accuracy", 0.03), ("max_steps", 48))
GAIN, ENOUGH = 0.9, 4
FAMILIES = tuple(name for name in tk.topologies.families() if name != "dense")
TRIALS = None  # as many as a design makes by itself
DESIGN = "design"

Layer: TypeAlias = tuple[int, int, int, int, int]

STYLES = {
    "designed": (Look("D", COLORS.red, "none"), "designed"),
    "hand-made": (Look("o", COLORS.blue, "none"), "hand-made member"),
    "random": (Look("^", COLORS.amber, "none"), "best of random members, by prediction"),
}

# Ticks for axes that span so many times their lower end.
STYLE_TICKS = ((5, (1, 2, 5)), (1.5, (1, 1.5, 2, 3, 4, 5, 7)), (0, (7, 7.5, 8, 8.5, 9, 9.5, 1)))


def cases() -> list[tuple[Layer, str]]:
    """For each layer the design, and every family."""
    return [(layer, part) for layer in LAYERS for part in (DESIGN, *FAMILIES)]


def measure(case: tuple[Layer, str]) -> dict[str, Any]:
    """What a design leaves, or what members of a family do."""
    layer, part = case
    return design(layer) if part == DESIGN else family(layer, part)


def design(layer: Layer) -> dict[str, Any]:
    """The first of a design, the one of its table that is predicted best, and what it took."""
    began = process_time()
    found = tk.design(*layer[:2], trainable=layer[2], trials=TRIALS, measure=False)
    seconds = process_time() - began
    boldest = min(found, key=lambda one: one.predicted_loss)
    counts = {name: vars(found)[name] for name in ("counted", "predicted", "tried", "agreement")}
    best = told(layer, found[0].layers, found[0].label, found[0].predicted_loss)
    other = told(layer, boldest.layers, boldest.label, boldest.predicted_loss)
    return {
        "designed": best,
        "by_prediction": other,
        "seconds": significant(seconds, 3),
        "search": counts,
    }


def family(layer: Layer, name: str) -> dict[str, Any]:
    """The hand-made member, the random ones as predicted, and the best of these."""
    by_hand = [(predict(made), m, made) for m, made in hand_made(layer, name)]
    random = [(predict(made), m, made) for m, made in drawn(layer) if m.family == name]
    found: dict[str, Any] = {"predicted": [significant(loss) for loss, *_ in random]}
    for kind, some in (("hand-made", by_hand), ("random", random)):
        if some:
            loss, member, layers = min(some, key=lambda one: one[0])
            found[kind] = told(layer, layers, label(member), loss)
    return found


def told(layer: Layer, layers: Layers, name: str, predicted: float) -> dict[str, Any]:
    """What a wiring is, and what it leaves of the targets."""
    n_in, n_out, _, targets, steps = layer
    matrices = np.random.default_rng(SEED).standard_normal((targets, n_in, n_out))
    loss = tk.reconstruct(layers, matrices, solver=Adam(max_steps=steps), key=SEED).loss
    return {
        "name": name,
        "trainable": layers.n_trainable,
        "edges": layers.n_edges,
        "depth": layers.depth,
        "predicted": significant(float(predicted)),
        "loss": significant(float(loss.mean())),
        "error": significant(float(loss.std(ddof=1) / targets**0.5), 2),
    }


def predict(layers: Layers) -> float:
    """The predicted loss, roughly where it is not quick."""
    if layers.n_trainable <= EXACT_UP_TO:
        return tk.predicted_loss(layers, method="exact", n_samples=2)
    rough: dict[str, Any] = dict(ROUGH)
    return tk.predicted_loss(layers, **rough)


def hand_made(layer: Layer, name: str) -> list[tuple[Member, Layers]]:
    """The largest members of its known line within the budget, plain and with skips."""
    found = []
    for skip in (False, True):
        known = [member for member in listed(layer, name, skip=skip) if usual(member)]
        # Of several as large as the budget allows, the shallowest.
        falling = sorted(known, key=lambda member: (-member.trainable, member.depth))
        built = ((m, m.layers()) for m in falling if m.trainable <= layer[2])
        found += islice((one for one in built if one[1].n_trainable <= layer[2]), 1)
    return found


def listed(layer: Layer, name: str, *, skip: bool, fine: bool = False) -> list[Member]:
    """The members of a family; none where it has none of these sizes."""
    try:
        return list(members(name, *layer[:2], most=layer[2], skip=skip, seed=SEED, fine=fine))
    except ValueError:
        return []


@lru_cache(maxsize=1)
def drawn(layer: Layer) -> list[tuple[Member, Layers]]:
    """So many random members near the budget, built: a family is drawn, then one of its own."""
    rng = np.random.default_rng(SEED)
    left: dict[str, list[Member]] = {}
    for name in FAMILIES:
        some = [m for skip in (False, True) for m in listed(layer, name, skip=skip, fine=True)]
        near = [m for m in some if LEAST * layer[2] <= m.trainable <= layer[2]]
        left[name] = [m for m in near if m.depth <= DEEPEST]
    found: list[tuple[Member, Layers]] = []
    while len(found) < DRAWS and any(left.values()):
        name = str(rng.choice([name for name, some in left.items() if some]))
        member = left[name].pop(rng.integers(len(left[name])))
        layers = member.layers()
        if layers.n_trainable <= layer[2]:  # random edges may be more than expected
            found.append((member, layers))
    return found


def label(member: Member) -> str:
    """The call that makes it."""
    given = {k: v for k, v in member.arguments.items() if k not in ("n", "n_in", "n_out", "seed")}
    words = ", ".join(f"{name}={value}" for name, value in given.items())
    return f"{member.family}({words})" + " + skip" * member.skip


def summarize(found: dict[tuple[Layer, str], dict[str, Any]]) -> dict[str, Any]:
    """For each layer the design beside the best of the others, and whether the claims hold."""
    parts = {layer: {p: r for (of, p), r in found.items() if of == layer} for layer, _ in found}
    rows = {place(layer): compared(layer, some) for layer, some in parts.items()}
    ratios = ("ratio", "structured_ratio")
    won = {kind: sum(row[kind] <= GAIN for row in rows.values()) for kind in ratios}
    first = sum(row["first"] for row in rows.values())
    return {
        "a": kit.verdict(won["ratio"] >= ENOUGH, False),
        "b": kit.verdict(won["structured_ratio"] >= ENOUGH, False),
        "c": kit.verdict(first == len(rows), first),
        "won": won,
        "compared": rows,
        "layers": {place(layer): some for layer, some in parts.items()},
    }


def place(layer: Layer) -> str:
    """A layer in words."""
    n_in, n_out, trainable, *_ = layer
    return f"{n_in} x {n_out}, {trainable:,} edges"


def compared(layer: Layer, parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The designed wiring's loss beside the best of others, and the time that it took."""
    free = 1 - layer[2] / (
        layer[0] * layer[1]
    )  # of the entries, beside as many as there are weights
    best, bold = parts[DESIGN]["designed"], parts[DESIGN]["by_prediction"]
    by_hand, random = least(parts, "hand-made"), least(parts, "random")
    structured = least({n: p for n, p in parts.items() if not is_random(n)}, "hand-made")
    return {
        "designed": best["loss"],
        "error": best["error"],
        "hand_made": by_hand["loss"],
        "structured": structured["loss"],
        "random": random["loss"],
        "by_prediction": bold["loss"],
        "floor": significant(free**4, 3),
        "exponents": [
            significant(np.log(one["loss"]) / np.log(free), 3) for one in (best, by_hand)
        ],
        "ratio": significant(best["loss"] / by_hand["loss"], 3),
        "structured_ratio": significant(best["loss"] / structured["loss"], 3),
        "random_ratio": significant(best["loss"] / random["loss"], 3),
        "first": all(best["loss"] - o["loss"] <= doubt(best, o) for o in (by_hand, random)),
        "random_members": sum(len(part.get("predicted", [])) for part in parts.values()),
        "seconds": parts[DESIGN]["seconds"],
    }


def is_random(part: str) -> bool:
    """Whether it is a family of random wirings."""
    return part != DESIGN and "seed" in signature(tk.topologies.families()[part]).parameters


def doubt(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Two standard errors of a difference, as if targets were not the same."""
    return 2 * float(np.hypot(one["error"], other["error"]))


def least(parts: dict[str, dict[str, Any]], kind: str) -> dict[str, Any]:
    """Of all families the wiring of a kind that leaves least."""
    return min((part[kind] for part in parts.values() if kind in part), key=lambda one: one["loss"])


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """A panel for each layer, a row for each family."""
    layers = results["layers"]
    columns = min(3, len(layers))
    axes = np.ravel(figure.subplots(-(-len(layers) // columns), columns, sharey=True))
    for ax, (name, parts) in zip(axes, layers.items(), strict=True):
        panel(ax, parts)
        ax.set_title(name.replace(" x ", " × "), fontsize=12)
    handles, labels = axes[0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper center", ncols=3, fontsize=11)
    figure.supxlabel("relative loss that reconstruction leaves", fontsize=12)


def panel(ax: Axes, parts: dict[str, dict[str, Any]]) -> None:
    """Measured losses of one layer, and the predictions of its random members."""
    for row, record in enumerate(parts.values()):
        some = record.get("predicted", [])
        ax.plot(some, [row] * len(some), "|", color=COLORS.gray, label="a random member, predicted")
        for kind, (look, words) in STYLES.items():
            if kind in record:
                one = record[kind]
                kit.points(ax, one["loss"], row, 0, look, words, xerr=2 * one["error"])
    best = least(parts, "hand-made")["loss"]
    ax.axvline(
        GAIN * best,
        color=COLORS.dark,
        linestyle="--",
        linewidth=1,
        label="10 % below the best hand-made member",
    )
    ax.set_yticks(range(len(parts)), [part.replace("_", " ") for part in parts], fontsize=10)
    ax.set(xscale="log", ylim=(len(parts) - 0.5, -0.5))
    low, high = ax.get_xlim()
    fineness = next(subs for span, subs in STYLE_TICKS if high > span * low)
    kit.written_out(ax.xaxis, subs=fineness)
    ax.grid(axis="x", alpha=0.3)


def show(results: dict[str, Any]) -> None:
    """All but the single wirings."""
    kit.show({name: part for name, part in results.items() if name != "layers"})


STUDY = Study(
    __name__,
    quick={
        "LAYERS": ((6, 6, 20, 2, 20),),
        "DRAWS": 8,
        "DEEPEST": 3,
        "FAMILIES": ("low_rank", "clos"),
        "TRIALS": 1,
    },
    size=(13.0, 9.0),
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
