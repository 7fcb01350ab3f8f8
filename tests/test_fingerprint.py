"""What a checkpoint compares: each difference is told and named, or its statement is asked for."""

import dataclasses
import enum
import functools
import json
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from topokit.networks import clos_with, mlp, sparsify
from topokit.networks._fingerprint import fingerprint


def double(x):
    return 2 * x


def halve(x, by=2):
    return x / by


class Scale(eqx.Module):
    by: float

    def __call__(self, x, *, key=None):  # noqa: ARG002
        return self.by * x

    def apply(self, x):
        return self.by * x


class Shift(eqx.Module):
    by: float

    def __call__(self, x, *, key=None):  # noqa: ARG002
        return self.by + x


class Static(eqx.Module):
    by: Any = eqx.field(static=True)


@dataclasses.dataclass
class Plain:
    by: float

    def apply(self, x):
        return self.by * x


class Loose:
    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, x):
        return self.by * x

    def apply(self, x):
        return self.by * x


class Pair(NamedTuple):
    by: float


class Color(enum.Enum):
    RED = 1
    BLUE = 2


def with_more(by: float) -> Plain:
    made = Plain(1.0)
    made.more = by  # pyright: ignore
    return made


def injected(rate: float) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.sgd)(rate)


def begun(optimizer: optax.GradientTransformation) -> Any:
    return optimizer.init(jnp.zeros(2))


