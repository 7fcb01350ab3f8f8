"""How long a user waits for a first answer, against an earlier version of topokit: whole processes.

Each question is asked of both versions in turn: of the earlier one, of this one with an empty cache
of compiled programs (cold), and of this one with what that left there (warm). They get the same
topologies, from files. A run is a process from its start to its end, imports included, in seconds
of the clock and of all processors together; ratios are of medians. How far losses of a ranking
differ between versions is kept, too.

The earlier version is a revision of the repository, or a folder that holds the package:
`FIRST_ANSWER_BEFORE` in the environment names another one.

Writes `first_answer.json` beside this script; `--quick` asks one question of this version alone.
"""

import io
import json
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import topokit as tk
from analyses.kit import Study, significant

BEFORE = "a7a8d53"  # a revision or a folder; "" is this version itself
BUDGET, REPETITIONS = 640, 3
WAYS = "before", "cold", "warm"
RECONSTRUCT = """
import numpy as np, topokit as tk
targets = np.random.default_rng(0).standard_normal((1, 32, 32))
print(tk.reconstruct(tk.topologies.hypercube(32, 4), targets).loss)
"""
QUESTIONS = {
    "help": ["-m", "topokit.cli", "--help"],
    "score butterfly": ["-m", "topokit.cli", "score", "butterfly", "--n", "32", "--depth", "10"],
    "score hypercube": ["-m", "topokit.cli", "score", "hypercube", "--n", "32", "--depth", "4"],
    "reconstruct": ["-c", RECONSTRUCT],
    "rank": ["-m", "topokit.cli", "rank", "TOPOLOGIES", "--jobs", "2", "--out", "OUT"],
}
# What would make a version keep programs elsewhere, or find them.
CACHES = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE", "TOPOKIT_CACHE")


def cases() -> list[str]:
    """All questions."""
    return list(QUESTIONS)


def measure(question: str) -> dict[str, Any]:
    """Seconds of each way, asked in turn."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    losses: dict[str, dict[str, float]] = {}
    with TemporaryDirectory() as name, _package(BEFORE) as before:
        files = (
            _topologies(Path(name) / "topologies") if "TOPOLOGIES" in QUESTIONS[question] else []
        )
        for number in range(REPETITIONS):
            for way in WAYS:
                out = Path(name) / f"{way} {number}"
                words = [str(out) if word == "OUT" else word for word in QUESTIONS[question]]
                at = words.index("TOPOLOGIES") if files else 0
                words = [*words[:at], *files, *words[at + bool(files) :]]
                cache = Path(name) / f"cache {number}"
                runs[way].append(_ask(words, before if way == "before" else _root(), cache))
                losses[way] = _losses(out)
    return {"runs": runs, "difference": _difference(losses["before"], losses["warm"])}


def summarize(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Medians, and how many times the seconds of the earlier version each way takes."""
    rows = []
    for question, record in found.items():
        row: dict[str, Any] = {"question": question}
        for kind in ("clock", "processors"):
            middle = {way: median(run[kind] for run in record["runs"][way]) for way in WAYS}
            row |= {f"{kind} {way}": significant(value, 3) for way, value in middle.items()}
            row |= {
                f"{kind} {way} / before": significant(middle[way] / middle["before"], 3)
                for way in WAYS[1:]
            }
        rows.append(row | {"largest difference of losses": record["difference"]})
    return {"rows": rows}


@contextmanager
def _package(version: str) -> Iterator[Path]:
    """The folder that holds a version of the package."""
    version = os.environ.get("FIRST_ANSWER_BEFORE", version)
    if not version or Path(version).is_dir():
        yield Path(version).resolve() if version else _root()
        return
    command = ["git", "archive", "--format=tar", version, "topokit"]
    packed = subprocess.run(command, cwd=_root(), check=True, capture_output=True).stdout
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def _topologies(folder: Path) -> list[str]:
    """The default set as files, which both versions read."""
    folder.mkdir()
    paths = []
    for name, graph in tk.ranking.default_topologies(BUDGET).items():
        paths.append(str(folder / f"{name}.npz"))
        tk.write(graph, paths[-1])
    return paths


def _root() -> Path:
    """The folder of this version."""
    return Path(tk.__file__).parents[1]


def _ask(words: list[str], package: Path, cache: Path) -> dict[str, float]:
    """Seconds of a process by the clock, and of all processors, its children included."""
    environment = {name: value for name, value in os.environ.items() if name not in CACHES}
    environment |= {"PYTHONPATH": str(package), "TOPOKIT_CACHE": str(cache)}
    spent, began = _spent(), perf_counter()
    subprocess.run(
        [sys.executable, *words], env=environment, check=True, cwd=package, capture_output=True
    )
    return {"clock": perf_counter() - began, "processors": _spent() - spent}


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _losses(out: Path) -> dict[str, float]:
    kept = out / "ranking.json"
    rows = json.loads(kept.read_text(encoding="utf-8"))["rows"] if kept.exists() else []
    return {row["name"]: row["loss"] for row in rows}


def _difference(before: dict[str, float], now: dict[str, float]) -> float | None:
    """The largest of a mean loss, relative to it."""
    shares = [abs(now[name] / loss - 1) for name, loss in before.items()]
    return significant(max(shares), 3) if shares else None


STUDY = Study(
    __name__,
    quick={"BEFORE": "", "REPETITIONS": 1, "QUESTIONS": {"help": QUESTIONS["help"]}},
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
