"""Many reconstructions: topologies x seeds x targets, one plain row for each."""

import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import replace
from itertools import product
from numbers import Integral

import jax.numpy as jnp
import networkx as nx
import numpy as np
from jaxtyping import Array

from topokit._checks import check_seed
from topokit.layers import Layers
from topokit.products import Cost
from topokit.ranking._drawn_targets import Targets, drawn_targets, given_targets
from topokit.ranking._rows import Result
from topokit.ranking._run import run
from topokit.ranking._store import Store
from topokit.ranking._subjects import Subject, check_targets, labels_by_content, naming, subjects_of
from topokit.ranking._tasks import Rebuilt, ReconstructionTask, Settings
from topokit.reconstruction import Adam, Solver, check_arguments
from topokit.scores import Label


def sweep(
    topologies: Mapping[str, nx.DiGraph | Layers],
    *,
    seeds: int | Iterable[int] = 0,
    targets: int | np.ndarray | Array = 16,
    solver: Solver = Adam(),  # noqa: B008 (a NamedTuple of numbers)
    restarts: int = 1,
    loss: Cost = jnp.square,
    executor: Executor | None = None,
    store: str | os.PathLike[str] | None = None,
) -> Generator[Result]:
    """Yield one result for each topology, seed and target, as they finish.

    The unit of work is a topology with one seed: its targets run side by side in one compiled loop,
    and are finished, stored and yielded together. Topologies with equal arrays are run once and
    yielded under each of their names. On a terminal a bar shows the time to go.

    What is finished is in the store even if nobody asks for it. Stop iterating, and units that have
    not begun are cancelled; with an executor, those that are running end without being kept, and
    the next call runs them again.

    Args:
        topologies: Graphs or recipes by name.
        seeds: One or several seeds of the initial weights, each in `[0, 2^63)`.
        targets: A number of unit Gaussian matrices, drawn anew for each seed and equal for
            topologies of equal shape; or the matrices, `(n_targets, n_in, n_out)`, the same for
            each seed.
        solver: How to descend; its steps are part of what a loss means.
        restarts: Independent starts for each target, of which the best counts.
        loss: The cost of one entry's error, `jnp.square` or `jnp.abs`.
        executor: Where to run, such as `topokit.ranking.process_pool(4)` or
            `distributed.Client(...).get_executor()`, but none that forks this process; here and in
            turn by default, for a script that starts processes must be written for it.
        store: An SQLite file for what is finished, made if there is none. Each unit goes into it
            in one transaction when it finishes, and is not run again: after a kill the same call
            goes on. It is found by the arrays of the topology, the targets, the seed, the solver
            with its settings, the restarts, the loss, JAX's precision and the version of topokit;
            names do not count. Several processes of one machine may share a store.

    Raises:
        ValueError: If there is no topology, one is not valid or does not fit the targets, the loss
            is none, the executor forks, or the solver is one that a store cannot tell from others,
            which is said before any of them is run; or if the store cannot be used: it is another
            file, damaged, locked, or not to be written.
        UnfinishedError: After all others are finished, if some failed or their process died.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> topologies = {f"rank {rank}": tk.topologies.low_rank(8, 8, rank) for rank in (1, 2)}
        >>> rows = list(tk.ranking.sweep(topologies, seeds=range(2), targets=2, solver=quick))
        >>> len(rows)
        8
        >>> sorted({(row.name, row.seed, row.target) for row in rows})[:3]
        [('rank 1', 0, 0), ('rank 1', 0, 1), ('rank 1', 1, 0)]

    See Also:
        `topokit.rank`, means and scores; `read_store`, what was finished before.
    """
    numbers = _check_seeds(seeds)
    subjects = subjects_of(topologies)
    stored = store is not None
    settings = Settings.of(subjects[0].layers, solver, loss, restarts, stored=stored)
    tasks = [
        ReconstructionTask.of(one, chosen, seed, settings)
        for one, chosen in _with_targets(subjects, targets, loss)
        for seed in numbers
    ]
    finished = run(tasks, executor=executor, path=store, doing="sweep")
    return _results(finished, labels_by_content(subjects))


def read_store(path: str | os.PathLike[str]) -> list[Result]:
    """What the sweeps and rankings of a store have finished, oldest first; nothing is run.

    A topology has the name under which it was run first. An empty file is a store of nothing yet.

    Raises:
        ValueError: If there is no store at `path`.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> topologies = {"rank 2": tk.topologies.low_rank(8, 8, 2)}
        >>> done = list(tk.ranking.sweep(topologies, targets=2, solver=quick, store="runs.sqlite"))
        >>> tk.ranking.read_store("runs.sqlite") == done
        True

    See Also:
        `sweep` and `topokit.rank`, which fill a store.
    """
    with closing(Store(path, create=False)) as store:
        found = store.entries(Rebuilt.KIND, Rebuilt.from_entry)
        return [result for one in found for result in one.results]


def _check_seeds(seeds: int | Iterable[int]) -> list[int]:
    """Each seed once, in the order given."""
    if isinstance(seeds, str) or not isinstance(seeds, Integral | Iterable):
        raise ValueError(f"seeds must be an integer or a list of integers; given {seeds!r}")
    if not isinstance(seeds, Iterable):
        return [check_seed("seeds", seeds)]
    return list(dict.fromkeys(check_seed(f"seeds[{n}]", seed) for n, seed in enumerate(seeds)))


def _with_targets(
    subjects: list[Subject], targets: int | np.ndarray | Array, loss: Cost
) -> Iterator[tuple[Subject, Targets]]:
    """Each topology with its targets, which those of one shape share."""
    given: dict[tuple[int, int], Targets] = {}
    if not isinstance(targets, np.ndarray | Array | list | tuple):
        drawn = drawn_targets(targets)
        check_targets(subjects, drawn.number)
        yield from ((one, drawn) for one in subjects)
        return
    for one in subjects:
        shape = one.layers.n_in, one.layers.n_out
        if shape not in given:
            with naming(one.label.name):
                stack = check_arguments(one.layers, np.asarray(targets), loss=loss)
            given[shape] = given_targets(stack)
        yield one, given[shape]


def _results(
    finished: Generator[tuple[str, Rebuilt]], labels: Mapping[str, list[Label]]
) -> Generator[Result]:
    with closing(finished):
        for content, found in finished:
            for label, result in product(labels[content], found.results):
                yield replace(result, **label._asdict())