KEY = jax.random.key
# Each kind of thing twice, with one difference.
KNOWN: dict[str, tuple[Any, Any]] = {
    "arrays": (jnp.arange(3.0), jnp.array([0.0, 1.0, 2.5])),
    "types of arrays": (jnp.zeros(3, jnp.float32), jnp.zeros(3, jnp.int32)),
    "half types": (jnp.zeros(4, jnp.float16), jnp.zeros(4, jnp.bfloat16)),
    "shapes": (np.zeros((2, 3)), np.zeros((3, 2))),
    "keys": (KEY(0), KEY(1)),
    "kinds of keys": (KEY(0), jax.random.key(0, impl="rbg")),
    "numbers": (1, 2),
    "types of numbers": (1, 1.0),
    "truths": (True, 1),
    "signs of zero": (0.0, -0.0),
    "texts": ("a", "b"),
    "texts and bytes": ("a", b"a"),
    "types": (jnp.float32, jnp.bfloat16),
    "dtypes": (np.dtype("f4"), np.dtype("f8")),
    "enums": (Color.RED, Color.BLUE),
    "functions": (double, halve),
    "functions of JAX": (jax.nn.relu, jax.nn.tanh),
    "builtins": (abs, len),
    "compiled functions": (jax.jit(double), jax.jit(halve)),
    "compiled and not": (jax.jit(double), double),
    "compiled by Equinox": (eqx.filter_jit(double), eqx.filter_jit(halve)),
    "compiled partials": (jax.jit(functools.partial(halve, by=2)), jax.jit(halve)),
    "partials": (functools.partial(halve, by=2), functools.partial(halve, by=3)),
    "places of arguments": (functools.partial(halve, 2), functools.partial(halve, by=2)),
    "partials over objects": (
        functools.partial(double, Plain(1)),
        functools.partial(double, Plain(100)),
    ),
    "partial trees": (jax.tree_util.Partial(halve, by=2), functools.partial(halve, by=2)),
    "methods": (Plain(1.0).apply, Plain(100.0).apply),
    "methods of modules": (Scale(1.0).apply, Scale(100.0).apply),
    "modules": (Scale(1.0), Scale(100.0)),
    "classes of the same fields": (Scale(1.0), Shift(1.0)),
    "modules and dataclasses": (Scale(1.0), Plain(1.0)),
    "static fields": (Static(1.0), Static(100.0)),
    "static functions": (Static(double), Static(halve)),
    "dataclasses": (Plain(1.0), Plain(100.0)),
    "attributes beside the fields": (with_more(1.0), with_more(100.0)),
    "named tuples": (Pair(1.0), Pair(100.0)),
    "tuples with and without names": (Pair(1.0), (1.0,)),
    "lists": ([1, 2], [2, 1]),
    "lists and tuples": ([1, 2], (1, 2)),
    "lengths": ([], [None]),
    "nesting": ([[1], 2], [[1, 2]]),
    "keys of dicts": ({"a": 1}, {"b": 1}),
    "types of keys": ({1: 1}, {"1": 1}),
    "registered trees": (OrderedDict(a=1), OrderedDict(b=1)),
    "functions of layers": (eqx.nn.Lambda(jax.nn.relu), eqx.nn.Lambda(jax.nn.gelu)),
    "layers of the same arrays": (eqx.nn.Dropout(0.1), eqx.nn.Dropout(0.2)),
    "hyperparameters": (begun(injected(0.1)), begun(injected(0.2))),
    "states of optimizers": (begun(optax.adam(1)), begun(optax.lion(1))),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_each_difference_has_a_name(kind: str) -> None:
    one, other = (fingerprint({}, part=part) for part in KNOWN[kind])
    assert fingerprint({}, part=KNOWN[kind][0]) == one
    assert any(one.get(name) != other.get(name) for name in one | other)
    assert all(name.split(".")[0].split("[")[0] in ("part", "settings") for name in one)


def closure(inner: Any) -> Callable:
    return lambda x: inner(x)


def wrapped(by: float) -> Callable:
    @functools.wraps(double)
    def scaled(x):
        return by * x

    return scaled


class Local:
    @staticmethod
    def made():
        class Inside(eqx.Module):
            by: float

        return Inside(1.0)


# What no other process can compare, and where it is.
UNKNOWN: dict[str, tuple[Any, str]] = {
    "a lambda": (lambda x: x, "part"),
    "a closure over an object": (closure(Scale(1.0)), "part"),
    "a closure in the clothes of another function": (wrapped(3.0), "part"),
    "a closure in a layer": ([eqx.nn.Lambda(closure(Scale(1.0)))], "part[0].fn"),
    "a compiled closure": (jax.jit(closure(Scale(1.0))), "part.__wrapped__"),
    "a partial of a closure": (functools.partial(closure(1), 2), "part.func"),
    "a partial over an object": (functools.partial(map, Loose(1.0)), "part.args[0]"),
    "a mapped function": (jax.vmap(double), "part"),
    "an object": (Loose(1.0), "part"),
    "a method of an object": (Loose(1.0).apply, "part.__self__"),
    "a method of a list": ([].append, "part"),
    "a static object": (Static(Loose(1.0)), "part.by"),
    "a class of a function": (Local.made(), "part"),
    "an array of objects": (np.array([object()]), "part"),
    "an iterator": (iter([1]), "part"),
    "a generator": (np.random.default_rng(0), "part"),
    "an optimizer": (optax.adam(1e-3), "part.init, part.update"),
    "a schedule": (optax.cosine_decay_schedule(1e-3, 10), "part"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_cannot_be_compared_has_to_be_stated(kind: str) -> None:
    part, place = UNKNOWN[kind]
    with pytest.raises(ValueError, match="cannot tell") as error:
        fingerprint({}, part=part)
    assert f"cannot tell {place} from others" in str(error.value)
    asked = "part" if "," in place else place
    assert f"settings={{{asked!r}: ...}}" in str(error.value)
    with pytest.raises(ValueError, match="cannot tell"):
        fingerprint({"par": 1, "part.other": 1}, part=part)
    one, other = (fingerprint({"part": by}, part=part) for by in (1.0, 100.0))
    assert {name for name in one if one[name] != other[name]} == {"settings['part']"}
    assert fingerprint(dict.fromkeys(place.split(", "), 1), part=part)


def test_a_statement_is_itself_comparable() -> None:
    with pytest.raises(ValueError, match=r"settings\['loss'\]\[0\] must be a number, a text"):
        fingerprint({"loss": [lambda x: x]})


SCRIPT = """
import json, sys
sys.path.insert(0, {folder!r})
from test_fingerprint import model_of
print(json.dumps(model_of()))
"""


def model_of() -> dict[str, str]:
    key = jax.random.key(0)
    layers = sparsify(mlp((1, 8, 8), [32, 20], 10, key=key), clos_with(0.5), key=key).layers
    model = eqx.nn.Sequential([*layers, Scale(2.0), eqx.nn.Lambda(functools.partial(halve, by=3))])
    adam = optax.adam(1e-3)
    started = adam.init(eqx.filter(model, eqx.is_inexact_array))
    known = {kind: pair[0] for kind, pair in KNOWN.items()}
    settings = {"optimizer": ["adam", 1e-3], "why": "because"}
    return fingerprint(settings, model=model, state=None, optimizer=adam, begun=started, all=known)


def test_another_process_finds_the_same() -> None:
    folder = __file__.rsplit("/", 1)[0]
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(folder=folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": other},
    )
    assert json.loads(done.stdout) == model_of()


def test_equal_settings_count_as_equal_however_they_are_written() -> None:
    ways = [
        {"rate": 0.5, "steps": [1, 2]},
        {"rate": np.float64(0.5), "steps": (1, np.int64(2))},
        OrderedDict(rate=np.float32(0.5), steps=(np.int32(1), 2)),
    ]
    found = [fingerprint(way, seed=0) for way in ways]
    assert found[0] == found[1] == found[2]
    assert found[0] != fingerprint({"rate": 0.5, "steps": [1, 3]}, seed=0)


def test_one_thing_at_several_places_is_stated_once() -> None:
    loose = Static(lambda x: x)
    both = {"model": [loose, 1], "state": (loose,)}
    with pytest.raises(ValueError, match=r"cannot tell model\[0\]\.by from"):
        fingerprint({}, **both)
    assert fingerprint({"state": "same"}, **both) == fingerprint({"state": "same"}, **both)
    other = {"model": [loose, 1], "state": (Static(lambda x: x),)}
    with pytest.raises(ValueError, match=r"cannot tell model\[0\]\.by from"):
        fingerprint({"state": "same"}, **other)
