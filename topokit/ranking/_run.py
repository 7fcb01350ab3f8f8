"""Run what is missing, keep what finishes, and say what failed.

A task is one call whose result is found by a key. The result goes into the store in the moment in
which it arrives, whatever the caller does meanwhile; a task that fails stops no other.
"""

import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Executor, Future
from contextlib import closing
from queue import SimpleQueue
from typing import Any, NamedTuple

from topokit.ranking._progress import progress
from topokit.ranking._store import Entry, Store
from topokit.ranking._unfinished import UnfinishedError


class Task(NamedTuple):
    """One unit of work: what a kill can lose, what a process is started for.

    Attributes:
        key: Hash of all that decides the result; of tasks with one key only the first is run.
        label: What to call it in an error.
        cost: Its work, in any unit that all tasks of a run share.
        function: A function at the top of a module, so that it reaches other processes.
        arguments: What to call it with.
    """

    key: str
    label: str
    cost: float
    function: Callable[..., Entry]
    arguments: tuple[Any, ...]


class Outcome(NamedTuple):
    """How a task ended: with a result, with an error, or with a result that was not kept."""

    task: Task
    entry: Entry | None
    error: BaseException | None


def run(
    tasks: Iterable[Task],
    *,
    executor: Executor | None,
    path: str | os.PathLike[str] | None,
    doing: str,
) -> Generator[tuple[str, Entry]]:
    """Yield key and result of each task: what the store at `path` holds, then what finishes.

    Raises:
        ValueError: At once, if `executor` or `path` is of another type; later, if the store cannot
            be used.
        UnfinishedError: After all others are finished, if some could not be.
    """
    if executor is not None and not isinstance(executor, Executor):
        raise ValueError(
            "executor must be a concurrent.futures.Executor, such as process_pool(4) or "
            f"distributed.Client(...).get_executor(); given {executor!r}"
        )
    if path is not None and not isinstance(path, str | os.PathLike):
        raise ValueError(f"store must be the path of a file; given {path!r}")
    missing: dict[str, Task] = {}
    for task in tasks:
        missing.setdefault(task.key, task)
    return _run(missing, executor, path, doing)


def _run(
    missing: dict[str, Task],
    executor: Executor | None,
    path: str | os.PathLike[str] | None,
    doing: str,
) -> Generator[tuple[str, Entry]]:
    if path is None:
        yield from _run_all(list(missing.values()), executor, None, doing)
        return
    with closing(Store(path)) as store:
        for key in list(missing):
            entry = store.get(key)
            if entry is not None:
                del missing[key]
                yield key, entry
        yield from _run_all(list(missing.values()), executor, store, doing)


def _run_all(
    tasks: list[Task], executor: Executor | None, store: Store | None, doing: str
) -> Generator[tuple[str, Entry]]:
    failures: dict[str, BaseException] = {}
    outcomes = _in_turn(tasks, store) if executor is None else _spread(tasks, executor, store)
    with progress(doing, sum(task.cost for task in tasks)) as advance, closing(outcomes):
        for task, entry, error in outcomes:
            advance(task.cost)
            if entry is None and error is not None:
                failures[task.label] = error
                continue
            if entry is not None:
                yield task.key, entry
            if error is not None:
                raise error
    if failures:
        path = None if store is None else store.path
        raise UnfinishedError(failures, len(tasks), path) from next(iter(failures.values()))


def _in_turn(tasks: list[Task], store: Store | None) -> Generator[Outcome]:
    for task in tasks:
        try:
            entry = task.function(*task.arguments)
        except Exception as error:
            yield Outcome(task, None, error)
        else:
            yield _kept(task, entry, store)


def _spread(tasks: list[Task], executor: Executor, store: Store | None) -> Generator[Outcome]:
    """Whoever stops listening cancels what has not begun."""
    outcomes: SimpleQueue[Outcome] = SimpleQueue()
    futures: dict[str, Future[Entry]] = {}
    try:
        for task in tasks:
            futures[task.key] = _submit(task, executor, store, outcomes)
        while futures:
            outcome = outcomes.get()
            del futures[outcome.task.key]
            yield outcome
    finally:
        for future in futures.values():
            future.cancel()


def _submit(
    task: Task, executor: Executor, store: Store | None, outcomes: SimpleQueue[Outcome]
) -> Future[Entry]:
    def finish(future: Future[Entry]) -> None:
        """Runs where the result arrives: in a thread of the executor."""
        if future.cancelled():
            outcomes.put(Outcome(task, None, CancelledError("it was cancelled")))
        elif (error := future.exception()) is not None:
            outcomes.put(Outcome(task, None, error))
        else:
            outcomes.put(_kept(task, future.result(), store))

    try:
        future = executor.submit(task.function, *task.arguments)
    except RuntimeError as error:  # such as a pool whose process died meanwhile
        future = Future()
        future.set_exception(error)
    future.add_done_callback(finish)
    return future


def _kept(task: Task, entry: Entry, store: Store | None) -> Outcome:
    try:
        if store is not None:
            store.put(task.key, entry)
    except Exception as error:
        return Outcome(task, entry, error)
    return Outcome(task, entry, None)
