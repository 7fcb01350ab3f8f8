"""A matrix as a picture in a PNG file, without a library for pictures."""

import struct
import zlib

import numpy as np
from jaxtyping import UInt8

# Matplotlib's viridis at 17 levels; between them colors are mixed.
VIRIDIS = (
    "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c "
    "1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725"
)


def palette() -> UInt8[np.ndarray, "256 3"]:
    """Red, green and blue of each level."""
    knots = np.array([[*bytes.fromhex(color)] for color in VIRIDIS.split()])
    at = np.linspace(0, len(knots) - 1, 256)
    mixed = [np.interp(at, range(len(knots)), channel) for channel in knots.T]
    return np.rint(mixed).T.astype(np.uint8)


def encode_png(levels: UInt8[np.ndarray, "height width"]) -> bytes:
    """The file of a picture with one of 256 colors for each entry."""
    height, width = levels.shape
    lines = np.insert(levels, 0, 0, axis=1)  # before each line its filter, none
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(*part)
        for part in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", palette().tobytes()),
            (b"IDAT", zlib.compress(lines.tobytes(), 9)),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check
