"""The loss that training will leave, predicted from leverage, interaction order and bandwidth.

A target with independent Gaussian entries is rebuilt best where the weights make the most of its
noise. If they can move an entry freely its error vanishes, if not it stays, and in between leverage
`h` stands for the share of its variance that they reach from one point. Training does not stay at
one point: it turns the reachable directions towards the target, the better the more weights are
multiplied with each other. An entry of `W_d` is a polynomial in the weights, of a degree that is
its number of trainable edges on a path. For such polynomials of order p in very many unknowns
with random coefficients, the spherical p-spin model, descent ends at the squared value
`4 (p - 1) / p` for each unknown, where a fixed set of directions would give 1. So a small `h`
counts for `4 (p - 1) / p` times itself, and `(1 - h)^(4 (p - 1) / p)` of the variance is left.
Constant edges mix terms of several degrees, and their sizes then decide which of them count.

No weights get below what the bandwidth allows: `W_d` has at most that rank.
"""

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Float, Shaped

from topokit._checks import check_choice, check_count, check_real
from topokit._inputs import components_of
from topokit._limits import TooLargeError
from topokit.layers import Layers, to_layers
from topokit.scores.counts import bandwidth
from topokit.scores.freedom._degrees_of_freedom import degrees_of_freedom
from topokit.scores.freedom._input_estimate import check_input_estimate, estimate_over_inputs
from topokit.scores.freedom._input_loss import cascade_losses, rank_bound, residual_of_layer
from topokit.scores.freedom._interaction_order import effective_order
from topokit.scores.freedom._leverage import check_leverage, leverage_of_rank
from topokit.scores.freedom._loss_estimate import check_estimate, estimate_loss
from topokit.scores.freedom._low_rank_loss import low_rank_loss
from topokit.scores.freedom._spanning_edges import count_spanning

ENTRIES_ENOUGH = 2**13
DRAWS = (2, 8)

# Entries times squared columns up to which leverage is factored: some seconds a draw.
CHEAP = 2**33

METHODS = ("auto", "exact", "estimate")


class PredictedLoss(float):
    """A predicted loss: a number in [0, 1] that says how it is known.

    Attributes:
        standard_error: Of the number, over draws of weights and, for an estimate, over probes; 0
            where nothing random is left in it.
        exact: Whether the leverage maps behind it are exact, and not probed.
        drift: By about how much further steps of an estimate would lower it; 0 if it is exact.
        converged: Whether all probes of an estimate stopped because `drift` was small. If not,
            the number may be too high by more than that. Directions that weights hardly reach,
            in very deep and narrow networks or beside constants far smaller than the weights, can
            hide from it: an estimate counts them as out of reach, the exact way as free.

        error: What to allow for: the standard error, and the drift.

    Examples:
        >>> import topokit as tk
        >>> exact = tk.predicted_loss(tk.topologies.clos(16, 16, 4, 4, 4))
        >>> exact.exact, 0 < exact.standard_error < 0.05
        (True, True)
        >>> probed = tk.predicted_loss(tk.topologies.clos(256, 256, 16, 15, 16))
        >>> probed.exact, probed.converged, probed.standard_error < 0.01 * probed
        (False, True, True)

    See Also:
        `topokit.predicted_loss`, which returns it.
    """

    standard_error: float
    exact: bool
    drift: float
    converged: bool

    def __new__(
        cls,
        value: float,
        standard_error: float = 0.0,
        exact: bool = True,
        drift: float = 0.0,
        converged: bool = True,
    ) -> "PredictedLoss":
        """Make one; the arguments are the attributes."""
        self = super().__new__(cls, value)
        self.standard_error, self.exact = standard_error, exact
        self.drift, self.converged = drift, converged
        return self

    def __getnewargs__(self) -> tuple:
        """What a copy in another process is made from."""
        return float(self), self.standard_error, self.exact, self.drift, self.converged

    @property
    def error(self) -> float:
        """The standard error, and the drift: steps that were not taken only err to one side."""
        return self.standard_error + self.drift

    def __repr__(self) -> str:
        if self.exact:
            return float.__repr__(self)
        doubt = "" if self.converged else ", not converged"
        return f"{float(self):.4g} +- {self.error:.1g}{doubt}"


