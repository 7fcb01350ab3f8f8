"""Descent on the controllability loss (NeuroFabric section VI.C), compiled as one loop."""

from functools import partial
from math import prod
from typing import NamedTuple

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import optax
from jaxtyping import Array, Float

from topokit._checks import check_count, check_real
from topokit._graph import to_layers
from topokit._keys import generator
from topokit._layers import Layers
from topokit.scores._controllability._bound import control_bound
from topokit.scores._controllability._flow import (
    Form,
    Logits,
    draw_logits,
    logit_shapes,
    propagate,
)
from topokit.scores._controllability._marginal import marginal
from topokit.scores._controllability._pairwise import pairwise
from topokit.scores._controllability._wiring import Wiring, make_wiring
from topokit.scores._limits import check_memory

limit = 2**33

# Bytes that a step takes for each logit: parameters, gradient, two moments of Adam, the shares and
# their derivatives, in single precision.
BYTES = 48

# Logits start nearly even, but for what breaks a tie.
DEVIATION = 0.01

# Slopes this small are rounding. Adam would magnify them and let K drift where the loss is flat.
NOISE = 1e-4


class Controllability(NamedTuple):
    """What each output controls, as far as the descent found.

    Attributes:
        K: `K[i, k] = sum_j C_ij(k)`: how many ratios of input `i` to other inputs output `k`
            controls, in [0, n_in - 1]. A column sums to at most `n_in - 1`.
        total: Sum of K: the ratios that the network controls in all.
        loss: Equation (20): the sum over outputs of `(n_in - 1 - sum_i K[i, k])^2`; 0 is perfect.
        bound: A proven lower bound on the loss; where they meet, no descent can do better.
        losses: The loss at every step.
    """

    K: Float[np.ndarray, "n_in n_out"]
    total: float
    loss: float
    bound: float
    losses: Float[np.ndarray, " steps"]


def controllability(
    topology: nx.DiGraph | Layers,
    *,
    method: str = "marginal",
    fairness: float = 0.0,
    steps: int = 500,
    learning_rate: float = 0.03,
    key: Array | int | None = None,
) -> Controllability:
    """How many ratios of inputs each output controls, and of which inputs.

    `C_ij(v)` in [0, 1] is how freely the ratio of inputs `i` and `j` can be set at neuron `v`:

    - An input controls nothing (equation (10)).
    - A neuron sums what arrives and adds up to `min(t, k - 1)` of its own, for `k` in-edges of
      which `t` are trainable, on pairs of the inputs A(v) that reach it ((12), (27), (28)).
    - `C_ij + C_ji <= 1` (9) and `sum_ij C_ij(v) <= |A(v)| - 1` (11); what exceeds is lost.
    - It splits each `C_ij` over its out-edges, by shares that sum to 1 ((15) to (17)).

    Adam, on a cosine schedule, chooses the shares and what is added so that the loss (20) falls.
    Edges that come from no input or lead to no output do not count.

    The loss decides how much each output controls, not whose ratios: K is not unique. Without
    `fairness` it is the paper's, where plain descent from even shares ends. With a little, such as
    0.01, the loss stays the same and K becomes as even as the wiring allows, whatever the key:
    what unevenness is left is the wiring's own.

    Cost: O(n_in E) a step and as much memory (marginal), O(n_in^2 E) (pairwise), and compiling once
    for each set of shapes.

    Args:
        topology: A graph or a recipe.
        method: `"pairwise"` keeps every C_ij as the paper does. `"marginal"` keeps the sums over
            `j` alone, all that K needs, for `1 / n_in` of the cost. It knows no bound on single
            pairs (9), so its total can be the greater.
        fairness: Weight of the penalty `sum((K - mean(K))^2)` beside the loss; at least 0.
        steps: How many steps to take.
        learning_rate: Where the cosine schedule starts.
        key: For the logits to start from, a JAX key or an integer seed; 0 by default.

    Returns:
        The iterate of least loss and penalty.

    Raises:
        ValueError: If `method` is neither form, a number is out of range, the graph is not a valid
            topology, or the descent would take more than 8 GiB.
    """
    form = _form(method)
    fairness = check_real("fairness", fairness, least=0, most=1e6)
    learning_rate = check_real("learning_rate", learning_rate, least=0, most=10)
    steps = check_count("steps", steps)
    layers = to_layers(topology)
    wiring = make_wiring(layers)
    _check_size(method, form, wiring, layers.n_in)
    logits = draw_logits(generator(key), form, wiring, deviation=DEVIATION)
    control, losses = _descend(
        logits, wiring, fairness, learning_rate, form=form, steps=steps, n_out=layers.n_out
    )
    K = np.asarray(control, float).T
    loss = float(np.sum((layers.n_in - 1 - K.sum(axis=0)) ** 2))
    # Rounding in single precision may take K beyond what is possible, by a millionth of the loss.
    bound = min(control_bound(layers), loss)
    return Controllability(K, float(K.sum()), loss, bound, np.asarray(losses, float))


@partial(jax.jit, static_argnames=("form", "steps", "n_out"))
def _descend(
    logits: Logits,
    wiring: Wiring,
    fairness: float | Array,
    learning_rate: float | Array,
    *,
    form: Form,
    steps: int,
    n_out: int,
) -> tuple[Float[Array, "n_out n_in"], Float[Array, " steps"]]:
    """The best K, transposed, and the loss at every step."""
    n_in = wiring.first.reach.shape[1]
    schedule = optax.cosine_decay_schedule(1.0, steps)
    optimizer = optax.adam(
        lambda count: learning_rate * schedule(count), b1=0.9, b2=0.95, eps=NOISE
    )

    def objective(logits):
        K = form.read(propagate(form, wiring, logits)[:n_out])
        loss = jnp.sum((n_in - 1 - K.sum(axis=1)) ** 2)
        return loss + fairness * jnp.sum((K - K.mean()) ** 2), (loss, K)

    def step(state, _):
        logits, moments, least, best = state
        (value, (loss, K)), slope = jax.value_and_grad(objective, has_aux=True)(logits)
        best = jnp.where(value < least, K, best)
        updates, moments = optimizer.update(slope, moments)
        logits = optax.apply_updates(logits, updates)
        return (logits, moments, jnp.minimum(value, least), best), loss

    blank = jnp.zeros((n_out, n_in), jnp.float32)
    start = (logits, optimizer.init(logits), jnp.float32(jnp.inf), blank)
    (*_, best), losses = jax.lax.scan(step, start, length=steps)
    return best, losses


def _form(method: str) -> Form:
    match method:
        case "marginal":
            return marginal
        case "pairwise":
            return pairwise
        case _:
            raise ValueError(f"method must be 'marginal' or 'pairwise'; given {method!r}")


def _check_size(method: str, form: Form, wiring: Wiring, n_in: int) -> None:
    count = sum(prod(shape) for shape in logit_shapes(form, wiring))
    check_memory(
        f"controllability with method={method!r}",
        BYTES * count,
        limit,
        f"method='marginal' needs {n_in} times less"
        if form is pairwise
        else "topokit.scores.control_bound bounds its loss in less",
    )
