"""Move edges from where they do least to where the soft leverage is least.

What an edge can do is judged by its place. The error that is left of a Gaussian matrix is `1 - H`
in each entry, H the soft leverage, and an edge reaches an entry as strongly as the paths through it
are, each counted by the squared deviations of its weights: with A for what comes from the inputs
and B for what leads to the outputs, `A^T (1 - H) B` at its two ends. The least of the trainable
edges go to the free places that promise most. A move is kept if it lowers the predicted loss;
otherwise half as many edges are tried.
"""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from topokit._limits import check_memory
from topokit.layers import NUMBERS, Layers, backward, forward, make_layers, xavier_radii
from topokit.scores.freedom import PredictedLoss, soft_leverage

LIMIT = 2**30  # bytes of soft leverage: about 6,000 edges of 64 inputs and outputs
TRIES = 24
DRAWS = 4


def move_edges(
    layers: Layers,
    loss: PredictedLoss,
    share: float,
    *,
    predict: Callable[[Layers], PredictedLoss],
    seed: int,
    tell: Callable[[str, int, int], object],
) -> tuple[Layers, PredictedLoss, float]:
    """A recipe of no greater predicted loss, that loss, and the share of edges that were moved.

    Args:
        layers: The recipe to start from.
        loss: Its predicted loss.
        share: The most of its trainable edges to move.
        predict: What predicts a loss.
        seed: For the soft leverage.
        tell: Learns how many tries are made, and of how many.
    """
    total, left = layers.n_trainable, int(share * layers.n_trainable)
    step, start = max(1, left // 4), layers
    for number in range(TRIES):
        step = min(step, left)
        if not step:
            break
        tell("moves edges", number, TRIES)
        changed = _moved(layers, step, seed)
        if changed is None:
            break
        found = predict(changed)
        if found < loss:
            layers, loss, left = changed, found, left - step
        else:
            step //= 2
    return layers, loss, _difference(start, layers) / total


def check_refine(n_in: int, n_out: int, budget: int) -> None:
    """Refuse what would take too much memory."""
    check_memory(
        "refine",
        16 * budget * (budget + n_in * n_out),
        LIMIT,
        "leave it out, or take a smaller layer",
        of=f"a layer of {n_in} x {n_out} with {budget} trainable edges",
    )


def _moved(layers: Layers, number: int, seed: int) -> Layers | None:
    """The recipe with so many senders changed, or as many as can be; None where none promises."""
    moves = [
        (gain, place, edge, sender)
        for place, gains in enumerate(_gains(layers, seed))
        for gain, edge, sender in _moves(layers, place, gains)
    ]
    senders = [s.copy() for s in layers.senders]
    for _, place, edge, sender in sorted(moves, reverse=True)[:number]:
        senders[place][edge] = sender
    rules = {"trainable": layers.trainable, "constant": layers.constant}
    return make_layers(layers.widths, senders, layers.receivers, **rules) if moves else None


def _moves(
    layers: Layers, place: int, gains: Float[np.ndarray, "senders receivers"]
) -> Iterator[tuple[float, int, int]]:
    """What may be gained in a layer, by which edge from which sender instead.

    Every receiver gives up its trainable edge of least gain, and takes one more sender; no sender
    is taken twice.
    """
    senders, receivers = layers.senders[place], layers.receivers[place]
    worth, free = gains[senders, receivers], np.flatnonzero(layers.trainable[place])
    least = {int(receivers[e]): int(e) for e in free[np.argsort(-worth[free], kind="stable")]}
    rest = np.full(gains.shape, -np.inf)
    for receiver, edge in least.items():
        rest[:, receiver] = gains[:, receiver] - worth[edge]
    rest[senders, receivers] = -np.inf
    used: set[int] = set()
    for at in np.argsort(-rest, axis=None, kind="stable"):
        sender, receiver = divmod(int(at), gains.shape[1])
        if rest[sender, receiver] <= 0:
            break
        if sender not in used and receiver in least:
            used.add(sender)
            yield float(rest[sender, receiver]), least.pop(receiver), sender


def _gains(layers: Layers, seed: int) -> Iterator[Float[np.ndarray, "_senders _receivers"]]:
    """For each layer, what an edge could do at each place, 1 on average."""
    left = 1 - soft_leverage(layers, n_samples=DRAWS, seed=seed)
    rows = zip(xavier_radii(layers), layers.trainable, layers.constant, strict=True)
    squares = [np.where(free, radii**2 / 3, held**2) for radii, free, held in rows]
    before = forward(layers, np.eye(layers.n_in), squares, algebra=NUMBERS)
    behind = backward(layers, np.eye(layers.n_out), squares, algebra=NUMBERS)[1:]
    for ahead, back in zip(before, behind, strict=False):
        gains = ahead @ left @ back.T
        yield gains / gains.mean()


def _difference(one: Layers, other: Layers) -> int:
    """How many edges of one the other has not."""
    codes = [
        [s * width + r for s, r, width in zip(x.senders, x.receivers, x.widths[1:], strict=True)]
        for x in (one, other)
    ]
    return sum(int(np.setdiff1d(a, b).size) for a, b in zip(*codes, strict=True))
