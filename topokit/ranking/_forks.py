"""Processes that were forked while JAX was running: refused, for they would wait for ever.

A fork copies the locks that JAX's threads hold, and not the threads: the first program of the child
waits for one that nobody opens. Where an executor says that it forks, it is refused before anything
runs; where it does not say so, the forked process knows of itself.
"""

import os
import sys
from concurrent.futures import Executor
from typing import Any

INSTEAD = "with topokit.ranking.process_pool(4) as pool: ... executor=pool"


class ForkedError(RuntimeError):
    """This process was forked from one in which JAX ran, so that nothing of JAX can run here."""


class Ancestry:
    """Whether this process was forked while JAX was running, as the moment of the fork tells."""

    forked_from_jax = False
    parent_runs_jax = False

    @classmethod
    def watch(cls) -> None:
        """Look at every fork of this process from now on."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=cls._before, after_in_child=cls._in_child)

    @classmethod
    def _before(cls) -> None:
        cls.parent_runs_jax = _jax_runs()

    @classmethod
    def _in_child(cls) -> None:
        cls.forked_from_jax |= cls.parent_runs_jax


Ancestry.watch()


def check_start(executor: Executor) -> None:
    """Refuse an executor whose processes are forked.

    Raises:
        ValueError: If they are; the message says what to write instead.
    """
    context: Any = getattr(executor, "_mp_context", None)
    if context is not None and context.get_start_method() == "fork":
        raise ValueError(
            f"executor is a {type(executor).__name__} that forks this process, and what is forked "
            f"from a process that uses JAX waits for ever; write: {INSTEAD} (or give the pool "
            "mp_context=multiprocessing.get_context('spawn'))"
        )


def check_ancestry() -> None:
    """Refuse to begin in a process that would wait for ever.

    Raises:
        ForkedError: If this process was forked while JAX was running.
    """
    if Ancestry.forked_from_jax:
        raise ForkedError(
            "the executor forked a process that uses JAX, and nothing of JAX runs in the copy; "
            f"write: {INSTEAD}"
        )


def _jax_runs() -> bool:
    """Whether JAX has threads here; to import it starts none."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    started = getattr(bridge, "backends_are_initialized", None)
    return bridge is not None and (started is None or bool(started()))
