"""What holds for all tests: XLA compiles quickly, and the summary says what processors were taken.

How, and how not to, says `analyses/_compile_quickly.py`. A module that is marked `optimized` runs
its programs for long, and has them optimized.

Examples of laws are the same in every run. `--hypothesis-profile=drawn --hypothesis-seed=1` draws
others.
"""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import jax
import pytest
from hypothesis import settings
from spent import spent
from typechecker import begin_test

from analyses._compile_quickly import compile_quickly

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("drawn", database=None, deadline=None)
settings.load_profile("fixed")

# Of the environment, so that it holds in workers and in the processes that tests start, too.
compile_quickly()
# No test writes into the cache of the user: what one process of a run compiles the others find in
# a folder of the run.
MAIN = "PYTEST_XDIST_WORKER" not in os.environ
if MAIN:
    os.environ["TOPOKIT_CACHE"] = tempfile.mkdtemp(prefix="topokit-tests-")
UNOPTIMIZED = os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] == "1"
jax.config.update("jax_disable_most_optimizations", UNOPTIMIZED)
# Where a GPU multiplies, it does so to all digits: laws are no looser there.
jax.config.update("jax_default_matmul_precision", "highest")


@pytest.fixture(scope="module", autouse=True)
def _as_the_module_is_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    marked = request.node.get_closest_marker("optimized") is not None
    jax.config.update("jax_disable_most_optimizations", UNOPTIMIZED and not marked)
    yield
    jax.config.update("jax_disable_most_optimizations", UNOPTIMIZED)


@pytest.fixture(autouse=True)
def _first_calls_are_checked() -> None:
    begin_test()


def pytest_collection_finish() -> None:
    """What is imported stays: to look again and again for garbage in it took a tenth of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"took {spent()}")


def pytest_unconfigure() -> None:
    if MAIN:
        shutil.rmtree(os.environ["TOPOKIT_CACHE"], ignore_errors=True)
