"""Layers taken apart: the same functions, the best products, and the topologies that they are."""

import pickle
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from stacks import value

import topokit as tk
from topokit import networks
from topokit.networks import _factored_speed
from topokit.networks._low_rank_forms import METHODS, least_rank, tucker2_factors

KEY = jax.random.key(0)
PAIRS = {"pca": networks.pca, "svd": networks.svd}
FORMS = {**PAIRS, "tucker2": networks.tucker2, "separable": networks.separable}
CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "uneven": {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 2)},
    "reflecting": {"padding": 1, "padding_mode": "REFLECT", "use_bias": False},
    "of the same size": {"padding": "SAME", "stride": 2},
}


def convolution(**how: Any) -> eqx.nn.Conv2d:
    return eqx.nn.Conv2d(4, 6, (3, 2), key=KEY, **how)


def end_to_end(layer: networks.FactoredLayer) -> np.ndarray:
    """The product of the factors, by the topology of a pixel: `(entries, filters)`."""
    graph = networks.to_topology(layer)
    masks = tk.to_masks(graph)
    product = np.eye(len(masks[0]))
    for number, mask in enumerate(masks):
        matrix = np.zeros(mask.shape)
        for sender, receiver in zip(*np.nonzero(mask), strict=True):
            edge = graph.edges[(number, int(sender)), (number + 1, int(receiver))]
            matrix[sender, receiver] = edge["weight"]
        product = product @ matrix
    return product


