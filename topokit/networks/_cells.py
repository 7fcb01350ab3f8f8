"""Recurrent cells whose matrices are sparse: each of the two is a map through a topology."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import networkx as nx
from jaxtyping import Array, Float, PRNGKeyArray

from topokit.layers import Layers, to_layers
from topokit.networks._initialization import Radii, xavier
from topokit.networks._linear import SparseLinear

Topology = nx.DiGraph | Layers


class SparseGRUCell(eqx.Module):
    """One step of a gated recurrent unit, as `equinox.nn.GRUCell`, with sparse matrices.

        r, z, n = the thirds of W_i x + b and W_h h, in this order,
        h' = n + z (h - n),  with r = s(r_i + r_h), z = s(z_i + z_h), n = tanh(n_i + r (n_h + b_n)).

    Attributes:
        inputs: From the input to the three gates, `n_in -> 3 size`, with the bias `b`.
        hidden: From the state to the three gates, `size -> 3 size`.
        bias_n: The bias `b_n`; None if there are no biases.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> wide = tk.topologies.random_regular([4, 3 * 8], 2, seed=0)
        >>> square = tk.topologies.random_regular([8, 3 * 8], 2, seed=0)
        >>> cell = networks.SparseGRUCell(wide, square, key=key)
        >>> cell(jax.numpy.ones(4), jax.numpy.zeros(8)).shape
        (8,)

    See Also:
        `SparseLSTMCell`; `SparseLinear`, of which it is made.
    """

    inputs: SparseLinear
    hidden: SparseLinear
    bias_n: Float[Array, " size"] | None

    def __init__(
        self,
        inputs: Topology,
        hidden: Topology,
        *,
        key: PRNGKeyArray,
        bias: bool = True,
        init: Callable[[Layers], Radii] = xavier,
    ) -> None:
        """Draw the first weights.

        Args:
            inputs: Topology from `n_in` inputs to `3 size` outputs.
            hidden: Topology from `size` inputs to `3 size` outputs.
            key: Random key.
            bias: Whether there are biases, which start at 0.
            init: As in `SparseLinear`.

        Raises:
            ValueError: If the widths do not fit each other.
        """
        self.inputs, self.hidden = _two_maps(inputs, hidden, 3, key=key, bias=bias, init=init)
        self.bias_n = jnp.zeros(self.hidden.n_in) if bias else None

    def __call__(
        self,
        x: Float[Array, " n_in"],
        state: Float[Array, " size"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, " size"]:
        """The next state; `key` is ignored, as by Equinox' cells."""
        del key
        from_input = jnp.split(self.inputs(x), 3)
        from_state = jnp.split(self.hidden(state), 3)
        reset, update = (
            jax.nn.sigmoid(i + h) for i, h in zip(from_input[:2], from_state[:2], strict=True)
        )
        candidate = from_state[2] if self.bias_n is None else from_state[2] + self.bias_n
        new = jnp.tanh(from_input[2] + reset * candidate)
        return new + update * (state - new)


class SparseLSTMCell(eqx.Module):
    """One step of a long short-term memory, as `equinox.nn.LSTMCell`, with sparse matrices.

        i, f, g, o = the quarters of W_i x + b + W_h h, in this order,
        c' = s(f) c + s(i) tanh(g),  h' = s(o) tanh(c').

    Attributes:
        inputs: From the input to the four gates, `n_in -> 4 size`, with the bias `b`.
        hidden: From the state to the four gates, `size -> 4 size`.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> wide = tk.topologies.random_regular([4, 4 * 8], 2, seed=0)
        >>> square = tk.topologies.random_regular([8, 4 * 8], 2, seed=0)
        >>> cell = networks.SparseLSTMCell(wide, square, key=key)
        >>> hidden, memory = cell(jax.numpy.ones(4), (jax.numpy.zeros(8), jax.numpy.zeros(8)))
        >>> hidden.shape, memory.shape
        ((8,), (8,))

    See Also:
        `SparseGRUCell`; `SparseLinear`, of which it is made.
    """

    inputs: SparseLinear
    hidden: SparseLinear

    def __init__(
        self,
        inputs: Topology,
        hidden: Topology,
        *,
        key: PRNGKeyArray,
        bias: bool = True,
        init: Callable[[Layers], Radii] = xavier,
    ) -> None:
        """Draw the first weights; arguments as in `SparseGRUCell`, with four gates."""
        self.inputs, self.hidden = _two_maps(inputs, hidden, 4, key=key, bias=bias, init=init)

    def __call__(
        self,
        x: Float[Array, " n_in"],
        state: tuple[Float[Array, " size"], Float[Array, " size"]],
        *,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, " size"], Float[Array, " size"]]:
        """The next state `(h, c)`; `key` is ignored, as by Equinox' cells."""
        del key
        hidden, cell = state
        into, forget, new, out = jnp.split(self.inputs(x) + self.hidden(hidden), 4)
        cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(into) * jnp.tanh(new)
        return jax.nn.sigmoid(out) * jnp.tanh(cell), cell


def _two_maps(
    inputs: Topology,
    hidden: Topology,
    gates: int,
    *,
    key: PRNGKeyArray,
    bias: bool,
    init: Callable[[Layers], Radii],
) -> tuple[SparseLinear, SparseLinear]:
    first, second = to_layers(inputs), to_layers(hidden)
    expected = gates * second.n_in
    if not first.n_out == second.n_out == expected:
        raise ValueError(
            f"a cell of {second.n_in} units has {gates} gates for each, so that inputs and hidden "
            f"must have {expected} outputs; given {first.n_out} and {second.n_out}"
        )
    key_inputs, key_hidden = jax.random.split(key)
    return (
        SparseLinear(first, key=key_inputs, bias=bias, init=init),
        SparseLinear(second, key=key_hidden, bias=False, init=init),
    )
