"""A function run in a process that has many devices: JAX counts them when it begins, once."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import jax

CHILD = (
    "import importlib, pickle, sys; module, name = sys.argv[1:]; "
    "given = pickle.load(sys.stdin.buffer); "
    "found = getattr(importlib.import_module(module), name)(*given); "
    "sys.stdout.buffer.write(pickle.dumps(found))"
)
COUNT = "--xla_force_host_platform_device_count"

Found = TypeVar("Found")


def on_devices(count: int, function: Callable[..., Found], *given: Any, flags: str = "") -> Found:
    """What a function of a module finds where JAX has so many devices; it prints nothing.

    To start a process and its JAX takes a second: one for all cases of a module. None is started
    where this one has as many processors for devices.
    """
    if jax.default_backend() == "cpu" and jax.device_count() == count and not flags:
        return function(*given)
    all_flags = f"{os.environ.get('XLA_FLAGS', '')} {flags} {COUNT}={count}"
    child = {
        "XLA_FLAGS": all_flags,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, function.__module__, function.__name__],
        env={**os.environ, **child},
        input=pickle.dumps(given),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)
