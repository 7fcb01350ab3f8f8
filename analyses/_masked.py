"""Randomly connected networks as dense matrices under masks.

A mask is data, where the wiring of `topokit.networks` is structure: one compilation serves every
wiring and every start of a network of so many neurons. It trains exactly as `SparseLinear` does,
for the price of the dense network at any sparsity.

`topokit.topologies.erdos_renyi` draws the same networks, but refuses those in which an output has
no path from any input; here they are part of the question.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


class MaskedLinear(eqx.Module):
    """`x -> x (W * M) + b`; the mask `M` is of truth values, so that it is not trained."""

    weight: Float[Array, "n_in n_out"]
    mask: Bool[Array, "n_in n_out"]
    bias: Float[Array, " n_out"]

    def __call__(self, x: Float[Array, " n_in"], *, key: Array | None = None) -> Array:
        del key
        return x @ (self.weight * self.mask) + self.bias


class Paths(NamedTuple):
    """What random wiring leaves connected.

    Attributes:
        inputs: Share of the inputs with a path to the classes, which see all of the last hidden
            layer; so the share of the pairs of an input and a class that have a path.
        hidden: Share of the pairs of an input and a neuron of the last hidden layer that have one.
    """

    inputs: float
    hidden: float


def random_masks(
    widths: Sequence[int], density: float, rng: np.random.Generator
) -> list[Bool[np.ndarray, "_n_in _n_out"]]:
    """Each edge between the given layers is there with a probability, independently of others."""
    return [rng.random(pair) < density for pair in pairwise(widths)]


def masked_network(
    masks: Sequence[Bool[np.ndarray, "_n_in _n_out"]],
    n_classes: int,
    share: float,
    rng: np.random.Generator,
) -> eqx.nn.Sequential:
    """A linear classifier of masked layers and a dense last one, its biases 0.

    Args:
        masks: One for each sparse layer, inputs first.
        n_classes: Outputs of the dense layer.
        share: Weights are uniform within `sqrt(6 / ((n_in + n_out) share))`: with the share of the
            edges that are there, NeuroFabric (2); with 1, Xavier's rule. The last layer has 1.
        rng: Draws the same numbers in the same order whatever the masks and the share.
    """
    last = np.ones((masks[-1].shape[1], n_classes), bool)
    layers = [_draw(mask, share, rng) for mask in masks]
    return eqx.nn.Sequential([eqx.nn.Lambda(jnp.ravel), *layers, _draw(last, 1.0, rng)])


def count_paths(masks: Sequence[Bool[np.ndarray, "_n_in _n_out"]]) -> Paths:
    """Follow every input through all masked layers."""
    reach = masks[0]
    for mask in masks[1:]:
        reach = reach.astype(np.float32) @ mask.astype(np.float32) > 0
    return Paths(float(reach.any(1).mean()), float(reach.mean()))


def _draw(mask: np.ndarray, share: float, rng: np.random.Generator) -> MaskedLinear:
    radius = np.sqrt(6 / (sum(mask.shape) * share))
    weight = rng.uniform(-radius, radius, mask.shape).astype(np.float32)
    return MaskedLinear(jnp.asarray(weight), jnp.asarray(mask), jnp.zeros(mask.shape[1]))
