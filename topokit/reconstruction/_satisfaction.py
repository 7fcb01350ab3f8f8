"""L0 satisfaction by training: how many entries of a target can the weights meet at once?

The other side of `satisfiable_constraints` (NeuroFabric, section V.A).

What can be proven. `W_d` is a polynomial in the weights whose Jacobian has rank r, the degrees of
freedom, at almost all of them. By Sard's theorem any r + 1 entries of `W_d` fill a set of measure 0
in their space, and there are finitely many such choices: for almost every target **at most r
entries can be met**, by whatever method. Since r is at most the maximum matching, the matching is a
bound as well, and where it is the larger one it counts entries that cannot be met together.

In the other direction, entries whose r rows of the Jacobian are independent can be met together for
an open set of targets, around every `W_d` of almost all weights; over the complex numbers for
almost all targets. Over the reals it need not be so. A butterfly of two inputs, two layers and skip
connections has 4 free weights and r = 4, and its equations come down to a quadratic: where the
discriminant is negative, which has a positive chance, a target has but 3 entries met.

Hence what is found is a lower bound, by a certificate anybody can multiply out; r is an upper one;
and where both are equal the number is exact. Whether they are is measured.
"""

import jax.numpy as jnp
import networkx as nx
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from topokit._checks import check_count, check_real
from topokit._limits import check_memory
from topokit._records import Record
from topokit.layers import Layers, end_to_end_matrix, to_layers
from topokit.reconstruction._adam import Adam
from topokit.reconstruction._newton import Weights, polish
from topokit.reconstruction._problem import Solver
from topokit.reconstruction._reconstruct import reconstruct
from topokit.reconstruction._target_checks import check_targets

# A small rate and many steps: entries settle as the rate goes to 0.
L1_ADAM = Adam(max_steps=6000, learning_rate=0.1)

LIMIT = 2**31


class Satisfaction(Record):
    """Which entries of each target the topology meets.

    Attributes:
        met: The entries met exactly: to 1e-9 of the target's root mean square, by `weights`.
        trained: The entries that training alone met to the tolerance, for the restart with the
            most of them. Chance adds a few that are merely near.
        weights: For each layer, the weight of every edge in the order of `topokit.to_layers`, in
            double precision.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> found = tk.reconstruction.satisfy(tk.topologies.dense(8, 8), targets, restarts=1)
        >>> found.met.shape, bool(found.met.all())
        ((2, 8, 8), True)

    See Also:
        `satisfy`, which returns it.
    """

    met: Bool[np.ndarray, "n_targets n_in n_out"]
    trained: Bool[np.ndarray, "n_targets n_in n_out"]
    weights: tuple[Float[np.ndarray, "n_targets _edges"], ...]

    @property
    def n_met(self) -> Int[np.ndarray, " n_targets"]:
        """Entries met exactly: for almost every target at most the degrees of freedom."""
        return self.met.sum(axis=(1, 2))

    @property
    def n_trained(self) -> Int[np.ndarray, " n_targets"]:
        """Entries that training alone met to the tolerance."""
        return self.trained.sum(axis=(1, 2))

    @property
    def n_ratios(self) -> Int[np.ndarray, " n_targets"]:
        """Independent ratios met between the entries of an output: one less than its entries.

        With a diagonal layer, which meets an entry of every output, this is `n_met - n_out`.
        """
        return np.maximum(self.met.sum(axis=1) - 1, 0).sum(axis=1)


