"""Which wiring for these data? Scores that see one batch against accuracies, at equal edges.

The networks, wirings and data are those of `score_accuracy.py`, whose whole trainings are kept:
their accuracies at one learning rate, the same for all, are what is to be foretold; nothing is
chosen on test images. Scores come from the first weights and one batch of training examples, half
of which a kernel regression learns from and half of which it is judged on, and from short
trainings, whose score is the share of the validation part that is right.

Above: accuracy of each wiring, with two standard errors over seeds, against the error of the kernel
regression with the sparse layers' part of the tangent kernel. Below: Spearman's rank correlation of
scores with the accuracy, each turned so that more is meant to be better; nothing stands where it
was not measured. The ceiling is what a score that knew the accuracy of all seeds would be expected
to reach, as in `score_accuracy.py`; 95 % bootstrap intervals over wirings are in the numbers.

Claim: the kernel of the sparse layers alone orders the wirings with a rank correlation of at least
.85 on MNIST and .6 on the part of CIFAR-10. The verdict: it holds if it does so on both, in part if
on one.

In the numbers, too: the same for scores that were picked on half of the wirings and are judged on
the other half, or on families left out; the correlations of accuracies with each other across
settings of one width, and with the loss in training; and regret, the accuracy of the best wiring
less that of the one picked, of each score, and of `topokit.networks.choose`, told from the
trainings here: they take its steps, so that it would find the same.

The other settings have every second wiring, trained to the end here: MNIST and the part of CIFAR-10
with pixels and neurons in their own order, where by the same networks a batch says less;
digits, whose wirings are alike within the noise of the seeds; and MNIST at another width and a
lower density, with half as many epochs.

Caveats. Wirings of one setting have equally many edges; scores are of one draw of weights and one
order of neurons. Seconds are of a busy machine, compilation included, part of which JAX's cache had
done before. Which part of the kernel to take was found on these wirings and on MNIST: the halves
say what that choice is worth.

Writes `choice_by_data.png` and, with its numbers, `choice_by_data.json` beside this script.
`--sections` takes what a batch says (`batch`) or what is trained (`trainings`) alone; `--quick`
learns scikit-learn's digits with three small wirings, and keeps nothing.
"""

from collections import Counter
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses import kit
from analyses._accuracy_judged import (
    Table,
    across,
    judge_batch,
    judge_trainings,
    tables,
)
from analyses._accuracy_networks import learn, looks, score_batch
from analyses._accuracy_settings import Setting, prepare
from analyses._accuracy_topologies import family_of, few, wirings
from analyses.kit import Study, chosen_sections, points
from analyses.score_accuracy import STYLES
from topokit import Layers

SECTIONS = "batch", "trainings"
SETTINGS = (
    Setting("MNIST", "mnist", 256, True, 2, 3, kept="mnist"),
    Setting("CIFAR-10, a part", "cifar10", 256, True, 10, 3, kept="cifar10-part"),
    Setting("MNIST, own order", "mnist", 256, False, 2, 3, every=2),
    Setting("CIFAR-10, a part, own order", "cifar10", 256, False, 10, 4, every=2),
    Setting("digits", "digits", 256, True, 40, 4, every=2),
    Setting("MNIST, 512 wide", "mnist", 512, True, 1, 3, every=2),
)
RESAMPLES, DRAWS, WIRINGS, ACROSS = 999, 200, wirings, 3
SCORE, AIMS = "error, sparse", {"MNIST": 0.85, "CIFAR-10, a part": 0.6}
STYLE_DARK = 0.6  # correlations whose color takes white letters
STYLE_SHOWN = {
    "error, sparse": "kernel error, sparse layers",
    "error, unit": "kernel error, sparse, unit diagonal",
    "error, all": "kernel error, all layers",
    "accuracy, sparse": "kernel accuracy, sparse layers",
    "accuracy, all": "kernel accuracy, all layers",
    "naswot": "ReLU patterns (NASWOT)",
    "effective rank": "effective rank",
    "effective rank, sparse": "effective rank, sparse layers",
    "trace": "trace of the kernel",
    "trace, sparse": "trace, sparse layers",
    "conditioning": "conditioning, sparse layers",
    "synflow": "SynFlow",
    "grasp": "GraSP",
    "ntk_sap": "NTK-SAP",
    "loss over inputs": "predicted loss over inputs",
    "degrees of freedom": "degrees of freedom",
    "predicted loss": "predicted loss",
}


