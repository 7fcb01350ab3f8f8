"""Convolutional networks without their dead parts answer the same, and their arrays are smaller."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stacks import relu, sparse, value

import topokit as tk
from topokit import networks
from topokit.networks import PatchConv2d, PickedChannels, Residual, shrink

KEY = jax.random.key(0)
CONVS = (eqx.nn.Conv, networks.DepthwiseConv2d)


def grouped() -> eqx.nn.Sequential:
    """Convolutions in groups, padded and not, in another padding mode, in a nested sequence."""
    keys = jax.random.split(KEY, 5)
    conv = eqx.nn.Conv2d
    inner = [conv(8, 12, 3, groups=4, key=keys[1]), relu, eqx.nn.MaxPool2d(2, 2)]
    return eqx.nn.Sequential(
        [
            *(conv(2, 8, 3, padding=1, groups=2, key=keys[0]), eqx.nn.Lambda(jax.nn.softplus)),
            *(eqx.nn.Sequential(inner), eqx.nn.Dropout(inference=True)),
            *(conv(12, 6, 3, padding=1, padding_mode="CIRCULAR", key=keys[2]), relu),
            *(eqx.nn.Lambda(lambda x: x.reshape(-1)), eqx.nn.Linear(6 * 9, 5, key=keys[3])),
            eqx.nn.Lambda(jax.nn.softmax),
        ]
    )


def projected() -> eqx.nn.Sequential:
    """Blocks of other shortcuts, one in another, vectors and sparse layers behind."""
    keys = jax.random.split(KEY, 8)
    conv, t = eqx.nn.Conv2d, tk.topologies
    norm = eqx.nn.BatchNorm(6, axis_name="batch", mode="ema")
    shortcut = eqx.nn.Sequential([conv(4, 6, 1, 2, key=keys[1]), norm])
    middle = Residual(conv(6, 6, 1, key=keys[5]))
    body = [conv(4, 5, 3, 2, padding=1, key=keys[2]), relu, conv(5, 6, 1, key=keys[3]), middle]
    patches = networks.SparseConv2d(
        sparse(t.random_regular.layers([6 * 4, 5], 7, seed=0), 3), (2, 2), (1, 1), ((1, 0), (0, 1))
    )
    return eqx.nn.Sequential(
        [
            *(conv(3, 4, 3, padding="SAME", key=keys[0]), relu),
            *(Residual(eqx.nn.Sequential(body), shortcut), relu, patches, relu),
            eqx.nn.Lambda(jnp.ravel),
            *(sparse(t.random_regular.layers([80, 8, 7], 4, seed=1), 5), relu),
            *(Residual(eqx.nn.Linear(7, 7, key=keys[6])), eqx.nn.Linear(7, 3, key=keys[7])),
        ]
    )


def mobilenet() -> eqx.nn.Sequential:
    """The first four blocks, behind which signals fade away where means are not learned."""
    whole = networks.mobilenet_v1((3, 8, 8), 4, width=0.25, key=KEY)
    return eqx.nn.Sequential([*whole.layers[:27], whole.layers[-2], eqx.nn.Linear(64, 4, key=KEY)])


MODELS = {
    "lenet5": ((1, 28, 28), lambda: networks.lenet5(key=KEY)),
    "convnet": ((3, 16, 16), lambda: networks.convnet((3, 16, 16), key=KEY)),
    "mobilenet": ((3, 8, 8), mobilenet),
    "resnet20": ((3, 8, 8), lambda: networks.resnet20((3, 8, 8), 4, width=0.5, key=KEY)),
    "grouped": ((2, 8, 8), grouped),
    "projected": ((3, 8, 8), projected),
}


@functools.cache
def built(name: str) -> tuple[Any, Any]:
    """A model in use, and a state whose variances are drawn at random."""
    model, state = eqx.nn.make_with_state(MODELS[name][1])()
    rng = np.random.default_rng(3)

    def drawn(leaf: Any) -> Any:
        if leaf.dtype == bool:
            return leaf
        scale = rng.uniform(0.5, 2, leaf.shape) if leaf.ndim else 1
        return (leaf * scale + (leaf.ndim == 0) * 1000).astype(leaf.dtype)

    return eqx.nn.inference_mode(model), jax.tree.map(drawn, state)


def thinned(model: Any, share: float, *, quiet: bool) -> Any:
    """Filters, channels and shapes of zeros at random; with `quiet`, of no bias behind them."""
    rng = np.random.default_rng(1)

    def gone(n: int) -> np.ndarray:
        return rng.random(n) < share

    def thin(node: Any) -> Any:
        if isinstance(node, eqx.nn.BatchNorm):
            quieted = jnp.where(gone(node.input_size), -3.0, jnp.asarray(node.bias))
            return eqx.tree_at(lambda n: n.bias, node, quieted) if quiet else node
        if not isinstance(node, (*CONVS, eqx.nn.Linear)) or len(node.weight) < 5:
            return node
        weight, dead = np.array(node.weight), gone(len(node.weight))
        weight[dead] = 0
        if weight.ndim == 4:
            weight[:, gone(weight.shape[1])] = 0
            weight[:, rng.random(weight.shape[1:]) < share] = 0
        node = eqx.tree_at(lambda n: n.weight, node, jax.device_put(weight))
        if quiet and getattr(node, "bias", None) is not None:
            column = dead.reshape(-1, *[1] * (node.bias.ndim - 1))
            node = eqx.tree_at(lambda n: n.bias, node, jnp.where(column, 0.0, node.bias))
        return node

    kinds = (*CONVS, eqx.nn.Linear, eqx.nn.BatchNorm)
    return jax.tree.map(thin, model, is_leaf=lambda node: isinstance(node, kinds))


@eqx.filter_jit
def answers(model: Any, state: Any, x: Any) -> Any:
    return jax.vmap(lambda each: model(each, state)[0], axis_name="batch")(x)


def examples(name: str) -> Any:
    return jax.random.normal(jax.random.key(7), (4, *MODELS[name][0]))


@pytest.mark.parametrize(
    ("name", "quiet"),
    [
        *((name, True) for name in MODELS),
        ("lenet5", False),
        ("grouped", False),
        ("projected", False),
    ],
)
def test_a_smaller_network_answers_the_same(name: str, quiet: bool) -> None:
    model, state = built(name)
    model = thinned(model, 0.2, quiet=quiet)
    small, after = shrink(model, state)
    x = examples(name)
    expected = answers(model, state, x)
    np.testing.assert_allclose(answers(small, after, x), expected, atol=1e-5, rtol=1e-5)
    assert float(jnp.ptp(expected, 0).max()) > 1e-3, "not all are the same"
    before, now = map(networks.n_parameters, (model, small))
    assert now < (0.9 if quiet else 1.0) * before
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(s)) for s in (state, after)]
    assert sizes[1] <= sizes[0]
    again, _ = shrink(small, after)
    assert networks.n_parameters(again) == now, "one pass takes all"


@pytest.mark.parametrize("name", MODELS)
def test_a_network_without_dead_parts_stays_as_it_is(name: str) -> None:
    model, state = built(name)
    small, after = shrink(model, state)
    assert jax.tree.structure(eqx.filter(small, eqx.is_inexact_array)) == jax.tree.structure(
        eqx.filter(model, eqx.is_inexact_array)
    )
    leaves = [jax.tree.leaves(eqx.filter(part, eqx.is_array)) for part in (model, small)]
    for old, new in zip(*leaves, strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(*map(jax.tree.leaves, (state, after)), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_body_of_zeros_leaves_its_block() -> None:
    """The depth: what the body puts out is a constant, and goes with the shortcut."""
    keys = jax.random.split(KEY, 3)
    dead = eqx.nn.Conv2d(4, 4, 3, padding=1, key=keys[0])
    dead = eqx.tree_at(lambda c: c.weight, dead, jnp.zeros_like(dead.weight))
    body = eqx.nn.Sequential([eqx.nn.Conv2d(4, 4, 1, key=keys[1]), relu, dead])
    last = eqx.nn.Conv2d(4, 2, 3, padding=1, key=keys[2])
    model = eqx.nn.Sequential([eqx.nn.Conv2d(3, 4, 3, key=KEY), Residual(body), relu, last])
    small: Any = shrink(model)
    assert small.layers[1].body is None
    assert isinstance(small.layers[1].shortcut, PickedChannels)
    assert list(networks.kernels(small)) == ["layers.0", "layers.3"]
    x = jax.random.normal(KEY, (3, 6, 6))
    np.testing.assert_allclose(value(small, x), value(model, x), atol=1e-5)
    silent = eqx.tree_at(lambda m: m.layers[1].body.layers[2].bias, model, jnp.zeros((4, 1, 1)))
    assert shrink(silent).layers[1].shortcut is None


def normalized() -> eqx.nn.Sequential:
    """Convolutions with padding, and batch normalization between and behind them."""
    layers: list[Any] = []
    for n, m, key in zip((1, 6, 6), (6, 6, 2), jax.random.split(KEY, 3), strict=True):
        norm = eqx.nn.BatchNorm(m, axis_name="batch", mode="ema")
        layers += [eqx.nn.Conv2d(n, m, 3, padding=1, key=key), norm, relu]
    return eqx.nn.Sequential(layers)


def test_a_weight_of_0_of_a_normalization_hears_nothing() -> None:
    """The filter before it may have to stay, for its bias; what it alone listens to goes."""
    made: Any = eqx.nn.make_with_state(normalized)()
    model, state = made
    conv, norm = model.layers[3:5]
    model = eqx.tree_at(
        lambda m: (m.layers[3].weight, m.layers[4].weight, m.layers[4].bias),
        eqx.nn.inference_mode(model),
        (conv.weight.at[3:, :2].set(0), norm.weight.at[:3].set(0), norm.bias + 1),
    )
    small, after = shrink(model, state)
    assert [len(small.layers[place].weight) for place in (0, 3, 6)] == [4, 6, 2]
    x = jax.random.normal(KEY, (2, 1, 6, 6))
    expected = answers(model, state, x)
    np.testing.assert_allclose(answers(small, after, x), expected, atol=1e-5)
    again, _ = shrink(small, after)
    assert networks.n_parameters(again) == networks.n_parameters(small)


def test_a_model_that_has_its_first_state_too_keeps_the_present_one() -> None:
    model = thinned(eqx.nn.inference_mode(normalized()), 0.3, quiet=True)
    state = jax.tree.map(lambda v: v if v.dtype == bool else v + 1, eqx.nn.State(model))
    x = jax.random.normal(KEY, (2, 1, 6, 6))
    expected = answers(model, state, x)
    small, after = shrink(model, state)
    np.testing.assert_allclose(answers(small, after, x), expected, atol=1e-5)


def test_a_body_of_zeros_that_gives_the_sum_its_pixels_stays() -> None:
    keys = jax.random.split(KEY, 3)
    dead = eqx.nn.Conv2d(3, 4, 3, padding=1, key=keys[0])
    dead = eqx.tree_at(lambda c: c.weight, dead, jnp.zeros_like(dead.weight))
    body = [eqx.nn.Conv2d(4, 3, 3, padding=1, key=keys[1]), relu, dead]
    mean = eqx.nn.Lambda(lambda x: x.mean((1, 2), keepdims=True))
    last = eqx.nn.Conv2d(4, 2, 3, padding=1, key=keys[2])
    block = Residual(eqx.nn.Sequential(body), mean)
    model = eqx.nn.Sequential([eqx.nn.Conv2d(3, 4, 3, key=KEY), block, relu, last])
    small: Any = shrink(model)
    assert networks.n_parameters(small) < networks.n_parameters(model)
    x = jax.random.normal(KEY, (3, 6, 6))
    np.testing.assert_allclose(value(small, x), value(model, x), atol=1e-5)
    again = shrink(small)
    assert networks.n_parameters(again) == networks.n_parameters(small)


def convolution(**options: Any) -> Any:
    conv = eqx.nn.Conv2d(3, 4, 5, **options, key=KEY)
    inside = conv.weight.at[:, :, :1].set(0).at[..., 4:].set(0).at[..., :1].set(0)
    return eqx.tree_at(lambda c: c.weight, conv, inside)


@pytest.mark.parametrize("options", [{"padding": 2}, {"padding": 1, "stride": 2}, {"padding": 3}])
def test_a_border_of_zeros_leaves_the_kernel(options: dict[str, Any]) -> None:
    model = eqx.nn.Sequential([convolution(**options)])
    (small,) = shrink(model, patches=2.0).layers
    assert small.kernel_size == (4, 3)
    x = jax.random.normal(KEY, (3, 9, 10))
    np.testing.assert_allclose(value(small, x), value(model, x), atol=1e-5)


def test_a_border_without_padding_stays() -> None:
    (small,) = shrink(eqx.nn.Sequential([convolution()]), patches=2.0).layers
    assert small.kernel_size == (5, 5)


@pytest.mark.parametrize("padding", [((-1, -1), (-1, 2)), ((2, -2), (0, 1))])
def test_padding_that_takes_pixels_away_stays(padding: Any) -> None:
    model = eqx.nn.Sequential([convolution(padding=padding)])
    (small,) = shrink(model, patches=0.1).layers
    assert (small.kernel_size, small.padding) == ((5, 5), padding)
    x = jax.random.normal(KEY, (3, 9, 10))
    np.testing.assert_allclose(value(small, x), value(model, x), atol=1e-5)


def test_zeros_that_are_taken_away_are_no_border() -> None:
    second = eqx.nn.Conv2d(8, 2, 3, padding=((-1, 0), (0, -1)), key=KEY)
    model = eqx.nn.Sequential([with_constants(), second])
    small = shrink(model)
    assert len(small.layers[0].weight) == 2
    x = jax.random.normal(KEY, (1, 7, 7))
    np.testing.assert_allclose(value(small, x), value(model, x), atol=1e-5)


def test_shapes_that_no_filter_weighs_leave_the_patch() -> None:
    conv = convolution(stride=2, padding=1)
    live = np.random.default_rng(0).random((3, 5, 5)) < 0.4
    conv = eqx.tree_at(lambda c: c.weight, conv, jnp.where(live, conv.weight, 0))
    model = eqx.nn.Sequential([conv])
    small: Any = shrink(model).layers[0]
    n_live = int((np.asarray(conv.weight) != 0).any(0).sum())
    assert isinstance(small, PatchConv2d)
    assert small.weight.shape == (4, n_live)
    x = jax.random.normal(KEY, (3, 9, 10))
    np.testing.assert_allclose(value(small, x), value(model, x), atol=1e-5)
    assert isinstance(shrink(model, patches=1.0).layers[0], eqx.nn.Conv2d)
    slopes = [jax.jit(jax.grad(lambda v, m=m: jnp.sin(m(v)).sum()))(x) for m in (small, conv)]
    np.testing.assert_allclose(*slopes, atol=1e-5)


def test_what_was_found_is_a_topology() -> None:
    """Of patches too: its edges are the weights that are left, and it can be trained afresh."""
    conv = convolution(padding=2)
    live = np.random.default_rng(0).random((3, 5, 5)) < 0.4
    conv = eqx.tree_at(lambda c: c.weight, conv, jnp.where(live, conv.weight, 0))
    small = shrink(eqx.nn.Sequential([conv, relu]))
    (found,) = networks.kernel_topologies(small).values()
    assert found.n_edges == (np.asarray(conv.weight) != 0).sum()
    assert found.n_edges == small.layers[0].weight.size
    assert tk.degrees_of_freedom(found) == found.n_edges
    assert networks.kernels(small) == {"layers.0": (found.n_in, 4)}
    fresh = networks.sparsify(small, {"layers.0": found}, key=KEY)
    layer = fresh.layers[0]
    matrix = small.layers[0].matrix().T
    bias = small.layers[0].bias.ravel()
    same = eqx.tree_at(lambda c: c.linear, layer, layer.linear.with_weights([matrix], bias))
    x = jax.random.normal(KEY, (3, 7, 7))
    np.testing.assert_allclose(value(same, x), value(small.layers[0], x), atol=1e-5)


def test_a_constant_before_zeros_of_padding_stays_and_one_of_0_goes() -> None:
    for shift, kept in ((0.0, 5), (1.0, 8)):
        first = eqx.nn.Conv2d(2, 8, 3, key=KEY)
        weight, bias = first.weight.at[:3].set(0), jnp.asarray(first.bias).at[:3].set(shift)
        first = eqx.tree_at(lambda c: (c.weight, c.bias), first, (weight, bias))
        second = eqx.nn.Conv2d(8, 2, 3, padding=1, key=jax.random.key(1))
        model = eqx.nn.Sequential([first, relu, second])
        small = shrink(model)
        assert len(small.layers[0].weight) == kept
        x = jax.random.normal(KEY, (2, 6, 6))
        np.testing.assert_allclose(value(small, x), value(model, x), atol=1e-5)


def with_constants() -> eqx.nn.Conv2d:
    """Three filters of zeros with biases that are none, three of zeros alone, two others."""
    conv = eqx.nn.Conv2d(1, 8, 3, padding=1, key=KEY)
    bias = jnp.arange(1.0, 9.0).at[3:6].set(0).reshape(8, 1, 1)
    return eqx.tree_at(lambda c: (c.weight, c.bias), conv, (conv.weight.at[:6].set(0), bias))


def pixels(function: Any) -> eqx.nn.Lambda:
    return eqx.nn.Lambda(lambda x: function(x.reshape(len(x), -1)).reshape(x.shape))


POOL = eqx.nn.AvgPool2d
BY_SIZE = {
    "sum": (eqx.nn.Lambda(lambda x: x.sum((1, 2))), 14),
    "length": (eqx.nn.Lambda(lambda x: x.sum(1) / x.shape[2]), 14),
    "part": (POOL(2, 2, use_ceil=True), 7),
    "norm": (pixels(lambda x: x / (1e-6 + jnp.linalg.norm(x, axis=1, keepdims=True))), 6),
    "even": (eqx.nn.Lambda(lambda x: x.reshape(len(x), -1, 4).sum(1)), 6),
}
ALIKE = {
    "mean": (eqx.nn.Lambda(lambda x: x.mean((1, 2))), 14),
    "whole": (POOL(2, 2), 7),
    "large": (POOL(16, 16), 16),
    "crop": (eqx.nn.Lambda(lambda x: x[:, 8:24, 8:24]), 26),
}


@pytest.mark.parametrize("name", [*BY_SIZE, *ALIKE])
def test_a_constant_is_one_in_images_of_every_size(name: str) -> None:
    """Where it is not it stays, unless it is 0 of 0; where it is it goes."""
    function, side = (BY_SIZE | ALIKE)[name]
    x = jax.random.normal(KEY, (1, side, side))
    layers = [with_constants(), function, eqx.nn.Lambda(jnp.ravel)]
    n = eqx.filter_eval_shape(eqx.nn.Sequential(layers), x).size
    model = eqx.nn.Sequential([*layers, eqx.nn.Linear(n, 3, key=KEY)])
    small = shrink(model)
    assert len(small.layers[0].weight) == (5 if name in BY_SIZE else 2)
    np.testing.assert_allclose(value(small, x), value(model, x), rtol=1e-4, atol=1e-4)


def conv(n_in: int = 3, n_out: int = 3) -> eqx.nn.Conv2d:
    return eqx.nn.Conv2d(n_in, n_out, 3, key=KEY)


def linear(n_in: int) -> eqx.nn.Linear:
    return eqx.nn.Linear(n_in, 3, key=KEY)


FACTORED = networks.svd(rank=1)(linear(3))
repeated = eqx.nn.Lambda(lambda x: jnp.repeat(x, 2, 0))


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            [conv(), eqx.nn.Lambda(lambda x: jax.nn.softmax(x, 0)), conv()],
            "layer 1 .* each channel by itself",
        ),
        ([conv(), eqx.nn.LayerNorm((3, 6, 6)), conv()], "layer 1 .* each channel by itself"),
        ([conv(), eqx.nn.PReLU(0.2), conv()], "layer 1 .* each channel by itself"),
        (
            [conv(), eqx.nn.Lambda(lambda x: x * jnp.minimum(1, 99 / jnp.linalg.norm(x))), conv()],
            "layer 1 .* each channel by itself",
        ),
        ([conv(), eqx.nn.Lambda(lambda x: x[::-1]), conv()], "layer 1 .* each channel by itself"),
        ([conv(), conv(4)], "layer 0 of the model has 3 outputs, but layer 1 takes 4"),
        ([conv(), eqx.nn.Lambda(jnp.ravel), eqx.nn.Linear(7, 2, key=KEY)], "layer 2 takes 7"),
        (
            [conv(), eqx.nn.BatchNorm(3, axis_name="batch", mode="batch"), conv()],
            r"give it, as in shrink\(model, state\)",
        ),
        ([relu], "no SparseLinear, equinox.nn.Linear or convolution among its layers$"),
        ([linear(4), FACTORED, linear(4)], "layer 1.1 of the model has 3 outputs, .* 2 takes 4"),
        ([conv(), repeated, conv(6)], "layer 1 .* each channel by itself and keep their number"),
        ([conv(), Residual(conv(3, 4)), conv(4)], "the body of layer 1 has 4 channels, .* has 3"),
        (
            [
                Residual(
                    eqx.nn.Sequential([conv(), eqx.nn.Shared(conv(), lambda c: c, lambda c: c)])
                )
            ],
            r"layer 0.body.1 of the model",
        ),
    ],
)
def test_what_is_not_known_is_refused(layers: list[Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){said}"):
        shrink(eqx.nn.Sequential(layers))


def test_a_normalization_behind_a_flatten_is_named() -> None:
    def build() -> eqx.nn.Sequential:
        norm = eqx.nn.BatchNorm(3 * 36, axis_name="batch", mode="ema")
        return eqx.nn.Sequential([conv(), eqx.nn.Lambda(jnp.ravel), norm, linear(3 * 36)])

    said = "layer 2 of the model is a batch normalization of 108 numbers behind a flatten, 36 of"
    with pytest.raises(ValueError, match=said):
        shrink(*eqx.nn.make_with_state(build)())


def test_patches_are_a_share() -> None:
    with pytest.raises(ValueError, match="patches must be a number"):
        shrink(eqx.nn.Sequential([conv()]), patches=float("nan"))
