"""What scores of a batch and short trainings are worth, beside accuracies that are known."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from analyses import score_accuracy
from analyses._accuracy_networks import RATE, SCHEDULES, horizon_of
from analyses._accuracy_regrets import Field, chooser, expected_regret, regret
from analyses._accuracy_settings import Setting, prepare
from analyses._accuracy_statistics import ceiling
from analyses._accuracy_topologies import N, family_of
from analyses._accuracy_unseen import judged_elsewhere
from analyses.kit import estimate, rank_correlation, rounded

LESS_IS_BETTER = ("error", "loss over inputs")
PROMISES = {"choose": "error, sparse", "choose, all weights": "error, all"}
TOGETHER = 60  # the most steps of which the rank is joined with that of the kernel

Scores = dict[str, Float[np.ndarray, " wirings"]]


class Table(NamedTuple):
    """Wirings of a setting.

    Attributes:
        setting: The setting.
        names: Their names.
        accuracies: Test accuracies of whole trainings.
        batch: What a batch says of each.
        trainings: What short trainings say of each; none where they are not measured.
    """

    setting: Setting
    names: list[str]
    accuracies: Float[np.ndarray, "wirings seeds"]
    batch: list[dict[str, Any]]
    trainings: list[dict[str, Any]]

    @property
    def means(self) -> Float[np.ndarray, " wirings"]:
        """Over seeds."""
        return self.accuracies.mean(axis=1)


@cache
def kept_rows() -> dict[str, dict[str, Any]]:
    """The wirings of `score_accuracy.py` by name."""
    path = Path(score_accuracy.__file__).with_suffix(".json")
    return {row["name"]: row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}


def tables(records: dict[Any, dict[str, Any]], settings: tuple[Setting, ...]) -> list[Table]:
    """All settings of which something is measured."""
    found = []
    for setting in settings:
        parts = {
            part: {c.wiring: r for c, r in records.items() if (*c[:2],) == (part, setting.name)}
            for part in ("batch", "trainings")
        }
        if parts["batch"]:
            found.append(_table(setting, parts["batch"], parts["trainings"]))
    return found


def _table(setting: Setting, batch: dict[str, Any], trainings: dict[str, Any]) -> Table:
    names = [*batch]
    if setting.kept:
        runs = [kept_rows()[name]["runs"][setting.kept][str(RATE)] for name in names]
        accuracies = np.array([run["accuracies"] for run in runs])
    else:
        accuracies = np.array([trainings[name]["test_accuracy"] for name in names])
    rows = [trainings[name] for name in names] if trainings else []
    return Table(setting, names, accuracies, [*batch.values()], rows)


def judge_batch(table: Table, resamples: int, draws: int) -> dict[str, Any]:
    """Scores of a batch and those without data."""
    data_free = free_scores(table)
    scores, families = batch_scores(table), np.array([*map(family_of, table.names)])
    means = table.means
    found = {
        "least": round(float(means.min()), 5),
        "median": round(float(np.median(means)), 5),
        "most": round(float(means.max()), 5),
        "best": table.names[int(means.argmax())],
        "ceiling": estimate(ceiling, table.accuracies, resamples=resamples),
        "noise_of_a_difference": round(noise(table.accuracies), 5),
        "regret_of_the_mean_wiring": round(float(means.max() - means.mean()), 5),
        "regret_of_one_whole_training": whole_training(table),
        "scores": judge_scores(table, data_free | scores, resamples, draws),
        "elsewhere": judged_elsewhere(scores, means, families, draws=draws),
        "seconds": {
            name: rounded(np.median([row["seconds"][name] for row in table.batch]))
            for name in table.batch[0]["seconds"]
        },
    }
    return found | ({"fit": judge_fit(table, scores, resamples)} if table.setting.kept else {})


def judge_trainings(table: Table, resamples: int, draws: int) -> dict[str, Any]:
    """Short trainings, alone and with the kernel, and the choices of halving."""
    horizon = horizon_of(table.setting, prepare(table.setting.data, table.setting.width))
    steps, n_seeds = table.trainings[0]["steps"], len(table.trainings[0]["right"])
    seeds = [training_scores(table, seed) for seed in range(n_seeds)]
    families = np.array([*map(family_of, table.names)])
    seconds = np.array([sorted(row["seconds"]) for row in table.trainings])
    return {
        "horizon": horizon,
        "scores": judge_scores(
            table,
            {name: np.stack([each[name] for each in seeds], axis=1) for name in seeds[0]},
            resamples,
            draws,
        ),
        "elsewhere": judged_elsewhere(
            batch_scores(table) | seeds[0], table.means, families, draws=draws
        ),
        "seconds": {
            "a step": float(f"{np.median(seconds[:, 0]) / steps[-1]:.3g}"),
            "compilation": rounded(np.median(seconds[:, -1] - seconds[:, 0])),
        },
        "choices": {
            f"{label}, keep {how.keep:g}": chooser(
                field_of(table, promise), table.means, how, horizon
            )
            for label, promise in PROMISES.items()
            for how in SCHEDULES
            if how.keep < 1 or label == "choose"
        },
    }


def judge_scores(
    table: Table, scores: Scores, resamples: int, draws: int
) -> dict[str, dict[str, Any]]:
    """The rank correlation of each, and the regret of what it picks; means over its seeds."""
    means = table.means
    free = np.array([not name.endswith("skip") for name in table.names])
    by_seed = {name: score.reshape(len(means), -1) for name, score in scores.items()}
    return {
        name: {
            **estimate(seed_correlation, score, means, resamples=resamples),
            "all_trainable": rounded(seed_correlation(score[free], means[free])),
            "regret": mean_of(regret(means, int(each.argmax())) for each in score.T),
            "regret_of_halves": mean_of(
                expected_regret(each, means, draws=draws) for each in score.T
            ),
        }
        for name, score in by_seed.items()
    }


def seed_correlation(
    scores: Float[np.ndarray, "*draws wirings seeds"], means: Float[np.ndarray, "*draws wirings"]
) -> Any:
    """The rank correlation of each seed's score with what it foretells, the mean over seeds."""
    each = [rank_correlation(scores[..., seed], means) for seed in range(scores.shape[-1])]
    return np.mean(each, axis=0)


