"""Wirings that training finds beside designed ones of equal size: what scores say, what they learn.

The layer from the pixels of a small dense network, on a part of MNIST and on scikit-learn's digits.
Training brings it to a budget of edges by group lasso over neurons and pixels, by pruning single
weights, or by a force and a product of low rank. Beside these stand designed wirings of about as
many edges: random ones of one layer (edges in equal numbers for each neuron, or independent of each
other) and of two, a Clos network and a rectangular butterfly. Scores see the wiring of the layer
alone. The network is trained as it was found, from fresh weights on the same wiring, and from fresh
weights on the designed ones, all for as many steps, other layers dense. The rate of
Adam in the last part is chosen for each network by images held out; the penalty grows as fast as it
takes to meet the budget in its third of the steps. These are few, so that accuracies compare
wirings, and are no more. Means of three seeds, which draw weights, batches and random wirings, with
standard errors.

Above: how many ratios of each pixel to others the layer controls, the mean of K over its neurons,
of one seed, on one scale of colors. Below: test accuracies as found and from fresh weights; how
unevenly K is spread over pixels and over neurons (Gini's coefficient, 0 if even); the share of
edges that are degrees of freedom. Bars are two standard errors.

Claims, and how they are judged, in each setting; a difference counts if it is greater than two of
its standard errors.

a. What is found controls fewer pixels and fewer neurons than what is designed, and data-free scores
   call it worse: of each found wiring, K has a greater Gini coefficient over pixels and one over
   neurons than of each designed one, and the predicted loss is greater by .01 than that of each. In
   part, if all this is so of one found wiring, or one of the three of all.
b. Nevertheless it learns more from fresh weights: each found wiring is more accurate on test images
   than every designed one. In part, if one is.
c. At equal edges designed cascades have more degrees of freedom than the low rank that is found: of
   each more of the edges are free. In part, if of one.

Caveats. What misses the budget by more than a quarter with any seed is not judged, nor drawn: group
lasso on MNIST, which in so few steps jumps over the budget, or stops far above. This rule came when
numbers were known, the others before. The low rank that is found is that of the budget, so that as
a wiring it is a designed one; what training chose is the subspaces, which a fresh start forgets. A
fresh start draws weights by the number of edges that a neuron has. Leverage, and the predicted loss
over images, are told where they take no minutes.

Reads MNIST from the folder that `--mnist` names. Writes `found_structures.png` and, with its
numbers, `found_structures.json` beside this script. `--quick` learns digits for a few steps, and
keeps nothing.
"""

from itertools import chain
from math import hypot
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import topokit as tk
from analyses._found_layers import (
    CASCADES,
    CLOS,
    DESIGNED,
    EVEN,
    FOUND,
    LOOSE,
    LOW,
    SINGLE,
    TWO,
    Setting,
    Trained,
    afresh,
    designed,
    found,
    wiring_of,
)
from analyses.kit import COLORS, Look, Study, mean, standard_error, verdict
from topokit import Layers

SETTINGS = (
    Setting("MNIST", (300, 100), 0.05, 6000, 450, (28, 8, 15), 0.008),
    Setting("digits", (64, 64), 0.25, 2000, 450, (16, 4, 8), 0.03),
)
SEEDS, WORSE, EXACT = 3, 0.01, 64 * 64
QUICK_DESIGNED = DESIGNED
DENSE = "dense"
SIDES = ("pixels", "neurons")
STYLE_SHOWN = (SINGLE, LOW, LOOSE, TWO, CLOS)
STYLE_NUMBERS = (
    *("edges", "freedom", "predicted", "predicted_inputs", "as_found", "fresh"),
    *("K_pixels_gini", "K_neurons_gini", "blind_dark", "blind_shown"),
)
STYLE_FOUND = Look("s", COLORS.black)
STYLE_FRESH = Look("^", COLORS.blue), Look("o", COLORS.red)  # designed, found
STYLES = {"pixels": Look("o", COLORS.green), "neurons": Look("D", COLORS.pink)}
STYLE_SCORES = {"freedom": Look("o", COLORS.sky), "predicted": Look("v", COLORS.amber)}


