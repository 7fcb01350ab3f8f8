"""Topologies in the places of dense layers: the same network where the topology is complete."""

import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import topokit as tk
from topokit.networks import (
    SparseConv2d,
    SparseLinear,
    clos_with,
    dense,
    designed,
    kernel_topologies,
    kernels,
    lenet5,
    lenet_300_100,
    low_rank_with,
    mlp,
    n_parameters,
    random_with,
    sparsify,
    to_topology,
)

KEY = jax.random.key(0)
RULES = {"clos": clos_with, "low rank": low_rank_with, "random": random_with}
each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
SEARCHES = RULES | {"designed": designed}  # which looks for seconds, and adds constant edges
with_searches = pytest.mark.parametrize("rule", SEARCHES.values(), ids=SEARCHES)


def convolution(**options) -> eqx.nn.Conv2d:
    return eqx.nn.Conv2d(3, 8, key=KEY, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": 3},
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": (2, 3), "stride": (3, 1)},
    ],
    ids=str,
)
def test_a_sparse_convolution_equals_the_dense_one_with_its_zeros(options) -> None:
    conv = convolution(**options)
    mask = np.random.default_rng(0).random(conv.weight.shape) < 0.4
    conv = eqx.tree_at(lambda c: c.weight, conv, conv.weight * mask)
    image = jax.random.normal(KEY, (3, 9, 12))
    (name,) = kernels(conv)
    sparse = sparsify(conv, kernel_topologies(conv), key=KEY)
    matrix = conv.weight.reshape(8, -1).T
    filled = sparse.linear.with_weights([matrix], conv.bias.ravel())
    sparse = eqx.tree_at(lambda s: s.linear, sparse, filled)
    assert name == ""
    assert isinstance(sparse, SparseConv2d)
    np.testing.assert_allclose(sparse(image), conv(image), atol=1e-5)


def test_a_dense_topology_computes_what_the_dense_layer_does() -> None:
    model = lenet5((1, 28, 28), key=KEY)
    wired = sparsify(model, dense(), key=KEY)
    for name, layer in layers_of(model):
        number = int(name.removeprefix("layers."))
        place = wired.layers[number]
        convolved = isinstance(place, SparseConv2d)
        weight = layer.weight.reshape(len(layer.weight), -1).T
        linear = place.linear if convolved else place
        new = linear.with_weights([weight], layer.bias.ravel())
        new = eqx.tree_at(lambda p: p.linear, place, new) if convolved else new
        wired = eqx.tree_at(lambda w, n=number: w.layers[n], wired, new)
    image = jax.random.normal(KEY, (1, 28, 28))
    np.testing.assert_allclose(wired(image), model(image), atol=1e-5)
    assert n_parameters(wired) == n_parameters(model) == 61706


def layers_of(model) -> list:
    kinds = (eqx.nn.Linear, eqx.nn.Conv2d, SparseLinear, SparseConv2d)
    places, _ = jax.tree_util.tree_flatten_with_path(model, is_leaf=lambda n: isinstance(n, kinds))
    rows = [(path, leaf) for path, leaf in places if isinstance(leaf, kinds)]
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in rows]


def test_lenet_300_100_has_its_published_size() -> None:
    assert n_parameters(lenet_300_100(key=KEY)) == 266610


sizes = st.integers(1, 300)
shares = st.floats(1e-6, 1)
FEW = settings(max_examples=100)


def n_edges(rule, n_in: int, n_out: int) -> int:
    layers = tk.to_layers(rule(n_in, n_out))
    assert (layers.n_in, layers.n_out) == (n_in, n_out)
    return layers.n_edges


@each_rule
@given(share=shares, n_in=sizes, n_out=sizes)
@FEW
def test_a_rule_keeps_to_its_share_or_says_the_least_that_it_can(rule, share, n_in, n_out) -> None:
    try:
        assert n_edges(rule(share, dense_below=0), n_in, n_out) <= share * n_in * n_out
    except ValueError as error:
        told = str(error)
        if "takes more than all" in told:
            with pytest.raises(ValueError, match="takes more than all"):
                rule(0.999999, dense_below=0)(n_in, n_out)
        else:
            least = float(told.split("at least ")[1].split(" of")[0])
            assert n_edges(rule(least, dense_below=0), n_in, n_out) <= least * n_in * n_out
            with pytest.raises(ValueError, match=f"a share of at least {least} of"):
                rule(0.999 * least, dense_below=0)(n_in, n_out)


@with_searches
def test_a_rule_pickles(rule) -> None:
    made = rule(0.3, otherwise=low_rank_with(0.5, dense_below=0))
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert tk.to_layers(again(20, 16)) == tk.to_layers(made(20, 16))


@each_rule
@given(pair=st.tuples(shares, shares), n_in=sizes, n_out=sizes, dense_below=st.integers(0, 20))
@FEW
def test_a_smaller_share_never_gives_more(rule, pair, n_in, n_out, dense_below) -> None:
    less, more = (rule(share, dense_below=dense_below) for share in sorted(pair))
    try:
        found = n_edges(less, n_in, n_out)
    except ValueError:
        return  # there is nothing where less is refused
    assert found <= n_edges(more, n_in, n_out)


@with_searches
def test_what_is_no_rule_is_refused_before_it_meets_a_layer(rule) -> None:
    with pytest.raises(ValueError, match="otherwise must be a rule"):
        rule(0.1, otherwise=dense)


