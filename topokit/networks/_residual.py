"""A block that a shortcut goes around: what a network of many layers can lose layers by."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray


class PickedChannels(eqx.Module):
    """Channels taken from a signal, or left 0: `y[j] = x[sources[j]] + bias[j]`, no weights.

    It is a shortcut into a layer of more channels (option A of He and others, 2016: the image at
    every other pixel, zeros in the new channels), and what `shrink` joins layers by that have not
    kept the same channels.

    Attributes:
        sources: For each channel that comes out the one that it is taken from; -1 for zeros.
        stride: Pixels from one to the next that is taken, in either direction.
        bias: Added to the channels; None if there is none.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import networks
        >>> networks.PickedChannels((1, -1))(jnp.array([3.0, 4.0])).tolist()
        [4.0, 0.0]

    See Also:
        `Residual`, whose shortcut it may be.
    """

    sources: tuple[int, ...] = eqx.field(static=True)
    stride: int = eqx.field(static=True, default=1)
    bias: Float[Array, " channels"] | None = None

    def __call__(
        self, x: Float[Array, "channels *pixels"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "more_channels *fewer_pixels"]:
        """Take them; `key` is ignored, for the sake of `equinox.nn.Sequential`."""
        del key
        x = x[(slice(None), *[slice(None, None, self.stride)] * (x.ndim - 1))]
        if self.sources != tuple(range(len(x))):
            sources = np.array(self.sources)
            x = jnp.concatenate([x, jnp.zeros_like(x[:1])]) if -1 in sources else x
            x = x[np.where(sources == -1, len(x) - 1, sources)]
        return x if self.bias is None else x + self.bias.reshape(-1, *[1] * (x.ndim - 1))


class Residual(eqx.nn.StatefulLayer):
    """`x -> body(x) + shortcut(x)`, without an activation behind the sum.

    Attributes:
        body: Layers, often an `equinox.nn.Sequential`; None if nothing is left of them.
        shortcut: A layer; None where the signal goes around as it is.

    Examples:
        >>> import equinox as eqx
        >>> import jax
        >>> from topokit import networks
        >>> block = networks.Residual(eqx.nn.Linear(4, 4, key=jax.random.key(0)))
        >>> x = jax.numpy.ones(4)
        >>> bool((block(x) == block.body(x) + x).all())
        True

    See Also:
        `resnet20`, which is made of them; `layer_groups`, which bring bodies to 0.
    """

    body: Any
    shortcut: Any

    def __init__(self, body: Any, shortcut: Any = None) -> None:
        """Keep both."""
        self.body, self.shortcut = body, shortcut

    def is_stateful(self) -> bool:
        """Whether it takes a state and returns the next one."""
        return any(map(_is_stateful, (self.body, self.shortcut)))

    def __call__(
        self,
        x: Float[Array, "channels *pixels"],
        state: eqx.nn.State | None = None,
        *,
        key: PRNGKeyArray | None = None,
    ) -> Any:
        """The sum; with a state behind it if one is given."""
        around, state = _called(self.shortcut, x, state, key)
        if self.body is not None:
            through, state = _called(self.body, x, state, key)
            around = through + around
        return around if state is None else (around, state)


def _is_stateful(layer: Any) -> bool:
    return isinstance(layer, eqx.nn.StatefulLayer) and layer.is_stateful()


def _called(layer: Any, x: Array, state: Any, key: PRNGKeyArray | None) -> tuple[Array, Any]:
    if layer is None:
        return x, state
    return layer(x, state, key=key) if _is_stateful(layer) else (layer(x, key=key), state)
