"""The main job: score and rebuild, topology by topology, and put the best first.

Scores and reconstructions are evaluations of their own: with a store each is found again by what
decides it, so that a second ranking with another solver takes the scores of the first.
"""

import os
from collections import defaultdict
from collections.abc import Generator, Mapping
from concurrent.futures import Executor
from contextlib import closing
from typing import NamedTuple

import jax.numpy as jnp
import networkx as nx
import numpy as np
from jaxtyping import Float

from topokit.layers import Layers
from topokit.ranking._drawn_targets import drawn_targets
from topokit.ranking._run import Task, run
from topokit.ranking._store import Entry
from topokit.ranking._work import (
    Subject,
    check_seed,
    reconstruction_task,
    score_task,
    settings_of,
    settings_text,
    subjects_of,
)
from topokit.reconstruction import Adam, Solver


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
        steps: Gradient steps taken, at most, for a target.
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
        solver: How to descend; its steps are part of what a loss means.
        executor: Where to run, such as `topokit.ranking.process_pool(4)`; here and in turn by
            default. The scores of a topology are one task, its reconstructions another.
        store: An SQLite file for what is finished, made if there is none. Each evaluation goes into
            it when it finishes and is not run again, whatever name it has then; `sweep` says more.

    Raises:
        ValueError: If there is no topology or one is not valid, which is said before any of them
            is run, or the store cannot be used.
        UnfinishedError: After all others are finished, if some failed or their process died.
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
) -> Generator[Evaluation]:
    """Yield the row and K of each topology as it finishes; the arguments are those of `rank`."""
    seed = check_seed("seed", seed)
    drawn = drawn_targets(targets)
    settings = settings_of(solver, jnp.square, 1)
    text = settings_text(settings, stored=store is not None)
    names: dict[tuple[str, str], list[Subject]] = defaultdict(list)
    tasks: list[Task] = []
    for one in subjects_of(topologies):
        pair = score_task(one), reconstruction_task(one, drawn, seed, settings, text)
        names[pair[0].key, pair[1].key].append(one)
        tasks += pair
    return _evaluations(run(tasks, executor=executor, path=store, doing="rank"), names)


def best_first(row: Row) -> tuple[float, int, str]:
    """Sort key of a ranking: by loss, then by trainable edges, then by name."""
    return (row.loss, row.trainable, row.name)


def _evaluations(
    finished: Generator[tuple[str, Entry]], names: Mapping[tuple[str, str], list[Subject]]
) -> Generator[Evaluation]:
    """Join scores and reconstructions, whichever comes first."""
    partner = {key: pair for pair in names for key in pair}
    waiting: dict[str, Entry] = {}
    with closing(finished):
        for key, entry in finished:
            waiting[key] = entry
            pair = partner[key]
            if waiting.keys() >= set(pair):
                scores, reconstruction = (waiting.pop(part) for part in pair)
                for one in names[pair]:
                    yield _evaluation(one, scores, reconstruction)


def _evaluation(subject: Subject, scores: Entry, reconstruction: Entry) -> Evaluation:
    assert scores.matrix is not None
    facts = reconstruction.value
    loss = np.array(facts["loss"])
    row = Row(
        name=subject.name,
        family=subject.family,
        skip=facts["skip"],
        loss=float(loss.mean()),
        loss_error=float(loss.std(ddof=1) / np.sqrt(loss.size)) if loss.size > 1 else None,
        targets=loss.size,
        steps=max(facts["steps"]),
        **scores.value,
    )
    return Evaluation(row, scores.matrix)
