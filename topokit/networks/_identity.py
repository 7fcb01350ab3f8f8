"""What two trainings must have in common to be the same one.

Digests of all numbers, of what the model prints as, which says the types and rates of its layers,
and of the code of its functions, which print alike when they are lambdas.
"""

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from topokit.networks._dataset import Dataset

ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def identity(model: Any, data: Dataset, **settings: Any) -> dict[str, Any]:
    """Digests of a model and of the data that it learns, and the settings as they are."""
    printed = [eqx.tree_pformat(model), *map(_describe, _functions(model))]
    return {
        "model": _digest(eqx.filter(model, eqx.is_array)),
        "structure": hashlib.sha256(ADDRESS.sub("", "\n".join(printed)).encode()).hexdigest(),
        "data": _digest(tuple(data[:4])),
        **settings,
    }


def is_key(leaf: Any) -> bool:
    """Whether an array is one of random keys, of which numpy knows nothing."""
    return eqx.is_array(leaf) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _digest(tree: PyTree) -> str:
    """A hash of all arrays of a tree, with their types and shapes."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        array = np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _functions(node: Any) -> Iterator[FunctionType]:
    """All Python functions in the fields of a model, in their order."""
    if isinstance(node, eqx.Module):
        for field in dataclasses.fields(node):
            yield from _functions(getattr(node, field.name, None))
    elif isinstance(node, list | tuple):
        for part in node:
            yield from _functions(part)
    elif isinstance(node, dict):
        yield from _functions(list(node.values()))
    elif isinstance(node, partial):
        yield from _functions([node.func, *node.args, *node.keywords.values()])
    elif isinstance(node, FunctionType):
        yield node
    elif hasattr(node, "__wrapped__"):  # as of jax.jit
        yield from _functions(node.__wrapped__)


def _describe(value: Any) -> str:
    """What a value is, the same in every process; of unknown things only their type."""
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes():
            return repr(value)
        case list() | tuple():
            return f"({', '.join(map(_describe, value))})"
        case set() | frozenset():
            return f"{{{', '.join(sorted(map(_describe, value)))}}}"
        case CodeType():
            return _describe((value.co_code, value.co_names, value.co_consts))
        case FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            return _describe((value.__code__, value.__defaults__, cells))
        case np.ndarray() | jax.Array():
            return _digest(value)
    return type(value).__qualname__