class Case(NamedTuple):
    """A setting, and a seed."""

    setting: Setting
    seed: int


def cases() -> list[Case]:
    """All seeds of all settings."""
    return [Case(setting, seed) for setting in SETTINGS for seed in range(SEEDS)]


def measure(case: Case) -> list[dict[str, Any]]:
    """A row for each wiring, and one for the dense network."""
    setting, seed = case
    rows = [_row(DENSE, None, afresh(None, setting, seed))]
    dark = _pixels(setting).std(axis=0) == 0
    for name, trained in found(setting, seed).items():
        wiring = wiring_of(trained.model)
        again = afresh(wiring, setting, 1000 + seed)
        rows.append(_row(name, trained, again) | _figures(wiring, setting, dark))
    for name, wiring in designed(setting, seed).items():
        if name in QUICK_DESIGNED:
            again = afresh(wiring, setting, seed)
            rows.append(_row(name, None, again) | _figures(wiring, setting, dark))
    jax.clear_caches()  # of no use to other settings
    return [{"setting": setting.name, "seed": seed} | row for row in rows]


def _row(name: str, whole: Trained | None, again: Trained) -> dict[str, Any]:
    return {"wiring": name, "as_found": whole and whole.test, "fresh": again.test}


def _pixels(setting: Setting) -> np.ndarray:
    return setting.data.train_x.reshape(len(setting.data.train_x), -1)


def _figures(wiring: Layers, setting: Setting, dark: np.ndarray) -> dict[str, Any]:
    """What scores say of a wiring; over images, and of leverage, where that takes no minutes."""
    control = tk.controllability(wiring)
    score = tk.score(wiring, control=control)
    small = wiring.depth == 1 or wiring.n_in * wiring.n_out <= EXACT
    over = tk.predicted_loss(wiring, inputs=_pixels(setting)) if small else None
    leverage = tk.leverage(wiring) if small else None
    blind = np.bincount(wiring.senders[0], minlength=wiring.n_in) == 0
    assert score.degrees_of_freedom is not None
    return {
        "edges": wiring.n_edges,
        "freedom": score.degrees_of_freedom / wiring.n_edges,
        "predicted": float(score.predicted_loss or 0),
        "predicted_inputs": over if over is None else float(over),
        "dark": float(dark.mean()),
        "blind": float(blind.mean()),
        "blind_dark": float((blind & dark).sum() / max(1, dark.sum())),
        "blind_shown": float((blind & ~dark).sum() / (~dark).sum()),
        "K": _spread(control.K),
        "leverage": None if leverage is None else _spread(leverage),
        "K_pixels": np.round(control.K.mean(axis=1), 4).tolist(),
    }


def _spread(matrix: np.ndarray) -> dict[str, dict[str, float]]:
    """How a map lies over pixels and over neurons, by the means of its rows and of its columns."""
    return {side: _summary(matrix.mean(axis=1 - axis)) for axis, side in enumerate(SIDES)}


def _summary(values: np.ndarray) -> dict[str, float]:
    ends = {"min": values.min(), "mean": values.mean(), "max": values.max(), "gini": gini(values)}
    return {name: round(float(value), 5) for name, value in ends.items()} | {
        "without": round(float((values <= 0).mean()), 5)
    }


def gini(values: np.ndarray) -> float:
    """Gini's coefficient: 0 if all are equal, near 1 if one has all."""
    ranks = 2 * np.arange(1, values.size + 1) - values.size - 1
    return float(ranks @ np.sort(values) / (values.size * values.sum()))


