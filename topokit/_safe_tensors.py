"""Arrays of a `.safetensors` from a stranger: a header in JSON, and the bytes that it divides.

The eight bytes before the header say how long it is. It gives the type, the shape and the place of
each array; the arrays lie side by side, without a gap, up to the end of the file.
"""

import re
from io import SEEK_END, BufferedIOBase
from math import prod
from typing import Any

import numpy as np

from topokit._escapes import shown
from topokit._limits import BYTES_A_CHARACTER, check_read
from topokit._strict_json import from_json

START = 8
METADATA = "__metadata__"
QUOTED = 60
# The types that numpy has, and bfloat16, the first half of a float32.
TYPES = {
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
    "BOOL": "|u1",
    "BF16": "<u2",
}


def read_safetensors(source: BufferedIOBase) -> dict[str, np.ndarray]:
    """The arrays of an open file by name, in the order of their names; bfloat16 as float32.

    Raises:
        ValueError: If it is no such file, or a damaged one; in one line, without its name.
    """
    stored = source.seek(0, SEEK_END)
    source.seek(0)
    length = int.from_bytes(source.read(START), "little")
    if stored < START or length > stored - START:
        raise ValueError("it is cut within its header, or is no file of safetensors")
    check_read("its header", BYTES_A_CHARACTER * length, stored)
    header = from_json(source.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no object of names")
    entries = {name: _entry(name, entry) for name, entry in header.items() if name != METADATA}
    _check_places(entries, stored - START - length)
    check_read("its arrays", sum(_held(*entry) for entry in entries.values()), stored)
    found = {}
    for name in sorted(entries):
        code, shape, start, stop = entries[name]
        source.seek(START + length + start)
        found[name] = _array(name, code, source.read(stop - start)).reshape(shape)
    return found


def _entry(name: str, entry: Any) -> tuple[str, list[int], int, int]:
    """Type, shape, first byte and the one behind the last."""
    said = shown(name, QUOTED)
    if not name.isprintable() and re.search("[\ud800-\udfff]", name):
        raise ValueError(f"'{said}' is no name: it holds half of a character")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"'{said}' is no array: {shown(entry, QUOTED)}")
    code, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not (_are_counts(shape) and _are_counts(place) and len(place) == 2):
        raise ValueError(f"'{said}' has no shape and place: {shown(entry, QUOTED)}")
    if not isinstance(code, str) or code not in TYPES:
        raise ValueError(
            f"'{said}' holds numbers of {shown(code, QUOTED)}; convert them, say to float16"
        )
    start, stop = place
    if stop - start != prod(shape) * np.dtype(TYPES[code]).itemsize:
        raise ValueError(f"'{said}' has not as many bytes as its shape says")
    return code, shape, start, stop


def _are_counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and n >= 0 for n in numbers)


def _check_places(entries: dict[str, tuple[str, list[int], int, int]], n_bytes: int) -> None:
    """Refuse arrays that overlap, leave bytes out, or go on behind the file."""
    end = 0
    for name, (_, _, start, stop) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if start != end:
            raise ValueError(f"'{shown(name, QUOTED)}' does not begin where the one before ends")
        end = stop
    if end != n_bytes:
        raise ValueError(f"its arrays have {end} bytes, but {n_bytes} are there")


def _held(code: str, _: list[int], start: int, stop: int) -> int:
    return (stop - start) * (2 if code == "BF16" else 1)


def _array(name: str, code: str, data: bytes) -> np.ndarray:
    numbers = np.frombuffer(data, TYPES[code])
    if code == "BF16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    if code == "BOOL":
        if numbers.size and numbers.max() > 1:
            raise ValueError(
                f"'{shown(name, QUOTED)}' holds a truth value that is neither true nor false"
            )
        return numbers.view(bool)
    return numbers
