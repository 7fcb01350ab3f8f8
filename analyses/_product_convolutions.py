"""Convolutions computed as products of matrices, for training on a CPU.

XLA's gradients of convolutions are slow on a CPU inside of loops, where those of matrix products
are not. The layers here are `equinox.nn.Conv2d` in everything but that: same arrays, same outputs
up to rounding, so that penalties, forces and masks made for one form fit the other.
"""

from dataclasses import fields
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array


class ProductConv2d(eqx.nn.Conv2d):
    """A convolution in one group as the product of its weights and the patches of an image."""

    def __call__(self, x: Array, *, key: Any = None) -> Array:
        """Convolve an image."""
        del key
        assert not isinstance(self.padding, str)
        x = jnp.pad(x, ((0, 0), *self.padding))
        (down, across), (first, second) = self.stride, self.kernel_size
        height, width = x.shape[1] - first + 1, x.shape[2] - second + 1
        patches = jnp.stack(
            [
                x[:, row : row + height : down, column : column + width : across]
                for row in range(first)
                for column in range(second)
            ],
            1,
        )
        y = jnp.tensordot(self.weight.reshape(*self.weight.shape[:2], -1), patches, 2)
        return y if self.bias is None else y + self.bias


def as_products(model: Any) -> Any:
    """A model whose convolutions are products."""
    return _recast(model, eqx.nn.Conv2d, ProductConv2d)


def as_convolutions(model: Any) -> Any:
    """A model of `as_products` with its convolutions as they were."""
    return _recast(model, ProductConv2d, eqx.nn.Conv2d)


def _recast(model: Any, before: type, after: type) -> Any:
    def other(node: Any) -> Any:
        if type(node) is not before:
            return node
        new = object.__new__(after)
        for each in fields(node):
            object.__setattr__(new, each.name, getattr(node, each.name))
        return new

    return jax.tree.map(other, model, is_leaf=lambda node: type(node) is before)
