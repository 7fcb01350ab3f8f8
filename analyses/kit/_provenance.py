"""Where numbers come from: version, commit, packages, machine, date and settings."""

import ast
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

import topokit as tk
from analyses.kit._clock import n_cores

ROOT = Path(__file__).parents[2]
PACKAGES = ("jax", "numpy", "scipy", "networkx", "optax", "equinox")
COMMIT = "ANALYSES_COMMIT"
PEERS = ("torch", "pyfaust", "python-flint")
# Constants with these names do not decide about numbers.
APART = ("QUICK", "STYLE", "STUDY")


def provenance(module: ModuleType) -> dict[str, Any]:
    """All that a kept result says of itself, as of now."""
    return {
        "version": tk.__version__,
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "packages": _packages(),
        "machine": _machine(),
        "recorded": "by the run",
        "settings": settings(module),
    }


def settings(module: ModuleType) -> dict[str, Any]:
    """The constants of a script, and of the modules of analyses that it imports, as JSON has them.

    Those are the names in capitals that its text assigns to.
    """
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                _add(found, module, [name])
            case ast.Assign(targets=[ast.Tuple(elts=elements)]):
                _add(found, module, [e.id for e in elements if isinstance(e, ast.Name)])
            case ast.ImportFrom(module=str(origin)) if (
                "analyses." in origin and "kit" not in origin
            ):
                found |= settings(import_module(origin))
    return found


def _is_helper(origin: str) -> bool:
    """Whether a module stands beside the scripts for some of them alone."""
    return re.fullmatch(r"analyses(\.benchmarks)?\._\w+", origin) is not None


def _add(found: dict[str, Any], module: ModuleType, names: list[str]) -> None:
    chosen = [n for n in names if n.isupper() and not n.startswith(APART)]
    found |= {name: plain(getattr(module, name)) for name in chosen}


def plain(value: Any) -> Any:
    """A constant as JSON has it: functions by their names, numbers to twelve digits."""
    match value:
        case bool() | int() | str() | None:
            return value
        case float() | np.floating():
            return float(f"{value:.12g}")
        case Path():
            return value.name
        case Mapping() if all(map(callable, value.values())):
            return [str(key) for key in value]
        case Mapping():
            return {str(key): plain(part) for key, part in value.items()}
        case tuple() if names := getattr(value, "_fields", None):
            return plain(dict(zip(names, value, strict=True)))
        case tuple() | list() | np.ndarray() | range():
            return [plain(part) for part in value]
        case slice():
            return [value.start, value.stop, value.step]
    return getattr(value, "__name__", type(value).__name__)


def _commit() -> str | None:
    """The commit of this code, and whether anything has changed since.

    A machine that has the files without their history is told by a variable.
    """
    try:
        head = _git("rev-parse", "HEAD").strip()
        changed = _git("status", "--porcelain", "--", "topokit", "analyses/*.py")
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get(COMMIT)
    return f"{head}, changed" if changed else head


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
    )
    return done.stdout


def _packages() -> dict[str, str | None]:
    """Versions of what computes, and of those that a benchmark compares with."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in (*PACKAGES, *PEERS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found |= {name: None} if name in PACKAGES else {}
    return found


def _machine() -> dict[str, Any]:
    """The processor, the cores that may be used, and the accelerator, if there is one."""
    found: dict[str, Any] = {"cpu": _processor(), "cores": n_cores(), "system": sys.platform}
    if jax.default_backend() != "cpu":
        found["accelerator"] = jax.devices()[0].device_kind
    return found


def _processor() -> str:
    """Its name by the system, which Python does not know on Linux."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
