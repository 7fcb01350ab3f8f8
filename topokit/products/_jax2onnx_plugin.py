"""A layer in ONNX: tells jax2onnx of which operations a partial sum is made.

jax2onnx knows each of them, but no primitive of ours. This is imported when a layer is traced
while jax2onnx is loaded, once, so that its users write what they write for any model.
"""

from typing import Any

import jax
from jax2onnx.plugins.jax.lax._control_flow_utils import (  # pyright: ignore[reportMissingImports]
    lower_jaxpr_eqns,
)
from jax2onnx.plugins.plugin_system import (  # pyright: ignore[reportMissingImports]
    PrimitiveLeafPlugin,
    register_primitive,
)

from topokit.products._differentiable_layer import NAME, compute


@register_primitive(jaxpr_primitive=NAME)
class ContractionInOnnx(PrimitiveLeafPlugin):
    """The equations of a partial sum in its place."""

    def lower(self, ctx: Any, eqn: Any) -> None:
        """Write them."""
        known = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in eqn.invars]
        closed = jax.make_jaxpr(lambda *arrays: compute(*arrays, **eqn.params))(*known)
        inner = closed.jaxpr
        for var, value in zip(inner.constvars, closed.consts, strict=True):
            ctx.bind_const_for_var(var, value)
        for own, given in zip(inner.invars, eqn.invars, strict=True):
            ctx.bind_value_for_var(own, ctx.get_value_for_var(given))
        lower_jaxpr_eqns(ctx, inner, source=NAME)
        for own, given in zip(inner.outvars, eqn.outvars, strict=True):
            ctx.bind_value_for_var(given, ctx.get_value_for_var(own))
