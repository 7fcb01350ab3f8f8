"""Weights from the Equinox layer to the PyTorch module and back, bit for bit."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from topokit import networks
from topokit._checks import check_instance
from topokit.torch._sparse_modules import SparseLinear


def from_equinox(linear: networks.SparseLinear) -> SparseLinear:
    """The PyTorch module of an Equinox layer: the same topology, weights and types.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> key = jax.random.key(0)
        >>> layer = tk.networks.SparseLinear(tk.topologies.butterfly(4), key=key)
        >>> tk.torch.from_equinox(layer)
        SparseLinear(4 -> 4, 16 edges in 2 layers, 16 trainable, bias=True)

    See Also:
        `to_equinox`, the way back.
    """
    check_instance("linear", linear, networks.SparseLinear, "a topokit.networks.SparseLinear")
    arrays = [layer.weight for layer in linear.layers]
    kind = {"device": "cpu", "dtype": _tensor(arrays[0]).dtype}
    module = SparseLinear(networks.to_recipe(linear), bias=linear.bias is not None, **kind)
    for layer, array in zip(module.layers, arrays, strict=True):
        layer.weight = nn.Parameter(_tensor(array))
    if linear.bias is not None:
        module.bias = nn.Parameter(_tensor(linear.bias))
    return module


def to_equinox(module: SparseLinear) -> networks.SparseLinear:
    """The Equinox layer of a PyTorch module: the same topology, weights and types.

    Raises:
        ValueError: If weights are of double precision, which JAX has to be told to keep.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> module = tk.torch.SparseLinear(tk.topologies.butterfly(4))
        >>> layer = tk.torch.to_equinox(module)
        >>> jax.vmap(layer)(jax.numpy.ones((5, 4))).shape
        (5, 4)

    See Also:
        `from_equinox`, the way back.
    """
    check_instance("module", module, SparseLinear, "a topokit.torch.SparseLinear")
    arrays = [_array(layer.weight) for layer in module.layers]
    dtype = arrays[0].dtype
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise ValueError(
            f"weights are of {module.layers[0].weight.dtype}, which JAX keeps only after "
            'jax.config.update("jax_enable_x64", True); say that, or take module.float()'
        )
    kind = {"key": jax.random.key(0), "bias": module.bias is not None, "dtype": dtype}
    linear = networks.SparseLinear(module.topology, **kind)
    weights = [jnp.asarray(array) for array in arrays]
    linear = eqx.tree_at(lambda s: [layer.weight for layer in s.layers], linear, weights)
    if module.bias is None:
        return linear
    return eqx.tree_at(lambda s: s.bias, linear, jnp.asarray(_array(module.bias)))


def _tensor(array: jax.Array) -> Tensor:
    """A copy; numpy knows the bits alone of bfloat16."""
    numbers = np.array(array)
    if numbers.dtype == jnp.bfloat16:
        return torch.from_numpy(numbers.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(numbers)


def _array(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(jnp.bfloat16)
    return tensor.numpy()
