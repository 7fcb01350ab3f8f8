"""What decides a training, as text: a line for each part, the same in every process.

Arrays count by their type, shape and hash, plain values by what they print as, functions and
classes by the module and the name under which they are found there, and what is made of such by its
parts: containers, dataclasses (Equinox modules among them), partials, bound methods, compiled
functions, registered pytrees. The code behind a name is not looked into. Everything else, such as a
lambda, a closure, and optimizers, which are made of closures, has nothing that another process
could compare. It is not guessed at: the caller states what it is.
"""

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial, reduce
from itertools import takewhile
from types import MethodType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from topokit._records import brief

PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))
COMPILED = (type(jax.jit(len)), type(eqx.filter_jit(len)))

# Where a name goes on to a part: before a dot or a bracket.
STEP = r"(?=[.\[])"

Parts = Iterable[tuple[str, Any]]


def fingerprint(settings: Mapping[str, Any], **parts: Any) -> dict[str, str]:
    """Every part by its name, such as `model.layers[1].weight`, with what can be compared of it.

    Args:
        settings: What the caller states, by the name of what it stands for, or by that of anything
            that this is a part of: `{"optimizer": ["adam", 3e-3]}`. The values are themselves such
            as can be compared.
        **parts: All that decides a training, under the names to tell of it by.

    Raises:
        ValueError: If something cannot be compared and is not stated.
    """
    if not isinstance(settings, Mapping):
        raise ValueError(
            "settings must be a dict of plain values by the names of what they stand for, such as "
            f"{{'optimizer': ['adam', 0.003]}}; given {brief(settings)}"
        )
    found = [line for name, part in parts.items() for line in _lines(name, part)]
    places: dict[int, list[str]] = {}  # of one thing, which need be stated at one of them alone
    for name, text, node in found:
        if text is None:
            places.setdefault(id(node), []).append(name)
    unstated = [
        names[0]
        for names in places.values()
        if not any(_lies_in(name, whole) for name in names for whole in settings)
    ]
    if unstated:
        named = {name for name, _, _ in found}
        raise ValueError(_to_state(unstated, [name for name in settings if name not in named]))
    stated = list(_lines("settings", _plainly(dict(settings))))
    opaque = [name for name, text, _ in stated if text is None]
    if opaque:
        raise ValueError(
            f"{opaque[0]} must be a number, a text, an array, or a list or dict of such, which "
            "another process can compare"
        )
    return {name: text for name, text, _ in found + stated if text is not None}


def _to_state(unstated: list[str], strange: list[str]) -> str:
    """What to state, with what stands in the settings and is the name of nothing."""
    by_root: dict[str, list[list[str]]] = {}
    for name in unstated:
        steps = re.split(STEP, name)
        by_root.setdefault(steps[0], []).append(steps)
    values = ", ".join(f"{''.join(_common(names))!r}: ..." for names in by_root.values())
    missed = f" (the settings given for {', '.join(map(repr, strange))} name no part of it)"
    return (
        f"a checkpoint cannot tell {', '.join(unstated)} from others like it"
        f"{missed if strange else ''}: state what decides it by plain values, "
        f"settings={{{values}}}, such as {{'optimizer': ['adam', 0.003]}}; or use functions that "
        "a module names"
    )


def _common(names: list[list[str]]) -> list[str]:
    """What several names begin with."""
    same = takewhile(lambda steps: len({*steps}) == 1, zip(*names, strict=False))
    return [steps[0] for steps in same]


def _plainly(value: Any) -> Any:
    """A setting, equal for equal values: numbers of numpy and tuples as plain ones and lists."""
    match value:
        case dict():
            return {key: _plainly(part) for key, part in value.items()}
        case tuple() | list() if not hasattr(value, "_fields"):
            return [_plainly(part) for part in value]
        case np.generic():
            return value.item()
    return value


def is_key(leaf: Any) -> bool:
    """Whether an array is one of random keys, of which numpy knows nothing."""
    return eqx.is_array(leaf) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _lies_in(name: str, whole: str) -> bool:
    return name == whole or name.startswith((f"{whole}.", f"{whole}["))


def _lines(name: str, node: Any) -> Iterator[tuple[str, str | None, Any]]:
    """A name, a text, None if there is none, and the value itself, for it and all its parts."""
    text, parts = _split(node)
    yield name, text, node
    for place, part in parts:
        yield from _lines(name + place, part)


def _split(node: Any) -> tuple[str | None, Parts]:
    """What a value is, None if that cannot be told, and its parts with their places in it."""
    kind = _named(type(node))
    match node:
        case _ if eqx.is_array(node):
            return _digest(node), ()
        case _ if type(node) in PLAIN or isinstance(node, np.dtype | range):
            return repr(node), ()
        case Enum():
            return kind and f"{kind}.{node.name}", ()
        case _ if named := _named(node):
            return named, ()
        case partial():
            keywords = [(f".keywords[{key!r}]", part) for key, part in node.keywords.items()]
            return kind, [(".func", node.func), *_places(node.args, ".args"), *keywords]
        case MethodType():
            return "method", [(".__func__", node.__func__), (".__self__", node.__self__)]
        case _ if type(node) in COMPILED:
            return "compiled", [(".__wrapped__", node.__wrapped__)]
        case tuple() if hasattr(node, "_fields"):
            names = getattr(node, "_fields", ())
            return kind, [(f".{field}", getattr(node, field)) for field in names]
        case _ if type(node) in (list, tuple):
            return f"{kind} of {len(node)}", _places(node)
        case _ if type(node) is dict:
            plain = all(type(key) in PLAIN for key in node)
            parts = [(f"[{key!r}]", part) for key, part in node.items()]
            return (f"{kind} of {len(node)}" if plain else None), parts
        case _ if is_dataclass(node):
            return kind, _attributes(node)
    return _split_registered(node, kind)


def _split_registered(node: Any, kind: str | None) -> tuple[str | None, Parts]:
    """The same of what JAX has been told how to take apart."""
    flat = jax.tree_util.default_registry.flatten_one_level(node)
    if flat is None:
        return None, ()
    children, static = flat
    return kind, [*_places(children), (".static", static)]


def _places(values: Iterable[Any], name: str = "") -> Parts:
    return [(f"{name}[{place}]", value) for place, value in enumerate(values)]


def _attributes(node: Any) -> Parts:
    """The fields that are set, and whatever else has been put on a dataclass."""
    names = dict.fromkeys([*(field.name for field in fields(node)), *getattr(node, "__dict__", ())])
    return [(f".{name}", getattr(node, name)) for name in names if hasattr(node, name)]


def _named(value: Any) -> str | None:
    """Where a function or a class is found, if it is found there again."""
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    try:
        found = reduce(getattr, name.split("."), sys.modules[module])
    except (KeyError, AttributeError):
        return None
    return f"{module}.{name}" if found is value else None


def _digest(array: Any) -> str | None:
    plain = np.asarray(jax.random.key_data(array) if is_key(array) else array)
    if plain.dtype.hasobject:
        return None
    content = hashlib.blake2b(np.ascontiguousarray(plain).tobytes(), digest_size=16)
    return f"{array.dtype} {array.shape} {content.hexdigest()}"