@with_searches
def test_layers_without_room_are_refused_by_name_or_left_to_another_rule(rule) -> None:
    model = mlp((300,), [100], 10, key=KEY)
    message = r"layers\.1: .* between 300 and 100 neurons takes a share of at least 0\.0.* of the "
    message += r"30000 connections; given share=1e-06\. .* dense_below=101 or by otherwise=dense"
    with pytest.raises(ValueError, match=message):
        sparsify(model, rule(1e-6), key=KEY)
    for dense_rule in (rule(1e-6, dense_below=101), rule(1e-6, otherwise=dense())):
        assert n_parameters(sparsify(model, dense_rule, key=KEY)) == n_parameters(model)


@each_rule
def test_narrow_layers_stay_dense(rule) -> None:
    for n_in, n_out in [(100, 10), (9, 64), (15, 15)]:
        assert n_edges(rule(0.5), n_in, n_out) == n_in * n_out
        assert n_edges(rule(0.5, dense_below=9), n_in, n_out) < n_in * n_out
    assert n_edges(rule(0.5), 16, 16) < 256
    with pytest.raises(ValueError, match="dense_below must be"):
        rule(0.5, dense_below=-1)


def test_a_designed_layer_is_the_best_design_within_its_share() -> None:
    model = mlp((20,), [18], 16, key=KEY)
    wired = sparsify(model, designed(0.3, depth=2), key=KEY)
    for (_, layer), sizes in zip(layers_of(wired), kernels(model).values(), strict=True):
        options = {"share": 0.3, "depth": 2, "trials": 0, "measure": False, "candidates": 1}
        (best,) = tk.design(*sizes, **options)
        assert tk.to_layers(to_topology(layer)) == best.layers
        assert best.trainable <= 0.3 * sizes[0] * sizes[1]


@with_searches
@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_a_share_is_above_0_and_at_most_1(rule, share) -> None:
    with pytest.raises(ValueError, match="share"):
        rule(share)


def test_named_layers_alone_are_replaced() -> None:
    model = mlp((20,), [30, 40], 5, key=KEY)
    assert kernels(model) == {"layers.1": (20, 30), "layers.3": (30, 40), "layers.5": (40, 5)}
    wired = sparsify(model, {"layers.3": tk.topologies.low_rank(30, 40, 2)}, key=KEY)
    kinds = {name: type(layer) for name, layer in layers_of(wired)}
    expected = {"layers.1": eqx.nn.Linear, "layers.3": SparseLinear, "layers.5": eqx.nn.Linear}
    assert kinds == expected
    assert n_parameters(wired) == n_parameters(model) - 30 * 40 + 2 * 70


@pytest.mark.parametrize(
    "layer",
    [
        convolution(kernel_size=3, padding="SAME"),
        convolution(kernel_size=3, padding=1, padding_mode="CIRCULAR"),
        convolution(kernel_size=3, dilation=2),
        eqx.nn.Conv2d(4, 8, 3, groups=2, key=KEY),
        eqx.nn.Linear("scalar", 8, key=KEY),
    ],
    ids=["same", "circular", "dilated", "grouped", "scalar"],
)
def test_layers_that_would_compute_something_else_stay_as_they_are(layer) -> None:
    assert kernels(layer) == {}
    assert sparsify(layer, dense(), key=KEY) is layer


def test_wrong_names_and_widths_are_refused() -> None:
    model = mlp((20,), [30], 5, key=KEY)
    with pytest.raises(ValueError, match=r"no layer 'last'; its layers are \['layers.1'"):
        sparsify(model, {"last": tk.topologies.dense(3, 3)}, key=KEY)
    with pytest.raises(ValueError, match=r"layers.1 must have 20 inputs and 30 outputs; given 3"):
        sparsify(model, {"layers.1": tk.topologies.dense(3, 3)}, key=KEY)


def test_a_neuron_without_connections_keeps_its_bias() -> None:
    layer = eqx.nn.Linear(4, 3, key=KEY)
    layer = eqx.tree_at(lambda s: s.weight, layer, layer.weight.at[1].set(0))
    sparse = sparsify(layer, kernel_topologies(layer), key=KEY)
    sparse = eqx.tree_at(lambda s: s.bias, sparse, jnp.arange(3.0))
    assert sparse(jnp.ones(4))[1] == 1
    gone = eqx.tree_at(lambda s: s.weight, layer, jnp.zeros((3, 4)))
    with pytest.raises(ValueError, match="no weight left"):
        kernel_topologies(gone)


def test_lenet5_refuses_images_that_are_too_large() -> None:
    with pytest.raises(ValueError, match=r"at most 32 pixels each way; given \(3, 33, 32\)"):
        lenet5((3, 33, 32), key=KEY)


def test_an_image_smaller_than_the_kernel_is_refused() -> None:
    conv = sparsify(eqx.nn.Conv2d(16, 16, 3, key=KEY), tk.networks.dense(), key=KEY)
    with pytest.raises(ValueError, match=r"at least as large as the kernel, \(3, 3\)"):
        conv(jnp.zeros((16, 2, 5)))


def test_a_sparse_layer_has_the_type_of_the_dense_one() -> None:
    half = eqx.nn.Linear(16, 20, dtype=jnp.bfloat16, key=KEY)
    sparse = sparsify(half, clos_with(0.5), key=KEY)
    leaves = jax.tree.leaves(eqx.filter(sparse, eqx.is_inexact_array))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype(jnp.bfloat16)}
    assert sparse(jnp.zeros(16, jnp.bfloat16)).dtype == jnp.bfloat16


def test_a_stack_of_layers_is_no_dense_layer() -> None:
    many = eqx.filter_vmap(lambda key: eqx.nn.Linear(16, 20, key=key))(jax.random.split(KEY, 3))
    assert tk.networks.kernels(many) == {}
