"""Round shapes, so that networks of about one size share a compiled descent.

To compile a descent takes longer than to run it, where the network is small. So a small one is
padded further: widths, fans and depths grow to the next of a few sizes. A neuron that is added adds
and holds nothing. A layer that is added stands in front of others and passes on what comes, each
neuron to the one behind it. So control at the outputs is the same, and the slope of every logit.
"""

import numpy as np
from jaxtyping import Float

from topokit.scores.control._neuron_limits import Neurons
from topokit.scores.control.descent._padded_layers import PaddedLayer, PaddedLayers
from topokit.scores.control.descent._propagation import Logits

# Logits up to which a network is padded: a step then takes about a millisecond.
SMALL = 2**18

NOWHERE = np.iinfo(np.int32).max  # the sender of an empty in-slot
ENDLESS = 1e9  # the room of a neuron that passes on everything


def round_shapes(wiring: PaddedLayers, logits: Logits) -> tuple[PaddedLayers, Logits]:
    """The same network with the same logits in round shapes, unless it is too large for that."""
    rows = zip(wiring.stages, logits.splits, logits.injections, strict=True)
    rounded = [_round_stage(*row) for row in rows]
    if sum(split.size for _, split, _ in rounded) > SMALL:
        return wiring, logits
    width = _power_of_two(len(logits.first))
    first = Neurons(*(_grown(array, width) for array in wiring.first))
    stages, splits, injections = zip(*rounded, strict=True) if rounded else ((), (), ())
    return PaddedLayers(first, stages), Logits(_grown(logits.first, width), splits, injections)


def _round_stage(
    stage: PaddedLayer,
    split: Float[np.ndarray, "layers senders fan_out channels"],
    injection: Float[np.ndarray, "layers receivers channels"],
) -> tuple[PaddedLayer, Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    depth, senders, fan_out = stage.exists.shape
    _, receivers, fan_in = stage.arrive.shape
    more = 0 if depth == 1 else max(4, _power_of_two(depth)) - depth
    senders, receivers = _power_of_two(senders), _power_of_two(receivers)
    out, into = (2 if fan <= 2 else max(8, _power_of_two(fan)) for fan in (fan_out, fan_in))
    sender, slot = np.divmod(stage.arrive, fan_out)
    arrive = np.where(stage.arrive == NOWHERE, NOWHERE, sender * out + slot).astype(np.int32)
    arrive = _grown(arrive, receivers, into, before=more, fill=NOWHERE)
    exists = _grown(stage.exists, senders, out, before=more)
    gain, room, reach = (_grown(array, receivers, before=more) for array in stage.neurons)
    arrive[:more, :, 0] = out * np.arange(receivers)
    exists[:more, :, 0] = True
    room[:more] = ENDLESS
    return (
        PaddedLayer(arrive, exists, Neurons(gain, room, reach)),
        _grown(split, senders, out, before=more),
        _grown(injection, receivers, before=more),
    )


def _power_of_two(least: int) -> int:
    """The least power of two that is not less than a number."""
    return 1 << (least - 1).bit_length()


def _grown(
    array: np.ndarray, *sizes: int, before: int | None = None, fill: float = 0
) -> np.ndarray:
    """An array with axes of these sizes, filled up behind; before them `before` more layers."""
    layers = [] if before is None else [(before, 0)]
    sides = [(0, size - now) for size, now in zip(sizes, array.shape[len(layers) :], strict=False)]
    rest = [(0, 0)] * (array.ndim - len(layers) - len(sides))
    return np.pad(array, [*layers, *sides, *rest], constant_values=fill)
