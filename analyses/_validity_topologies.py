"""The topologies on which scores are judged, and which of them may be used to design a score.

Every family of `topokit.topologies` at 16, 32 and 64 inputs and outputs, in several sizes, with and
without skip connections; cascades of dense layers; and dense cascades pruned to the weights of
greatest magnitude, drawn or trained. The two halves are drawn family by family, before any loss is
known.
"""

from collections.abc import Callable, Collection, Iterator

import networkx as nx
import numpy as np

import topokit as tk
from topokit import topologies as t
from topokit.reconstruction import Adam

SEED = 0
PRUNING_STEPS = 300
FANS = {16: (2, 3, 4), 32: (2, 3, 5), 64: (2, 4, 6)}
DEPTHS = (3, 6)

Graphs = dict[str, nx.DiGraph]
Named = Iterator[tuple[str, nx.DiGraph]]


def zoo(sizes: Collection[int] = (), families: Collection[str] = ()) -> Graphs:
    """Topologies by name: family, inputs, what tells it from the others, and skip or not.

    All of them, or those of some sizes and families.
    """
    return {
        f"{family} {n} {size}": graph
        for n in sizes or FANS
        for family in families or FAMILIES
        for size, graph in FAMILIES[family](n)
    }


def family_of(name: str) -> str:
    """The family that a name begins with."""
    return max((f for f in FAMILIES if name.startswith(f + " ")), key=len)


def design_half(names: list[str]) -> set[str]:
    """Half of every family, plain and with skip connections apart, by one seeded draw."""
    rng = np.random.default_rng(SEED)
    strata: dict[tuple[str, bool], list[str]] = {}
    for name in names:
        strata.setdefault((family_of(name), name.endswith("skip")), []).append(name)
    halves = (rng.permutation(s)[rng.integers(2) :: 2] for s in strata.values())
    return {str(name) for half in halves for name in half}


def _each(
    build: Callable[..., nx.DiGraph], plain: list[tuple], skipped: list[tuple], **options: int
) -> Named:
    """One graph for each tuple of arguments, then those with skip connections."""
    for row in plain:
        yield _label(row), build(*row, **options)
    for row in skipped:
        yield f"{_label(row)} skip", tk.with_skip(build(*row, **options))


def _label(arguments: tuple) -> str:
    return str(list(arguments)).replace("'", "").replace(" ", "")


def _clos(n: int) -> Named:
    sides = {16: (4, 4), 32: (8, 8), 64: (8, 8)}[n]
    middles = {16: (2, 3, 4, 6), 32: (2, 4, 6, 8), 64: (2, 4, 8, 12)}[n]
    rows = [(n, n, sides[0], m, sides[1]) for m in middles]
    odd = [(n, n, 4, 4, 8), (n, n, 2, 2, 4)]
    return _each(t.clos, rows + odd, [rows[1], rows[2], odd[0]])


def _butterfly(n: int) -> Named:
    bits = n.bit_length() - 1
    plain = [(n, d) for d in (bits, bits + 2, 2 * bits, 3 * bits)]
    return _each(t.butterfly, plain, [(n, d) for d in (bits + 3, 2 * bits, 4 * bits)])


def _parallel_butterfly(n: int) -> Named:
    bits = n.bit_length() - 1
    plain = [(n, bits, c) for c in (2, 3, 4)]
    return _each(t.parallel_butterfly, plain, [(n, bits, 2), (n, bits, 4), (n, 2 * bits, 2)])


def _hypercube(n: int) -> Named:
    return _each(t.hypercube, [(n, d) for d in (1, 2, 3, 5)], [(n, d) for d in (2, 4)])


def _torus(n: int) -> Named:
    shape = {16: (4, 4), 32: (8, 4), 64: (8, 8)}[n]
    other = {16: (16,), 32: (4, 4, 2), 64: (4, 4, 4)}[n]
    plain = [(shape, d) for d in (2, 4, 6)] + [(other, 3)]
    return _each(t.torus, plain, [(shape, 4), (shape, 7), (other, 5)])


