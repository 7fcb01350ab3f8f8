"""Many reconstructions: topologies x seeds x targets, one plain row for each."""

import os
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import closing
from numbers import Integral
from typing import NamedTuple

import jax.numpy as jnp
import networkx as nx
import numpy as np
from jaxtyping import Array

from topokit.layers import Layers
from topokit.products import Cost
from topokit.ranking._drawn_targets import Targets, drawn_targets, given_targets
from topokit.ranking._run import Task, run
from topokit.ranking._store import Entry, Store
from topokit.ranking._work import (
    RECONSTRUCTION,
    Subject,
    check_seed,
    naming,
    reconstruction_task,
    settings_of,
    settings_text,
    subjects_of,
)
from topokit.reconstruction import Adam, Solver


class Result(NamedTuple):
    """One target of a sweep: plain values, so that `pandas.DataFrame(results)` is a long table.

    Attributes:
        name: The key under which the topology was given.
        family: Its family, or "" where the graph does not say.
        skip: True where some edges are constant.
        n_in: Inputs.
        n_out: Outputs.
        depth: Layers of edges.
        edges: Edges, constant ones included.
        trainable: Edges whose weight is free: the parameters.
        solver: How it was descended, as the solver's `repr`.
        seed: Seed of the initial weights, and of the targets where their number was given.
        target: Which of the targets, from 0.
        loss: Relative reconstruction loss; 0 is exact, 1 as good as the zero matrix.
        steps: Gradient steps taken.
        seconds: Wall time of the call of `reconstruct`, which all targets of a topology and a seed
            share, compilation included: the one field that differs from run to run.
    """

    name: str
    family: str
    skip: bool
    n_in: int
    n_out: int
    depth: int
    edges: int
    trainable: int
    solver: str
    seed: int
    target: int
    loss: float
    steps: int
    seconds: float


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
            `distributed.Client(...).get_executor()`; here and in turn by default, for a script that
            starts processes must be written for it.
        store: An SQLite file for what is finished, made if there is none. Each unit goes into it
            in one transaction when it finishes, and is not run again: after a kill the same call
            goes on. It is found by the arrays of the topology, the targets, the seed, the solver
            with its settings, the restarts, the loss, JAX's precision and the version of topokit;
            names do not count. Several processes of one machine may share a store.

    Raises:
        ValueError: If there is no topology, one is not valid or does not fit the targets, the loss
            is none, or the solver is one that a store cannot tell from others, which is said before
            any of them is run; or if the store cannot be used: it is another file, damaged, locked,
            or not to be written.
        UnfinishedError: After all others are finished, if some failed or their process died.
    """
    numbers = _check_seeds(seeds)
    settings = settings_of(solver, loss, restarts)
    text = settings_text(settings, stored=store is not None)
    names: dict[str, list[Subject]] = defaultdict(list)
    tasks: list[Task] = []
    for one, chosen in _with_targets(subjects_of(topologies), targets, loss):
        for seed in numbers:
            tasks.append(reconstruction_task(one, chosen, seed, settings, text))
            names[tasks[-1].key].append(one)
    return _results(run(tasks, executor=executor, path=store, doing="sweep"), names)


def read_store(path: str | os.PathLike[str]) -> list[Result]:
    """What the sweeps and rankings of a store have finished, oldest first; nothing is run.

    A topology has the name under which it was run first. An empty file is a store of nothing yet.

    Raises:
        ValueError: If there is no store at `path`.
    """
    with closing(Store(path, create=False)) as store:
        return [row for entry in store.entries(RECONSTRUCTION) for row in _rows(entry)]


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
    for one in subjects:
        if not isinstance(targets, np.ndarray | Array | list | tuple):
            yield one, drawn_targets(targets)
            continue
        shape = one.layers.n_in, one.layers.n_out
        if shape not in given:
            with naming(one.name):
                given[shape] = given_targets(one.layers, targets, loss)
        yield one, given[shape]


def _results(
    finished: Generator[tuple[str, Entry]], names: Mapping[str, list[Subject]]
) -> Generator[Result]:
    with closing(finished):
        for key, entry in finished:
            for one in names[key]:
                for row in _rows(entry):
                    yield row._replace(name=one.name, family=one.family)


def _rows(entry: Entry) -> Iterator[Result]:
    shared = dict(entry.value)
    losses, steps = shared.pop("loss"), shared.pop("steps")
    for target, (loss, taken) in enumerate(zip(losses, steps, strict=True)):
        yield Result(**shared, target=target, loss=loss, steps=taken)