def predicted_loss(
    topology: nx.DiGraph | Layers,
    *,
    method: str = "auto",
    n_samples: int | None = None,
    seed: int = 0,
    accuracy: float = 0.01,
    max_steps: int = 1000,
    inputs: Shaped[np.ndarray, "..."] | None = None,
) -> PredictedLoss:
    """The relative loss that reconstruction of a Gaussian matrix is likely to leave, in [0, 1].

    The greater of two numbers: `low_rank_loss` at the bandwidth, which no weights can beat on
    average (in small layers up to a term of 1 / side), and the mean of `(1 - H)^p` over the
    entries of the leverage map H, itself averaged over draws of weights. The exponent is
    `p = 4 (1 - 1 / d)`, 1 or more, with d the `effective_order`. Nothing is fitted. A single layer
    is predicted exactly: 1 less its density.

    The formula p comes from the threshold energy of spherical p-spin models (Crisanti and Sommers,
    1995; Cugliandolo and Kurchan, 1993), and at order 2 from the greatest singular value of a
    Gaussian matrix: `(2 sqrt(n))^2` for the 2n weights of rank one. What it leaves out: the steps
    that training takes, which matter where H is nearly 1 everywhere. `analyses/score_validity.py`
    says how good it is.

    With `inputs` it is the loss of the outputs, `E |x (W_O - W_d)|^2 / E |x W_O|^2` over these
    examples. An output lacks what the inputs that reach it do not tell about the others, exactly;
    of the rest, leverage counts by the principal components of what it sees, in proportion to their
    variance. A single layer is again exact: it leaves `sum tr(S_UU - S_US S_SS^-1 S_SU)` over
    outputs, for the second moments of the inputs, `S` the senders of the output and `U` the others.
    Inputs that are all alike and independent give the plain loss; where they are only nearly so, it
    can be some percent too low, for their components are then in no order.

    Small maps are exact. Where that would take more than some seconds a draw, random signs are
    projected on what the weights can move, by products with the Jacobian alone: three or four of
    them give the moments of the map (`z * (P z)` has the mean H, products of independent ones have
    powers of it), and the result says how sure it is. Over inputs some components of each output
    are drawn by their variance, and their leverage is exact.

    Cost: that of `leverage` for `n_samples` draws, `degrees_of_freedom` and `bandwidth`; of an
    estimate O((n_in + n_out) E) for each of 6 to 64 probes and each of its steps, of which wide
    random networks take about 5, deep ones hundreds. A Clos network of 1,024 takes seconds.

    Args:
        topology: A graph or a recipe.
        method: "exact", "estimate", or "auto" for whichever is cheaper.
        n_samples: How many random weights to average over; by default as many as bring 8,192
            entries, 2 to 8, and for an estimate as many as bring its noise down to `accuracy`, 2
            to 16.
        seed: For the weights, drawn as by `leverage`, and for the probes.
        accuracy: What an estimate aims at: a standard error of this share of the loss (of .01 where
            the loss is less), and steps until they would change it by less than a quarter of this.
            Where draws of weights differ by more, the standard error says so.
        max_steps: Steps after which a probe stops anyway; the result is then not `converged`. An
            estimate over inputs takes no steps.
        inputs: Examples of inputs, `(n, n_in)`, as they go into the layer; center them if it has a
            bias. Their scale has no say, and any root of second moments does as well, such as
            `np.linalg.cholesky(S).T`. Memory of an estimate then grows with the trainable edges
            squared, time of each draw of weights with their cube; `n_samples` says how many.

    Raises:
        ValueError: If an argument is out of range, an exact map is asked for that takes more than
            2 GiB, an estimate would take more than 8 GiB, or one over `inputs` more than 2 GiB, or
            inputs that vary together mix what constants stretch by more than floats tell apart.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> round(tk.predicted_loss(tk.topologies.low_rank(16, 16, 4)), 2)
        0.38
        >>> tk.predicted_loss(tk.topologies.dense(8, 8))
        0.0
        >>> round(tk.predicted_loss(tk.topologies.butterfly(256, 16)), 1)
        0.8
        >>> graph = tk.topologies.random_regular([16, 16], 4, seed=0)
        >>> alike = np.repeat(np.eye(4), 4, axis=1)  # four inputs, each four times
        >>> round(tk.predicted_loss(graph), 2), tk.predicted_loss(graph, inputs=alike) < 0.5
        (0.75, True)

    See Also:
        `reconstruct`, which trains; `topokit.scores.low_rank_loss`, of low rank.
    """
    layers, seed = to_layers(topology), check_count("seed", seed, least=0)
    check_choice("method", method, METHODS)
    n_samples = None if n_samples is None else check_count("n_samples", n_samples)
    accuracy = check_real("accuracy", accuracy, least=1e-6, most=1.0)
    max_steps = check_count("max_steps", max_steps)
    if inputs is not None:
        return _of_inputs(
            layers, inputs, method=method, n_samples=n_samples, seed=seed, accuracy=accuracy
        )
    if method == "exact" or (method == "auto" and cheap(layers)):
        return leverage_and_loss(layers, n_samples=n_samples, seed=seed)[1]
    check_estimate(layers)
    found = estimate_loss(
        layers,
        _exponent(layers),
        n_samples=n_samples,
        seed=seed,
        accuracy=accuracy,
        max_steps=max_steps,
    )
    estimate = PredictedLoss(
        min(max(found.value, 0.0), 1.0), found.standard_error, False, found.drift, found.converged
    )
    return _at_least(estimate, low_rank_loss(layers.n_in, layers.n_out, bandwidth(layers)))


