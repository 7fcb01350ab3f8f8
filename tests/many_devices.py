"""A function run in a process that has many devices: JAX counts them when it begins, once."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

TESTS = Path(__file__).parent
CHILD = (
    "import importlib, pickle, sys; module, name = sys.argv[1:]; "
    "found = getattr(importlib.import_module(module), name)(); "
    "sys.stdout.buffer.write(pickle.dumps(found))"
)
COUNT = "--xla_force_host_platform_device_count"

Found = TypeVar("Found")


def on_devices(count: int, function: Callable[[], Found]) -> Found:
    """What a function of a module finds where JAX has so many devices; it prints nothing.

    To start a process and its JAX takes a second: one for all cases of a module.
    """
    flags = f"{os.environ.get('XLA_FLAGS', '')} {COUNT}={count}"
    paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    child = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, function.__module__, function.__name__],
        env={**os.environ, **child},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)
