"""Sets of numbers as rows of bits, 64 to a word."""

import numpy as np
from jaxtyping import Bool, Int, UInt64

WORD = np.dtype("<u8")
Bits = UInt64[np.ndarray, "_rows _words"]


def to_bits(flags: Bool[np.ndarray, "_rows _n"]) -> Bits:
    """Pack each row into words, filled up with zeros."""
    packed = np.packbits(flags, axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % WORD.itemsize))).view(WORD)


def from_bits(bits: Bits, n: int) -> Bool[np.ndarray, "_rows {n}"]:
    """The flags again, `n` in each row."""
    return np.unpackbits(bits.view(np.uint8), axis=1, count=n, bitorder="little").view(bool)


def has_bit(
    bits: Bits, row: Int[np.ndarray, " _numbers"], number: Int[np.ndarray, " _numbers"]
) -> Bool[np.ndarray, " _numbers"]:
    """Whether each row holds the number beside it."""
    return (bits.view(np.uint8)[row, number >> 3] >> (number & 7) & 1).astype(bool)
