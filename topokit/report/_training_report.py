"""The page of a training: a classifier that learned, seed by seed."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from topokit.report._page import Card, Column, Field, Page, entry_of, looks_of, write_page
from topokit.report._page_charts import Chart, lines_chart
from topokit.report._page_text import label_of_field, number_text, short

MEANINGS = {
    "seed": "Seed of the first weights, of the wiring where it is random, and of the batches.",
    "parameters": "Numbers that are trained.",
    "validation_error": "Share of the validation part that is wrong after the last epoch, in "
    "percent: what to choose by.",
    "validation_loss": "Mean cross entropy of the validation part, in nats.",
    "test_error": "Share of the test part that is wrong, in percent; looked at once, at the end.",
    "test_loss": "Mean cross entropy of the test part, in nats.",
    "train_loss": "Mean cross entropy of the batches of the last epoch, in nats, before each step.",
    "epochs": "How often all training examples were seen.",
    "steps": "Steps taken.",
    "seconds": "Wall time, compilation included.",
}
LABELS = {
    "seed": "Seed",
    "parameters": "Parameters",
    "validation_error": "Validation error (%)",
    "test_error": "Test error (%)",
    "test_loss": "Test loss",
    "train_loss": "Training loss",
    "epochs": "Epochs",
    "seconds": "Seconds",
}
DECIMALS = {"validation_error": 2, "test_error": 2, "seconds": 1}
GOOD = ("validation_error", "validation_loss", "test_error", "test_loss")


def write_training_report(path: str | os.PathLike[str], training: Mapping[str, Any]) -> None:
    """Write a training as one page to click through.

    It has the seeds as a table to sort, their errors epoch by epoch, and two of them side by side.

    Args:
        path: The file to write, such as `report.html`. An existing file is replaced.
        training: What `topokit train` keeps in `training.json`: its settings, and under `runs` for
            each seed `seed`, `parameters`, `epochs` (rows of `topokit.networks.Epoch`) and `test`
            (`topokit.networks.Metrics`), all as plain dicts.

    Raises:
        ValueError: If it holds something else.
        OSError: If the file cannot be written.

    Examples:
        >>> from pathlib import Path
        >>> import topokit as tk
        >>> epoch = {"epoch": 1, "steps": 9, "train_loss": 2.1, "seconds": 0.5}
        >>> epoch |= {"validation_loss": 1.9, "validation_accuracy": 0.4}
        >>> test = {"loss": 1.8, "accuracy": 0.5}
        >>> run = {"seed": 0, "parameters": 650, "epochs": [epoch], "test": test}
        >>> training = {"data": "digits", "model": "mlp", "runs": [run]}
        >>> tk.report.write_training_report("report.html", training)
        >>> Path("report.html").read_text(encoding="utf-8")[:15]
        '<!doctype html>'

    See Also:
        `write_report`, for a ranking; `topokit.networks.train`.
    """
    try:
        runs = sorted(training["runs"], key=_rank)
        rows = [_values(run) for run in runs]
        curves = [_curve(run) for run in runs]
        settings = {key: value for key, value in training.items() if key != "runs"}
        if not rows:
            raise ValueError("there is no run")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(
            f"training must hold what `topokit train` keeps in training.json ({error!r})"
        ) from error
    write_page(_page(rows, curves, settings), path)


def _rank(run: Mapping[str, Any]) -> tuple[float, int]:
    """The least validation error first; by their seeds where nothing was held out."""
    return _error(run["epochs"][-1]["validation_accuracy"]) or 0.0, run["seed"]


def _values(run: Mapping[str, Any]) -> dict[str, Any]:
    last, test = run["epochs"][-1], run["test"]
    return {
        "seed": int(run["seed"]),
        "parameters": int(run["parameters"]),
        "validation_error": _error(last["validation_accuracy"]),
        "validation_loss": last["validation_loss"],
        "test_error": _error(test["accuracy"]),
        "test_loss": test["loss"],
        "train_loss": last["train_loss"],
        "epochs": int(last["epoch"]),
        "steps": int(last["steps"]),
        "seconds": float(last["seconds"]),
    }


def _error(accuracy: float | None) -> float | None:
    return None if accuracy is None else 100 * (1 - accuracy)


def _curve(run: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Epochs and validation errors; training losses where nothing was held out."""
    epochs = run["epochs"]
    held_out = epochs[-1]["validation_accuracy"] is not None
    ys = [100 * (1 - e["validation_accuracy"]) if held_out else e["train_loss"] for e in epochs]
    return [float(e["epoch"]) for e in epochs], [float(y) for y in ys]


def _page(
    rows: Sequence[dict[str, Any]],
    curves: Sequence[tuple[list[float], list[float]]],
    settings: Mapping[str, Any],
) -> Page:
    names = [f"seed {row['seed']}" for row in rows]
    held_out = rows[0]["validation_error"] is not None
    families, numbers, looks = looks_of(names, [True] * len(rows))
    what = ", ".join(f"{key.replace('_', ' ')} {_said(v)}" for key, v in settings.items() if v)
    return Page(
        title=f"A training: {short(str(settings.get('model', 'classifier')))}",
        lead=[
            f"Settings: {what}.",
            "Errors are shares of examples that are wrong. Choose by the validation error: the "
            "test part was looked at once, after the last epoch.",
        ],
        cards=_cards(names, rows) if held_out else [],
        notes=(),
        table_heading="The seeds",
        table_means="The letters put two of them side by side below. Headings sort.",
        family_word="Seeds",
        filled_means="",
        families=families,
        columns=[
            Column("name", "Run", "A seed.", number=False),
            *(Column(k, label, MEANINGS[k]) for k, label in LABELS.items() if k != "seed"),
        ],
        entries=[
            entry_of(row | {"name": name}, name=name, family=n, look=look, decimals=DECIMALS)
            for row, name, n, look in zip(rows, names, numbers, looks, strict=True)
        ],
        charts=[_chart(curves, names, [look.marker for look in looks], held_out)],
        fields=[
            Field(key, label_of_field(key), text, "low" if key in GOOD else "")
            for key, text in MEANINGS.items()
        ],
        ranked=held_out,
    )


def _said(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list | tuple) else short(str(value))


def _cards(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[Card]:
    ends = [("Best", 0), ("Worst", len(rows) - 1)][: len(rows)]
    return [
        Card(
            heading,
            names[place],
            f"{number_text(rows[place]['validation_error'], 2)} %",
            f"of the validation part is wrong, {number_text(rows[place]['test_error'], 2)} % of "
            "the test part",
        )
        for heading, place in ends
    ]


def _chart(
    curves: Sequence[tuple[list[float], list[float]]],
    names: Sequence[str],
    markers: Sequence[str],
    held_out: bool,
) -> Chart:
    return lines_chart(
        "learning",
        "Learning, epoch by epoch",
        "Lower is better; each line is a seed.",
        x_label="epoch",
        y_label="validation error (%)" if held_out else "training loss",
        lines=curves,
        markers=markers,
        told=names,
    )
