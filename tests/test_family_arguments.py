"""Arguments that describe no topology get an error that names them and says what was expected."""

import pytest

import topokit.topologies as t

CASES = [
    ("n_in must be an integer of at least 1; given 0", lambda: t.dense(0, 3)),
    ("n_out must be an integer of at least 1; given -3", lambda: t.dense(3, -3)),
    ("rank must be an integer of at least 1; given 0", lambda: t.low_rank(3, 3, 0)),
    ("blocks must be at most 3, so that each has an input", lambda: t.block_diagonal(5, 3, 4)),
    ("blocks must be an integer of at least 1; given 0", lambda: t.block_diagonal(5, 3, 0)),
    ("n_out must be an integer of at least 1; given 0", lambda: t.block_diagonal(5, 0, 1)),
    ("blocks must be at most 8.*given 9", lambda: t.monarch(8, 9, 9)),
    ("blocks must be an integer of at least 1; given -2", lambda: t.monarch(8, 8, -2)),
    ("rank must be an integer of at least 1; given 0", lambda: t.monarch(8, 8, 2, 0)),
    ("n_in must be an integer of at least 1; given 0", lambda: t.monarch(0, 8, 1)),
    ("bands must be at most 6 for n_in=6 and width=1.*given 7", lambda: t.diagonals(6, 9, 7)),
    ("bands must be at most 1 for n_in=6.*given 2", lambda: t.diagonals(6, 9, 2, width=4)),
    ("width must be an integer of at most 6; given 7", lambda: t.diagonals(6, 9, 1, width=7)),
    ("bands must be an integer of at least 1; given 0", lambda: t.diagonals(6, 9, 0)),
    ("width must be an integer of at least 1; given 0", lambda: t.diagonals(6, 9, 2, 0)),
    (
        r"multiply to at least 9, the wider end; given \[2, 4\], whose product is 8",
        lambda: t.rectangular_butterfly(9, 3, [2, 4]),
    ),
    ("radices must multiply to at least 1", lambda: t.rectangular_butterfly(1, 1, [])),
    (
        r"radices\[1\] must be an integer of at least 2; given 1",
        lambda: t.rectangular_butterfly(2, 2, [2, 1]),
    ),
    (
        "sweeps must be an integer of at least 1; given 0",
        lambda: t.rectangular_butterfly(4, 4, sweeps=0),
    ),
    ("n_in must be an integer of at least 1", lambda: t.rectangular_butterfly(0, 4)),
    ("n must be a power of two; given 12", lambda: t.butterfly(12)),
    ("n must be an integer of at least 2; given 1", lambda: t.butterfly(1)),
    ("n must be an integer of at least 2; given -8", lambda: t.butterfly(-8)),
    ("depth must be an integer of at least 1; given 0", lambda: t.butterfly(8, 0)),
    ("depth must be an integer of at least 1; given -1", lambda: t.butterfly(8, depth=-1)),
    ("depth must be at least 2 for copies=3; given 1", lambda: t.parallel_butterfly(8, 1, 3)),
    ("copies must be an integer of at least 1", lambda: t.parallel_butterfly(8, 3, 0)),
    ("n must be a power of two; given 6", lambda: t.parallel_butterfly(6, 2, 2)),
    ("input_routers must divide n_in=32", lambda: t.clos(32, 32, 5, 9, 8)),
    ("output_routers must divide n_out=32", lambda: t.clos(32, 32, 8, 9, 64)),
    ("middle_routers must be an integer of at least 1", lambda: t.clos(32, 32, 8, 0, 8)),
    ("input_routers must be an integer of at least 1", lambda: t.clos(32, 32, 0, 9, 8)),
    ("n must be a power of two; given 33", lambda: t.hypercube(33, 2)),
    ("depth must be an integer of at least 1; given -2", lambda: t.hypercube(32, -2)),
    ("shape is empty", lambda: t.torus((), 2)),
    (r"shape\[1\] must be an integer of at least 1; given 0", lambda: t.torus((8, 0), 2)),
    ("depth must be an integer of at least 1; given -7", lambda: t.torus((8, 4), -7)),
    ("radices must be lists of radices", lambda: t.radix_net([])),
    (r"radices must be lists of radices.*\[\[2\], \[\]\]", lambda: t.radix_net([[2], []])),
    (
        r"radices\[0\]\[\d\] must be an integer of at least 2; given 1",
        lambda: t.radix_net([[1, 4]]),
    ),
    (r"radices\[1\] multiplies to 3, radices\[0\] to 4", lambda: t.radix_net([[2, 2], [3], [4]])),
    (r"radices\[1\] multiplies to 2", lambda: t.radix_net([[2, 2], [2], [4]])),
    (r"radices\[1\] multiplies to 8", lambda: t.radix_net([[2, 2], [8]])),
    ("one number more than there are radices: 3; given 2", lambda: t.radix_net([[2, 2]], [1, 1])),
    (r"widths\[1\] must be an integer of at least 1", lambda: t.radix_net([[2, 2]], [1, 0, 1])),
    (
        r"n_in must be from 4, .* to 8, .*; given 9: take widths\[0\]=3",
        lambda: t.radix_net([[2, 2]], [2, 2, 1], n_in=9),
    ),
    (
        "n_out must be from 4, .*; given 3: take radices of a smaller product",
        lambda: t.radix_net([[2, 2]], n_out=3),
    ),
    (r"density must be a number in \(0, 1\]; given 0", lambda: t.erdos_renyi([4, 4], 0.0, seed=0)),
    (r"density must be a number in \(0, 1\]", lambda: t.erdos_renyi([4, 4], 1.5, seed=0)),
    (r"density must be .* given nan", lambda: t.erdos_renyi([4, 4], float("nan"), seed=0)),
    ("density=0.01 with seed=0 leaves an output", lambda: t.erdos_renyi([9, 9], 0.01, seed=0)),
    ("density=1e-300 with seed=0", lambda: t.erdos_renyi([9, 9], 1e-300, seed=0)),
    ("widths must name at least two layers", lambda: t.erdos_renyi([9], 0.5, seed=0)),
    (r"widths\[1\] must be an integer", lambda: t.erdos_renyi([9, 0, 9], 0.5, seed=0)),
    ("fan_in must be at most 4", lambda: t.random_regular([9, 4, 9], 5, seed=0)),
    ("fan_in must be an integer of at least 1", lambda: t.random_regular([9, 4], 0, seed=0)),
    ("widths must name at least two layers", lambda: t.random_regular([], 2, seed=0)),
    ("seed must be an integer of at least 0", lambda: t.random_regular([9, 4], 2, seed=-1)),
    ("neighbours must be even and at most", lambda: t.small_world(8, 2, 3, 0.1, seed=0)),
    ("neighbours must be even and at most", lambda: t.small_world(8, 2, 6, 0.1, seed=0)),
    ("neighbours must be an integer of at least 2", lambda: t.small_world(8, 2, 0, 0.1, seed=0)),
    (r"rewiring must be a number in \[0, 1\]", lambda: t.small_world(8, 2, 2, -0.1, seed=0)),
    ("depth must be an integer of at least 1", lambda: t.small_world(8, 0, 2, 0.1, seed=0)),
    ("n must be an integer of at least 1", lambda: t.small_world(0, 2, 2, 0.1, seed=0)),
]


@pytest.mark.parametrize(("message", "call"), CASES, ids=[message for message, _ in CASES])
def test_arguments_that_cannot_be_right_are_named_with_what_was_expected(message, call):
    with pytest.raises(ValueError, match=message):
        call()
