"""Networks made smaller in training: how they train, what is left of them, and how fast that is.

A network is a model of `topokit.networks` with its state, if it has one; its layers of weights are
found by sending an example through, by their names in the model, which `shrink` and `decompose`
leave as they are. It trains with its convolutions as products of patches, and counts, whole or
layer by layer, in the faster of both forms. Times are processor seconds of a prediction of a batch,
all in turn many times over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import prod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from analyses._learning import load, train
from analyses._product_convolutions import as_convolutions, as_products
from analyses.kit import Clock, busy, mean, race, standard_error
from topokit import networks

AT_ONCE, POINT = 100, 0.01  # images of a prediction; accuracy that a strength may cost


class Network(NamedTuple):
    """A model, and its state if it has one."""

    model: Any
    state: Any = None


class Result(NamedTuple):
    """A network that came out, how, and the same one in sparse layers."""

    kind: str
    strength: float | None
    validation_accuracy: float
    accuracy: float
    network: Network
    sparse: Network | None = None


class Part(NamedTuple):
    """A layer of weights, and the shapes of what goes in and comes out."""

    layer: Any
    shape: tuple[int, ...]
    out: tuple[int, ...]

    @property
    def factors(self) -> list["Part"]:
        """The layers that it is made of: one, or those of a product."""
        if not isinstance(self.layer, networks.FactoredLayer):
            return [self]
        return [*parts_of(Network(eqx.nn.Sequential(self.layer.layers)), self.shape).values()]

    @property
    def work(self) -> int:
        """Multiplications by weights that are not 0."""
        return sum(int((f.layer.weight != 0).sum()) * prod(f.out[1:]) for f in self.factors)


@cache
def images(name: str, count: int, *, side: int) -> networks.Dataset:
    """So many images to learn from, their numbers of mean 0 and variance 1.

    They are of means over pixels where they are larger than a side.
    """
    data = load(name, held_out=True)
    factor = max(1, data.shape[-1] // side)
    few = data.train_x[:count]
    middle, spread = few.mean(), few.std()

    def pooled(x: np.ndarray) -> np.ndarray:
        *first, height, width = x.shape
        blocks = (*first, height // factor, factor, width // factor, factor)
        return (x.reshape(blocks).mean((-3, -1)) - middle) / spread

    others = {each: pooled(getattr(data, each)) for each in ("validation_x", "test_x")}
    return replace(data, train_x=pooled(few), train_y=data.train_y[:count], **others)


def start(make: Callable[..., Any], data: networks.Dataset, seed: int) -> Network:
    """A fresh network for images of some data."""
    key = jax.random.key(seed)
    model, state = eqx.nn.make_with_state(make)(data.shape, data.n_classes, key=key)
    return Network(model, state if model.is_stateful() else None)


def fit(
    network: Network,
    data: networks.Dataset,
    optimizer: optax.GradientTransformation,
    *,
    epochs: int,
    batch: int,
    seed: int,
) -> Network:
    """Train in the form of products, and give the convolutions back; judged it is apart."""
    if not epochs:
        return network
    model, state = as_products(network.model), network.state
    others = ("validation_x", "validation_y", "test_x", "test_y")
    own = replace(data, **{name: getattr(data, name)[:1] for name in others})
    done = train(model, own, optimizer, epochs=epochs, batch=batch, seed=seed, state=state)
    return Network(as_convolutions(done.model), done.state)


def judged(kind: str, strength: float | None, network: Network, data: networks.Dataset) -> Result:
    """A network with its accuracies."""
    model = as_products(network.model)
    held_out, test = (
        round(networks.evaluate(model, x, y, state=network.state).accuracy, 5)
        for x, y in ((data.validation_x, data.validation_y), (data.test_x, data.test_y))
    )
    return Result(kind, strength, held_out, test, network)


def parts_of(network: Network, shape: tuple[int, ...]) -> dict[str, Part]:
    """The layers of weights by their names, in the order in which an example goes through."""
    seen: dict[str, Part] = {}

    def watched(path: Any, layer: Any) -> Any:
        def call(x: jax.Array, *, key: Any = None) -> jax.Array:
            del key
            y = layer(x)
            seen[name] = Part(layer, x.shape, y.shape)
            return y

        name = jax.tree_util.keystr(path, simple=True, separator=".")
        return call if _has_weights(layer) else layer

    model = eqx.nn.inference_mode(network.model)
    model = jax.tree_util.tree_map_with_path(watched, model, is_leaf=_has_weights)
    example = jax.ShapeDtypeStruct(shape, jnp.float32)
    eqx.filter_eval_shape(lambda x: _output(Network(model, network.state), x), example)
    return seen


def _has_weights(node: Any) -> bool:
    own = eqx.nn.Conv2d | eqx.nn.Linear | networks.FactoredLayer | networks.PatchConv2d
    return isinstance(node, own | networks.SparseConv2d | networks.SparseLinear)


def convolutions(network: Network, shape: tuple[int, ...]) -> list[str]:
    """Names of the layers that look at images."""
    return [name for name, part in parts_of(network, shape).items() if len(part.shape) == 3]


def sizes(network: Network, shape: tuple[int, ...]) -> dict[str, int]:
    """Parameters that are not 0, multiplications, and numbers that go into layers but the first."""
    weights = jax.tree.leaves(eqx.filter(network.model, eqx.is_inexact_array))
    parts = [part for each in parts_of(network, shape).values() for part in each.factors]
    return {
        "memory": sum(int((weight != 0).sum()) for weight in weights),
        "work": sum(part.work for part in parts),
        "sent": sum(prod(part.shape) for part in parts[1:]),
    }


def rows_of(
    results: Sequence[Result],
    data: networks.Dataset,
    *,
    repeats: int,
    slot: float,
    layers: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """A row for each network, and in it one for each of some layers; the whole one comes first.

    Sizes are shares of the whole one's, speeds how many times less time than it a network takes.
    """
    x, shape = jnp.asarray(data.test_x[:AT_ONCE]), data.shape
    given = {f"{n}": (result.network, x) for n, result in enumerate(results)}
    given |= {f"{n} sparse": (r.sparse, x) for n, r in enumerate(results) if r.sparse is not None}
    times = fastest(given, repeats=repeats, slot=slot)
    of_layers = _layer_rows(results, shape, layers, repeats=repeats, slot=slot / 4)
    whole, rows = sizes(results[0].network, shape), []
    for n, (result, own) in enumerate(zip(results, of_layers, strict=True)):
        row = dict(list(result._asdict().items())[:4])
        found = sizes(result.network, shape)
        row |= {name: round(found[name] / whole[name], 4) for name in whole}
        row["speedup"] = times_faster(times["0"], times[f"{n}"])
        if result.sparse is not None:
            row["speedup_sparse"] = times_faster(times["0"], times[f"{n} sparse"])
        rows.append(row | {"layers": own})
    return rows


def _layer_rows(
    results: Sequence[Result],
    shape: tuple[int, ...],
    layers: Sequence[str],
    *,
    repeats: int,
    slot: float,
) -> list[list[dict[str, Any]]]:
    """For each network what some of its layers have lost, and how fast they are."""
    found = [parts_of(result.network, shape) for result in results]
    forms = {f"{n}": own for n, own in enumerate(found)}
    forms |= {f"{n} sparse": parts_of(r.sparse, shape) for n, r in enumerate(results) if r.sparse}
    there = {
        f"{form} {name}": (Network(own[name].layer), jnp.ones((AT_ONCE, *own[name].shape)))
        for form, own in forms.items()
        for name in layers
        if name in own
    }
    times = fastest(there, repeats=repeats, slot=slot) if there else {}

    def row(n: int, name: str) -> dict[str, Any]:
        whole, part = found[0][name], found[n].get(name)
        told = {"layer": name} | lost(whole, part)
        if part is None:
            return told | {"work": 0.0}
        told["work"] = round(part.work / whole.work, 4)
        told["speedup"] = times_faster(times[f"0 {name}"], times[f"{n} {name}"])
        if results[n].sparse is not None:
            sparse = times[f"{n} sparse {name}"]
            told["speedup_sparse"] = times_faster(times[f"0 {name}"], sparse)
        return told

    return [[row(n, name) for name in layers] for n in range(len(results))]


def lost(whole: Part, part: Part | None) -> dict[str, float | None]:
    """Shares of the filters, shapes and weights of a layer that are gone; none if it is factored.

    A shape is an entry of the patch that the whole layer sees.
    """
    if part is None:
        return dict.fromkeys(("filters", "shapes", "weights"), 1.0)
    if isinstance(part.layer, networks.FactoredLayer):
        return dict.fromkeys(("filters", "shapes", "weights"))
    n_filters, entries = len(whole.layer.weight), prod(whole.layer.weight.shape[1:])
    matrix = np.asarray(part.layer.weight).reshape(len(part.layer.weight), -1) != 0
    left = {
        "filters": matrix.any(1).sum() / n_filters,
        "shapes": matrix.any(0).sum() / entries,
        "weights": matrix.sum() / (n_filters * entries),
    }
    return {name: round(1 - float(share), 4) for name, share in left.items()}


def fastest(
    given: Mapping[str, tuple[Network, jax.Array]], *, repeats: int, slot: float
) -> dict[str, np.ndarray]:
    """Times of each network, or layer, at its batch, in the faster of its forms."""
    clocks = {
        f"{name}, {form}": _clock(network._replace(model=model), x)
        for name, (network, x) in given.items()
        for form, model in _forms(network.model).items()
    }
    times = race(clocks, repeats, slot)
    return {
        name: min((times[f"{name}, {form}"] for form in _forms(network.model)), key=np.median)
        for name, (network, _) in given.items()
    }


def _forms(model: Any) -> dict[str, Any]:
    """With convolutions of XLA, and with products of patches where that is another program."""
    forms = {"convolutions": as_convolutions(model), "products": as_products(model)}
    one, other = map(jax.tree.structure, forms.values())
    return {"convolutions": model} if one == other else forms


def _clock(network: Network, x: jax.Array) -> Clock:
    network = eqx.nn.inference_mode(network)
    arrays, static = eqx.partition(network, eqx.is_array)
    leaves, structure = jax.tree.flatten(static)
    call = _compiled(tuple(leaves), structure)

    def run(calls: int) -> None:
        for _ in range(calls):
            jax.block_until_ready(call(arrays, x))

    return lambda calls: busy(lambda: run(calls))[0]


@cache
def _compiled(leaves: tuple[Any, ...], structure: Any) -> Callable[..., Any]:
    """Predictions of all networks that differ in arrays alone."""
    static = jax.tree.unflatten(structure, leaves)

    def predict(arrays: Any, x: jax.Array) -> jax.Array:
        return jax.vmap(lambda one: _output(eqx.combine(arrays, static), one))(x)

    return jax.jit(predict)


def _output(network: Network, x: jax.Array) -> jax.Array:
    model, state = network
    return model(x) if state is None else model(x, state)[0]


def times_faster(first: np.ndarray, second: np.ndarray) -> float:
    """How many times less time the second takes, in the median."""
    return round(float(np.median(first / second)), 3)


def means_of(rows: Sequence[dict[str, Any]], *by: str) -> list[dict[str, Any]]:
    """Means and standard errors of all numbers over what has the same values in some fields.

    A number that one of the rows does not have is None.
    """
    names = dict.fromkeys(
        name
        for row in rows
        for name, value in row.items()
        if isinstance(value, int | float) and name not in (*by, "seed")
    )
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return [dict(zip(by, key, strict=True)) | _mean_of(own, names) for key, own in groups.items()]


def _mean_of(rows: Sequence[dict[str, Any]], names: Any) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        told = [value for value in values if value is not None]
        whole = len(told) == len(values)
        found[name] = mean(told) if whole else None
        found[f"{name}_error"] = standard_error(told) if whole else None
    return found


def by_layer(rows: Sequence[dict[str, Any]], *by: str) -> list[dict[str, Any]]:
    """The same of the layers of all rows, each for itself."""
    layers = [{name: row[name] for name in by} | layer for row in rows for layer in row["layers"]]
    return means_of(layers, *by, "layer")


def chosen(rows: Sequence[dict[str, Any]], whole: dict[str, Any]) -> dict[str, Any]:
    """The strongest of some means at most a point below the whole on images held out.

    The weakest if none is.
    """
    least = whole["validation_accuracy"] - POINT
    good = [row for row in rows if row["validation_accuracy"] >= least]
    if not good:
        return min(rows, key=lambda row: row["strength"])
    return max(good, key=lambda row: row["strength"])
