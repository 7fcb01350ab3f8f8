"""The two kinds of work behind every table: to score a topology, and to reconstruct with it.

They are kept apart, each under the key of what decides it: scores by the topology alone, so that
every solver finds them again; reconstructions by the topology, the targets, the seed and all
settings.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import jax
import jax.numpy as jnp
import networkx as nx

from topokit._checks import check_count
from topokit.layers import Layers, to_layers
from topokit.products import Cost
from topokit.ranking._content_keys import Named, content_of, describe, key_of, packed, unpacked
from topokit.ranking._drawn_targets import Targets
from topokit.ranking._run import Task
from topokit.ranking._store import Entry
from topokit.reconstruction import Solver, check_cost, check_solver, reconstruct
from topokit.scores import score_control

SCORE, RECONSTRUCTION = "score", "reconstruction"


class Subject(NamedTuple):
    """A topology as a table knows it; `content` is a hash of its arrays."""

    name: str
    family: str
    layers: Layers
    content: str


class Settings(NamedTuple):
    """How to reconstruct; `precision` is the type that JAX computes with."""

    solver: Solver
    loss: Cost | Named
    restarts: int
    precision: str


def subjects_of(topologies: Mapping[str, nx.DiGraph | Layers]) -> list[Subject]:
    """Check and compile all topologies; an error names the wrong one."""
    if not isinstance(topologies, Mapping):
        raise ValueError(
            f"topologies must be a dict {{name: topology}}; given {type(topologies).__name__}"
        )
    if not topologies:
        raise ValueError("topologies is empty: give at least one, {name: topology}")
    subjects = []
    for name, topology in topologies.items():
        with naming(name):
            layers = to_layers(topology)
        family = "" if isinstance(topology, Layers) else str(topology.graph.get("family", ""))
        subjects.append(Subject(name, family, layers, content_of(layers)))
    return subjects


@contextmanager
def naming(name: str) -> Iterator[None]:
    """A ValueError in here says which topology it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"topology {name!r}: {error}") from error


def check_seed(name: str, value: int) -> int:
    """A seed that numpy and JAX take."""
    return check_count(name, value, least=0, most=2**63 - 1)


def settings_of(solver: Solver, loss: Cost, restarts: int) -> Settings:
    """The settings of this process."""
    check_solver(solver)
    check_cost(loss)
    precision = str(jnp.result_type(float))
    return Settings(solver, packed(loss), check_count("restarts", restarts), precision)


def settings_text(settings: Settings, *, stored: bool) -> str:
    """What tells settings from others; within one call, without a store, nothing has to."""
    if not stored:
        return ""
    settings = settings._replace(loss=unpacked(settings.loss))
    return "\n".join(describe(name, value) for name, value in settings._asdict().items())


def score_task(subject: Subject) -> Task:
    """The data-free numbers of a topology, and K."""
    layers = subject.layers
    return Task(
        key_of(SCORE, subject.content),
        f"the scores of {subject.name!r}",
        layers.n_in * layers.n_edges,
        scored,
        (layers,),
    )


def reconstruction_task(
    subject: Subject, targets: Targets, seed: int, settings: Settings, text: str
) -> Task:
    """All targets of one topology and one seed, for they share one compiled loop.

    `text` is the text of the settings, which is the same for all tasks of a run.
    """
    layers = subject.layers
    return Task(
        key_of(RECONSTRUCTION, subject.content, targets.text, str(seed), text),
        f"{subject.name!r} with seed {seed}",
        layers.n_in * layers.n_edges * targets.number * settings.restarts,
        reconstructed,
        (subject, targets, seed, settings),
    )


def scored(layers: Layers) -> Entry:
    """Every data-free number, and K."""
    score, control = score_control(layers)
    return Entry(SCORE, score._asdict(), control.K)


def reconstructed(subject: Subject, targets: Targets, seed: int, settings: Settings) -> Entry:
    """The loss of every target, and what a reader of the store wants to know beside it."""
    precision = str(jnp.result_type(float))
    if precision != settings.precision:
        raise ValueError(
            f"this process computes in {precision}, the one that asked in {settings.precision}: "
            "set JAX_ENABLE_X64 in the environment of both"
        )
    layers, (solver, loss, restarts, _) = subject.layers, settings
    matrices = targets.for_seed(layers, seed)
    result = reconstruct(
        layers,
        matrices,
        solver=solver,
        loss=unpacked(loss),
        restarts=restarts,
        key=jax.random.key(seed),
    )
    facts = {
        "name": subject.name,
        "family": subject.family,
        "skip": layers.n_trainable < layers.n_edges,
        "n_in": layers.n_in,
        "n_out": layers.n_out,
        "depth": layers.depth,
        "edges": layers.n_edges,
        "trainable": layers.n_trainable,
        "solver": repr(solver),
        "seed": seed,
        "loss": result.loss.astype(float).tolist(),
        "steps": result.steps.tolist(),
        "seconds": result.seconds,
    }
    return Entry(RECONSTRUCTION, facts)
