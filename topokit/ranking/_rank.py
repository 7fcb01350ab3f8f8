"""The main job: score and rebuild, topology by topology, and put the best first.

Scores and reconstructions are tasks of their own: with a store each is found again by what decides
it, so that a second ranking with another solver takes the scores of the first.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Executor
from contextlib import closing
from operator import attrgetter
from typing import Any

import jax.numpy as jnp
import networkx as nx

from topokit._checks import check_seed
from topokit.layers import Layers
from topokit.ranking._drawn_targets import drawn_targets
from topokit.ranking._maps import Maps
from topokit.ranking._mean_losses import statistics
from topokit.ranking._ranked import Ranking
from topokit.ranking._rows import Row
from topokit.ranking._run import run
from topokit.ranking._subjects import check_targets, labels_by_content, subjects_of
from topokit.ranking._tasks import (
    Descended,
    DescentTask,
    Rebuilt,
    ReconstructionTask,
    Scored,
    ScoreTask,
    Settings,
)
from topokit.reconstruction import Adam, Solver
from topokit.scores import Label


def rank(
    topologies: Mapping[str, nx.DiGraph | Layers],
    *,
    targets: int = 16,
    seed: int = 0,
    solver: Solver = Adam(),  # noqa: B008 (a NamedTuple of numbers)
    executor: Executor | None = None,
    store: str | os.PathLike[str] | None = None,
    callback: Callable[[Row, Maps], object] | None = None,
) -> Ranking:
    """Rank topologies by how well they rebuild random matrices, best first.

    Topologies of equal shape meet the same targets, unit Gaussian matrices, so that their losses
    can be compared pair by pair. On a terminal a bar shows the time to go. After Ctrl-C, as after
    an error, what was finished is in the store, and has been seen by the callback.

    Args:
        topologies: Graphs or recipes by name.
        targets: Number of random matrices, at least 1.
        seed: Seed of the targets and of the initial weights.
        solver: How to descend; its steps are part of what a loss means.
        executor: Where to run, such as `topokit.ranking.process_pool(4)`; here and in turn by
            default. The scores of a topology are one task, its reconstructions another.
        store: An SQLite file for what is finished, made if there is none. Each evaluation goes into
            it when it finishes and is not run again, whatever name it has then; `sweep` says more.
        callback: Called with each row as it finishes, and with the `Maps` of its topology: a
            ranking without a callback spares itself the descent. Sort rows that it keeps by
            `Row.order`.

    Raises:
        ValueError: If there is no topology, one is not valid, or the executor forks this process,
            which is said before any of them is run, or the store cannot be used.
        UnfinishedError: After all others are finished, if some failed or their process died.

    Examples:
        >>> import topokit as tk
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> small, large = tk.topologies.low_rank(8, 8, 2), tk.topologies.butterfly(8)
        >>> topologies = {"rank 2": small, "butterfly": large}
        >>> rows = tk.rank(topologies, targets=2, solver=quick)
        >>> [(row.name, row.trainable) for row in rows]
        [('butterfly', 48), ('rank 2', 32)]

    See Also:
        `score`, without training; `topokit.ranking.sweep`, target by target;
        `topokit.ranking.Maps`, what the callback gets; `topokit.plotting.plot_ranking`.
    """
    if callback is not None and not callable(callback):
        raise ValueError(f"callback must be a function of a row and its maps; given {callback!r}")
    seed, drawn = check_seed("seed", seed), drawn_targets(targets)
    subjects = subjects_of(topologies)
    check_targets(subjects, drawn.number)
    settings = Settings.of(subjects[0].layers, solver, jnp.square, 1, stored=store is not None)
    tasks = []
    for one in subjects:
        tasks += ScoreTask.of(one), ReconstructionTask.of(one, drawn, seed, settings)
        tasks += [] if callback is None else [DescentTask.of(one)]
    kinds = len(tasks) // len(subjects)
    rows = []
    with closing(run(tasks, executor=executor, path=store, doing="rank")) as finished:
        for label, found in _joined(finished, labels_by_content(subjects), kinds):
            rows.append(_row(label, found[Scored], found[Rebuilt]))
            if callback is not None:
                callback(rows[-1], _maps(found[Scored], found[Descended]))
    return Ranking(sorted(rows, key=attrgetter("order")))


def _joined(
    finished: Generator[tuple[str, Scored | Descended | Rebuilt]],
    labels: Mapping[str, list[Label]],
    kinds: int,
) -> Generator[tuple[Label, dict[type, Any]]]:
    """What tasks of so many kinds found for one content, whichever comes first, by its type."""
    waiting: defaultdict[str, dict[type, Any]] = defaultdict(dict)
    for content, found in finished:
        waiting[content][type(found)] = found
        if len(waiting[content]) == kinds:
            together = waiting.pop(content)
            yield from ((label, together) for label in labels[content])


def _maps(scored: Scored, descended: Descended) -> Maps:
    return Maps(scored.control, descended.K, scored.leverage)


def _row(label: Label, scored: Scored, rebuilt: Rebuilt) -> Row:
    return Row(**label._asdict(), **statistics(rebuilt.results), **scored.score._asdict())