def summarize(records: dict[Case, list[dict[str, Any]]]) -> dict[str, Any]:
    """Means over seeds, verdicts of each setting, and the pixels of one seed."""
    rows = [row for record in records.values() for row in record]
    names = list(dict.fromkeys(row["wiring"] for row in rows))
    settings = list(dict.fromkeys(row["setting"] for row in rows))
    numbers = [n for n in dict.fromkeys(chain(*map(_flat, rows))) if n not in ("seed", "leverage")]
    means = [
        _over_seeds([r for r in rows if (r["setting"], r["wiring"]) == (setting, name)], numbers)
        for setting in settings
        for name in names
    ]
    judged = {
        setting.name: _judged(
            {row["wiring"]: row for row in means if row["setting"] == setting.name},
            _near([row for row in rows if row["setting"] == setting.name], setting.budget),
        )
        for setting in dict.fromkeys(case.setting for case in records)
    }
    pixels = {
        setting: {
            row["wiring"]: row["K_pixels"]
            for row in rows
            if (row["setting"], row["seed"]) == (setting, 0) and row["wiring"] in STYLE_SHOWN
        }
        for setting in settings
    }
    kept = [{key: value for key, value in row.items() if key != "K_pixels"} for row in rows]
    return {"found": judged, "means": means, "pixels": pixels, "rows": kept}


