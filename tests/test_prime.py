"""Products and ranks of residues, by floats, against python-flint and Python's integers."""

import numpy as np
import pytest
from flint import nmod_mat

from topokit.scores.freedom._rank_mod_p import PRIME, eliminate, multiply, to_residues


@pytest.mark.parametrize(
    ("m", "n", "rank"), [(1, 1, 0), (7, 300, 7), (300, 7, 5), (280, 260, 250), (530, 510, 245)]
)
@pytest.mark.parametrize("density", [0.1, 1.0])
def test_elimination_by_floats_agrees_with_flint(m, n, rank, density):
    rng = np.random.default_rng(m + n)
    factors = [rng.integers(0, PRIME, shape) for shape in ((m, max(rank, 1)), (max(rank, 1), n))]
    factors = [x * (rng.random(x.shape) < density) * (rank > 0) for x in factors]
    exact = [nmod_mat(x.shape[0], x.shape[1], x.ravel().tolist(), PRIME) for x in factors]
    product = multiply(*map(to_residues, factors))
    expected = exact[0] * exact[1]
    assert [int(value) % PRIME for row in product for value in row] == [
        int(value) for value in expected.entries()
    ]
    assert eliminate(product) == expected.rank()


@pytest.mark.parametrize("terms", [1, 479, 480, 481, 1000])
def test_products_of_the_largest_residues_are_exact(terms):
    half = PRIME // 2
    for value, sign in ((half, 1), (-half, 1), (half - 2**14, -1)):
        x, y = np.full((1, terms), float(value)), np.full((terms, 1), float(sign * half))
        expected = value * sign * half * terms % PRIME
        assert int(multiply(x, y)[0, 0]) % PRIME == expected
