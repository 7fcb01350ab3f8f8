"""The smallest networks where marginal and pairwise controllability differ, by exhaustive search.

Both forms are convex programs: control is added at neurons, held within bounds, sent over edges,
lost at will. The pairwise form has a commodity for each pair of inputs, of which a neuron holds at
most 1 (9); the orders `ij` and `ji` share that, so one commodity does for both. The marginal form
has one for each input; where only sums over inputs matter, one in all. They are solved for every
layered network up to a number of neurons, inputs included, each at least once up to isomorphism.
Constants matter only through the gain `min(t, k - 1)`, so with constants all gains up to `k - 1`
are tried. Idle neurons are left out: without them a network is smaller and differs as much.

Claim: with all edges trainable, up to 9 neurons both forms have one loss (20) and one total. With
10, three networks differ; the smallest has 11 edges, and totals of 6 and 5. With constants it has 7
neurons and 8 edges, and totals of 2 and 1. Fewer edges cannot do: a connected network of so few is
among those searched or a tree, where two inputs meet but once. With constants, K differs alone (in
what a set of its entries can sum to) from 7 neurons and 9 edges on, the loss alone from 8 neurons.

Writes `form_difference.json` beside this script; `--quick` stops at fewer neurons and keeps none.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, combinations_with_replacement, permutations, product
from typing import Any, NamedTuple

import clarabel
import numpy as np
from scipy import sparse

from analyses import kit
from analyses.kit import Study

# How many inputs a commodity of each form names; one that names none is control as such.
SUM, MARGINAL, PAIRWISE = 0, 1, 2

# Up to how many neurons to look for a difference in loss, and for one in K.
NEURONS = {"all trainable": (10, 8), "with constants": (8, 7)}
TOLERANCE = 1e-4

Feeds = tuple[tuple[int, ...], ...]
Neuron = tuple[int, int]  # its layer and its place there
Commodity = tuple[int, ...]
Entry = tuple[int, int]  # an input and an output
OUTSIDE = (-1, 0)


class Network(NamedTuple):
    """A layered network as the bounds see it.

    Attributes:
        feeds: For each layer, for each receiver, 0 or 1 for each sender.
        gains: For each layer, what each receiver adds, `min(t, k - 1)`.
    """

    feeds: tuple[Feeds, ...]
    gains: tuple[tuple[int, ...], ...]

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return len(self.feeds[0][0])

    @property
    def edges(self) -> int:
        """Number of edges."""
        return sum(sum(map(sum, layer)) for layer in self.feeds)


class Program(NamedTuple):
    """The control that a network can have: `A x <= b`.

    Attributes:
        rows: A.
        limits: b.
        held: The variable of each commodity at each output.
        size: The number of variables.
    """

    rows: sparse.csc_array
    limits: np.ndarray
    held: dict[tuple[int, Commodity], int]
    size: int


def networks(neurons: int, *, constants: bool) -> Iterator[Network]:
    """Every network of that many neurons with at least 3 inputs and 2 layers of edges.

    With two inputs (9) and (11) are one bound; in one layer every neuron can spread what it holds
    over pairs.
    """
    for widths in compositions(neurons):
        if len(widths) < 3 or widths[0] < 3:
            continue
        first = list(smallest(wirings(*widths[:2])))
        rest = [list(wirings(*pair)) for pair in zip(widths[1:], widths[2:], strict=False)]
        for feeds in product(first, *rest):
            yield from with_gains(feeds, constants=constants)


def compositions(total: int) -> Iterator[tuple[int, ...]]:
    """All ways to write a number as an ordered sum."""
    yield (total,)
    for last in range(1, total):
        yield from ((*rest, last) for rest in compositions(total - last))


def wirings(n_senders: int, n_receivers: int) -> Iterator[Feeds]:
    """Every layer without idle neurons, up to the order of its receivers."""
    some = [feed for feed in product((0, 1), repeat=n_senders) if any(feed)]
    for feeds in combinations_with_replacement(some, n_receivers):
        if all(map(any, zip(*feeds, strict=True))):
            yield feeds


def smallest(layers: Iterator[Feeds]) -> Iterator[Feeds]:
    """Of layers that are one up to the order of their senders, the first."""
    for feeds in layers:
        orders = permutations(zip(*feeds, strict=True))
        if all(feeds <= tuple(sorted(zip(*order, strict=True))) for order in orders):
            yield feeds


def with_gains(feeds: tuple[Feeds, ...], *, constants: bool) -> Iterator[Network]:
    """The network with all edges trainable, or with every choice of constants that matters."""
    most = [sum(feed) - 1 for layer in feeds for feed in layer]
    for flat in product(*(range(g + 1) if constants else (g,) for g in most)):
        each = iter(flat)
        yield Network(feeds, tuple(tuple(next(each) for _ in layer) for layer in feeds))


def reaching(network: Network) -> dict[Neuron, tuple[int, ...]]:
    """A(v), the inputs that reach each neuron."""
    rows = np.eye(network.n_in, dtype=bool)
    reach = {(0, i): (i,) for i in range(network.n_in)}
    for depth, layer in enumerate(network.feeds, start=1):
        rows = np.array(layer, bool) @ rows
        reach |= {(depth, v): tuple(np.flatnonzero(row).tolist()) for v, row in enumerate(rows)}
    return reach


def arcs(network: Network) -> Iterator[tuple[Neuron, Neuron]]:
    """Where control flows: from outside where neurons add some, along edges, out at outputs."""
    for depth, layer in enumerate(network.feeds, start=1):
        for v, feed in enumerate(layer):
            if network.gains[depth - 1][v]:
                yield OUTSIDE, (depth, v)
            if depth > 1:
                yield from (((depth - 1, u), (depth, v)) for u, there in enumerate(feed) if there)
            if depth == len(network.feeds):
                yield (depth, v), OUTSIDE


def program(network: Network, form: int) -> Program:
    """The bounds (9), (11), (15) and (28) of a form."""
    reach = reaching(network)
    index: dict[tuple[Neuron, Neuron, Commodity], int] = {}
    inward, outward = ({v: defaultdict(list) for v in (*reach, OUTSIDE)} for _ in range(2))
    for tail, head in arcs(network):
        for commodity in combinations(reach[head if tail == OUTSIDE else tail], form):
            variable = index.setdefault((tail, head, commodity), len(index))
            inward[head][commodity].append(variable)
            outward[tail][commodity].append(variable)
    rows = [([], [variable], 0) for variable in index.values()]
    for depth, v in reach:
        into, out = inward[depth, v], outward[depth, v]
        rows += [(sent, into[commodity], 0) for commodity, sent in out.items()]
        if form == PAIRWISE:
            rows += [(sent, [], 1) for sent in out.values()]
        if depth:
            added = [index[key] for key in product([OUTSIDE], [(depth, v)], into) if key in index]
            rows.append((added, [], network.gains[depth - 1][v]))
            rows.append((sum(out.values(), []), [], len(reach[depth, v]) - 1))
    held = {(key[0][1], key[2]): n for key, n in index.items() if key[1] == OUTSIDE}
    return Program(*inequalities(rows, len(index)), held, len(index))


def inequalities(
    rows: list[tuple[list[int], list[int], int]], size: int
) -> tuple[sparse.csc_array, np.ndarray]:
    """The matrix and the limits of rows `sum(some variables) - sum(others) <= limit`."""
    matrix = np.zeros((len(rows), size))
    for row, (plus, minus, _) in zip(matrix, rows, strict=True):
        row[plus], row[minus] = 1, -1
    return sparse.csc_array(matrix), np.array([limit for *_, limit in rows], float)


def solve(quadratic: sparse.csc_array, linear: np.ndarray, within: Program) -> np.ndarray:
    """The control that minimizes half a quadratic form, of its upper triangle, and a linear one."""
    options = clarabel.DefaultSettings()  # pyright: ignore[reportAttributeAccessIssue] (compiled)
    options.verbose = False
    limits = [
        clarabel.NonnegativeConeT(within.limits.size)  # pyright: ignore[reportAttributeAccessIssue]
    ]
    upper, rows = map(sparse.csc_matrix, (quadratic, within.rows))
    solver = clarabel.DefaultSolver(  # pyright: ignore[reportAttributeAccessIssue]
        upper, linear, rows, within.limits, limits, options
    )
    return np.array(solver.solve().x)


def least_loss(network: Network, form: int) -> float:
    """The least loss (20)."""
    found, most = program(network, form), network.n_in - 1
    sums = np.zeros((len(network.feeds[-1]), found.size))
    for (output, _), variable in found.held.items():
        sums[output, variable] = 1
    quadratic = sparse.csc_array(np.triu(2 * sums.T @ sums))
    x = solve(quadratic, -2 * most * sums.sum(0), found)
    return float(np.sum((most - sums @ x) ** 2))


def most_control(network: Network, *sets: Sequence[Entry]) -> Iterator[list[float]]:
    """The most that each set of entries of K can sum to, in the marginal and the pairwise form."""
    programs = [program(network, form) for form in (MARGINAL, PAIRWISE)]
    for chosen in sets:
        yield [most_worth(found, set(chosen)) for found in programs]


def most_worth(found: Program, chosen: set[Entry]) -> float:
    """The same in one form; of a pair, one of its two inputs is enough."""
    worth = np.zeros(found.size)
    for (output, commodity), variable in found.held.items():
        worth[variable] = any((i, output) in chosen for i in commodity)
    none = sparse.csc_array((worth.size, worth.size))
    return float(worth @ solve(none, -worth, found))


def entries(network: Network) -> list[Entry]:
    """The entries of K that can be other than 0."""
    outputs = [v for v in reaching(network).items() if v[0][0] == len(network.feeds)]
    return [(i, k) for (_, k), inputs in outputs for i in inputs]


def differing_set(network: Network) -> list[Entry]:
    """The fewest entries of K that can sum to more in the marginal form, if there are such."""
    every = entries(network)
    sets = [s for size in range(len(every)) for s in combinations(every, size + 1)]
    for chosen, most in zip(sets, most_control(network, *sets), strict=True):
        if most[0] - most[1] > TOLERANCE:
            return list(chosen)
    return []


def difference(network: Network, *, sets: bool) -> str:
    """In what the forms differ: the total and so the loss, the loss alone, K alone, or nothing."""
    if len(entries(network)) == len(network.feeds[-1]):
        return "nothing"  # outputs of one input each, where there is nothing to control
    losses = [least_loss(network, form) for form in (SUM, PAIRWISE)]
    if losses[1] - losses[0] > TOLERANCE:
        totals = next(most_control(network, entries(network)))
        return "total" if totals[0] - totals[1] > TOLERANCE else "loss alone"
    return "K alone" if sets and differing_set(network) else "nothing"


class Case(NamedTuple):
    """All networks of one size."""

    weights: str
    size: int


class Found(NamedTuple):
    """How many networks differ in what, and one with the fewest edges of each kind."""

    counts: Counter[str]
    least: dict[str, Network]


def cases() -> list[Case]:
    """The largest first."""
    found = [Case(w, size) for w, (most, _) in NEURONS.items() for size in range(5, most + 1)]
    return sorted(found, key=lambda case: -case.size)


def measure(case: Case) -> Found:
    """Every network of a size."""
    counts, least = Counter(), {}
    sets = case.size <= NEURONS[case.weights][1]
    for network in networks(case.size, constants=case.weights == "with constants"):
        kind = difference(network, sets=sets)
        counts[kind] += 1
        if kind != "nothing" and (kind not in least or network.edges < least[kind].edges):
            least[kind] = network
    return Found(counts, least)


def summarize(found: dict[Case, Found]) -> dict[str, Any]:
    """For each choice of weights what differs, and the smallest network of each kind."""
    results = {}
    for weights, (most, most_k) in NEURONS.items():
        rows = {size: found[Case(weights, size)] for size in range(5, most + 1)}
        smallest: dict[str, Network] = {}
        for row in rows.values():
            smallest = row.least | smallest
        results[weights] = {
            "K_up_to": most_k,
            "neurons": {size: dict(row.counts) for size, row in rows.items()},
            "smallest": {kind: describe(network) for kind, network in smallest.items()},
        }
    return results


def describe(network: Network) -> dict:
    """A network by the senders of its neurons, and what it has in either form."""
    chosen = differing_set(network)
    total, of_set = most_control(network, entries(network), chosen)
    loss = [least_loss(network, form) for form in (SUM, PAIRWISE)]
    pairs = {"total": total, "loss": loss, "of_set": of_set}
    return {
        "neurons": network.n_in + sum(map(len, network.feeds)),
        "edges": network.edges,
        "senders": [[np.flatnonzero(f).tolist() for f in layer] for layer in network.feeds],
        "gains": network.gains,
        "set_of_K": chosen,
    } | {name: [round(abs(value), 4) for value in pair] for name, pair in pairs.items()}


def show(results: dict[str, Any]) -> None:
    """How many networks differ, and the smallest examples: marginal, then pairwise."""
    for weights, result in results.items():
        kit.show({weights: result["neurons"], "smallest": result["smallest"]})


STUDY = Study(__name__, quick={"NEURONS": {"all trainable": (6, 6), "with constants": (6, 6)}})

if __name__ == "__main__":
    STUDY.main()