def satisfy(
    topology: nx.DiGraph | Layers,
    targets: Float[np.ndarray | Array, "*_n_targets n_in n_out"],
    *,
    tolerance: float = 1e-3,
    solver: Solver = L1_ADAM,
    restarts: int = 4,
    key: Array | int | None = None,
) -> Satisfaction:
    """Meet as many entries of each target as possible, by training and then exactly.

    Training lowers the L1 loss, whose minima have errors of 0 and not many small ones. It comes
    close to a base of entries that can be met together; Newton's method then solves for them. Set
    the counts beside `topokit.degrees_of_freedom`, which bounds them for almost every target, and
    `topokit.satisfiable_constraints`. Targets with structure, zeros where no path leads or entries
    equal to what the constants fix, can have more.

    To count ratios, append `topokit.with_diagonal`: then magnitudes cost nothing, and the ratios
    are `n_met - n_out` (NeuroFabric, appendix A). It changes nothing where all edges of the last
    layer are trainable, for these set the magnitudes already; beside constants it adds up to one
    degree of freedom an output.

    Cost: that of `reconstruct`, and for each start factorizations of the dense Jacobian,
    O(n_in n_out E min(n_in n_out, E)) each: a few where the degrees of freedom are reached, and
    hundreds where entries are in each other's way. For small networks.

    Args:
        topology: A graph or a recipe.
        targets: One matrix `(n_in, n_out)` or a stack `(n_targets, n_in, n_out)`.
        tolerance: The largest error of an entry that training met, relative to the target's root
            mean square; from 1e-6, the rounding of single precision, to 0.1. It decides what is
            `trained`, and for `met` only where the search begins. Errors that settle go on falling
            with the steps, the others are of the order of the target; so a wider tolerance counts
            some entries that are near by chance, a narrower one loses some that are on their way.
        solver: How to descend on the L1 loss.
        restarts: Independent starts for each target; the one with the most entries met is kept.
        key: A JAX random key, or an integer seed for one; 0 by default.

    Raises:
        ValueError: If an argument is out of range, the targets do not fit the topology (as for
            `reconstruct`), or the Jacobian would take more than 2 GiB.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> found = tk.reconstruction.satisfy(tk.topologies.dense(8, 8), targets, restarts=1)
        >>> found.met.sum((1, 2)).tolist()
        [64, 64]

    See Also:
        `topokit.satisfiable_constraints`, the most that can be met; `topokit.reconstruct`, for all
        entries at once.
    """
    layers = to_layers(topology)
    stack = np.asarray(check_targets(layers, targets, jnp.abs), float)
    tolerance = check_real("tolerance", tolerance, least=1e-6, most=0.1)
    restarts = check_count("restarts", restarts)
    _check_memory(layers)
    starts = np.repeat(stack, restarts, axis=0)
    weights = reconstruct(layers, starts, solver=solver, loss=jnp.abs, key=key).weights
    found = []
    for place, target in enumerate(stack):
        rows = range(place * restarts, (place + 1) * restarts)
        found.append(_best(layers, [_row(layers, weights, row) for row in rows], target, tolerance))
    met, trained, polished = zip(*found, strict=True)
    columns = zip(*polished, strict=True)
    return Satisfaction(np.stack(met), np.stack(trained), tuple(map(np.stack, columns)))


def _best(
    layers: Layers, starts: list[Weights], target: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray, Weights]:
    """What the best polished start meets, what the best start met before, and the weights."""
    within = tolerance * np.sqrt(np.mean(target**2))
    nearly = [abs(target - end_to_end_matrix(layers, start)) < within for start in starts]
    results = [polish(layers, s, target, near) for s, near in zip(starts, nearly, strict=True)]
    best = max(results, key=lambda result: result.met.sum())
    return best.met, max(nearly, key=np.sum), best.weights


def _row(layers: Layers, weights: tuple[np.ndarray, ...], row: int) -> Weights:
    """The weights of one start in double precision, the constants exactly what they are."""
    rows = zip(weights, layers.trainable, layers.constant, strict=True)
    return [np.where(free, w[row].astype(float), fixed) for w, free, fixed in rows]


def _check_memory(layers: Layers) -> None:
    """Four numbers for each entry of the Jacobian."""
    n_bytes = 32 * layers.n_in * layers.n_out * layers.n_trainable
    check_memory("satisfy", n_bytes, LIMIT, "topokit.degrees_of_freedom bounds its count")
