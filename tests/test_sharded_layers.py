"""Sparse layers on several devices: values and gradients equal those on one."""

import os
import subprocess
import sys

SCRIPT = """
import equinox as eqx, jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import topokit as tk

t = tk.topologies
mesh = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Auto,))
explicit = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Explicit,))
# Operation by operation, as without jit, a shard takes seconds: one way for each recipe.
cases = [
    (t.low_rank.layers(16, 24, 4), lambda f: f, jax.jit),
    (t.erdos_renyi.layers([30, 24], 0.15, seed=0), jax.jit, lambda f: f),
]
for recipe, outer, inner in cases:
    linear = tk.networks.SparseLinear(recipe, key=jax.random.key(0))
    weights, rest = eqx.partition(linear, eqx.is_inexact_array)
    x = jax.random.normal(jax.random.key(1), (8, recipe.n_in))

    def outputs(weights, x):
        return jax.vmap(eqx.combine(weights, rest))(x)

    def loss(weights, x, outputs=outputs):
        return jnp.sum(jnp.tanh(outputs(weights, x)) ** 2)

    shared = jax.shard_map(outputs, mesh=mesh, in_specs=(P(), P("d")), out_specs=P("d"))
    inside = jax.shard_map(jax.grad(loss), mesh=mesh, in_specs=(P(), P("d")), out_specs=P())
    alone = jax.grad(loss, (0, 1))(weights, x)
    found = [
        outer(jax.grad(lambda w, x: loss(w, x, shared), (0, 1)))(weights, x),
        (inner(inside)(weights, x), alone[1]),
        jax.jit(jax.grad(loss, (0, 1)))(weights, jax.device_put(x, NamedSharding(mesh, P("d")))),
    ]
    with jax.set_mesh(explicit):
        places = NamedSharding(explicit, P()), NamedSharding(explicit, P("d"))
        given = jax.device_put((weights, x), places)
        found.append(jax.jit(jax.grad(loss, (0, 1)))(*given))
        assert jax.typeof(jax.jit(outputs)(*given)).sharding.spec == P("d", None)
    for gradients in found:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
                     gradients, alone)
"""


def test_gradients_are_summed_over_devices() -> None:
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