@pytest.mark.parametrize("form", PAIRS.values(), ids=PAIRS)
def test_a_rank_that_weights_do_not_have_is_no_harm(form: Any) -> None:
    """Two of five rows are not 0: the singular values behind them are 0 exactly."""
    layer = eqx.nn.Linear(6, 5, key=KEY)
    layer = eqx.tree_at(lambda d: d.weight, layer, layer.weight.at[1:4].set(0.0))
    first, last = form(rank=4)(layer).layers
    np.testing.assert_allclose(last.weight @ first.weight, layer.weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("how", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_share_of_1_is_the_same_convolution(form: Any, how: dict[str, Any]) -> None:
    layer, x = convolution(**how), jax.random.normal(KEY, (4, 9, 10))
    apart = form(1.0)(layer)
    np.testing.assert_allclose(value(apart, x), value(layer, x), rtol=1e-4, atol=1e-5)
    assert [part.use_bias for part in apart.layers[:-1]] == [False] * (len(apart.layers) - 1)
    assert apart.layers[-1].use_bias == layer.use_bias


@pytest.mark.parametrize("form", PAIRS.values(), ids=PAIRS)
def test_a_share_of_1_is_the_same_dense_layer_and_convolution_in_groups(form: Any) -> None:
    dense, x = eqx.nn.Linear(7, 5, key=KEY), jax.random.normal(KEY, (7,))
    np.testing.assert_allclose(form(1.0)(dense)(x), dense(x), rtol=1e-4, atol=1e-5)
    grouped = convolution(groups=2, stride=2)
    image = jax.random.normal(KEY, (4, 9, 10))
    apart = form(1.0)(grouped)
    assert [part.groups for part in apart.layers] == [2, 2]
    np.testing.assert_allclose(apart(image), grouped(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("rank", [1, 3])
def test_no_product_of_that_rank_is_closer(form: Any, rank: int) -> None:
    layer = convolution()
    matrix = np.asarray(layer.weight, float).reshape(6, -1).T
    tail = np.linalg.svd(matrix, compute_uv=False)[rank:]
    error = np.linalg.norm(end_to_end(form(rank=rank)(layer)) - matrix)
    assert error == pytest.approx(np.linalg.norm(tail), rel=1e-5)


def test_the_rank_rule_is_the_published_one() -> None:
    """Least number of eigenvalues of uncentered second moments that hold the share, by hand."""
    filters = np.asarray(eqx.nn.Linear(30, 20, key=KEY).weight, float) + 0.1
    layer = eqx.tree_at(lambda d: d.weight, eqx.nn.Linear(30, 20, key=KEY), jnp.asarray(filters))
    values = np.linalg.eigvalsh(filters @ filters.T)[::-1]
    for share in (0.3, 0.5, 0.8, 0.95, 0.99):
        held, expected = 0.0, 0
        while held < share * values.sum():
            held, expected = held + values[expected], expected + 1
        assert networks.filter_ranks({"one": layer}, share) == {"one": expected}
        error = np.linalg.norm(end_to_end(networks.pca(share)(layer)).T - filters)
        assert error**2 <= (1 - share) * np.square(filters).sum() * (1 + 1e-5)
    assert networks.pca().share == 0.95
    assert least_rank(np.array([3.0, 1.0, 0.0]), 1.0) == 2


def test_the_published_speedups() -> None:
    """Table II of Li and others (2018): theory, without force as printed and with force."""
    layers = {"conv3": (384, 2304, 1), "conv4": (384, 1728, 2), "conv5": (256, 1728, 2)}
    for ranks, printed in (
        ((184, 201, 146), (1.789, 1.719, 1.632)),
        ((124, 106, 129), (2.654, 3.260, 1.848)),
    ):
        for (n, k, groups), rank, expected in zip(layers.values(), ranks, printed, strict=True):
            found = networks.theoretical_speedup(n, k, rank, groups=groups)
            assert round(found, 3) == pytest.approx(expected)


def test_tucker_bases_are_orthonormal_and_neither_can_be_improved_alone() -> None:
    weight = np.random.default_rng(0).standard_normal((7, 6, 3, 2))
    inner, outer, core = tucker2_factors(weight, 3, 4)
    np.testing.assert_allclose(inner.T @ inner, np.eye(3), atol=1e-10)
    np.testing.assert_allclose(outer.T @ outer, np.eye(4), atol=1e-10)
    product = np.einsum("srhw,cr,ns->nchw", core, inner, outer)
    kept = np.square(core).sum()
    assert np.square(weight - product).sum() == pytest.approx(np.square(weight).sum() - kept)
    for part in ("nchw,cr->nrhw", inner), ("nchw,ns->cshw", outer):
        seen = np.einsum(part[0], weight, part[1])
        values = np.linalg.svd(seen.reshape(len(seen), -1), compute_uv=False)
        rank = 4 if part[1] is inner else 3
        assert np.square(values[:rank]).sum() == pytest.approx(kept, rel=1e-4)


def test_a_separable_kernel_is_found() -> None:
    rng = np.random.default_rng(0)
    vertical, horizontal = rng.standard_normal((2, 4, 3)), rng.standard_normal((6, 2, 2))
    kernel = jnp.asarray(np.einsum("rcy,nrx->ncyx", vertical, horizontal), jnp.float32)
    layer = eqx.tree_at(lambda c: c.weight, convolution(), kernel)
    apart = networks.separable(0.999999)(layer)
    assert apart.ranks == (2,)
    x = jax.random.normal(KEY, (4, 5, 5))
    np.testing.assert_allclose(value(apart, x), value(layer, x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_layer_taken_apart_is_a_topology_of_a_pixel(form: Any) -> None:
    """The product over a patch is the kernel again, whatever the strides between."""
    layer = convolution(stride=(2, 3), dilation=(2, 1))
    matrix = np.asarray(layer.weight, float).reshape(6, -1).T
    np.testing.assert_allclose(end_to_end(form(1.0)(layer)), matrix, atol=1e-5)


def test_a_pair_is_the_low_rank_topology_and_can_be_trained_afresh() -> None:
    model = networks.lenet5((1, 8, 8), key=KEY)
    small = networks.decompose(
        model, {"layers.4": networks.pca(rank=3), "layers.8": networks.svd(rank=5)}
    )
    found = networks.kernel_topologies(small)
    assert list(found) == list(networks.kernels(model))
    assert found["layers.4"] == tk.topologies.low_rank.layers(150, 16, 3)
    assert found["layers.8"] == networks.to_recipe(small.layers[8])
    assert found["layers.8"].widths == (400, 5, 120)
    assert found["layers.1"].depth == 1
    graph = networks.to_topology(small.layers[4])
    assert tk.degrees_of_freedom(graph) == 3 * (150 + 16 - 3)
    afresh = networks.sparsify(model, {"layers.4": found["layers.4"]}, key=KEY)
    assert networks.n_parameters(afresh.layers[4]) == 3 * (150 + 16) + 16
    assert networks.to_recipe(afresh.layers[4]) == found["layers.4"]
    assert afresh(jnp.ones((1, 8, 8))).shape == (10,)


def test_a_model_taken_apart_is_trained_further() -> None:
    data = networks.load_digits(validation=0)
    model = networks.mlp(data.shape, (60, 40), 10, key=KEY)
    how: dict[str, Any] = {"batch_size": 50, "epochs": 8}
    whole = networks.train(model, data, optimizer=optax.adam(3e-3), **how)
    apart = networks.decompose(whole.model, {"layers.1": networks.svd(0.5)})
    assert networks.n_parameters(apart) < networks.n_parameters(model)
    tuned = networks.train(apart, data, optimizer=optax.adam(3e-3), **how)
    before = networks.evaluate(apart, data.test_x, data.test_y).accuracy
    assert tuned.test.accuracy > before
    assert tuned.model.layers[1].ranks == apart.layers[1].ranks


def test_more_weights_than_before_are_told() -> None:
    model = networks.mlp((6,), (6,), 2, key=KEY)
    with pytest.warns(RuntimeWarning, match=r"products of layers.1, layers.3 have more weights"):
        same = networks.decompose(model, networks.pca(1.0))
    x = jax.random.normal(KEY, (6,))
    np.testing.assert_allclose(same(x), model(x), rtol=1e-4, atol=1e-5)


def test_speeds_are_measured_where_layers_stand_and_slower_ones_are_told(monkeypatch: Any) -> None:
    model = networks.lenet5((1, 8, 8), key=KEY)
    forms = {"layers.4": networks.pca(rank=3), "layers.8": networks.svd(rank=5)}
    small, shapes = networks.decompose(model, forms), []

    def timed(models: Any, x: Any) -> list[float]:
        shapes.append(x.shape)
        assert isinstance(models[0], networks.FactoredLayer)
        return [1.0, 2.0, 3.0, 9.0] if len(shapes) == 1 else [2.0, 1.0, 3.0, 3.0]

    monkeypatch.setattr(_factored_speed, "times_of", timed)
    with pytest.warns(RuntimeWarning, match=r"apart, layers.8 predict slower"):
        first, second = networks.decomposed_speed(model, small, (1, 8, 8), batch=3)
    assert shapes == [(3, 6, 14, 14), (3, 400)]
    assert first.theoretical == pytest.approx(networks.theoretical_speedup(16, 150, 3))
    assert second.theoretical == pytest.approx(networks.theoretical_speedup(120, 400, 5))
    assert (first.forward_gain, first.training_gain, second.forward_gain) == (2.0, 3.0, 0.5)
    assert (first.layer, first.ranks, first.batch) == ("layers.4", (3,), 3)


def test_theory_counts_pixels_where_factors_have_others() -> None:
    layer = eqx.nn.Conv2d(4, 6, 3, stride=2, padding=1, key=KEY)
    model = eqx.nn.Sequential([layer])
    small = networks.decompose(model, networks.separable(rank=2))
    count = _factored_speed._multiplications
    assert count([layer], (4, 8, 8)) == 6 * 4 * 9 * 4 * 4
    assert count(small.layers[0].layers, (4, 8, 8)) == 2 * 4 * 3 * 4 * 8 + 6 * 2 * 3 * 4 * 4


def test_forms_are_values() -> None:
    assert pickle.loads(pickle.dumps(networks.pca(0.9))) == networks.pca(0.9)
    assert networks.pca(rank=3) != networks.svd(rank=3)
    assert set(METHODS) == set(FORMS)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("share", [0.0, 1.5, -0.1, float("nan")])
def test_a_share_is_above_0_and_at_most_1(form: Any, share: float) -> None:
    with pytest.raises(ValueError, match=r"share must be a number in \(0, 1\]"):
        form(share)


def test_wrong_arguments_are_named() -> None:
    model, grouped = networks.lenet5((1, 8, 8), key=KEY), convolution(groups=2)
    with pytest.raises(ValueError, match="rank.* must be an integer of at least 1; given 0"):
        networks.pca(rank=0)
    with pytest.raises(ValueError, match="rank.* must be an integer of at least 1; given 0"):
        networks.tucker2(ranks=(1, 0))
    with pytest.raises(ValueError, match="pca takes a share or ranks, not both"):
        networks.pca(0.9, rank=3)
    with pytest.raises(ValueError, match="layers.4: a rank of this layer is at most 16; given 17"):
        networks.decompose(model, {"layers.4": networks.pca(rank=17)})
    with pytest.raises(ValueError, match="at most 6, in multiples of its 2 groups; given 3"):
        networks.pca(rank=3)(grouped)
    with pytest.raises(ValueError, match="no layer 'layers.3'; its layers are"):
        networks.decompose(model, {"layers.3": networks.pca()})
    with pytest.raises(ValueError, match=r"layers.8: separable takes .*given a Linear"):
        networks.decompose(model, {"layers.8": networks.separable()})
    with pytest.raises(ValueError, match="tucker2 takes no layer of the model"):
        networks.decompose(networks.mlp((4,), (3,), 2, key=KEY), networks.tucker2())
    bad = eqx.tree_at(lambda m: m.layers[4].weight, model, replace_fn=lambda w: w * jnp.nan)
    with pytest.raises(ValueError, match="layers.4: the weights of the layer must be finite"):
        networks.filter_ranks(bad)
    with pytest.raises(ValueError, match="no layer of the second model is taken apart"):
        networks.decomposed_speed(model, model, (1, 8, 8))
