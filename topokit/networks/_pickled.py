"""A batch of CIFAR-10's python version, read without running what is in it.

The published batches are pickles, and a pickle is a program: it names functions and calls them.
Here every name that such a batch may use stands for an object that keeps what it was called with
and does nothing; any other name is refused. The array is then put together from what was kept.

    {b"data": _reconstruct(ndarray, (0,), "b") with the state (1, shape, dtype, False, bytes),
     b"labels": [6, 9, ...], ...}
"""

import io
import pickle
import pickletools
from typing import Any

import numpy as np
from jaxtyping import UInt8

from topokit._escapes import shown

# How the versions of numpy and of pickle spell an array of bytes.
NAMES = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")} | {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in (("multiarray", "_reconstruct"), ("numeric", "_frombuffer"))
}
# A batch needs two or three; tuples within tuples to any depth would exhaust the stack.
MOST_TUPLES = 64
PIXELS = 3072


def unpickle_batch(content: bytes) -> tuple[UInt8[np.ndarray, "n 3072"], UInt8[np.ndarray, " n"]]:
    """The images and labels of one batch, O(its bytes).

    Raises:
        ValueError: If it is not such a batch, or asks for anything else to be loaded or called.
    """
    try:
        _check_bounds(content)
        batch = _Reader(content).load()
    except Exception as error:  # a pickle can make its reader raise whatever it likes
        raise ValueError(f"it cannot be read as a pickled batch: {shown(error)}") from error
    if not isinstance(batch, dict):
        raise ValueError("it must be a pickled dictionary of data and labels")
    data, labels = (batch.get(key, batch.get(key.encode())) for key in ("data", "labels"))
    pixels = _array(data)
    if not isinstance(labels, list) or any(type(y) is not int or not 0 <= y <= 9 for y in labels):
        raise ValueError("its labels must be a list of integers from 0 to 9")
    if len(labels) != len(pixels):
        raise ValueError(f"it must have a label for each of {len(pixels)} images; {len(labels)}")
    return pixels, np.array(labels, np.uint8)


class _Recorded:
    """A name of a pickle, and what the pickle wanted done with it."""

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()) -> None:
        self.name, self.arguments = name, arguments
        self.state: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return _Recorded(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._left = len(content)

    def find_class(self, module: str, name: str) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")
        return self._encode if name == "encode" else _Recorded(name)

    def _encode(self, text: str, *_: Any) -> bytes:
        """How Python 3 spells bytes in the protocol of Python 2: each text is encoded once."""
        self._left -= len(text)
        if self._left < 0:
            raise pickle.UnpicklingError("it encodes more than it holds")
        return text.encode("latin-1")


def _check_bounds(content: bytes) -> None:
    """Walk through the pickle without running it; what it claims of its own size must be true."""
    tuples = 0
    for opcode, argument, _ in pickletools.genops(content):
        tuples += opcode.name.startswith("TUPLE")
        if tuples > MOST_TUPLES:
            raise ValueError("it holds more tuples than a batch has")
        if opcode.name in ("PUT", "LONG_BINPUT") and (argument or 0) > len(content):
            raise ValueError("it numbers its parts beyond its length")


def _array(data: Any) -> UInt8[np.ndarray, "n 3072"]:
    """The array that a pickle meant to build, if it is one of bytes with rows of an image."""
    match data:
        case _Recorded(name="_reconstruct", state=(_, shape, dtype, 0, content)):
            pass
        case _Recorded(name="_frombuffer", arguments=(content, dtype, shape, "C")):
            pass
        case _:
            raise ValueError("its data must be an array in row-major order")
    match dtype, shape, content:
        case (
            _Recorded(name="dtype", arguments=("u1" | b"u1", *_)),
            (int(n), int(width)),
            bytes() | bytearray(),
        ) if n > 0 and width == PIXELS and len(content) == n * PIXELS:
            return np.frombuffer(content, np.uint8).reshape(n, PIXELS)
    raise ValueError(f"its data must be an array of bytes, {PIXELS} for each image")
