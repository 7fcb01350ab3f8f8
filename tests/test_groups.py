"""Families of groups: which weights share one, by definition, and what the two forms do to them."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize
from stacks import sparse

import topokit as tk
from topokit import networks
from topokit.networks import (
    block_groups,
    channel_groups,
    filter_groups,
    group_lasso,
    group_lasso_gradient,
    layer_groups,
    position_groups,
    shape_groups,
)
from topokit.networks._group_lasso import make_penalty, proximal_step

KEY = jax.random.key(0)
RATE = 0.1


def sparse_conv() -> networks.SparseConv2d:
    topology = tk.topologies.random_regular.layers([3 * 4, 6], 5, seed=0)
    return networks.SparseConv2d(sparse(topology, 3), (2, 2), (1, 1), ((0, 0), (0, 0)))


def patch_conv() -> networks.PatchConv2d:
    weight = jax.random.normal(KEY, (4, 5))
    entries, padding = (0, 8, 1, 6, 11), ((0, 0), (0, 0))
    return networks.PatchConv2d(weight, jnp.ones((4, 1, 1)), entries, 3, (2, 2), (1, 1), padding)


LAYERS: dict[str, Any] = {
    "dense": eqx.nn.Linear(5, 4, key=KEY),
    "convolution": eqx.nn.Conv2d(3, 4, (2, 3), key=KEY),
    "in groups": eqx.nn.Conv2d(4, 6, 2, groups=2, key=KEY),
    "depthwise": networks.DepthwiseConv2d(3, 2, key=KEY),
    "sparse": sparse(tk.topologies.erdos_renyi.layers([6, 5], 0.5, seed=1), 0),
    "sparse convolution": sparse_conv(),
    "patches": patch_conv(),
}


def array_of(layer: Any) -> Any:
    """The one array of weights of a layer, or of a tree like it."""
    layer = layer.linear if isinstance(layer, networks.SparseConv2d) else layer
    return layer.layers[0].weight if isinstance(layer, networks.SparseLinear) else layer.weight


def labels_of(layer: Any) -> list[tuple[int, int, int, int]]:
    """(group of channels, filter, channel, position) of each weight, one by one."""
    if isinstance(layer, networks.SparseConv2d | networks.SparseLinear):
        linear = layer.linear if isinstance(layer, networks.SparseConv2d) else layer
        pixels = 4 if isinstance(layer, networks.SparseConv2d) else 1
        receivers, senders = np.nonzero(networks.to_matrices(linear)[0].T)
        pairs = zip(receivers.tolist(), senders.tolist(), strict=True)
        return [(0, receiver, *divmod(sender, pixels)) for receiver, sender in pairs]
    if isinstance(layer, networks.PatchConv2d):
        return [(0, n, *divmod(entry, 4)) for n in range(4) for entry in layer.entries]
    weight, found = layer.weight, []
    groups = len(weight) if isinstance(layer, networks.DepthwiseConv2d) else 1
    groups = getattr(layer, "groups", groups)
    for n, *rest in np.ndindex(weight.shape):
        single = isinstance(layer, networks.DepthwiseConv2d)
        channel, place = (0, rest) if single else (rest[0], rest[1:])
        position = int(np.ravel_multi_index(place, weight.shape[-len(place) :])) if place else 0
        found.append((n * groups // len(weight), n, channel, position))
    return found


FAMILIES: dict[str, tuple[Any, Callable[[int, int, int, int], Any]]] = {
    "filters": (filter_groups(), lambda g, n, c, p: n),  # noqa: ARG005
    "channels": (channel_groups(scale=1.0), lambda g, n, c, p: (g, c)),  # noqa: ARG005
    "shapes": (shape_groups(), lambda g, n, c, p: (g, c, p)),  # noqa: ARG005
    "positions": (position_groups(scale=2.0), lambda g, n, c, p: p),  # noqa: ARG005
    "layers": (layer_groups(), lambda g, n, c, p: 0),  # noqa: ARG005
}


def penalized(layer: Any, family: str) -> list[tuple[np.ndarray, float]]:
    """The places of the weights of each group, by definition, and its scale."""
    grouping, key = FAMILIES[family]
    together: dict[Any, list[int]] = {}
    for place, labels in enumerate(labels_of(layer)):
        together.setdefault(key(*labels), []).append(place)
    return [(np.array(places), scale_of(grouping, len(places))) for places in together.values()]


def scale_of(grouping: Any, size: int) -> float:
    """Of a group of so many weights."""
    scale: Any = grouping.scale(size) if callable(grouping.scale) else grouping.scale
    return float(scale)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_norms_after_a_step_are_the_closed_form(kind: str, family: str) -> None:
    model, grouping = eqx.nn.Sequential([LAYERS[kind]]), FAMILIES[family][0]
    before = np.asarray(array_of(LAYERS[kind]), float).ravel()
    if family == "positions" and kind in ("dense", "sparse"):
        with pytest.raises(ValueError, match="no layer with positions"):
            grouping(model)
        return
    norms = [np.linalg.norm(before[own]) / scale for own, scale in penalized(LAYERS[kind], family)]
    strength = 0.7 * float(np.median(norms))
    lasso = group_lasso(model, strength / RATE, learning_rate=RATE, groups=grouping)
    weights = eqx.filter(model, eqx.is_inexact_array)
    still = jax.tree.map(jnp.zeros_like, weights)
    updates, _ = jax.jit(lasso.update)(still, lasso.init(weights), weights)
    after: Any = optax.apply_updates(weights, updates)
    stepped = np.asarray(array_of(after.layers[0])).ravel()
    for own, scale in penalized(LAYERS[kind], family):
        norm = np.linalg.norm(before[own])
        expected = max(0.0, norm - strength * scale)
        assert np.linalg.norm(stepped[own]) == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(stepped[own], before[own] * expected / norm, atol=1e-6)


@pytest.mark.parametrize("kind", ["in groups", "sparse convolution"])
def test_the_published_form_adds_the_gradient_of_the_penalty(kind: str) -> None:
    """Of two families at once, against JAX's gradient of the norms by definition."""
    model = eqx.nn.Sequential([LAYERS[kind]])
    names = ("filters", "shapes")
    added = group_lasso_gradient(model, 0.3, groups=[FAMILIES[name][0] for name in names])
    weights = eqx.filter(model, eqx.is_inexact_array)
    slopes = jax.tree.map(jnp.cos, weights)
    updates: Any = jax.jit(added.update)(slopes, added.init(weights), weights)[0]

    groups = [pair for name in names for pair in penalized(LAYERS[kind], name)]

    def loss(array: Any) -> Any:
        return sum(0.3 * scale * jnp.linalg.norm(array.ravel()[own]) for own, scale in groups)

    weight, layer = array_of(LAYERS[kind]), updates.layers[0]
    expected = jnp.cos(weight) + jax.jit(jax.grad(loss))(weight)
    np.testing.assert_allclose(array_of(layer), expected, atol=1e-6)
    nothing = jax.tree.map(jnp.zeros_like, weights)
    updates = added.update(nothing, added.init(weights), nothing)[0]
    assert not array_of(updates.layers[0]).any(), "0 at 0"


