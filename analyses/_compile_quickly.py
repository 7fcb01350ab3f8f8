"""XLA compiles quickly, for tests and quick runs: most of their programs run once.

The settings change rounding alone, and take five sixths off the time to compile. Who has an
`XLA_FLAGS` and a `JAX_DISABLE_MOST_OPTIMIZATIONS` keeps them: with
`XLA_FLAGS= JAX_DISABLE_MOST_OPTIMIZATIONS=0` all is compiled as users compile it.

JAX makes a context of MLIR for each program, a quarter of the time of a small one. Here one serves
many programs of a thread.
"""

import os
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from threading import local
from typing import Any

# No code generated through MLIR, none divided among threads, and LLVM at its first level.
QUICK = (
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 "
    "--xla_backend_optimization_level=1"
)

# What a context keeps of its programs is freed with it.
PROGRAMS = 64


@cache
def compile_quickly() -> None:
    """Set the environment, so that it holds in all processes that are started from here on."""
    if "XLA_FLAGS" not in os.environ:
        os.environ["XLA_FLAGS"] = QUICK if _knows(QUICK) else ""
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    with suppress(ImportError, AttributeError):
        share_contexts()


def share_contexts() -> None:
    """Lower many programs of a thread in one context, by what JAX calls to make them."""
    mlir: Any = import_module("jax._src.interpreters.mlir")
    make, own = mlir.make_ir_context, local()

    def shared() -> Any:
        own.programs = getattr(own, "programs", -1) + 1
        if own.programs % PROGRAMS == 0:
            own.context = make()
        return own.context

    mlir.make_ir_context = shared


def _knows(flags: str) -> bool:
    """Whether this XLA has these flags: it ends a process over one that it does not know."""
    asked = [sys.executable, "-c", "import jax; jax.devices()"]
    return not subprocess.run(
        asked, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, check=False
    ).returncode
