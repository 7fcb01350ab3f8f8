"""The main job: score and rebuild, topology by topology, and put the best first."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, as_completed
from contextlib import closing
from typing import NamedTuple

import jax
import networkx as nx
import numpy as np
from jaxtyping import Float

from topokit._checks import check_count
from topokit._graph import to_layers
from topokit._layers import Layers
from topokit.ranking._store import Entry, Store, key_of
from topokit.reconstruction import Adam, Solver, reconstruct
from topokit.scores._score import score_control


class Row(NamedTuple):
    """One topology of a ranking: plain numbers, ready for JSON and for `pandas.DataFrame(rows)`.

    Attributes:
        name: The key under which the topology was given.
        family: Its family, or "" where the graph does not say.
        skip: True where some edges are constant.
        loss: Mean relative reconstruction loss over the targets; 0 is exact, 1 as
            good as the zero matrix.
        loss_error: Standard error of that mean; None for a single target.
        targets: Number of targets.
        steps: Gradient steps taken for each target.
        n_in: Inputs; this and all that follows is explained at `topokit.scores.Score`.
    """

    name: str
    family: str
    skip: bool
    loss: float
    loss_error: float | None
    targets: int
    steps: int
    n_in: int
    n_out: int
    depth: int
    edges: int
    trainable: int
    density: float
    bandwidth: int
    paths_min: int
    paths_mean: float
    paths_max: int
    reachable: float
    fan_in_min: int
    fan_in_max: int
    fan_out_min: int
    fan_out_max: int
    satisfiable: int | None
    degrees_of_freedom: int | None
    predicted_loss: float | None
    control_total: float
    control_loss: float
    control_bound: float
    control_mean: float
    control_deviation: float


class Evaluation(NamedTuple):
    """What `evaluate_all` yields: a row, and the map behind its controllability.

    Attributes:
        row: The row of the ranking.
        K: The controllability matrix; entry `(i, o)` is what output `o` controls of input `i`.
    """

    row: Row
    K: Float[np.ndarray, "n_in n_out"]


class Job(NamedTuple):
    """One topology to evaluate."""

    name: str
    family: str
    layers: Layers


Settings = tuple[int, int, Solver]
"""Number of targets, seed, solver."""


def rank(
    topologies: Mapping[str, nx.DiGraph | Layers],
    *,
    targets: int = 16,
    seed: int = 0,
    solver: Solver = Adam(),  # noqa: B008 (a NamedTuple of numbers)
    executor: Executor | None = None,
    store: str | os.PathLike[str] | None = None,
) -> list[Row]:
    """Rank topologies by how well they rebuild random matrices, best first.

    Topologies of equal shape meet the same targets, unit Gaussian matrices, so that their losses
    can be compared pair by pair. To see rows as they finish, or to keep them through an interrupt,
    iterate over `evaluate_all`.

    Args:
        topologies: Graphs or recipes by name.
        targets: Number of random matrices, at least 1.
        seed: Seed of the targets and of the initial weights.
        solver: How to descend; its steps are part of what a loss means. Its `repr` tells the store
            one solver from another.
        executor: Where to run, topology by topology, such as `topokit.ranking.process_pool(4)`;
            here and in turn by default.
        store: An SQLite file for finished evaluations, made if there is none. What it holds is not
            run again, whatever name it has now; what finishes is kept at once.

    Raises:
        ValueError: If a topology is not valid, which is said before any of them is run, or `store`
            is a file of another kind.
    """
    evaluations = evaluate_all(
        topologies, targets=targets, seed=seed, solver=solver, executor=executor, store=store
    )
    return sorted((evaluation.row for evaluation in evaluations), key=best_first)


def evaluate_all(
    topologies: Mapping[str, nx.DiGraph | Layers],
    *,
    targets: int = 16,
    seed: int = 0,
    solver: Solver = Adam(),  # noqa: B008 (a NamedTuple of numbers)
    executor: Executor | None = None,
    store: str | os.PathLike[str] | None = None,
) -> Iterator[Evaluation]:
    """Yield the row and K of each topology as it finishes; the arguments are those of `rank`."""
    if not isinstance(topologies, Mapping):
        raise ValueError(
            f"topologies must be a dict {{name: topology}}; given {type(topologies).__name__}"
        )
    jobs = [_job(name, topology) for name, topology in topologies.items()]
    seed = check_count("seed", seed, least=0, most=2**63 - 1)
    settings = check_count("targets", targets), seed, solver
    if store is None:
        return _run(jobs, settings, executor)
    return _run_missing(store, jobs, settings, executor)


def best_first(row: Row) -> tuple[float, int, str]:
    """Sort key of a ranking: by loss, then by trainable edges, then by name."""
    return (row.loss, row.trainable, row.name)


def _run(jobs: list[Job], settings: Settings, executor: Executor | None) -> Iterator[Evaluation]:
    if executor is None:
        return (_evaluate(job, settings) for job in jobs)
    return _collect([executor.submit(_evaluate, job, settings) for job in jobs])


def _run_missing(
    path: str | os.PathLike[str],
    jobs: list[Job],
    settings: Settings,
    executor: Executor | None,
) -> Iterator[Evaluation]:
    """Yield what the store holds, then run the rest and keep it."""
    with closing(Store(path)) as store:
        keys = {job.name: key_of(job.layers, *settings) for job in jobs}
        missing = []
        for job in jobs:
            entry = store.get(keys[job.name])
            if entry is None:
                missing.append(job)
            else:
                row = Row(**entry.row)._replace(name=job.name, family=job.family)
                yield Evaluation(row, entry.K)
        for evaluation in _run(missing, settings, executor):
            row = evaluation.row
            store.put(keys[row.name], Entry(row._asdict(), evaluation.K))
            yield evaluation


def _collect(futures: list[Future]) -> Iterator[Evaluation]:
    """Yield results as they come; whoever stops listening cancels what has not begun."""
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _job(name: str, topology: nx.DiGraph | Layers) -> Job:
    try:
        layers = to_layers(topology)
    except ValueError as error:
        raise ValueError(f"topology {name!r}: {error}") from error
    family = "" if isinstance(topology, Layers) else str(topology.graph.get("family", ""))
    return Job(name, family, layers)


def _evaluate(job: Job, settings: Settings) -> Evaluation:
    name, family, layers = job
    targets, seed, solver = settings
    score, control = score_control(layers)
    matrices = gaussian_targets(targets, layers.n_in, layers.n_out, seed=seed)
    result = reconstruct(layers, matrices, solver=solver, key=jax.random.key(seed))
    loss = result.loss.astype(float)
    error = float(loss.std(ddof=1) / np.sqrt(targets)) if targets > 1 else None
    row = Row(
        name=name,
        family=family,
        skip=layers.n_trainable < layers.n_edges,
        loss=float(loss.mean()),
        loss_error=error,
        targets=targets,
        steps=result.losses.shape[1],
        **score._asdict(),
    )
    return Evaluation(row, control.K)


def gaussian_targets(
    n_targets: int, n_in: int, n_out: int, *, seed: int
) -> Float[np.ndarray, "n_targets n_in n_out"]:
    """The matrices to rebuild: independent entries of mean 0 and standard deviation 1.

    The first targets of a longer list are those of a shorter one.
    """
    return np.random.default_rng(seed).normal(size=(n_targets, n_in, n_out))