@pytest.mark.parametrize("kind", ["in groups", "sparse convolution"])
def test_steps_follow_the_size_of_weights_as_far_as_numbers_go(kind: str) -> None:
    """To the last bit, for powers of two change none; no strength takes nothing of any size."""
    model = eqx.nn.Sequential([LAYERS[kind]])
    weights = eqx.filter(model, eqx.is_inexact_array)
    still = jax.tree.map(jnp.zeros_like, weights)

    def steps(scale: float, strength: float) -> list[np.ndarray]:
        scaled = jax.tree.map(lambda w: scale * w, weights)
        lasso = group_lasso(model, strength * scale, learning_rate=0.5, groups=filter_groups())
        added = group_lasso_gradient(model, strength, groups=filter_groups())
        rules: list[Any] = [lasso, added]
        found = [rule.update(still, rule.init(scaled), scaled)[0] for rule in rules]
        return [np.asarray(array_of(each.layers[0])) for each in found]

    proximal, gradient = steps(1.0, 0.3)
    assert proximal.any()
    for scale in (2.0**-100, 2.0**100):
        far = steps(scale, 0.3)
        np.testing.assert_array_equal(far[0], scale * proximal)
        np.testing.assert_array_equal(far[1], gradient)
        assert not steps(scale, 0.0)[0].any()


