"""The runtime type checker of the tests: an int may stand for a float, as in PEP 484.

In each test the first calls of every function are checked. Laws that hold of hundreds of networks
call some functions a hundred thousand times, and to check them all took two thirds of their time.
What checks a function is compiled at its first call, for no process calls them all. A function
inside another is defined anew at each call of that one, and is the same one here.
"""

import inspect
import sys
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from beartype import BeartypeConf, beartype

CALLS = 30  # of a function in a test; jaxtyping asks twice, for arguments and for the result
_strict = beartype(conf=BeartypeConf(is_pep484_tower=True))
_checks: dict[tuple[str, ...], Callable] = {}
_n_calls: Counter[tuple[str, ...]] = Counter()
_passed: list[Any] = []


def begin_test() -> None:
    """Check the first calls again."""
    _n_calls.clear()
    while _passed:
        del vars(_passed.pop())["__no_type_check__"]


def checked(signature: Callable) -> Callable:
    """The checks of a function alone: jaxtyping calls them beside the function itself."""
    key = signature.__module__, signature.__qualname__, repr(inspect.get_annotations(signature))

    @wraps(signature)
    def first_calls(*args, **kwargs):
        _n_calls[key] += 1
        if _n_calls[key] <= CALLS:
            if key not in _checks:
                _checks[key] = _strict(signature)
            return _checks[key](*args, **kwargs)
        if _n_calls[key] == CALLS + 1:
            _pass(signature)
        return None

    return first_calls


def _pass(signature: Callable) -> None:
    """Tell jaxtyping to call the function of this name at once, where there is one by the name."""
    found: Any = sys.modules.get(signature.__module__)
    for name in signature.__qualname__.split("."):
        found = inspect.getattr_static(found, name, None)
        found = getattr(found, "__func__", getattr(found, "fget", found))
    function = inspect.unwrap(found) if callable(found) else None
    if inspect.isfunction(function) and not hasattr(function, "__no_type_check__"):
        vars(function)["__no_type_check__"] = True
        _passed.append(function)
