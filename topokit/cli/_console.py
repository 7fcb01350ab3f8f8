"""Where tables and numbers go."""

import json
import math
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """A rich console; a pipe is as wide as its longest row, so that no number is cut."""
    console = Console(stderr=stderr, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 400
    return console


def busy(doing: str) -> AbstractContextManager[object]:
    """A sign on a terminal, while something runs, that it does; nothing in a pipe."""
    screen = console(stderr=True)
    return screen.status(f"{doing} ...") if screen.is_terminal else nullcontext()


def print_json(value: Any) -> None:
    """Write one JSON value to standard output."""
    sys.stdout.write(json.dumps(jsonable(value), indent=2, allow_nan=False) + "\n")


def jsonable(value: Any) -> Any:
    """A value as JSON knows it: named tuples as objects, arrays as lists, NaN as null."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def readable(value: Any, digits: int = 4) -> str:
    """A number for a table: integers whole, others to some digits, nothing as a dash."""
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if isinstance(value, float | np.floating) else str(value)
