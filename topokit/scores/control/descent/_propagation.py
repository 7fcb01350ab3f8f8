"""How control flows: a neuron adds some, loses what it cannot hold, and shares out the rest.

All arrays end in an axis of channels, one for each input in the marginal form and one for each
ordered pair of inputs in the pairwise form. The forms differ in the three functions of a
`ControlForm` and in nothing else.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from topokit.scores.control._neuron_limits import Neurons
from topokit.scores.control.descent._padded_layers import PaddedLayer, PaddedLayers


class ControlForm(NamedTuple):
    """What is kept of the controllability tensor.

    Attributes:
        allowed: From the inputs that reach neurons, the channels that these may control.
        hold: From the control that comes together at neurons and their room, what they can hold.
        read: From the control at neurons, how much of it each input has.
    """

    allowed: Callable[[Bool[Array, "*neurons n_in"]], Bool[Array, "*neurons channels"]]
    hold: Callable[
        [Float[Array, "neurons channels"], Float[Array, " neurons"]],
        Float[Array, "neurons channels"],
    ]
    read: Callable[[Float[Array, "neurons channels"]], Float[Array, "neurons n_in"]]


class Logits(NamedTuple):
    """The free choices: a softmax makes shares of them. Arrays of numpy or of JAX.

    Attributes:
        first: On which channels the first neurons spend their gain (equation (28)).
        splits: For each stage, how neurons share out each channel (equations (16), (17)).
        injections: For each stage, on which channels its receivers spend their gain.
    """

    first: Float[Any, "neurons channels"]
    splits: tuple[Float[Any, "_layers _senders _fan_out channels"], ...]
    injections: tuple[Float[Any, "_layers _receivers channels"], ...]


def logit_shapes(form: ControlForm, wiring: PaddedLayers) -> list[tuple[int, ...]]:
    """The shapes of the logits: first, splits, injections."""
    neurons = [wiring.first, *(stage.neurons for stage in wiring.stages)]
    first, *injections = (jax.eval_shape(form.allowed, n.reach).shape for n in neurons)
    return [first, *((*s.exists.shape, first[-1]) for s in wiring.stages), *injections]


def draw_logits(
    rng: np.random.Generator, form: ControlForm, wiring: PaddedLayers, *, deviation: float
) -> Logits:
    """Normal logits around 0, where all shares are even."""
    first, *rest = (
        np.float32(deviation) * rng.standard_normal(shape, np.float32)
        for shape in logit_shapes(form, wiring)
    )
    half = len(wiring.stages)
    return Logits(first, tuple(rest[:half]), tuple(rest[half:]))


def propagate(
    form: ControlForm, wiring: PaddedLayers, logits: Logits
) -> Float[Array, "neurons channels"]:
    """Control at the last layer, padding included (equations (18), (19)); cost O(channels E)."""
    control = form.hold(_inject(form, wiring.first, logits.first), wiring.first.room)
    rows = zip(wiring.stages, logits.splits, logits.injections, strict=True)
    for stage, split, injection in rows:
        senders = stage.exists.shape[1]
        missing = max(0, senders - len(control))
        control = jnp.pad(control[:senders], ((0, missing), (0, 0)))
        control = _pass_stage(form, stage, split, injection, control)
    return control


def _pass_stage(
    form: ControlForm,
    stage: PaddedLayer,
    split: Float[Array, "layers senders fan_out channels"],
    injection: Float[Array, "layers receivers channels"],
    control: Float[Array, "senders channels"],
) -> Float[Array, "receivers channels"]:
    """All shares at once, then layer after layer: the loop keeps little for its way back."""
    shares = _softmax(split, stage.exists[..., None], axis=2)
    gains = _inject(form, stage.neurons, injection)

    def layer(control: Array, row: tuple[Array, ...]) -> tuple[Array, None]:
        share, gain, arrive, room = row
        sent = (share * control[:, None, :]).reshape(-1, control.shape[1])
        arrived = sent.at[arrive].get(mode="fill", fill_value=0).sum(axis=1)
        return form.hold(arrived + gain, room), None

    rows = (shares, gains, stage.arrive, stage.neurons.room)
    if len(stage.arrive) == 1:
        return layer(control, tuple(row[0] for row in rows))[0]
    return jax.lax.scan(layer, control, rows)[0]


def _inject(
    form: ControlForm, neurons: Neurons, logits: Float[Array, "*neurons channels"]
) -> Float[Array, "*neurons channels"]:
    """What neurons add of their own (equations (12), (28))."""
    shares = _softmax(logits, form.allowed(neurons.reach), axis=-1)
    return shares * neurons.gain[..., None]


def _softmax(logits: Array, among: Bool[Array, "..."], *, axis: int) -> Array:
    """Shares of the true entries of `among`: they sum to 1, or to 0 where none is true."""
    shares = jax.nn.softmax(jnp.where(among, logits, -jnp.finfo(logits.dtype).max), axis=axis)
    return jnp.where(among, shares, 0)
