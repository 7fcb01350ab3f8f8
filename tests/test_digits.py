"""Digits in words: what is packed comes out again, and no word holds fewer than it could."""

from math import floor, log2

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topokit.devices import pack_digits, unpack_digits


@pytest.mark.parametrize("base", [2, 3, 5, 9, 255, 256, 257, 2**16, 2**16 + 1, 2**32])
@pytest.mark.parametrize("n", [0, 1, 41])
def test_digits_come_out_of_as_few_words_as_hold_them(base, n):
    digits = np.random.default_rng(base).integers(0, base, (2, n), dtype=np.uint32)
    digits[:, ::2] = base - 1
    words = pack_digits(jnp.asarray(digits), base)
    # The whole digits that 32 bits are, by logarithms; powers of two are exact.
    assert words.shape == (2, -(-n // floor(32 / log2(base))))
    assert np.array_equal(unpack_digits(words, base, n), digits)


@given(st.lists(st.integers(0, 6), max_size=25))
def test_a_word_is_the_number_that_its_digits_write(digits):
    """Digit `i` of word `j` of `w` is entry `i w + j`, counted with Python's integers."""
    words = np.asarray(pack_digits(jnp.asarray(digits, jnp.uint8), 7)).tolist()
    filled = [*digits, *[0] * (11 * len(words) - len(digits))]
    written = [
        sum(digit * 7**i for i, digit in enumerate(filled[j :: len(words)]))
        for j in range(len(words))
    ]
    assert words == written


WRONG = {
    "base must be an integer of at least 2; given 1": lambda: pack_digits(jnp.zeros(3, int), 1),
    "base must be an integer of at most": lambda: pack_digits(jnp.zeros(3, int), 2**32 + 1),
    "n=41 digits of base 3 are 3 words; given 2": lambda: unpack_digits(
        jnp.zeros(2, jnp.uint32), 3, 41
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_fits_no_words_is_refused(message):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()
