"""What a page takes from topologies: maps, wirings and diagnoses, packed for its script."""

import base64
import shlex
from pathlib import PurePosixPath
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Float

from topokit._file_names import file_name
from topokit._matrix_blocks import extreme_blocks
from topokit.diagnosis import Diagnosis
from topokit.layers import Layers, each_layer, to_layers
from topokit.report._page_text import number_text
from topokit.topologies import building_lines, shell_line

# Edges of a drawing, and entries along a side of a map: more of them nobody can tell apart.
MOST_EDGES, MOST_CELLS = 12_000, 160


def packed(array: np.ndarray, kind: type) -> str:
    """Numbers as the script reads them: little-endian bytes in base64."""
    plain = np.ascontiguousarray(array).astype(np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(plain.tobytes()).decode()


def wiring_part(topology: nx.DiGraph | Layers) -> dict[str, Any]:
    """The edges of a drawing; of very many an evenly spaced part of each layer."""
    layers = to_layers(topology)
    step = -(-layers.n_edges // MOST_EDGES)
    columns = [[column[::step] for column in edges] for edges in each_layer(layers)]
    senders, receivers, trainable, _ = (np.concatenate(c) for c in zip(*columns, strict=True))
    constant = layers.n_edges - layers.n_trainable
    said = f"{layers.n_trainable:,} trainable edges" + f", {constant:,} constant" * bool(constant)
    widths = f"; neurons by layer: {', '.join(_runs(layers.widths))}"
    part = f"; every {step}th edge is drawn" * (step > 1)
    return {
        "widths": list(layers.widths),
        "sizes": [len(column[0]) for column in columns],
        "senders": packed(senders, np.uint32),
        "receivers": packed(receivers, np.uint32),
        "constant": packed(~trainable, np.uint8),
        "said": f"{said}{widths}{part}.",
    }


def map_part(matrix: Float[np.ndarray, "n_in n_out"]) -> dict[str, Any]:
    """A matrix for a heatmap, with its summary."""
    shown = extreme_blocks(matrix, MOST_CELLS)
    by_blocks = (
        f"; drawn by {shown.shape[0]} x {shown.shape[1]} blocks, each by its entry farthest from "
        "the mean"
    ) * (shown.shape != matrix.shape)
    numbers = {"sum": matrix.sum(), "mean": matrix.mean(), "deviation": matrix.std()}
    numbers |= {"least": matrix.min(), "greatest": matrix.max()}
    said = [f"{name} {number_text(float(value), 3)}" for name, value in numbers.items()]
    return {
        "packed": packed(shown, np.float32),
        "shape": list(shown.shape),
        "size": list(matrix.shape),
        "low": float(shown.min()),
        "high": float(shown.max()),
        "mean": float(matrix.mean()),
        "said": f"{', '.join(said)}{by_blocks}.",
    }


def diagnosis_part(found: Diagnosis) -> dict[str, Any]:
    """Verdicts and what lies behind them, in words."""
    return {
        "criteria": [
            {"name": c.name, "verdict": c.verdict, "evidence": c.evidence, "advice": c.advice}
            for c in found.criteria
        ],
        "findings": {heading: list(lines) for heading, lines in found.findings().items()},
    }


def building_part(name: str, topology: nx.DiGraph | Layers, file: str | None) -> dict[str, Any]:
    """How to get a topology: built anew where its family is known, otherwise from its file."""
    lines = building_lines(topology)
    output = PurePosixPath(file).name if file else f"{file_name(name)}.npz"
    said, means, command, python = [], "Build it as a file:", None, list(lines.python or ())
    if lines.command is not None:
        command = shell_line(lines.command, output)
    elif python:
        said.append("The command line has no options for this one; Python has.")
    else:
        said.append("It is no member of a family as it stands, so its edges are what there is.")
    if file is not None:
        said.append(f"It is saved beside this page, as {file}.")
        if command is None:
            means, command = "Its numbers, from there:", shlex.join(["topokit", "score", file])
        python = python or ["import topokit as tk", "", f"graph = tk.read({file!r})"]
    if lines.python:
        python.append(f"tk.write(graph, {output!r})")
    return {
        "said": said,
        "command_means": means,
        "command": command,
        "python": "\n".join(python) or None,
    }


def _runs(widths: tuple[int, ...]) -> list[str]:
    """Widths with repeats counted: 32, 5 x 64, 32."""
    runs: list[list[int]] = []
    for width in widths:
        if runs and runs[-1][0] == width:
            runs[-1][1] += 1
        else:
            runs.append([width, 1])
    return [f"{width:,}" if count == 1 else f"{count} x {width:,}" for width, count in runs]
