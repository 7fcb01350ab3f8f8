"""Run what is missing, keep what finishes, and say what failed.

This is the one way of rankings, of sweeps, and of the choice among networks. What a task finds goes
into the store in the moment in which it arrives, whatever the caller does meanwhile; a task that
fails stops no other.
"""

import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Executor, Future
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic

from topokit._progress import progress
from topokit.ranking._forks import check_ancestry, check_start
from topokit.ranking._store import Store
from topokit.ranking._task import Found, Task
from topokit.ranking._unfinished import UnfinishedError


@dataclass(frozen=True)
class Outcome(Generic[Found]):
    """How a task ended: with a result, with an error, or with a result that was not kept."""

    task: Task[Found]
    found: Found | None
    error: BaseException | None


def run(
    tasks: Iterable[Task[Found]],
    *,
    executor: Executor | None,
    path: str | os.PathLike[str] | None,
    doing: str,
) -> Generator[tuple[str, Found]]:
    """Yield what each task finds: what the store at `path` holds, then what finishes.

    Each comes behind the `content` of its task.

    Raises:
        ValueError: At once, if `executor` or `path` is of another type, or the executor forks;
            later, if the store cannot be used.
        UnfinishedError: After all others are finished, if some could not be.
    """
    if executor is not None and not isinstance(executor, Executor):
        raise ValueError(
            "executor must be a concurrent.futures.Executor, such as process_pool(4) or "
            f"distributed.Client(...).get_executor(); given {executor!r}"
        )
    if executor is not None:
        check_start(executor)
    if path is not None and not isinstance(path, str | os.PathLike):
        raise ValueError(f"store must be the path of a file; given {path!r}")
    missing: dict[str, Task[Found]] = {}
    for task in tasks:
        missing.setdefault(task.key, task)
    return _run(missing, executor, path, doing)


def _run(
    missing: dict[str, Task[Found]],
    executor: Executor | None,
    path: str | os.PathLike[str] | None,
    doing: str,
) -> Generator[tuple[str, Found]]:
    if path is None:
        yield from _run_all(list(missing.values()), executor, None, doing)
        return
    with closing(Store(path)) as store:
        for key in list(missing):
            found = store.get(key, missing[key].read)
            if found is not None:
                yield missing.pop(key).content, found
        yield from _run_all(list(missing.values()), executor, store, doing)


def _run_all(
    tasks: list[Task[Found]], executor: Executor | None, store: Store | None, doing: str
) -> Generator[tuple[str, Found]]:
    failures: dict[str, BaseException] = {}
    with (
        progress(doing, sum(task.cost for task in tasks)) as bar,
        closing(_outcomes(tasks, executor, store, bar.show)) as outcomes,
    ):
        for outcome in outcomes:
            task, error = outcome.task, outcome.error
            bar.advance(task.cost)
            if outcome.found is not None:
                yield task.content, outcome.found
                if error is not None:
                    raise error
            elif error is not None:
                failures[task.label] = error
    if failures:
        path = None if store is None else store.path
        raise UnfinishedError(failures, len(tasks), path) from next(iter(failures.values()))


def _outcomes(
    tasks: list[Task[Found]],
    executor: Executor | None,
    store: Store | None,
    show: Callable[[str], None],
) -> Generator[Outcome[Found]]:
    if executor is None:
        return _in_turn(tasks, store, show)
    return _spread(tasks, executor, store, show)


def _in_turn(
    tasks: list[Task[Found]], store: Store | None, show: Callable[[str], None]
) -> Generator[Outcome[Found]]:
    for task in tasks:
        show(task.label)
        try:
            found = task.run()
        except Exception as error:
            yield Outcome(task, None, error)
        else:
            yield _kept(task, found, store)


def _spread(
    tasks: list[Task[Found]], executor: Executor, store: Store | None, show: Callable[[str], None]
) -> Generator[Outcome[Found]]:
    """Whoever stops listening cancels what has not begun."""
    outcomes: SimpleQueue[Outcome[Found]] = SimpleQueue()
    futures: dict[str, Future[Found]] = {}
    labels = {task.key: task.label for task in tasks}
    try:
        for task in tasks:
            futures[task.key] = _submit(task, executor, store, outcomes)
        while futures:
            show(labels[next(iter(futures))])  # what began first of all that are not finished
            outcome = outcomes.get()
            del futures[outcome.task.key]
            yield outcome
    finally:
        for future in futures.values():
            future.cancel()


def _submit(
    task: Task[Found],
    executor: Executor,
    store: Store | None,
    outcomes: SimpleQueue[Outcome[Found]],
) -> Future[Found]:
    def finish(future: Future[Found]) -> None:
        """Runs where the result arrives: in a thread of the executor."""
        if future.cancelled():
            outcomes.put(Outcome(task, None, CancelledError("it was cancelled")))
        elif (error := future.exception()) is not None:
            outcomes.put(Outcome(task, None, error))
        else:
            outcomes.put(_kept(task, future.result(), store))

    try:
        future = executor.submit(_begin, task)
    except RuntimeError as error:  # such as a pool whose process died meanwhile
        future = Future()
        future.set_exception(error)
    future.add_done_callback(finish)
    return future


def _begin(task: Task[Found]) -> Found:
    """Runs in the process, or the thread, that the executor gives."""
    check_ancestry()
    return task.run()


def _kept(task: Task[Found], found: Found, store: Store | None) -> Outcome[Found]:
    try:
        if store is not None:
            store.put(task.key, found.to_entry())
    except Exception as error:
        return Outcome(task, found, error)
    return Outcome(task, found, None)
