"""What a reader makes of a hostile file: refused in one line, read as it is meant, or a fault.

A file is an honest one of the reader, damaged (`_damage`), by the number of its seed. Files are
read in one process for thousands of them, which is watched: where it dies or does not answer, that
is the outcome of its file, and the next one is read in another.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from analyses.benchmarks._damage import damaged

REFUSED, SAME = "refused", "read as meant"
# Faults.
OTHER, BEYOND = "read as another", "read, but not by the reference"
ERROR, WORDS = "another error", "error of many lines or no name"
SLOW, LARGE, DEAD = "too slow", "too large", "no answer"

HONEST = 6  # files of each reader that are damaged
MOST_SECONDS = 5.0
MOST_BYTES = 200 * 10**6  # beyond the size of the file
LONGEST_MESSAGE = 500
PATIENCE = 60.0  # seconds on the clock, start of the process included

PEAK, CURRENT = "VmHWM", "VmRSS"


class Reader(NamedTuple):
    """A reader under attack.

    Attributes:
        name: What the table calls it; its functions are found by their modules, for `pickle`.
        file: What its files are called.
        make: Writes an honest file of the number of a seed.
        read: What it finds in a file, to be compared by `==`.
        reference: What another, slower reader finds there; it may give up with any exception.
    """

    name: str
    file: str
    make: Callable[[Path, int], object]
    read: Callable[[Path], Any]
    reference: Callable[[Path], Any]


class Outcome(NamedTuple):
    """What became of a file, the seconds and bytes that it took, and of a fault what was said."""

    kind: str
    seconds: float = 0.0
    n_bytes: int = 0
    words: str = ""


@cache
def honest(reader: Reader) -> tuple[bytes, ...]:
    """Honest files, each read once, so that what a reader imports is not counted for a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / reader.file
        found = []
        for seed in range(HONEST):
            reader.make(path, seed)
            reader.read(path)
            found.append(path.read_bytes())
        return tuple(found)


def hostile(reader: Reader, seed: int) -> bytes:
    """The file of a seed."""
    random = Random(f"{reader.name} {seed}")  # noqa: S311
    return damaged(random.choice(honest(reader)), random)


def outcome(reader: Reader, content: bytes, folder: Path) -> Outcome:
    """What the reader makes of a file."""
    path = folder / reader.file
    path.write_bytes(content)
    found, kind, words = None, SAME, ""
    before, start = _rest_peak(), time.process_time()
    try:
        found = reader.read(path)
    except (ValueError, OSError) as error:
        words = str(error)
        own = words.replace(str(folder), "", 1)  # a path is as long as it is
        fits = words.isprintable() and own != words and len(own) < LONGEST_MESSAGE
        kind = REFUSED if fits else WORDS
    except BaseException as error:
        kind, words = ERROR, repr(error)
    seconds, n_bytes = time.process_time() - start, _memory(PEAK) - before
    if seconds > MOST_SECONDS or n_bytes > MOST_BYTES + len(content):
        kind = SLOW if seconds > MOST_SECONDS else LARGE
    elif kind == SAME:
        kind, words = _held_against(reader, path, found)
    return Outcome(kind, seconds, n_bytes, words[:LONGEST_MESSAGE])


def _held_against(reader: Reader, path: Path, found: Any) -> tuple[str, str]:
    try:
        expected = reader.reference(path)
    except Exception as error:
        return BEYOND, repr(error)
    same = found == expected
    return SAME if same else OTHER, "" if same else f"{found!r} is not {expected!r}"


def _memory(name: str) -> int:
    """Bytes of this process as Linux tells them, 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def _rest_peak() -> int:
    """Forget the peak of memory, where the system allows that; what is held now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _memory(PEAK)
    return _memory(CURRENT)


def outcomes(reader: Reader, seeds: range) -> Iterator[tuple[int, Outcome]]:
    """What becomes of the files of these seeds, read in a process of its own."""
    left = seeds
    while left:
        for seed, found in _answers(reader, left):
            yield seed, found
            left = left[left.index(seed) + 1 :]


def _answers(reader: Reader, seeds: range) -> Iterator[tuple[int, Outcome]]:
    """Of all seeds up to one that is not answered, which is dead."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(there, reader, seeds))
    child.start()
    there.close()
    try:
        for seed in seeds:
            try:
                found = here.recv() if here.poll(PATIENCE) else None
            except EOFError:
                found = None
            yield seed, found or Outcome(DEAD)
            if found is None:
                return
    finally:
        child.kill()
        child.join()


def _work(pipe: Connection, reader: Reader, seeds: range) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for seed in seeds:
            pipe.send(outcome(reader, hostile(reader, seed), Path(folder)))
