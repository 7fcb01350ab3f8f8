"""Products of low rank without their dead parts answer the same, and have smaller ranks."""

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stacks import relu, value

from topokit import networks
from topokit.networks import FactoredLayer, Residual, shrink

KEYS = jax.random.split(jax.random.key(0), 8)
RANKS = {"pca": {"rank": 4}, "svd": {"rank": 4}, "tucker2": {"ranks": (5, 6)}}
RANKS["separable"] = {"rank": 6}
FORMS = {name: getattr(networks, name)(**ranks) for name, ranks in RANKS.items()}
ravel = eqx.nn.Lambda(jnp.ravel)
WEIGHTED = (eqx.nn.Linear, eqx.nn.Conv2d)


def dense() -> eqx.nn.Sequential:
    """Cosine makes constants of the deaf, which arrive at inner factors."""
    linear, cosine = eqx.nn.Linear, eqx.nn.Lambda(jnp.cos)
    widths = (6, 9, 9, 8, 3)
    layers = [linear(*ends, key=key) for ends, key in zip(pairwise(widths), KEYS, strict=False)]
    return eqx.nn.Sequential([each for layer in layers for each in (layer, cosine)][:-1])


def images() -> eqx.nn.Sequential:
    conv, linear = eqx.nn.Conv2d, eqx.nn.Linear
    first = conv(2, 7, 3, padding=1, key=KEYS[0])
    second = conv(7, 8, 3, padding=((1, 0), (2, 1)), key=KEYS[1])
    flat = linear(8 * 4 * 6, 9, key=KEYS[2])
    layers = [first, relu, second, relu, ravel, flat, relu, linear(9, 3, key=KEYS[3])]
    return eqx.nn.Sequential(layers)


def thinned(model: Any, *, quiet: bool, seed: int = 4, share: float = 0.25) -> Any:
    """Rows and columns of zeros in factors and whole layers; with `quiet`, dead rows send 0."""
    rng = np.random.default_rng(seed)

    def thin(node: Any) -> Any:
        if not isinstance(node, WEIGHTED):
            return node
        weight, dead = np.array(node.weight), rng.random(len(node.weight)) < share
        weight[dead] = 0
        weight[:, rng.random(weight.shape[1]) < share] = 0
        node = eqx.tree_at(lambda n: n.weight, node, jnp.asarray(weight))
        if node.bias is None or not quiet:
            return node
        column = dead.reshape(-1, *[1] * (node.bias.ndim - 1))
        return eqx.tree_at(lambda n: n.bias, node, jnp.where(column, 0, node.bias))

    return jax.tree.map(thin, model, is_leaf=lambda node: isinstance(node, WEIGHTED))


def factors(model: Any) -> list[Any]:
    """Whole layers and factors, in their order."""
    leaves = jax.tree.leaves(model, is_leaf=lambda node: isinstance(node, WEIGHTED))
    return [leaf for leaf in leaves if isinstance(leaf, WEIGHTED)]


def widths(model: Any) -> list[int]:
    return [len(each.weight) for each in factors(model)]


def alive_by_search(model: Any) -> list[int]:
    """By definition: channels on a path of nonzero weights from an input to an output, or ends."""
    masks, n_before = [], factors(model)[0].weight.shape[1]
    for each in factors(model):
        weight = np.asarray(each.weight) != 0
        masks.append(weight.reshape(len(weight), n_before, -1).any(-1).astype(float))
        n_before = len(weight)
    counts = []
    for place in range(1, len(masks)):
        before, behind = masks[:place][::-1], masks[place:][::-1]
        to = np.linalg.multi_dot([*before, np.ones((masks[0].shape[1], 1))])[:, 0]
        back = np.linalg.multi_dot([np.ones((1, n_before)), *behind])[0]
        counts.append(int(((to > 0) & (back > 0)).sum()))
    return [*counts, n_before]


def kinds(model: Any) -> list[type]:
    return [type(layer) for layer in model.layers]


