"""What of a value another process can compare, as text: a line for it and for each of its parts.

Arrays count by their type, shape and hash, plain values by what they print as, functions and
classes by the module and the name under which they are found there, and what is made of such by its
parts: containers, dataclasses (Equinox modules among them), partials, bound methods, compiled
functions, registered pytrees. The code behind a name is not looked into. Everything else, such as a
lambda, a closure, and optimizers, which are made of closures, has nothing that another process
could compare, and is not guessed at.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, partial, reduce
from types import MethodType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))

Parts = Iterable[tuple[str, Any]]


def comparable_lines(name: str, value: Any) -> Iterator[tuple[str, str | None, Any]]:
    """A name, a text, None if there is none, and the value itself, for it and all its parts.

    Args:
        name: What the value is called; a part's name goes on from it, as in `model.layers[1]`.
        value: Anything.
    """
    text, parts = _split(value)
    yield name, text, value
    for place, part in parts:
        yield from comparable_lines(name + place, part)


def is_array(value: Any) -> bool:
    """Whether a value is an array of numpy or of JAX."""
    return isinstance(value, np.ndarray | jax.Array)


def is_key(leaf: Any) -> bool:
    """Whether an array is one of random keys, of which numpy knows nothing."""
    return is_array(leaf) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def name_of(value: Any) -> str | None:
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


def _split(node: Any) -> tuple[str | None, Parts]:
    """What a value is, None if that cannot be told, and its parts with their places in it."""
    kind = name_of(type(node))
    match node:
        case np.generic():
            return f"{node.dtype} {node.item()!r}", ()
        case _ if is_array(node):
            return _digest(node), ()
        case _ if type(node) in PLAIN or isinstance(node, np.dtype | range):
            return repr(node), ()
        case Enum():
            return kind and f"{kind}.{node.name}", ()
        case _ if named := name_of(node):
            return named, ()
        case partial():
            keywords = [(f".keywords[{key!r}]", part) for key, part in node.keywords.items()]
            return kind, [(".func", node.func), *_places(node.args, ".args"), *keywords]
        case MethodType():
            return "method", [(".__func__", node.__func__), (".__self__", node.__self__)]
        case _ if _is_compiled(node):
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


def _is_compiled(node: Any) -> bool:
    """Whether JAX or Equinox compiled a function; who has not imported Equinox has none of its."""
    return type(node) in _compiled_types(sys.modules.get("equinox"))


@cache
def _compiled_types(equinox: Any) -> tuple[type, ...]:
    compilers = [jax.jit] if equinox is None else [jax.jit, equinox.filter_jit]
    return tuple(type(compiler(len)) for compiler in compilers)


def _places(values: Iterable[Any], name: str = "") -> Parts:
    return [(f"{name}[{place}]", value) for place, value in enumerate(values)]


def _attributes(node: Any) -> Parts:
    """The fields that are set, and whatever else has been put on a dataclass."""
    names = dict.fromkeys([*(field.name for field in fields(node)), *getattr(node, "__dict__", ())])
    return [(f".{name}", getattr(node, name)) for name in names if hasattr(node, name)]


def _digest(array: Any) -> str | None:
    plain = np.asarray(jax.random.key_data(array) if is_key(array) else array)
    if plain.dtype.hasobject:
        return None
    content = hashlib.blake2b(np.ascontiguousarray(plain).tobytes(), digest_size=16)
    return f"{array.dtype} {array.shape} {content.hexdigest()}"
