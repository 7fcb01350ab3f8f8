"""Functions that are compiled once for a machine, not once for a process.

What takes long to compile is `compiled`: a function like those of `jax.jit`, whose programs are
kept on disk (`topokit._program_store`) under a hash of all that decides them: the code that goes
into the compiler, its settings, JAX, and the processor. Nothing of JAX's configuration is changed.
Who has set JAX's own cache up, or switched it off, has that and not this one; where several devices
or another kind than a CPU are at work, JAX compiles as always.
"""

import functools
import hashlib
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import MethodType
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import jax
import numpy as np
from jax.core import Tracer
from jax.experimental.serialize_executable import deserialize_and_load, serialize

from topokit._program_store import forget_program, keep_program, read_program

# The third level of LLVM, JAX's own, unrolls small loops until they take twice as long.
LEVEL, OPTIMIZED = "xla_backend_optimization_level", 2
# Without code by MLIR, and in one piece, programs compile in two thirds of the time, and take a
# tenth longer to run. That is less, in all, for small ones: those of `FEW` numbers at most.
QUICKLY = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}
FEW = 2**18
UNOPTIMIZED = "jax_disable_most_optimizations"

CONFIG: Any = jax.config  # whose attributes no type checker knows

Returned = TypeVar("Returned")


class Compiled(Generic[Returned]):
    """A function with a program for each kind of arguments; as a member of a class, a method."""

    def __init__(
        self, function: Callable[..., Returned], static: int, donated: tuple[int, ...]
    ) -> None:
        """Take a function and the arguments of `compiled`."""
        self.jitted = jax.jit(function, static_argnums=tuple(range(static)), donate_argnums=donated)
        self.static = static
        self.programs: WeakKeyDictionary[Any, dict[str, Callable[..., Returned]]]
        self.programs = WeakKeyDictionary()
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Returned:
        """Run the program for these arguments, found or made."""
        arrays = jax.tree.leaves(args[self.static :])
        if any(isinstance(x, Tracer) for x in arrays) or not _on_one_cpu():
            return self.jitted(*args)
        traced = self.jitted.trace(*args)
        options = _options(few=sum(map(np.size, arrays)) <= FEW)
        programs = self.programs.setdefault(traced.jaxpr, {})
        if str(options) not in programs:
            programs[str(options)] = _program(traced.lower(), options)
        return programs[str(options)](*args[self.static :])

    def __get__(self, instance: Any, owner: type) -> Callable[..., Returned]:
        """The method of an instance."""
        return self if instance is None else MethodType(self, instance)


def compiled(
    *, static: int = 0, donated: tuple[int, ...] = ()
) -> Callable[[Callable[..., Returned]], Compiled[Returned]]:
    """A decorator for functions of arrays that take long to compile; arguments go by place.

    Args:
        static: How many of the first arguments are hashable settings and not arrays.
        donated: Places of arguments whose memory the result may take.
    """
    return lambda function: Compiled(function, static, donated)


def _on_one_cpu() -> bool:
    one = jax.default_backend() == "cpu" and jax.device_count() == 1
    return one and not CONFIG.jax_disable_jit


def _options(*, few: bool) -> dict[str, Any]:
    """What to tell the compiler where the user has not told it otherwise."""
    told = os.environ.get("XLA_FLAGS", "")
    if CONFIG.values[UNOPTIMIZED] or any(option in told for option in (LEVEL, *QUICKLY)):
        return {}
    return {LEVEL: OPTIMIZED} | (QUICKLY if few else {})


def _program(lowered: jax.stages.Lowered, options: dict[str, Any]) -> Callable[..., Any]:
    """The program from disk, or compiled and kept."""
    own = CONFIG.jax_compilation_cache_dir or not CONFIG.jax_enable_compilation_cache
    if own:
        return _made(lowered, options)
    key = _key(lowered, options)
    found = _found(key, lowered)
    if found is not None:
        return found
    made = _made(lowered, options)
    try:
        program = serialize(made)[0]
    except Exception:  # of what kind is JAX's to say; what cannot be kept is made again
        return made
    keep_program(key, program)
    return made


def _made(lowered: jax.stages.Lowered, options: dict[str, Any]) -> jax.stages.Compiled:
    """Compiled as told, or as JAX does it where it knows an option no more."""
    try:
        return lowered.compile(options)
    except jax.errors.JaxRuntimeError:
        return lowered.compile()


def _found(key: str, lowered: jax.stages.Lowered) -> Callable[..., Any] | None:
    program = read_program(key)
    if program is None:
        return None
    try:
        return deserialize_and_load(program, lowered.in_tree, lowered.out_tree)
    except Exception:  # as above: whole, and yet not what this JAX can load
        forget_program(key)
        return None


def _key(lowered: jax.stages.Lowered, options: dict[str, Any]) -> str:
    parts = [
        jax.__version__,
        version("jaxlib"),
        _processor(),
        os.environ.get("XLA_FLAGS", ""),
        str(CONFIG.values[UNOPTIMIZED]),
        str(options),
        lowered.as_text(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def _processor() -> str:
    """What the processor can do, for a folder that several machines share."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.node()}"
    telling = "model name", "flags", "Features", "CPU part"
    return "\n".join(sorted({line for line in lines if line.startswith(telling)}))
