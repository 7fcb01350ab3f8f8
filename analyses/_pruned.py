"""What the analyses of pruned networks share: Lenets, how they are pruned, and fresh starts.

In Lenet-5 a convolution is a matrix product over all patches, which a CPU computes in a fraction of
the time of JAX's own convolution. A pruned Lenet-5 is trained as a dense network whose zero weights
stay zero: the same training as that of sparse layers, weight by weight, but one compiled program
for all structures.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

import topokit as tk
from topokit import networks

EVERY = 200  # steps from one pruning to the next
KERNEL = 5  # height and width of a convolution's patches


class PatchConv(eqx.nn.Conv2d):
    """A convolution of 5 x 5 pixels, as one product with the matrix of patches."""

    def __init__(self, n_in: int, n_out: int, *, key: Array) -> None:
        """Draw the weights as Equinox does."""
        super().__init__(n_in, n_out, KERNEL, key=key)

    def __call__(self, x: Array, *, key: Array | None = None) -> Array:
        """Convolve an image `(channels, height, width)`; `key` is ignored."""
        del key
        down, across = self.kernel_size
        height, width = x.shape[1] - down + 1, x.shape[2] - across + 1
        shifted = [x[:, i : i + height, j : j + width] for i in range(down) for j in range(across)]
        patches = jnp.stack(shifted, axis=1).reshape(-1, height * width)
        rows = self.weight.reshape(len(self.weight), -1) @ patches
        images = rows.reshape(-1, height, width)
        return images if self.bias is None else images + self.bias


def lenet5(shape: tuple[int, ...]) -> eqx.nn.Sequential:
    """Lenet-5 with quicker convolutions; 28 x 28 or smaller images go to its 32 x 32."""
    model = networks.lenet5(shape, key=jax.random.key(0))
    return eqx.nn.Sequential([_quick(layer) for layer in model.layers])


def lenet_300_100(shape: tuple[int, ...]) -> eqx.nn.Sequential:
    """Lenet-300-100."""
    return networks.lenet_300_100(shape, key=jax.random.key(0))


def _quick(layer: Any) -> Any:
    if not isinstance(layer, eqx.nn.Conv2d):
        return layer
    return PatchConv(layer.in_channels, layer.out_channels, key=jax.random.key(0))


def complete(model: Any) -> dict[str, tk.Layers]:
    """Every dense layer of a model as a topology that lacks no edge."""
    return {name: tk.to_layers(networks.dense()(*n)) for name, n in networks.kernels(model).items()}


def restart(
    model: eqx.nn.Sequential,
    wiring: Mapping[str, tk.Layers],
    *,
    seed: int,
    init: Callable[[tk.Layers], list[np.ndarray]] = networks.kaiming,
) -> eqx.nn.Sequential:
    """Fresh weights on a structure, zeros elsewhere, and biases of zero.

    Args:
        model: The dense network.
        wiring: A topology of one layer for every layer that `networks.kernels` lists.
        seed: Seed of the weights.
        init: Radii of the weights, as in `networks.SparseLinear`.
    """
    rng = np.random.default_rng(seed)
    places = [int(name.split(".")[1]) for name in wiring]
    weights, biases = [], []
    for place, topology in zip(places, wiring.values(), strict=True):
        (radii,) = init(topology)
        weight = np.zeros((topology.n_out, topology.n_in), np.float32)
        weight[topology.receivers[0], topology.senders[0]] = rng.uniform(-radii, radii)
        weights.append(jnp.asarray(weight.reshape(model.layers[place].weight.shape)))
        biases.append(jnp.zeros_like(model.layers[place].bias))
    model = eqx.tree_at(lambda m: [m.layers[p].weight for p in places], model, weights)
    return eqx.tree_at(lambda m: [m.layers[p].bias for p in places], model, biases)


def hold() -> optax.GradientTransformation:
    """The last part of a chain: matrices and kernels keep their zeros."""

    def held(updates: Any, params: Any) -> Any:
        def one(update: Array, weight: Array) -> Array:
            return jnp.where(weight == 0, 0, update) if networks.is_kernel(weight) else update

        return jax.tree.map(one, updates, params)

    return optax.stateless(held)


def schedule(sparsity: float, steps: int) -> networks.Schedule:
    """Zhu and Gupta's, over the middle third of the steps."""
    start = steps // 3
    every = min(EVERY, max(1, start))
    return networks.zhu_gupta(sparsity, start=start, every=every, times=max(1, start // every))


def prune_once(model: Any, sparsity: float) -> Any:
    """Drop the smallest weights of each layer, without any training after it."""
    return networks.apply_masks(model, networks.magnitude_masks(model, sparsity))