def mean_of(values: Iterable[float]) -> float:
    """The mean, with five digits."""
    return round(float(np.mean([*values])), 5)


def judge_fit(table: Table, scores: Scores, resamples: int) -> dict[str, Any]:
    """How accuracy goes with the last loss in training, at each rate, and how scores go with it."""
    rows = [kept_rows()[name] for name in table.names]
    constants = np.array([name.endswith("skip") for name in table.names])
    found = {}
    for rate in rows[0]["runs"][table.setting.kept]:
        runs = [row["runs"][table.setting.kept][rate] for row in rows]
        accuracy, loss = (
            np.array([run[field] for run in runs]).mean(axis=1)
            for field in ("accuracies", "train_losses")
        )
        every = {"accuracy": accuracy, **scores} if rate == str(RATE) else {"accuracy": accuracy}
        found[rate] = {
            "with_fit": {
                name: estimate(rank_correlation, score, -loss, resamples=resamples)
                for name, score in every.items()
            },
            "accuracy": halves_of(accuracy, constants),
            "loss": halves_of(loss, constants),
        }
    return found


def halves_of(
    values: Float[np.ndarray, " wirings"], constants: Bool[np.ndarray, " wirings"]
) -> dict[str, float]:
    """Means over wirings with constant edges, and over those without."""
    parts = {"with constants": constants, "all trainable": ~constants}
    return {name: round(float(values[part].mean()), 5) for name, part in parts.items()}


def free_scores(table: Table) -> Scores:
    """Those that are kept, of wirings of the one width."""
    if table.setting.width != N:
        return {}
    rows = [kept_rows()[name]["scores"] for name in table.names]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def batch_scores(table: Table) -> Scores:
    """Those of a batch, more being better."""
    rows = [row["scores"] for row in table.batch]
    return {
        name: np.array([row[name] for row in rows]) * (-1 if name.startswith(LESS_IS_BETTER) else 1)
        for name in rows[0]
    }


def training_scores(table: Table, seed: int) -> Scores:
    """Right validation examples of a seed after so many steps, and with the kernel."""
    steps = table.trainings[0]["steps"]
    right = np.array([row["right"][seed] for row in table.trainings], float)
    found = {f"{step} steps": right[:, place] for place, step in enumerate(steps)}
    few = max(step for step in steps if step <= TOGETHER)
    both = batch_scores(table)["error, sparse"], found[f"{few} steps"]
    return found | {f"kernel and {few} steps": np.mean([rankdata(s) for s in both], axis=0)}


def field_of(table: Table, promise: str) -> Field:
    """The candidates as a choice sees them."""
    return Field(
        table.names,
        [row["parameters"] for row in table.batch],
        np.array([row["scores"][promise] for row in table.batch]),
        np.array([row["right"] for row in table.trainings]),
        table.trainings[0]["steps"],
    )


def noise(accuracies: Float[np.ndarray, "wirings seeds"]) -> float:
    """The standard error of the difference of two wirings' means over seeds."""
    return float(np.sqrt(2 * accuracies.var(axis=1, ddof=1).mean() / accuracies.shape[1]))


def whole_training(table: Table) -> float:
    """Regret of the highest test accuracy of one seed by all other seeds, the mean over seeds."""
    seeds = range(table.accuracies.shape[1])
    others = [np.delete(table.accuracies, seed, axis=1).mean(axis=1) for seed in seeds]
    picks = table.accuracies.argmax(axis=0)
    return mean_of(regret(means, int(pick)) for means, pick in zip(others, picks, strict=True))


def across(found: list[Table]) -> dict[str, float | None]:
    """Rank correlations of accuracies across settings of one width, of what both have."""
    pairs = {}
    for place, one in enumerate(found):
        for other in (o for o in found[place + 1 :] if o.setting.width == one.setting.width):
            means = dict(zip(other.names, other.means, strict=True))
            both = [(a, means[n]) for n, a in zip(one.names, one.means, strict=True) if n in means]
            x, y = np.array(both).T
            pairs[f"{one.setting.name} and {other.setting.name}"] = rounded(rank_correlation(x, y))
    return pairs
