"""A linear map through a topology, in the place of a dense matrix: one layer or a cascade."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
from jax.core import Tracer
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

from topokit._checks import check_count, check_init
from topokit.layers import Layers, check_constants, to_layers
from topokit.networks._constants import Constants
from topokit.networks._initialization import Radii, kaiming
from topokit.products import Wiring, apply_layer, edge_ends, make_wiring

FORMS, BATCH = ("usual", "auto"), 32


class SparseLayer(eqx.Module):
    """One layer of edges, without a bias.

    Attributes:
        weight: Weights of the trainable edges, by receiver and then by sender: all that is stored,
            differentiated and optimized.
        wiring: The wiring, index arrays alone.
        trainable: Which of all edges the weights belong to; None if all are trainable.
        constant: Weights of the other edges; None if all are trainable.
        fixed: Which of all edges those belong to.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> layer = networks.SparseLinear(tk.topologies.butterfly(8), key=key)
        >>> len(layer.layers), layer.layers[0].weight.shape
        (3, (16,))

    See Also:
        `SparseLinear`, which is made of them.
    """

    weight: Float[Array, " trainable"]
    wiring: Wiring
    trainable: Int[Array, " trainable"] | None
    constant: Constants | None
    fixed: Int[Array, " constant"] | None

    def weights(self) -> Float[Array, " edges"]:
        """The weights of all edges, constant ones included."""
        if self.constant is None:
            return self.weight
        every = jnp.zeros(self.wiring.n_edges, self.weight.dtype)
        every = every.at[self.fixed].set(self.constant.values.astype(every.dtype))
        return every.at[self.trainable].set(self.weight, unique_indices=True)

    def __call__(self, x: Float[Array, "n_in *rest"]) -> Float[Array, "n_out *rest"]:
        return apply_layer(self.wiring, self.weights(), x)


class SparseLinear(eqx.Module):
    """`x -> W x + b` with `W` the product of the sparse layers of a topology.

    It takes the place of a dense layer (`equinox.nn.Linear`), or of a pointwise, 1 x 1 convolution:
    further axes of a signal, such as the pixels of an image `(channels, height, width)`, go through
    side by side. Inside a cascade everything is linear; the network's activation comes after it
    (NeuroFabric, section III). Parameters, gradients and the optimizer's state are of the size of
    the trainable edges. Map it over examples with `jax.vmap`: that costs no more than a batch
    written by hand. Cost O(edges) an example, forward and backward.

    Attributes:
        layers: The sparse layers, inputs first.
        bias: Added to the outputs; None if there is none.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> layer = networks.SparseLinear(tk.topologies.clos(16, 8, 4, 2, 4), key=key)
        >>> jax.vmap(layer)(jax.numpy.ones((5, 16))).shape
        (5, 8)
        >>> networks.n_parameters(layer)
        88

    See Also:
        `SparseConv2d`, for images; `sparsify`, for whole models; `to_dense`, out of it.
    """

    layers: tuple[SparseLayer, ...]
    bias: Float[Array, " n_out"] | None

    def __init__(
        self,
        topology: nx.DiGraph | Layers,
        *,
        key: PRNGKeyArray,
        bias: bool = True,
        init: Callable[[Layers], Radii] = kaiming,
        dtype: DTypeLike | None = None,
        form: str = "usual",
        batch: int = BATCH,
    ) -> None:
        """Draw the first weights.

        Args:
            topology: A graph or a recipe, of any depth, square or not.
            key: Random key.
            bias: Whether there is a bias, which starts at 0.
            init: Radii of the uniform distributions from which the weights are drawn, such as
                `xavier`, or `kaiming` for a layer with a ReLU behind it.
            dtype: Type of weights and bias; JAX's default, single precision, if None.
            form: How a layer is multiplied: "usual" is what was fastest where topokit measured it,
                on one core of a CPU; "auto" measures each layer here, once in a process.
            batch: Examples (and pixels) at once for which "auto" measures.

        Raises:
            ValueError: If the topology is not valid (see `topokit.to_layers`), the type is not one
                of real numbers or has no room for a constant, the form is none of these, or the
                batch is no positive integer.
        """
        check_init(init)
        layers = to_layers(topology)
        dtype = jnp.zeros(0).dtype if dtype is None else jnp.dtype(dtype)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(f"dtype must be one of floating point; given {dtype}")
        check_constants(layers, jnp.promote_types(dtype, jnp.float32))
        if form not in FORMS:
            raise ValueError(f"form must be 'usual' or 'auto'; given {form!r}")
        measured = check_count("batch", batch) if form == "auto" else None
        keys = jax.random.split(key, layers.depth)
        draws = zip(init(layers), keys, strict=True)
        self.layers = tuple(
            _layer(layers, number, radii[layers.trainable[number]], key, dtype, measured)
            for number, (radii, key) in enumerate(draws)
        )
        self.bias = jax.device_put(np.zeros(layers.n_out, dtype)) if bias else None

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.layers[0].wiring.n_in

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.layers[-1].wiring.n_out

    def __call__(
        self, x: Float[Array, "n_in *rest"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "n_out *rest"]:
        """Send a signal through; `key` is ignored, for the sake of `equinox.nn.Sequential`."""
        del key
        if np.shape(x)[:1] != (self.n_in,):
            raise ValueError(
                f"a signal of this layer has {self.n_in} features along its first axis; given "
                f"shape {np.shape(x)}. Map a batch with jax.vmap"
            )
        x = jnp.asarray(x)
        for layer in self.layers:
            x = layer(x)
        if self.bias is None:
            return x
        return x + self.bias.reshape(-1, *(1 for _ in x.shape[1:]))

    def with_weights(
        self,
        matrices: Sequence[Float[np.ndarray | Array, "_n_senders _n_receivers"]],
        bias: Float[np.ndarray | Array, " n_out"] | None = None,
    ) -> "SparseLinear":
        """The same wiring with the entries of given matrices, such as those of a trained network.

        Args:
            matrices: For each layer a matrix `(senders, receivers)`; entries without a trainable
                edge are not used.
            bias: The new bias; None to keep the present one.

        This reads the wiring as numbers, so that it does not go inside `jax.jit`.

        Raises:
            ValueError: If shapes differ from the layer's.
        """
        shapes = [(layer.wiring.n_in, layer.wiring.n_out) for layer in self.layers]
        given = [np.shape(matrix) for matrix in matrices]
        if given != shapes:
            raise ValueError(f"matrices must have the shapes {shapes}; given {given}")
        weights = [
            _entries(matrix, layer) for layer, matrix in zip(self.layers, matrices, strict=True)
        ]
        filled = eqx.tree_at(lambda s: [layer.weight for layer in s.layers], self, weights)
        if bias is None:
            return filled
        if self.bias is None or np.shape(bias) != self.bias.shape:
            raise ValueError(
                f"bias must have the shape {np.shape(self.bias) if self.bias is not None else None}"
                f" of the layer's; given {np.shape(bias)}"
            )
        return eqx.tree_at(lambda s: s.bias, filled, jnp.asarray(bias, self.bias.dtype))


def edges(
    layer: SparseLayer,
) -> tuple[Int[np.ndarray, " trainable"], Int[np.ndarray, " trainable"]]:
    """Sender and receiver of each weight."""
    senders, receivers = edge_ends(layer.wiring)
    free = slice(None) if layer.trainable is None else np.asarray(layer.trainable)
    return senders[free], receivers[free]


def _entries(matrix: np.ndarray | Array, layer: SparseLayer) -> Float[Array, " trainable"]:
    if isinstance(matrix, Tracer):
        return matrix.astype(layer.weight.dtype)[edges(layer)]
    return jax.device_put(np.asarray(matrix)[edges(layer)].astype(layer.weight.dtype))


def _scaled(
    draws: Float[Array, " more"], radii: Float[np.ndarray, " trainable"], dtype: jnp.dtype
) -> Float[Array, " trainable"]:
    """The first draws times radii; with numpy where it can be, as JAX compiles each size anew."""
    radii = radii.astype(draws.dtype)
    if isinstance(draws, Tracer):
        return (draws[: radii.size] * radii).astype(dtype)
    return jax.device_put((radii * np.asarray(draws)[: radii.size]).astype(dtype))


def _rounded(n: int) -> int:
    """A power of two from 1,024 on: few programs for all sizes, and the same first draws."""
    return max(1024, 1 << (n - 1).bit_length())


def _layer(
    layers: Layers,
    number: int,
    radii: Float[np.ndarray, " trainable"],
    key: PRNGKeyArray,
    dtype: jnp.dtype,
    batch: int | None,
) -> SparseLayer:
    draws = jax.random.uniform(key, (_rounded(radii.size),), minval=-1.0, maxval=1.0)
    weight, wiring = _scaled(draws, radii, dtype), make_wiring(layers, number, batch=batch)
    free, constant = layers.trainable[number], layers.constant[number]
    if free.all():
        return SparseLayer(weight, wiring, None, None, None)
    trainable, fixed = (
        jax.device_put(np.flatnonzero(flags).astype(np.int32)) for flags in (free, ~free)
    )
    return SparseLayer(weight, wiring, trainable, Constants(constant[~free]), fixed)