def _low_rank(n: int) -> Named:
    plain = [(n, n, n // d) for d in (16, 8, 4, 2)]
    return _each(t.low_rank, plain, [(n, n, n // 8), (n, n, n // 4)])


def _radix_net(n: int) -> Named:
    pair = {16: [4, 4], 32: [4, 8], 64: [8, 8]}[n]
    other = {16: [2, 8], 32: [2, 2, 8], 64: [4, 4, 4]}[n]
    plain = [([pair],), ([pair] * 2,), ([other],), ([other] * 2,)]
    return _each(t.radix_net, plain, [([pair] * 2,), ([other] * 2,)])


def _erdos_renyi(n: int) -> Named:
    share = {16: 5, 32: 6, 64: 8}[n] / n
    rows = [([n] * 4, share), ([n] * 6, share), ([n, 2 * n, n], share)]
    rows += [([n, n // 2, n, n], 2 * share), ([n] * 3, 1.5 * share)]
    return _each(t.erdos_renyi, rows, [([n] * 4, share), ([n] * 7, share)], seed=SEED)


def _random_regular(n: int) -> Named:
    few, some, many = FANS[n]
    plain = [([n] * 7, few), ([n] * 4, some), ([n] * 6, some), ([n, 2 * n, n, n], few)]
    plain += [([n] * 3, many), ([n, n // 2, n // 2, n], many)]
    return _each(
        t.random_regular, plain, [([n] * 9, few), ([n] * 5, some), ([n] * 3, many)], seed=SEED
    )


def _small_world(n: int) -> Named:
    plain = [(n, 3, 2, 0.3), (n, 5, 2, 0.3), (n, 4, 4, 0.1)]
    return _each(t.small_world, plain, [(n, 5, 4, 0.3), (n, 4, 2, 0.2)], seed=SEED)


def _dense_cascade(n: int) -> Named:
    few, some = n // 8 + 1, n // 4
    rows = [[n, few, n, n // 8, n], [n, some, some, n], [n, n // 3, n // 2, n]]
    for hidden in rows:
        widths = _label(tuple(hidden[1:-1]))
        yield widths, _dense(hidden)
    yield f"{_label(tuple(rows[1][1:-1]))} skip", tk.with_skip(_dense(rows[1]))


def _dense(widths: list[int]) -> nx.DiGraph:
    return tk.cascade([t.dense(a, b) for a, b in zip(widths, widths[1:], strict=False)])


def _pruned(n: int) -> Named:
    """Dense cascades that keep their largest weights, layer by layer or of all layers."""
    rows = [([n] * 4, 0.2, True), ([n] * 3, 0.25, True), ([n, 2 * n, n], 0.15, False)]
    rows += [([n] * 4, 0.1, False), ([n] * 5, 0.12, False)]
    for widths, share, whole in rows:
        label = f"{_label(tuple(widths[1:-1]))} {share:g}"
        trained = _from(_largest(_trained(widths), share, whole=whole))
        yield f"{label} trained", trained
        yield f"{label} drawn", _from(_largest(_drawn(widths), share, whole=whole))
        if whole:
            yield f"{label} trained skip", tk.with_skip(trained)


def _from(masks: list[np.ndarray]) -> nx.DiGraph:
    return tk.trim(tk.from_masks(masks))


def _trained(widths: list[int]) -> list[np.ndarray]:
    """The weights of a dense cascade that has rebuilt one Gaussian matrix."""
    layers = tk.to_layers(_dense(widths))
    target = np.random.default_rng(SEED + 1).standard_normal((widths[0], widths[-1]))
    found = tk.reconstruct(layers, target, solver=Adam(max_steps=PRUNING_STEPS))
    matrices = [np.zeros(shape) for shape in zip(widths, widths[1:], strict=False)]
    rows = zip(matrices, layers.senders, layers.receivers, found.weights, strict=True)
    for matrix, senders, receivers, weights in rows:
        matrix[senders, receivers] = weights[0]
    return matrices


def _drawn(widths: list[int]) -> list[np.ndarray]:
    rng = np.random.default_rng(SEED + 2)
    return [rng.standard_normal(s) for s in zip(widths, widths[1:], strict=False)]


def _largest(weights: list[np.ndarray], share: float, *, whole: bool) -> list[np.ndarray]:
    """Where magnitudes are among the largest: of the layer, or, in its units, of all layers.

    Every neuron keeps its largest in-weight, so that none is left without a path from an input.
    """
    sizes = [abs(w) / np.sqrt((w**2).mean()) for w in weights]
    pooled = np.concatenate([s.ravel() for s in sizes])
    bars = [np.quantile(pooled if whole else s, 1 - share) for s in sizes]
    return [(s >= bar) | (s == s.max(axis=0)) for s, bar in zip(sizes, bars, strict=True)]


FAMILIES: dict[str, Callable[[int], Named]] = {
    "clos": _clos,
    "butterfly": _butterfly,
    "parallel butterfly": _parallel_butterfly,
    "hypercube": _hypercube,
    "torus": _torus,
    "low rank": _low_rank,
    "radix-net": _radix_net,
    "random": _erdos_renyi,
    "random regular": _random_regular,
    "small world": _small_world,
    "dense cascade": _dense_cascade,
    "pruned": _pruned,
}
