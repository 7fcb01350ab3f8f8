"""Run analyses in their quick mode, side by side, and show what one printed where it fails.

All of them, or those that are named, such as `benchmarks.peers`. A process runs
many scripts, so that it imports what they share once.
"""

import sys
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from time import process_time
from typing import NamedTuple

import topokit as tk
from analyses._compile_quickly import compile_quickly


class Run(NamedTuple):
    """How a quick run went: its time on a core, and what it printed if it failed."""

    name: str
    seconds: float
    failure: str | None


def names() -> Iterator[str]:
    """Of all scripts; benchmarks first, whose runs are the longest."""
    here = Path(__file__).parent
    yield from (f"benchmarks.{path.stem}" for path in sorted(here.glob("benchmarks/[a-z]*.py")))
    yield from (path.stem for path in sorted(here.glob("[a-z]*.py")))


def run(name: str) -> Run:
    """A quick run in this process."""
    compile_quickly()
    begin, printed = process_time(), StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            import_module(f"analyses.{name}").STUDY.run(quick=True)
    except Exception:
        return Run(name, process_time() - begin, printed.getvalue() + traceback.format_exc())
    return Run(name, process_time() - begin, None)


def main() -> int:
    """Run them; 1 if any failed."""
    failed = False
    compile_quickly()
    with tk.ranking.process_pool() as pool:
        for done in pool.map(run, sys.argv[1:] or names()):
            words = "passed" if done.failure is None else f"{done.failure}FAILED"
            print(f"{words}: {done.name} ({done.seconds:.1f} s)", flush=True)
            failed |= done.failure is not None
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
