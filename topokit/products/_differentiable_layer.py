"""Rows through one sparse layer, in arrays of the size of its edges.

A layer is a trilinear form, `sum over edges u -> v of w[e] * <x[u], y[v]>`, in the weights `w`, the
senders' rows `x` and the receivers' rows `y`. Its three partial sums are all that training needs:

    y = (w, x),    the receivers' signals,
    x = (w, y),    what goes back to the senders,
    w = (x, y),    the gradient of the weights,

and each is the derivative of another, so that they are closed under differentiation of any order.
`contract` is a JAX primitive of them: it can be differentiated and mapped like a matrix product. A
mapped axis of signals becomes more columns (`jax.vmap` over examples costs no more than a batch
written by hand, and the gradient of the weights is summed over examples before it is stored). All
three may have a batch at the end, of layers that share the wiring alone.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AxisType, PartitionSpec
from jaxtyping import Array, Float

from topokit.products._wiring import Wiring

ROLES = ("w", "x", "y")
PARTIAL_SUMS = {"w": "correlate", "x": "send_back", "y": "receive"}
NAME = "topokit_contract"
_contract_p = Primitive(NAME)


def apply_layer(
    wiring: Wiring, weights: Float[Array, " edges"], x: Float[Array, "n_in *columns"]
) -> Float[Array, "n_out *columns"]:
    """Signals of the receivers from those of the senders; cost O(edges * columns).

    Args:
        wiring: From `make_wiring`.
        weights: The weight of each edge, by receiver and then by sender, as in `Layers`.
        x: Signals of the senders; further axes, such as a batch or the pixels of an image, come
            last.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> wiring = products.make_wiring(tk.topologies.butterfly.layers(4), 1)
        >>> signals = jnp.array([[1.0], [2.0], [3.0], [4.0]])
        >>> products.apply_layer(wiring, jnp.ones(8), signals)[:, 0].tolist()
        [4.0, 6.0, 4.0, 6.0]

    See Also:
        `sum_rows`, where all weights are 1.
    """
    columns = x.reshape(x.shape[0], -1)
    dtype = jnp.result_type(weights, x)
    y = contract(wiring, "y", weights.astype(dtype), columns.astype(dtype))
    return y.reshape(wiring.n_out, *x.shape[1:])


def contract(wiring: Wiring, missing: str, first: Array, second: Array) -> Array:
    """The partial sum that leaves one role open, from the other two in the order w, x, y."""
    leaves, tree = jax.tree.flatten(wiring)
    alike = _varying_alike(first, second, *leaves)
    return _contract_p.bind(*alike, missing=missing, tree=tree)


def _varying_alike(*arrays: Any) -> list[Array]:
    """Let all vary over the mesh axes of `shard_map` that any does, as JAX's own primitives do.

    The transpose of that sums gradients over devices.
    """
    axes = [jax.typeof(array).manual_axis_type.varying for array in arrays]
    every = frozenset[Any]().union(*axes)
    pairs = zip(arrays, axes, strict=True)
    return [
        lax.pcast(a, tuple(every - own), to="varying") if every - own else a for a, own in pairs
    ]


def compute(first: Array, second: Array, *leaves: Array, missing: str, tree: Any) -> Array:
    """The partial sum in operations of JAX."""
    wiring = jax.tree.unflatten(tree, leaves)
    if 0 in second.shape:  # a batch of no examples
        return jnp.zeros(_shape(wiring, missing, second), second.dtype)
    call = getattr(wiring, PARTIAL_SUMS[missing])
    return _automatic(call, missing, second)(first, second)


def _automatic(call: Callable, missing: str, second: Array) -> Callable:
    """Leave shardings inside to the compiler where the mesh's axes are explicit."""
    sharding = jax.typeof(second).sharding
    if not any(kind == AxisType.Explicit for kind in sharding.mesh.axis_types):
        return call
    spec = PartitionSpec(None, *sharding.spec[2 if missing == "w" else 1 :])
    return jax.sharding.auto_axes(call, out_sharding=spec)


def _shape(wiring: Wiring, missing: str, second: Any) -> tuple[Any, ...]:
    """Numbers, or symbols where `jax.export` has them."""
    if missing == "w":
        return wiring.n_edges, *second.shape[2:]
    rows = wiring.n_in if missing == "x" else wiring.n_out
    return rows, *second.shape[1:]


def _given(missing: str) -> tuple[str, str]:
    first, second = (role for role in ROLES if role != missing)
    return first, second


def _result(first: Any, second: Any, *leaves: Any, missing: str, tree: Any) -> Any:
    del first
    if "jax2onnx" in sys.modules:
        import_module("topokit.products._jax2onnx_plugin")
    shape = _shape(jax.tree.unflatten(tree, leaves), missing, second)
    if missing == "w":
        spec = PartitionSpec(None, *second.sharding.spec[2:])
        return second.update(shape=shape, sharding=second.sharding.update(spec=spec))
    return second.update(shape=shape)


def _derivative(primals: tuple, tangents: tuple, **params: Any) -> tuple[Array, Any]:
    first, second, *leaves = primals
    out = _contract_p.bind(*primals, **params)
    parts = []
    if not isinstance(tangents[0], ad.Zero):
        parts.append(_contract_p.bind(tangents[0], second, *leaves, **params))
    if not isinstance(tangents[1], ad.Zero):
        parts.append(_contract_p.bind(first, tangents[1], *leaves, **params))
    return out, sum(parts[1:], parts[0])


def _transposed(
    cotangent: Any, first: Any, second: Any, *leaves: Array, missing: str, tree: Any
) -> list:
    """The same form with the cotangent in the open role, and the unknown one open instead."""
    unknown = _given(missing)[0 if ad.is_undefined_primal(first) else 1]
    result = None
    if not isinstance(cotangent, ad.Zero):
        roles = dict(zip(_given(missing), (first, second), strict=True)) | {missing: cotangent}
        known = [roles[role] for role in _given(unknown)]
        result = _contract_p.bind(*known, *leaves, missing=unknown, tree=tree)
    pair = (result, None) if ad.is_undefined_primal(first) else (None, result)
    return [*pair, *(None for _ in leaves)]


def _mapped(args: tuple, dims: tuple, *, missing: str, tree: Any) -> tuple[Array, int]:
    """Examples become columns; where anything else is mapped, it is done one by one in effect."""
    first, second, *leaves = args
    if missing == "w" or any(dim is not None for dim in (dims[0], *dims[2:])):
        axes = tuple(None if dim is None else dim for dim in dims)
        each = jax.vmap(lambda *a: compute(*a, missing=missing, tree=tree), in_axes=axes)
        return each(*args), 0
    signals = jnp.moveaxis(second, dims[1], 2)
    rows, columns, examples, *batch = signals.shape
    flat = signals.reshape(rows, columns * examples, *batch)
    out = _contract_p.bind(first, flat, *leaves, missing=missing, tree=tree)
    return out.reshape(out.shape[0], columns, examples, *batch), 2


# Inlined, for it is traced once for all layers alike, and leaves no mark in a program.
_compiled = jax.jit(compute, static_argnames=("missing", "tree"), inline=True)
_contract_p.def_impl(_compiled)
_contract_p.def_abstract_eval(_result)
ad.primitive_jvps[_contract_p] = _derivative
ad.primitive_transposes[_contract_p] = _transposed
batching.primitive_batchers[_contract_p] = _mapped
mlir.register_lowering(_contract_p, mlir.lower_fun(_compiled, multiple_results=False))
