"""Families for any width, against Kronecker products, permutations and networks cut short."""

from itertools import pairwise
from math import ceil, prod

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import count_paths

import topokit as tk
from topokit.scores import bandwidth
from topokit.topologies import (
    block_diagonal,
    butterfly,
    diagonals,
    low_rank,
    monarch,
    radix_net,
    rectangular_butterfly,
)

laws = settings(derandomize=True, deadline=None, max_examples=40)
widths = st.integers(1, 14)
radix_lists = st.lists(st.integers(2, 5), min_size=1, max_size=3)


@st.composite
def blocks_of_two_widths(draw) -> tuple[int, int, int]:
    n_in, n_out = draw(widths), draw(widths)
    return n_in, n_out, draw(st.integers(1, min(n_in, n_out)))


def sizes(n: int, blocks: int) -> list[int]:
    """As even as can be, the larger ones first."""
    return [n // blocks + (block < n % blocks) for block in range(blocks)]


def on_the_diagonal(shapes) -> np.ndarray:
    return np.asarray(scipy.linalg.block_diag(*(np.ones(shape) for shape in shapes)))


def check_masks(layers: tk.Layers, expected: list[np.ndarray]) -> None:
    found = tk.to_masks(layers)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@laws
@given(blocks_of_two_widths())
def test_block_diagonal_is_the_direct_sum_of_ones(cut):
    n_in, n_out, blocks = cut
    layers = block_diagonal.layers(*cut)
    shapes = list(zip(sizes(n_in, blocks), sizes(n_out, blocks), strict=True))
    check_masks(layers, [on_the_diagonal(shapes)])
    (p, r), (q, s) = divmod(n_in, blocks), divmod(n_out, blocks)
    assert layers.n_edges == p * q * blocks + r * q + s * p + min(r, s)
    assert tk.degrees_of_freedom(layers) == layers.n_edges
    assert bandwidth(layers) == min(n_in, n_out)


@laws
@given(blocks_of_two_widths(), st.integers(1, 3))
def test_monarch_is_blocks_a_transposition_and_blocks(cut, rank):
    n_in, n_out, blocks = cut
    layers = monarch.layers(n_in, n_out, blocks, rank)
    wires = rank * blocks
    first = on_the_diagonal((n, wires) for n in sizes(n_in, blocks))
    second = on_the_diagonal((wires, n) for n in sizes(n_out, blocks))
    # What is read row by row, as `wires` rows of `blocks`, is read column by column.
    transposition = np.eye(wires * blocks)[np.arange(wires * blocks).reshape(wires, blocks).T.flat]
    check_masks(layers, [first, transposition.T @ second])
    assert layers.n_edges == wires * (n_in + n_out)
    assert (count_paths(layers) == rank).all()
    assert bandwidth(layers) == min(n_in, wires * blocks, n_out)


@pytest.mark.parametrize(("n_in", "n_out", "blocks", "rank"), [(12, 8, 4, 2), (9, 9, 3, 1)])
def test_a_monarch_of_equal_blocks_is_two_kronecker_products(n_in, n_out, blocks, rank):
    spread = np.ones((1, blocks * rank))
    first = np.kron(np.eye(blocks), np.ones((n_in // blocks, 1)) @ spread)
    second = np.kron(spread.T, np.kron(np.eye(blocks), np.ones((1, n_out // blocks))))
    check_masks(monarch.layers(n_in, n_out, blocks, rank), [first, second])


@laws
@given(blocks_of_two_widths(), st.integers(1, 4))
def test_the_degrees_of_freedom_of_a_monarch_are_those_of_tiles_of_low_rank(cut, rank):
    n_in, n_out, blocks = cut
    shapes = [(a, c) for a in sizes(n_in, blocks) for c in sizes(n_out, blocks)]
    ranks = [min(rank, *shape) for shape in shapes]
    expected = sum(r * (a + c - r) for r, (a, c) in zip(ranks, shapes, strict=True))
    assert tk.degrees_of_freedom(monarch.layers(n_in, n_out, blocks, rank)) == expected
    if ranks == [rank] * len(ranks):
        assert expected == blocks * rank * (n_in + n_out - blocks * rank)


def test_a_monarch_of_one_block_is_low_rank_and_one_block_on_the_diagonal_dense():
    assert monarch.layers(7, 5, 1, 3) == low_rank.layers(7, 5, 3)
    assert block_diagonal.layers(7, 5, 1) == tk.topologies.dense.layers(7, 5)


@laws
@given(widths, widths, st.data())
def test_diagonals_are_the_first_column_rolled_and_evenly_spread(n_in, n_out, data):
    bands = data.draw(st.integers(1, n_in))
    width = data.draw(st.integers(1, n_in // bands))
    layers = diagonals.layers(n_in, n_out, bands, width)
    (mask,) = tk.to_masks(layers)
    for j in range(n_out):
        np.testing.assert_array_equal(mask[:, j], np.roll(mask[:, 0], j))
    assert mask[:, 0].sum() == bands * width
    if n_in // bands > width:  # bands do not touch: each begins where no diagonal is before it
        starts = np.flatnonzero(mask[:, 0] & ~np.roll(mask[:, 0], 1))
        assert starts.size == bands
        assert np.ptp(np.diff(starts, append=n_in + starts[0])) <= 1
    if width == 1:
        assert set(mask.sum(axis=1)) <= {bands * n_out // n_in, ceil(bands * n_out / n_in)}
    if n_out % n_in == 0:
        assert set(mask.sum(axis=1)) == {bands * width * n_out // n_in}
    assert tk.degrees_of_freedom(layers) == layers.n_edges == bands * width * n_out
    assert bandwidth(layers) == min(n_in, n_out)


def digit_masks(radices: list[int]) -> list[np.ndarray]:
    """The whole butterfly: ones on one digit, unity on the digits above and below."""
    places = range(len(radices))
    return [
        np.kron(
            np.eye(prod(radices[place + 1 :])),
            np.kron(np.ones((radices[place],) * 2), np.eye(prod(radices[:place]))),
        )
        for place in places
    ]


@st.composite
def digits_and_ends(draw) -> tuple[int, int, list[int]]:
    radices = draw(radix_lists)
    ends = st.integers(1, prod(radices))
    return draw(ends), draw(ends), radices


@laws
@given(digits_and_ends(), st.integers(1, 3))
def test_a_rectangular_butterfly_is_a_whole_one_of_which_the_ends_are_cut_short(built, sweeps):
    n_in, n_out, radices = built
    whole = tk.from_masks(digit_masks(radices) * sweeps)
    beyond = [range(n, prod(radices)) for n in (n_in, n_out)]
    expected = tk.trim(tk.to_layers(whole), drop_inputs=beyond[0], drop_outputs=beyond[1])
    layers = rectangular_butterfly.layers(n_in, n_out, radices, sweeps)
    assert layers == expected
    assert (count_paths(layers) == prod(radices) ** (sweeps - 1)).all()
    assert bandwidth(layers) == min(n_in, n_out)


@laws
@given(digits_and_ends())
def test_one_sweep_has_the_widths_edges_and_freedom_of_the_closed_forms(built):
    n_in, n_out, radices = built
    layers = rectangular_butterfly.layers(*built)
    values = [prod(radices[:place]) for place in range(len(radices) + 1)]
    heads, tails = [ceil(n_in / v) for v in values], [min(v, n_out) for v in values]
    assert layers.widths == tuple(h * w for h, w in zip(heads, tails, strict=True))
    edges = [h * w for h, w in zip(heads[:-1], tails[1:], strict=True)]
    assert [s.size for s in layers.senders] == edges
    assert tk.degrees_of_freedom(layers) == sum(edges) - sum(layers.widths[1:-1])


@pytest.mark.parametrize(
    "built", [(14, 11, [2] * 4, 2), (16, 16, [4, 4], 2), (12, 9, [2, 3, 2], 2), (20, 24, [5, 5], 2)]
)
def test_more_sweeps_lose_a_scale_for_each_hidden_neuron_while_nothing_saturates(built):
    layers = rectangular_butterfly.layers(*built)
    assert tk.degrees_of_freedom(layers) == layers.n_edges - sum(layers.widths[1:-1])


@pytest.mark.parametrize(("bits", "sweeps"), [(1, 1), (3, 1), (3, 2), (4, 3)])
def test_of_equal_powers_of_two_a_rectangular_butterfly_is_a_butterfly(bits, sweeps):
    n = 2**bits
    expected = butterfly.layers(n, bits * sweeps)
    assert rectangular_butterfly.layers(n, n, sweeps=sweeps) == expected


@pytest.mark.parametrize(("n_in", "n_out"), [(784, 300), (10, 50), (1, 1), (1, 3), (64, 65)])
def test_without_radices_as_many_twos_count_to_the_wider_end(n_in, n_out):
    layers = rectangular_butterfly.layers(n_in, n_out)
    assert (layers.n_in, layers.n_out) == (n_in, n_out)
    assert 2 ** (layers.depth - 1) < max(n_in, n_out, 2) <= 2**layers.depth


RADIX_NETS = [
    ([[2, 2]], [3, 1, 3], 10, 11),
    ([[2, 2]], [4, 2, 4], 14, 15),
    ([[2, 3], [2]], [3, 1, 2, 3], 14, 17),
    ([[2, 2, 2]], [2, 2, 1, 2], 13, 8),
    ([[3, 3], [3]], [3, 2, 1, 3], 26, 25),
    ([[6]], [3, 2], 15, 8),
]
each_net = pytest.mark.parametrize(("radices", "kron_widths", "n_in", "n_out"), RADIX_NETS)


@each_net
def test_a_radix_net_of_any_width_is_a_whole_one_without_its_last_rows_and_columns(
    radices, kron_widths, n_in, n_out
):
    whole = tk.to_masks(radix_net.layers(radices, kron_widths))
    whole[0] = whole[0][:n_in]
    whole[-1] = whole[-1][:, :n_out]
    check_masks(radix_net.layers(radices, kron_widths, n_in=n_in, n_out=n_out), whole)


@each_net
def test_a_radix_net_of_any_width_keeps_its_closed_forms(radices, kron_widths, n_in, n_out):
    layers = radix_net.layers(radices, kron_widths, n_in=n_in, n_out=n_out)
    size, digits, inside = prod(radices[0]), sum(radices, []), kron_widths[1:-1]
    assert layers.widths == (n_in, *(size * copies for copies in inside), n_out)
    if len(digits) > 1:
        edges = [size * r * b * c for r, (b, c) in zip(digits, pairwise(kron_widths), strict=True)]
        edges[0], edges[-1] = n_in * digits[0] * inside[0], n_out * digits[-1] * inside[-1]
        assert [s.size for s in layers.senders] == edges
    paths = prod(digits[len(radices[0]) :]) * prod(inside)
    assert (count_paths(layers) == paths).all()
    assert bandwidth(layers) == min(layers.widths)
    lost = size * sum(copies**2 for copies in inside)
    assert tk.degrees_of_freedom(layers) == layers.n_edges - lost


def test_lenet_300_100_is_one_call():
    layers = radix_net.layers([[10, 10]], [8, 3, 1], n_in=784)
    assert layers.widths == (784, 300, 100)
    assert layers.n_edges * 10 == 784 * 300 + 300 * 100