def blocks_by_definition(shape: tuple[int, ...], block: tuple[int, ...]) -> np.ndarray:
    labels = [tuple(i // b for i, b in zip(at, block, strict=True)) for at in np.ndindex(shape)]
    return np.unique(labels, axis=0, return_inverse=True)[1].ravel()


@pytest.mark.parametrize(
    ("kind", "block"), [("in groups", (4, 1, 2, 1)), ("dense", (3, 2)), ("sparse", (2, 4))]
)
def test_blocks_of_any_shape_are_groups(kind: str, block: tuple[int, ...]) -> None:
    layer, model = LAYERS[kind], eqx.nn.Sequential([LAYERS[kind]])
    (groups,) = block_groups({"layers.0": block})(model)
    if kind == "sparse":
        (matrix,) = networks.to_matrices(layer)
        labels = blocks_by_definition(matrix.T.shape, block)[matrix.T.ravel() != 0]
    else:
        labels = blocks_by_definition(layer.weight.shape, block)
    (part,) = groups.parts
    weight = array_of(layer)
    expected = np.bincount(labels, np.asarray(weight).ravel(), len(part.sizes))
    np.testing.assert_allclose(part.sums(weight), expected, atol=1e-6)
    np.testing.assert_array_equal(part.sizes, np.bincount(labels, minlength=len(part.sizes)))
    numbers = jnp.arange(1.0, len(expected) + 1)
    np.testing.assert_array_equal(part.spread(numbers).ravel(), numbers[labels])


def test_a_bias_of_a_filter_and_of_its_normalization_are_in_its_group() -> None:
    build = eqx.nn.make_with_state(networks.mobilenet_v1)
    model, _ = build((1, 8, 8), 3, width=0.25, key=KEY)
    (groups,) = filter_groups(["layers.0"], bias=True)(model)
    assert [part.leaf(model).shape for part in groups.parts] == [(8, 1, 3, 3), (8,)]
    assert groups.parts[1].leaf(model) is model.layers[1].bias
    assert (groups.scales == np.sqrt(9 + 1)).all()
    conv = eqx.nn.Sequential([sparse_conv()])
    (groups,) = filter_groups(bias=True)(conv)
    assert groups.parts[1].leaf(conv) is conv.layers[0].linear.bias


def test_strengths_by_size_are_the_published_ones() -> None:
    """Those of AlexNet's second to fifth convolution: the root of filters of a group / 128."""
    published = {(256, 2): 1, (384, 1): 1.7321, (384, 2): 1.2247, (256, 2, "fifth"): 1}
    for (n, groups, *_), strength in published.items():
        conv = eqx.nn.Conv2d(2, n, 1, groups=groups, key=KEY)
        family = shape_groups(scale=lambda sizes: np.sqrt(sizes / 128))
        (found,) = family(eqx.nn.Sequential([conv]))
        np.testing.assert_allclose(found.scales, strength, atol=5e-5)


def rows_and_columns() -> tuple[eqx.nn.Sequential, list[networks.Grouping]]:
    model = eqx.nn.Sequential([eqx.nn.Linear(4, 3, use_bias=False, key=KEY)])
    return model, [filter_groups(scale=1.0), channel_groups(scale=1.0)]


def both_norms(w: np.ndarray, smooth: float = 0.0) -> float:
    return float(sum(np.sqrt((w**2).sum(axis) + smooth).sum() for axis in (0, 1)))


@pytest.mark.parametrize("threshold", [0.1, 0.35, 3.0])
def test_overlapping_families_are_stepped_together(threshold: float) -> None:
    """The operator of the sum, by a general solver; one family after the other is another one."""
    model, families = rows_and_columns()
    penalty = make_penalty(model, families)
    target = np.asarray(model.layers[0].weight, float) * [[3], [1], [0.3]] * [2, 1, 1, 0.2]

    def cost(flat: np.ndarray, smooth: float = 0.0) -> float:
        w = flat.reshape(3, 4)
        return float(np.sum((w - target) ** 2) / 2 + threshold * both_norms(w, smooth))

    def step(sweeps: int) -> np.ndarray:
        (found,) = proximal_step(penalty, [jnp.asarray(target, jnp.float32)], threshold, sweeps)
        return np.asarray(found, float)

    found = minimize(
        lambda w: cost(w, 1e-10), target.ravel(), method="BFGS", options={"gtol": 1e-7}
    )
    ended = step(200).ravel()
    np.testing.assert_allclose(ended, found.x, atol=1e-3)
    assert cost(ended) <= cost(found.x) + 1e-6
    assert cost(ended) < cost(step(1).ravel()) - 1e-5 or threshold == 3.0
    assert not step(10).any() or threshold < 3.0


def test_descent_with_overlapping_families_ends_where_a_convex_solver_does() -> None:
    """Regression in which rows and columns of the matrix vanish at the known minimum."""
    rng = np.random.default_rng(1)
    x, true = rng.standard_normal((50, 4)), np.zeros((3, 4))
    true[:2, :2] = rng.standard_normal((2, 2)) + 1
    goal, strength = x @ true.T + 0.1 * rng.standard_normal((50, 3)), 0.2

    def cost(flat: np.ndarray, smooth: float = 0.0) -> float:
        w = flat.reshape(3, 4)
        return float(np.sum((x @ w.T - goal) ** 2) / 100 + strength * both_norms(w, smooth))

    model, families = rows_and_columns()
    lasso = group_lasso(model, strength, learning_rate=RATE, groups=families)
    optimizer = optax.chain(optax.sgd(RATE), lasso)
    weights = eqx.filter(model, eqx.is_inexact_array)

    def loss(m: Any) -> Any:
        return jnp.sum((jnp.asarray(x, jnp.float32) @ m.layers[0].weight.T - goal) ** 2) / 100

    @jax.jit
    def step(_: Any, carry: tuple) -> tuple:
        weights, state = carry
        updates, state = optimizer.update(jax.grad(loss)(weights), state, weights)
        return optax.apply_updates(weights, updates), state

    weights, _ = jax.lax.fori_loop(0, 1000, step, (weights, optimizer.init(weights)))
    own = np.asarray(weights.layers[0].weight, float)
    found = minimize(lambda w: cost(w, 1e-10), np.ones(12), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(own.ravel(), found.x, atol=2e-3)
    assert cost(own.ravel()) <= cost(found.x) + 1e-4
    np.testing.assert_array_equal(own == 0, true == 0)


def test_families_of_one_kind_may_have_other_groups_or_other_layers() -> None:
    model = eqx.nn.Sequential([LAYERS["dense"], LAYERS["in groups"]])
    blocks = [block_groups({"layers.0": sides}) for sides in ((2, 5), (4, 1))]
    assert make_penalty(model, blocks).overlap
    apart = [filter_groups(["layers.0"]), filter_groups(["layers.1"], scale=2.0)]
    assert not make_penalty(model, apart).overlap


def test_a_layer_that_is_named_twice_has_its_groups_once() -> None:
    once, twice = (filter_groups(names)(MODEL) for names in (["layers.0"], ["layers.0"] * 2))
    assert len(once) == len(twice) == 1


def test_small_weights_become_zeros_and_zeros_stay() -> None:
    weights = {"kernel": jnp.array([[0.5, -9e-5], [0.0, 2e-4]]), "bias": jnp.array([0.0, 1.0])}
    steps = {"kernel": jnp.array([[-0.4999, 0.0], [0.1, -1e-5]]), "bias": jnp.array([0.3, -1.0])}
    below, keep = networks.zero_below(2e-4), networks.keep_zeros()
    updates, _ = below.update(steps, below.init(weights), weights)
    after: Any = optax.apply_updates(weights, updates)
    assert after["kernel"].astype(bool).tolist() == [[False, False], [True, False]]
    updates, _ = keep.update(steps, keep.init(weights), weights)
    after = optax.apply_updates(weights, updates)
    assert after["kernel"].astype(bool).tolist() == [[True, True], [False, True]]
    np.testing.assert_allclose(after["bias"], [0.3, 0.0])
    for change in (below, keep):
        with pytest.raises(ValueError, match="params"):
            change.update(steps, change.init(weights))


MODEL = eqx.nn.Sequential([LAYERS["dense"]])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: filter_groups(["layers.7"])(MODEL), "no layer 'layers.7' .* its layers are"),
        (lambda: filter_groups("layers.0"), "layers must be a list of names"),
        (lambda: position_groups(["layers.0"])(MODEL), "layers.0 has one position alone"),
        (lambda: position_groups()(MODEL), "no layer with positions"),
        (lambda: block_groups({"layers.0": (2, 2, 2)})(MODEL), r"has 2 sides.* given \(2, 2, 2\)"),
        (
            lambda: block_groups({"layers.0": (2, 0)}),
            r"shapes\['layers.0'\]\[1\] must be an integer",
        ),
        (lambda: block_groups({}), "shapes must be a dict"),
        (lambda: filter_groups(scale=float("nan")), "scale must be a function"),
        (lambda: filter_groups(scale=lambda sizes: -sizes)(MODEL), "scale must be a function"),
        (lambda: filter_groups(scale=[1.0, 2.0])(MODEL), "one for each of the 4 groups .* given 2"),
        (lambda: group_lasso(MODEL, float("nan"), learning_rate=1.0), "strength must be a number"),
        (lambda: group_lasso_gradient(MODEL, float("nan")), "strength must be a number"),
        (lambda: group_lasso(MODEL, 1.0, learning_rate=1.0, groups=[]), "a family of groups"),
        (lambda: group_lasso(MODEL, 1.0, learning_rate=1.0, sweeps=0), "sweeps must be"),
        (lambda: networks.zero_below(float("nan")), "threshold must be a number"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        make()
    assert "\n" not in str(caught.value)
