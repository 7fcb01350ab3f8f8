"""Programs for batches and images of any size: `jax.export` with symbols, forward and gradient."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import topokit as tk
from topokit.networks import (
    DepthwiseConv2d,
    SparseConv2d,
    SparseLinear,
    lenet5,
    random_with,
    sparsify,
)

KEY = jax.random.key(0)

# One of each form of a layer: blocks, dense, loops of few and of many slots, rows of unlike length,
# and one with constants.
FORMS = {
    "blocks": tk.topologies.clos.layers(16, 8, 4, 2, 4),
    "dense": tk.topologies.dense.layers(16, 8),
    "few slots": tk.topologies.random_regular.layers([16, 16, 8], 2, seed=0),
    "many slots": tk.topologies.random_regular.layers([64, 8], 9, seed=0),
    "unlike rows": tk.to_layers(tk.from_masks([np.tri(40, 40, -30) + np.eye(40) > 0])),
    "constants": tk.to_layers(tk.with_skip(tk.topologies.torus((4, 4), 2))),
}


def patches(kernel: int) -> SparseLinear:
    layers = tk.topologies.random_regular.layers([2 * kernel**2, 3], 3, seed=0)
    return SparseLinear(layers, key=KEY)


IMAGES = {
    "pixels": SparseLinear(tk.topologies.random_regular.layers([2, 3], 1, seed=0), key=KEY),
    "padded": SparseConv2d(patches(3), (3, 3), (1, 1), ((1, 1), (1, 1))),
    "strided": SparseConv2d(patches(2), (2, 2), (2, 2), ((0, 0), (0, 0))),
    "depthwise": DepthwiseConv2d(2, 3, stride=2, padding=1, key=KEY),
}


def results(model: Any, x: jax.Array) -> tuple[jax.Array, Any]:
    """Outputs for a batch, and the gradient of a sum over them."""

    def total(model: Any) -> tuple[jax.Array, jax.Array]:
        y = jax.vmap(model)(x)
        return jnp.sum(jnp.cos(y)), y

    gradient, y = eqx.filter_grad(total, has_aux=True)(model)
    return y, jax.tree.leaves(gradient)


def check(model: Any, shape: tuple[Any, ...], sizes: list[dict[str, int]]) -> None:
    """The program of symbols gives what a program of each size gives."""
    arrays, static = eqx.partition(model, eqx.is_array)
    program = jax.jit(lambda arrays, x: results(eqx.combine(arrays, static), x))
    known = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), arrays)
    bounds = [f"{name} >= 2" for name in shape if isinstance(name, str) and name != "batch"]
    symbols = export.symbolic_shape(", ".join(map(str, shape)), constraints=bounds)
    exported = export.export(program)(known, jax.ShapeDtypeStruct(symbols, np.float32))
    for size in sizes:
        draw = np.random.default_rng(0).normal(
            size=[size[n] if isinstance(n, str) else n for n in shape]
        )
        x = draw.astype(np.float32)
        for a, b in zip(
            *map(jax.tree.leaves, (exported.call(arrays, x), program(arrays, x))), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layers", FORMS.values(), ids=FORMS)
def test_a_batch_may_have_any_size(layers: tk.Layers) -> None:
    model = SparseLinear(layers, key=KEY)
    check(model, ("batch", layers.n_in), [{"batch": 1}, {"batch": 37}])


@pytest.mark.parametrize("layer", IMAGES.values(), ids=IMAGES)
def test_images_may_have_any_size(layer: Any) -> None:
    some = [{"batch": 2, "height": 5, "width": 4}, {"batch": 1, "height": 3, "width": 8}]
    check(layer, ("batch", 2, "height", "width"), some)


def test_a_whole_network_takes_batches_of_any_size() -> None:
    model = sparsify(lenet5(key=KEY), random_with(0.2), key=KEY)
    check(model, ("batch", 1, 28, 28), [{"batch": 3}])
