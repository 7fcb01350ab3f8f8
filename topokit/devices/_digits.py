"""Small numbers in few bits: as many digits of a base as 32 bits hold make one word.

Ternary values take 1.6 bits each, where log2(3) = 1.585 is the least; a sum over `N` workers is a
digit of the base `2N + 1`.
"""

from functools import reduce

import jax.numpy as jnp
from jaxtyping import Array, Integer, UInt32

from topokit._checks import check_count

BITS = 32


def digits_a_word(base: int) -> int:
    """The most digits of a base whose every combination 32 bits tell apart."""
    digits = 0
    while base ** (digits + 1) <= 2**BITS:
        digits += 1
    return digits


def words_of(n: int, base: int) -> int:
    """Words of so many digits."""
    return -(-n // digits_a_word(base))


def pack_digits(digits: Integer[Array, "*batch n"], base: int) -> UInt32[Array, "*batch words"]:
    """Numbers from 0 to `base - 1` as words of 32 bits, each with as many as it holds.

    Args:
        digits: The numbers, which are not looked at: others than such give other words.
        base: How many values a digit has, from 2 to 2^32.

    Returns:
        `ceil(n / k)` words for `k` digits a word, the most with `base^k <= 2^32`. The `k` digits of
        a word are `ceil(n / k)` places apart, so that neighbors are packed at the same time.

    Raises:
        ValueError: If there is no such base.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import devices
        >>> words = devices.pack_digits(jnp.arange(40) % 3, 3)
        >>> words.shape, words.dtype.name
        ((2,), 'uint32')

    See Also:
        `unpack_digits`, the way back.
    """
    each = digits_a_word(check_count("base", base, least=2, most=2**BITS))
    *batch, n = digits.shape
    words = -(-n // each)
    room = [(0, 0)] * len(batch) + [(0, words * each - n)]
    rows = jnp.pad(digits.astype(jnp.uint32), room).reshape(*batch, each, words)
    # A base of 2^32 has one digit a word, which nothing is multiplied by.
    return reduce(
        lambda word, i: word * jnp.uint32(base) + rows[..., i, :],
        range(each)[-2::-1],
        rows[..., each - 1, :],
    )


def unpack_digits(
    words: UInt32[Array, "*batch words"], base: int, n: int
) -> UInt32[Array, "*batch {n}"]:
    """The first `n` digits of words that `pack_digits` made.

    Raises:
        ValueError: If the words are not those of so many digits of such a base.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import devices
        >>> words = devices.pack_digits(jnp.array([2, 0, 1, 1]), 3)
        >>> devices.unpack_digits(words, 3, 4).tolist()
        [2, 0, 1, 1]

    See Also:
        `pack_digits`, which makes the words.
    """
    each = digits_a_word(check_count("base", base, least=2, most=2**BITS))
    if words.shape[-1] != -(-check_count("n", n, least=0) // each):
        raise ValueError(
            f"n={n} digits of base {base} are {-(-n // each)} words; given {words.shape[-1]}"
        )
    if each == 1:
        return words
    rows = [words // jnp.uint32(base**i) % jnp.uint32(base) for i in range(each)]
    return jnp.stack(rows, -2).reshape(*words.shape[:-1], -1)[..., :n]
