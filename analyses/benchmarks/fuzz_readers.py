"""100,000 damaged files, and what every reader makes of them.

A reader refuses a file with one line that names it, or reads what a second, slower reader finds in
it, in less than five seconds and with at most 200 MB beyond the size of the file. Whatever else
happens is a fault, and is shown. Files are made of honest ones by the numbers of their seeds.

Writes `fuzz_readers.json` beside this script; `--quick` reads a few files in this process and
writes nothing.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import analyses.benchmarks._fuzzed_readers as fuzzed
import analyses.benchmarks._fuzzing as fuzzing
from analyses.kit import Study, rounded

FILES = 100_000
MOST_SECONDS, MOST_BYTES = fuzzing.MOST_SECONDS, fuzzing.MOST_BYTES
SHOWN = 5  # faults of a reader


def cases() -> list[str]:
    """Names of readers."""
    return list(fuzzed.READERS)


def measure(case: str) -> dict[str, Any]:
    """How many of a reader's files came to what, the most it took, and its first faults."""
    counts, faults, seconds, n_bytes = Counter(), [], 0.0, 0
    for seed, found in _found(case, range(-(-FILES // len(fuzzed.READERS)))):
        counts[found.kind] += 1
        seconds, n_bytes = max(seconds, found.seconds), max(n_bytes, found.n_bytes)
        if found.kind not in (fuzzing.REFUSED, fuzzing.SAME):
            faults.append(f"seed {seed}: {found.kind}: {found.words}")
    return {
        "files": counts.total(),
        "refused": counts[fuzzing.REFUSED],
        "read": counts[fuzzing.SAME],
        "faults": len(faults),
        "most_seconds": rounded(seconds),
        "most_megabytes": rounded(n_bytes / 1e6),
        "first_faults": faults[:SHOWN],
    }


def summarize(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """By reader, and all of them together."""
    counts = ("files", "refused", "read", "faults")
    return {
        "all": {name: sum(record[name] for record in found.values()) for name in counts},
        "by_reader": found,
    }


def _found(name: str, seeds: range) -> Iterator[tuple[int, fuzzing.Outcome]]:
    """What becomes of the files, in a process of its own where there are many."""
    reader = fuzzed.READERS[name]
    if len(seeds) >= FEW:
        yield from fuzzing.outcomes(reader, seeds)
        return
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            yield seed, fuzzing.outcome(reader, fuzzing.hostile(reader, seed), Path(folder))


QUICK_FILES = 100
FEW = 100  # files of a reader that are read in this process

STUDY = Study(__name__, quick={"FILES": QUICK_FILES}, alone=True)

if __name__ == "__main__":
    STUDY.main()