@pytest.mark.parametrize(
    ("build", "shape", "name"),
    [*((dense, (6,), name) for name in ("pca", "svd"))]
    + [*((images, (2, 5, 5), name) for name in FORMS)],
)
def test_a_smaller_product_answers_the_same(build: Any, shape: Any, name: str) -> None:
    """The flattened image is taken apart too, and the first layer and the last are whole."""
    whole, form = build(), FORMS[name]
    places = ("2", "4") if build is dense else ("2", "5")
    dense_form = form if name in ("pca", "svd") else networks.svd(rank=6)
    forms = {f"layers.{places[0]}": form, f"layers.{places[1]}": dense_form}
    apart = networks.decompose(whole, forms)
    drawn = (thinned(apart, quiet=build is images, seed=seed) for seed in range(4, 30))
    model = next(each for each in drawn if 0 not in alive_by_search(each))
    small = shrink(model, patches=2)
    x = jax.random.normal(KEYS[4], (5, *shape))
    np.testing.assert_allclose(
        *(jax.jit(jax.vmap(each))(x) for each in (small, model)), rtol=1e-5, atol=1e-5
    )
    assert kinds(small) == kinds(model), "a product stays one"
    assert widths(small) == alive_by_search(model)
    assert sum(widths(small)) < sum(widths(model))
    assert widths(shrink(small, patches=2)) == widths(small), "one pass takes all"


def test_a_constant_that_arrives_at_an_inner_factor_becomes_its_bias() -> None:
    first, last = eqx.nn.Linear(4, 5, key=KEYS[0]), eqx.nn.Linear(5, 3, key=KEYS[1])
    first = eqx.tree_at(lambda d: d.weight, first, first.weight.at[:2].set(0.0))
    apart = networks.svd(rank=2)(last)
    model = eqx.nn.Sequential([first, eqx.nn.Lambda(jnp.cos), apart])
    small = shrink(model)
    constants = jnp.cos(first.bias[:2])
    inner, outer = small.layers[2].layers
    np.testing.assert_allclose(inner.bias, apart.layers[0].weight[:, :2] @ constants, rtol=1e-5)
    np.testing.assert_array_equal(outer.bias, last.bias)
    assert inner.in_features == 3
    assert small.layers[2].ranks == (2,)


def test_groups_of_a_product_keep_equally_many_ranks() -> None:
    conv = eqx.nn.Conv2d(4, 8, 3, groups=2, key=KEYS[0])
    apart = networks.pca(rank=6)(conv)
    weight = apart.layers[0].weight.at[:2].set(0.0).at[3].set(0.0)
    model = eqx.nn.Sequential([eqx.tree_at(lambda f: f.layers[0].weight, apart, weight)])
    small, x = shrink(model), jax.random.normal(KEYS[1], (4, 6, 6))
    assert small.layers[0].ranks == (4,), "two of the second group, and so of the first"
    np.testing.assert_allclose(value(small, x), value(model, x), rtol=1e-5, atol=1e-5)


def test_products_shrink_within_blocks_and_their_shortcuts() -> None:
    conv = eqx.nn.Conv2d
    first, second = (
        conv(n, 6, 3, padding=1, key=key) for n, key in zip((4, 6), KEYS, strict=False)
    )
    body = eqx.nn.Sequential([networks.separable(rank=5)(first), relu, FORMS["tucker2"](second)])
    shortcut = networks.pca(rank=3)(conv(4, 6, 1, key=KEYS[2]))
    alone = Residual(networks.pca(rank=4)(conv(6, 6, 3, padding=1, key=KEYS[3])))
    head = networks.svd(rank=3)(eqx.nn.Linear(6 * 25, 3, key=KEYS[4]))
    model = eqx.nn.Sequential([Residual(body, shortcut), relu, alone, relu, ravel, head])
    model = thinned(model, quiet=True)
    small, x = shrink(model), jax.random.normal(KEYS[5], (4, 5, 5))
    np.testing.assert_allclose(value(small, x), value(model, x), rtol=1e-5, atol=1e-5)
    assert networks.n_parameters(small) < networks.n_parameters(model)


def test_a_product_whose_ranks_are_all_dead_is_named() -> None:
    apart = networks.svd(rank=2)(eqx.nn.Linear(4, 3, key=KEYS[0]))
    dead = eqx.tree_at(lambda f: f.layers[0].weight, apart, jnp.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"layer 0.0 of the model puts out is left"):
        shrink(eqx.nn.Sequential([dead]))


def test_what_is_left_of_a_product_is_a_topology() -> None:
    """Also where a whole convolution, of whose patch so much is 0, would be one of patches."""
    apart = networks.pca(rank=4)(eqx.nn.Conv2d(3, 6, 3, key=KEYS[0]))
    inner, outer = (factor.weight for factor in apart.layers)
    new = inner.at[:, :, 1:].set(0.0), outer.at[:, 1].set(0.0)
    dead = eqx.tree_at(lambda f: [factor.weight for factor in f.layers], apart, new)
    small = shrink(eqx.nn.Sequential([dead]))
    assert isinstance(small.layers[0], FactoredLayer)
    assert networks.kernel_topologies(small)["layers.0"].widths == (27, 3, 6)