def _over_seeds(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """The mean of every number, with its error; None where there is none."""
    told = {key: rows[0][key] for key in ("setting", "wiring")}
    for name in names:
        values = [row.get(name) for row in map(_flat, rows)]
        known = [value for value in values if value is not None]
        told[name] = mean(known) if known else None
        told[f"{name}_error"] = standard_error(known) if known else None
    return told


def _flat(row: dict[str, Any]) -> dict[str, float | None]:
    """The numbers of a row, however deep they stand, by their names in one."""
    told: dict[str, float | None] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            told |= {f"{key}_{name}": each for name, each in _flat(value).items()}
        elif value is None or isinstance(value, int | float):
            told[key] = value
    return told


def _near(rows: list[dict[str, Any]], budget: int, within: float = 0.25) -> list[str]:
    """The found wirings that meet the budget with every seed."""
    far = {row["wiring"] for row in rows if abs(row.get("edges", 0) - budget) > within * budget}
    return [name for name in FOUND if name not in far]


def _judged(rows: dict[str, dict[str, Any]], ours: list[str]) -> dict[str, Any]:
    """The verdicts of a setting, and what they were met by."""
    parts = {side: _more(rows, ours, f"K_{side}_gini") for side in SIDES}
    parts["predicted"] = _more(rows, ours, "predicted", least=WORSE)
    better = _more(rows, ours, "fresh")
    cascades = [name for name in CASCADES if name in rows]
    freer = {name: _beyond(rows[name], rows[LOW], "freedom") for name in cascades}
    each = [all(part[name] for part in parts.values()) for name in ours]
    whole = [all(part.values()) for part in parts.values()]
    return {
        "a": verdict(all(each), any(each) or any(whole)),
        "b": verdict(all(better.values()), any(better.values())),
        "c": verdict(all(freer.values()), any(freer.values())),
        "more_than_designed": parts | {"fresh": better},
        "freer_than_low_rank": freer,
    }


def _more(
    rows: dict[str, dict[str, Any]], ours: list[str], name: str, least: float = 0.0
) -> dict[str, bool]:
    """Of which found wirings a number is greater than of all designed ones."""
    return {
        one: all(
            _beyond(rows[one], rows[other], name, least) for other in DESIGNED if other in rows
        )
        for one in ours
    }


def _beyond(one: dict[str, Any], other: dict[str, Any], name: str, least: float = 0.0) -> bool:
    """Whether a number is greater in a row than in another, beyond doubt and by enough."""
    doubt = 2 * hypot(one[f"{name}_error"], other[f"{name}_error"])
    return one[name] - other[name] > max(least, doubt)


def show(results: dict[str, Any]) -> None:
    """The verdicts, and a line for each wiring."""
    for setting, judged in results["found"].items():
        print(setting, judged)
    for row in results["means"]:
        shown = {name: row[name] for name in STYLE_NUMBERS if row[name] is not None}
        print(row["setting"], row["wiring"], shown)


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Maps of pixels above, figures of the first setting below."""
    setting, pixels = next(iter(results["pixels"].items()))
    above, below = figure.add_gridspec(2, 1, height_ratios=[1, 1.25])
    shown = [name for name in STYLE_SHOWN if name in pixels]
    panels = above.subgridspec(1, len(shown))
    most = max(max(values) for values in pixels.values())
    axes = [figure.add_subplot(panels[place]) for place in range(len(shown))]
    image: Any = None
    for ax, name in zip(axes, shown, strict=True):
        side = round(len(pixels[name]) ** 0.5)
        image = ax.imshow(np.reshape(pixels[name], (side, side)), vmin=0, vmax=most, cmap="viridis")
        ax.set_title(name, fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
    figure.colorbar(image, ax=axes, label="mean K of a pixel", shrink=0.7)
    lower = below.subgridspec(1, 3)
    near = results["found"][setting]["more_than_designed"]["fresh"]
    rows = [row for row in results["means"] if row["setting"] == setting]
    rows = [row for row in rows if row["wiring"] in (DENSE, *near, *DESIGNED)]
    left = figure.add_subplot(lower[0])
    others = [figure.add_subplot(lower[place], sharey=left) for place in (1, 2)]
    for ax, panel in zip((left, *others), (_accuracies, _spreads, _shares), strict=True):
        panel(ax, rows)
        ax.grid(alpha=0.3)
    for ax in others:
        ax.tick_params(labelleft=False)
    left.set_yticks(range(len(rows)), [row["wiring"] for row in rows], fontsize=9)
    left.invert_yaxis()


def _accuracies(ax: Axes, rows: list[dict[str, Any]]) -> None:
    for place, row in enumerate(rows):
        looks = {"fresh": STYLE_FRESH[row["wiring"] in FOUND], "as_found": STYLE_FOUND}
        for key, look in looks.items():
            _point(ax, place, row[key], row[f"{key}_error"], look, 100)
    ax.set_xlabel("test accuracy (%)")
    _told(
        ax,
        {
            "as found": STYLE_FOUND,
            "fresh weights, found": STYLE_FRESH[1],
            "designed, dense": STYLE_FRESH[0],
        },
    )


def _spreads(ax: Axes, rows: list[dict[str, Any]]) -> None:
    for place, row in enumerate(rows):
        for side, look in STYLES.items():
            name = f"K_{side}_gini"
            _point(ax, place, row[name], row[f"{name}_error"], look)
    ax.set_xlabel("Gini coefficient of K")
    _told(ax, {f"over {side}": look for side, look in STYLES.items()})


def _shares(ax: Axes, rows: list[dict[str, Any]]) -> None:
    for place, row in enumerate(rows):
        for key, look in STYLE_SCORES.items():
            _point(ax, place, row[key], row[f"{key}_error"], look, 100)
    ax.set_xlabel("%")
    names = {"freedom": "free of the edges", "predicted": "predicted loss"}
    _told(ax, {names[key]: look for key, look in STYLE_SCORES.items()})


def _point(
    ax: Axes, place: int, value: float | None, error: float | None, look: Look, unit: float = 1
) -> None:
    """A mean with its bar, where there is one; dense networks have no scores."""
    if value is not None and error is not None:
        bar = 2 * unit * error
        style: dict[str, Any] = {"color": look.color, "marker": look.marker, "markersize": 5}
        ax.errorbar(unit * value, place, xerr=bar, capsize=2, **style)


def _told(ax: Axes, looks: dict[str, Look]) -> None:
    """A legend above the panel."""
    for name, look in looks.items():
        ax.plot([], [], color=look.color, marker=look.marker, linestyle="none", label=name)
    ax.legend(fontsize=7.5, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, ncols=1)


STUDY = Study(
    __name__,
    quick={
        "SETTINGS": (Setting("digits", (16, 16), 0.25, 300, 30, (8, 2, 2), 0.2),),
        "SEEDS": 1,
        "QUICK_DESIGNED": (EVEN, CLOS),
    },
    size=(9.6, 6.4),
    data=("mnist",),
)

if __name__ == "__main__":
    STUDY.main()
