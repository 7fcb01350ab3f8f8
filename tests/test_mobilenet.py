"""MobileNet v1: published sizes, depthwise convolutions by other means, topologies that learn."""

from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from scipy.signal import correlate2d
from stacks import value

from topokit.networks import (
    DepthwiseConv2d,
    SparseConv2d,
    SparseLinear,
    clos_with,
    kernels,
    load_digits,
    mobilenet_v1,
    n_parameters,
    sparsify,
    train,
)
from topokit.networks._normalized import kaiming_conv

KEY = jax.random.key(0)


def mobilenet(*args, **options):
    return eqx.nn.make_with_state(mobilenet_v1)(*args, key=KEY, **options)


@st.composite
def convolutions(draw):
    """A layer and the shape of an image that it takes."""
    side, padding = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    channels, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    least = max(1, side - 2 * padding)
    sides = draw(st.tuples(*[st.integers(least, least + 5)] * 2))
    layer = DepthwiseConv2d(channels, side, stride=stride, padding=padding, key=KEY)
    return layer, (channels, *sides)


def grouped(weight, images, layer):
    """XLA's convolution in as many groups as channels, of a batch."""
    window = (layer.stride,) * 2, [(layer.padding,) * 2] * 2
    return lax.conv_general_dilated(
        images, weight[:, None], *window, feature_group_count=len(weight)
    )


@given(convolutions())
@settings(max_examples=4)
def test_a_depthwise_convolution_and_its_gradients_equal_those_of_as_many_groups(case) -> None:
    layer, shape = case
    images = jax.random.normal(KEY, (2, *shape))
    other = jax.eval_shape(jax.vmap(layer), images)
    back = jax.random.normal(jax.random.key(1), other.shape)

    def own(weight, images):
        return jax.vmap(eqx.tree_at(lambda m: m.weight, layer, weight))(images)

    def peer(weight, images):
        return grouped(weight, images, layer)

    @jax.jit
    def both(weight, images, back):
        runs = [jax.vjp(run, weight, images) for run in (own, peer)]
        return [(found, *pull(back)) for found, pull in runs]

    for one, two in zip(*both(layer.weight, images, back), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


@given(convolutions())
@settings(max_examples=10)
def test_each_channel_is_correlated_with_its_kernel_alone(case) -> None:
    layer, shape = case
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    padded = np.pad(image, ((0, 0), *[(layer.padding,) * 2] * 2))
    rows = zip(padded, np.asarray(layer.weight), strict=True)
    expected = [
        correlate2d(x, kernel, "valid")[:: layer.stride, :: layer.stride] for x, kernel in rows
    ]
    np.testing.assert_allclose(value(layer, jax.device_put(image)), np.array(expected), atol=2e-5)


def test_a_depthwise_convolution_keeps_the_type_of_numbers() -> None:
    layer = DepthwiseConv2d(3, 3, key=KEY)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), layer)
    assert half(jnp.ones((3, 5, 5), jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 5, 5), "has 3 channels"),
        ((3, 2, 5), r"as large as the kernel, \(3, 3\); given \(2, 5\)"),
        ((3, 5, 2), r"as large as the kernel, \(3, 3\); given \(5, 2\)"),
    ],
    ids=str,
)
def test_an_image_that_does_not_fit_is_refused(shape, words) -> None:
    with pytest.raises(ValueError, match=words):
        DepthwiseConv2d(3, 3, key=KEY)(jnp.ones(shape))


# The paper's table 6, in millions; the numbers of its implementation in Keras.
@pytest.mark.parametrize(
    ("width", "millions", "parameters"),
    [(1.0, 4.2, 4231976), (0.75, 2.6, 2585560), (0.5, 1.3, 1331592), (0.25, 0.5, 470072)],
)
def test_sizes_are_the_published_ones(width, millions, parameters) -> None:
    model, _ = shapes_of((3, 224, 224), 1000, width=width, stem_stride=2)
    assert size(model) == parameters
    assert round(parameters / 1e6, 1) == millions


def shapes_of(*args, **options):
    """The model with shapes in the places of arrays: nothing is drawn."""
    return eqx.filter_eval_shape(mobilenet, *args, **options)


def size(shapes) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(shapes) if hasattr(leaf, "size"))


def test_ten_classes_leave_the_sizes_that_are_documented() -> None:
    model, _ = shapes_of()
    depthwise = [layer for layer in model.layers if isinstance(layer, DepthwiseConv2d)]
    apart = sum(map(size, depthwise)), size(model.layers[-1])
    assert (size(model), *apart) == (3217226, 44640, 10250)
    assert size(model) - sum(apart) == 3162336


@pytest.mark.parametrize(("stem_stride", "last"), [(1, 2), (2, 1)])
def test_images_shrink_as_published(stem_stride, last) -> None:
    model, state = shapes_of(stem_stride=stem_stride)
    model = eqx.nn.inference_mode(eqx.tree_at(lambda m: m.layers, model, model.layers[:-2]))
    found, _ = eqx.filter_eval_shape(lambda m, x, s: m(x, s), model, jnp.ones((3, 32, 32)), state)
    assert found.shape == (1024, last, last)


def test_all_kernels_between_the_first_and_the_last_are_pointwise() -> None:
    model, _ = shapes_of((1, 8, 8), width=0.25)
    widths = kernels(model)
    assert len(widths) == 15
    assert list(widths.values())[:2] == [(9, 8), (8, 16)]
    assert list(widths.values())[-1] == (256, 10)
    inner = list(widths.values())[1:-1]
    assert all(left[1] == right[0] for left, right in pairwise(inner))


def test_first_weights_have_the_variance_of_kaiming() -> None:
    for conv in (
        kaiming_conv(32, 64, 1, 1, KEY),
        kaiming_conv(3, 64, 3, 2, KEY),
        DepthwiseConv2d(64, 3, key=KEY),
    ):
        fan_in = conv.weight[0].size
        assert 0.85 < jnp.var(conv.weight) * fan_in / 2 < 1.15


def test_topologies_in_the_pointwise_layers_learn() -> None:
    model, state = mobilenet((1, 8, 8))
    inner = list(kernels(model).items())[1:-1]
    chosen = {name: clos_with(0.5)(*widths) for name, widths in inner}
    wired = sparsify(model, chosen, key=KEY)
    assert sum(isinstance(layer, SparseConv2d) for layer in wired.layers) == 13
    assert not isinstance(wired.layers[-1], SparseLinear)
    assert n_parameters(wired) < 0.6 * n_parameters(model)
    start, pool = wired.layers[:9], wired.layers[-2]  # up to the first block, which compiles soon
    short = eqx.nn.Sequential([*start, pool, eqx.nn.Linear(64, 10, key=KEY)])
    adam = optax.adam(1e-2)
    run = train(short, load_digits(), optimizer=adam, state=state, epochs=3)
    assert run.test.accuracy > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (64,)}, "channels, height, width"),
        ({"shape": (0, 8, 8)}, r"shape\[0\] must be"),
        ({"width": 2.0}, "width"),
        ({"width": 0}, r"width must be a number in \(0, 1\]"),
        ({"n_classes": 0}, "n_classes"),
        ({"stem_stride": 0}, "stem_stride"),
    ],
)
def test_arguments_that_cannot_be_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        mobilenet(**options)