def _of_inputs(
    layers: Layers,
    inputs: Any,
    *,
    method: str,
    n_samples: int | None,
    seed: int,
    accuracy: float,
) -> PredictedLoss:
    """The predicted loss of outputs, over examples of inputs."""
    if layers.depth == 1:
        return PredictedLoss(residual_of_layer(layers, components_of(inputs, layers.n_in)))
    exact = method == "exact" or (method == "auto" and cheap(layers))
    (check_leverage if exact else check_input_estimate)(layers)
    components = components_of(inputs, layers.n_in)
    if components.alike and exact:
        return leverage_and_loss(layers, n_samples=n_samples, seed=seed)[1]
    if not count_spanning(layers):
        return PredictedLoss(1.0)
    if exact:
        freedom = degrees_of_freedom(layers)
        seeds = _seeds(layers, freedom, n_samples, seed)
        left = _mean(cascade_losses(layers, components, freedom, _exponent(layers), seeds))
    else:
        found = estimate_over_inputs(
            layers,
            components,
            _exponent(layers),
            n_samples=n_samples,
            seed=seed,
            accuracy=accuracy,
        )
        left = PredictedLoss(*found, exact=False)
    return _at_least(left, rank_bound(components, layers.n_out, bandwidth(layers), seed))


def cheap(layers: Layers, *, within: int = CHEAP) -> bool:
    """Whether exact leverage takes little memory and at most so much work, by default seconds."""
    try:
        check_leverage(layers)
    except TooLargeError:
        return False
    return layers.depth == 1 or layers.n_in * layers.n_out * count_spanning(layers) ** 2 <= within


def leverage_and_loss(
    layers: Layers, *, n_samples: int | None = None, seed: int = 0
) -> tuple[Float[np.ndarray, "n_in n_out"], PredictedLoss]:
    """The mean of the leverage maps behind `predicted_loss`, and what it says, both exact."""
    check_leverage(layers)  # and so no more than fits is eliminated
    maps = draw_leverage(layers, degrees_of_freedom(layers), n_samples=n_samples, seed=seed)
    return np.mean(maps, axis=0), loss_of_maps(layers, maps, bandwidth(layers))


def draw_leverage(
    layers: Layers, freedom: int, *, n_samples: int | None = None, seed: int = 0
) -> list[Float[np.ndarray, "n_in n_out"]]:
    """The leverage maps behind `predicted_loss`, one for each draw of weights."""
    seeds = _seeds(layers, freedom, n_samples, seed)
    return [leverage_of_rank(layers, freedom, n_samples=1, seed=each) for each in seeds]


def _seeds(layers: Layers, freedom: int, n_samples: int | None, seed: int) -> range:
    """One for each draw of weights."""
    entries = layers.n_in * layers.n_out
    least, most = DRAWS
    enough = min(most, max(least, -(-ENTRIES_ENOUGH // entries)))
    n_samples = enough if n_samples is None else n_samples
    if freedom == entries or layers.depth == 1:
        n_samples = 1  # nothing is drawn then
    return range(seed, seed + n_samples)


def loss_of_maps(
    layers: Layers, maps: Sequence[Float[np.ndarray, "n_in n_out"]], width: int
) -> PredictedLoss:
    """`predicted_loss` where the leverage maps and the bandwidth are known."""
    exponent = _exponent(layers)
    left = np.array([((1 - H) ** exponent).mean() for H in maps])
    return _at_least(_mean(left), low_rank_loss(layers.n_in, layers.n_out, width))


def _mean(left: Float[np.ndarray, " draws"]) -> PredictedLoss:
    """The mean of what draws of weights leave."""
    error = left.std(ddof=1) / len(left) ** 0.5 if len(left) > 1 else 0.0
    return PredictedLoss(float(left.mean()), float(error))


def _exponent(layers: Layers) -> float:
    return exponent_of(effective_order(layers))


def exponent_of(order: float) -> float:
    """The power of `1 - H` that is left of the variance, at an interaction order."""
    return 4 * (1 - 1 / max(order, 4 / 3))


def _at_least(loss: PredictedLoss, bound: float) -> PredictedLoss:
    """The bound where it is greater; its error is that of a loss that may be above it."""
    if loss >= bound:
        return loss
    near = loss + 2 * loss.standard_error > bound
    return PredictedLoss(
        bound, loss.standard_error if near else 0.0, loss.exact, 0.0, loss.converged or not near
    )