class Case(NamedTuple):
    """A wiring in a setting, and what is measured of it."""

    part: str
    setting: str
    wiring: str


def cases() -> list[Case]:
    """What a batch says comes first, for all that is judged takes it."""
    parts = SECTIONS[: 2 if "trainings" in chosen_sections(SECTIONS) else 1]
    return [Case(part, s.name, n) for part in parts for s in SETTINGS for n in wirings_of(s)]


@cache
def wirings_of(setting: Setting) -> dict[str, Layers]:
    """Those that learn it, by name."""
    return dict([*WIRINGS(setting.width).items()][:: setting.every])


def measure(case: Case) -> dict[str, Any]:
    """One part of what is known of a wiring in a setting."""
    setting = next(each for each in SETTINGS if each.name == case.setting)
    every = wirings_of(setting)
    wiring, data = every[case.wiring], prepare(setting.data, setting.width)
    if case.part == "batch":
        found = score_batch(wiring, setting, data)
    else:
        steps = looks(setting, len(every), data)
        found = {"steps": steps} | learn(wiring, setting, data, steps)
    if WIRINGS is wirings:
        jax.clear_caches()  # of no use to other wirings, and a process has only so many memory maps
    return found


def summarize(records: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """What is judged of each setting, and the rows that it is judged by."""
    found = tables(records, SETTINGS)
    judged = {t.setting.name: judge_batch(t, RESAMPLES, DRAWS) for t in found}
    results: dict[str, Any] = {
        "verdict": verdict_of(judged),
        "across": across(found),
        "batch": {"judged": judged, "rows": {t.setting.name: rows_of(t) for t in found}},
    }
    trained = [t for t in found if t.trainings]
    if trained:
        results["trainings"] = {
            "judged": {t.setting.name: judge_trainings(t, RESAMPLES, DRAWS) for t in trained},
            "rows": {t.setting.name: dict(zip(t.names, t.trainings, strict=True)) for t in trained},
        }
    return results


def verdict_of(judged: dict[str, Any]) -> dict[str, Any]:
    """Whether the score reaches what the claim says."""
    values = {name: each["scores"][SCORE]["value"] or 0 for name, each in judged.items()}
    met = [values[name] >= aim for name, aim in AIMS.items() if name in values]
    return {"verdict": kit.verdict(met and all(met), any(met)), "correlations": values}


def rows_of(table: Table) -> dict[str, Any]:
    """A row for each wiring, with the accuracies that it is judged by."""
    every = zip(table.names, table.batch, table.accuracies.tolist(), strict=True)
    return {name: row | {"accuracies": accuracies} for name, row, accuracies in every}


def show(results: dict[str, Any]) -> None:
    """The verdict, and all scores."""
    kit.show({"verdict": results["verdict"], "across": results["across"]})
    for part in (results[name]["judged"] for name in SECTIONS if name in results):
        for name, judged in part.items():
            kit.show({name: judged["scores"]} | {"choices": judged.get("choices", {})})


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Accuracies above, one panel a setting, and correlations below."""
    judged, rows = (results["batch"][part] for part in ("judged", "rows"))
    above, below = figure.add_gridspec(2, 1, height_ratios=[1, 1.15])
    across = min(len(judged), ACROSS)
    panels = above.subgridspec(-(-len(judged) // across), across)
    clouds = [figure.add_subplot(panels[divmod(n, across)]) for n in range(len(judged))]
    for ax, name in zip(clouds, judged, strict=True):
        draw_accuracies(ax, rows[name], name)
    for ax in clouds[::across]:
        ax.set_ylabel("test accuracy (%)", fontsize=7.5)
    for ax in clouds[-across:]:
        ax.set_xlabel("error of the sparse kernel", fontsize=7.5)
    families = {label: handle for ax in clouds for handle, label in labeled(ax)}
    look: dict[str, Any] = {"frameon": False, "fontsize": 7, "handletextpad": 0.3}
    figure.legend(
        families.values(), families, loc="outside upper center", ncols=5, columnspacing=1, **look
    )
    draw_correlations(
        figure.add_subplot(below),
        {name: correlations(results, name) for name in judged},
        {name: each["ceiling"]["value"] for name, each in judged.items()},
    )


def labeled(ax: Axes) -> Any:
    """Handles of a legend with their labels."""
    return zip(*ax.get_legend_handles_labels(), strict=True)


def correlations(results: dict[str, Any], setting: str) -> dict[str, float | None]:
    """Of the scores that are shown, and of short trainings where they are measured."""
    scores = results["batch"]["judged"][setting]["scores"]
    found = {text: scores[name] for name, text in STYLE_SHOWN.items() if name in scores}
    trained = results.get("trainings", {"judged": {}})["judged"].get(setting, {"scores": {}})
    found |= {f"trained: {name}": each for name, each in trained["scores"].items()}
    return {name: score["value"] for name, score in found.items()}


def draw_accuracies(ax: Axes, rows: dict[str, Any], setting: str) -> None:
    """Every wiring with two standard errors."""
    for family, look in STYLES.items():
        own = [row for name, row in rows.items() if family_of(name) == family]
        if own:
            values = 100 * np.array([row["accuracies"] for row in own])
            errors = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
            at, kind = [row["scores"][SCORE] for row in own], look._replace(line="none")
            size = 6 if look.marker == "*" else 4
            points(ax, at, values.mean(axis=1), errors, kind, family, markersize=size, capsize=0)
    ax.set_title(setting, fontsize=7.5)
    ax.tick_params(labelsize=7)


def draw_correlations(
    ax: Axes, found: dict[str, dict[str, float | None]], ceilings: dict[str, float | None]
) -> None:
    """A number in color for each score and setting, scores in the order of their means."""
    names = shown_names(found)
    rows = [ceilings] + [{s: scores.get(n) for s, scores in found.items()} for n in names]
    values = np.array([[row[s] for s in found] for row in rows], float)
    ax.imshow(values, cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            color = "white" if abs(value) > STYLE_DARK else "black"
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=color, fontsize=7)
    ax.axhline(0.5, color="0.3", linewidth=1)
    ax.set_yticks(range(len(rows)), ["ceiling", *names], fontsize=7)
    ax.set_xticks(range(len(found)), [s.replace(", ", ",\n") for s in found], fontsize=7)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_xlabel("rank correlation with the test accuracy", fontsize=7.5)


def shown_names(found: dict[str, dict[str, float | None]]) -> list[str]:
    """Scores of most settings, in the order of their means."""
    counts = Counter(name for scores in found.values() for name in scores)
    names = [name for name, count in counts.items() if count > len(found) / 2]
    means = {n: np.mean([scores.get(n) or 0 for scores in found.values()]) for n in names}
    return sorted(names, key=lambda name: -means[name])


STUDY = Study(
    __name__,
    quick={
        "SETTINGS": (Setting("digits", "digits", 64, True, 6, 3),),
        "RESAMPLES": 19,
        "DRAWS": 5,
        "WIRINGS": few,
    },
    size=(6.4, 6.6),
    data=("mnist", "cifar10"),
    sections=SECTIONS,
)

if __name__ == "__main__":
    STUDY.main()
