"""Archives of arrays, `.npz`: what one says of itself is checked before it is read.

An archive is a zip file of members `NAME.npy`, each a header of one line and then the numbers. What
the directory and the headers say is held against each other and against what is plausible before
anything is unpacked; a header is matched, never evaluated; there are as many numbers as it says.
"""

import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from io import SEEK_END, BufferedIOBase
from math import prod
from typing import IO

import numpy as np

from topokit._escapes import shown
from topokit._limits import check_read, least_stored

START = b"PK\x03\x04"
MAGIC = b"\x93NUMPY"
SUFFIX = ".npy"
ENCRYPTED = 0x1
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
PIECE = 2**20
LONGEST_HEADER = 10_000
LAST_CHARACTER = 0x10FFFF
# A header is `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`, and blanks after it.
# Where a blank stands here there may be any number of them, and no other.
HEADER = re.compile(
    (
        r"\{ 'descr' : '([<>=|]?[biufcSUV]\d{1,9})' , 'fortran_order' : (True|False) ,"
        r" 'shape' : \(((?: \d{1,18}L? ,)+(?: \d{1,18}L?)?|) \) ,? \} "
    ).replace(" ", r"[ \n]*"),
    re.ASCII,
)


def read_archive(
    source: BufferedIOBase, expected: Mapping[str, tuple[str, int]] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an archive by name, of numbers or text, in the machine's order of bytes.

    Args:
        source: An open file, read from its start.
        expected: By name, the kinds that the type of an array may be of, as numpy's letters, and
            how many axes it has; there must be exactly these arrays. Any by default.

    Raises:
        ValueError: If it is no such archive, is damaged, or would take implausibly much memory;
            in one line, which does not name the file.
    """
    stored = source.seek(0, SEEK_END)
    source.seek(0)
    if source.read(len(START)) != START:  # zipfile takes what has anything before it
        raise ValueError("it is no archive of arrays, or a damaged one")
    try:
        with zipfile.ZipFile(source) as archive:
            members = _members(archive, expected)
            unpacked = sum(info.file_size for info in archive.infolist())
            check_read("what it unpacks to", unpacked, stored)
            return {name: _array(archive, name, *each) for name, each in members.items()}
    except ValueError:
        raise
    except Exception as error:  # Whatever damaged bytes do to a parser.
        raise ValueError(f"it is damaged: {shown(error)}") from error


def write_archive(file: BufferedIOBase, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, compressed, but no more than `read_archive` takes for plausible.

    Of large ones that are nearly constant, as many of the smallest are left as they are.
    """
    plain = least_stored(sum(array.nbytes for array in arrays.values()))
    left_plain = set()
    for name in sorted(arrays, key=lambda name: arrays[name].nbytes):
        if plain > 0:
            left_plain.add(name)
            plain -= arrays[name].nbytes
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}{SUFFIX}")  # of a fixed date
            info.compress_type = zipfile.ZIP_STORED if name in left_plain else zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _members(
    archive: zipfile.ZipFile, expected: Mapping[str, tuple[str, int]] | None
) -> dict[str, tuple[zipfile.ZipInfo, tuple[str, int] | None]]:
    """By name of an array its member and what is expected of it, as the directory has them."""
    infos = archive.infolist()
    for info in infos:
        _check_member(info)
    names = [info.filename.removesuffix(SUFFIX) for info in infos]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"it holds two arrays of the name '{shown(twice[0], 60)}'")
    if expected is None:
        return {name: (info, None) for name, info in zip(names, infos, strict=True)}
    missing = [name for name in expected if name not in names]
    if missing:
        raise ValueError(f"the arrays {', '.join(missing)} are missing")
    surplus = [name for name in names if name not in expected]
    if surplus:
        raise ValueError(
            f"it holds '{shown(surplus[0], 60)}' beside the arrays {', '.join(expected)}, which it "
            "should hold alone"
        )
    return {name: (info, expected[name]) for name, info in zip(names, infos, strict=True)}


def _check_member(info: zipfile.ZipInfo) -> None:
    name = shown(info.filename, 60)
    if not info.filename.endswith(SUFFIX) or info.filename != info.orig_filename:
        raise ValueError(f"it holds '{name}', which is no array: one is called NAME{SUFFIX}")
    if info.flag_bits & ENCRYPTED:
        raise ValueError(f"its member '{name}' is encrypted; write it without a password")
    if info.compress_type not in PACKINGS:
        raise ValueError(f"its member '{name}' is packed in another way than numpy packs arrays")


def _array(
    archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo, kind: tuple[str, int] | None
) -> np.ndarray:
    """The array of a member, of the kinds and axes of `kind` if that is given."""
    said = shown(name, 60)
    with archive.open(info) as member:
        header = _header(said, member)
        found = HEADER.fullmatch(header)
        if found is None:
            raise ValueError(
                f"array '{said}' is not of numbers or text, but of objects or records, or its "
                f"header is damaged: {shown(header, 60)}"
            )
        dtype = _dtype(said, found[1])
        shape = tuple(int(length.strip(" L")) for length in found[3].split(",") if length.strip())
        if kind is not None and (dtype.kind not in kind[0] or len(shape) != kind[1]):
            raise ValueError(
                f"array '{said}' has the wrong shape or type, {shown(shape, 60)} of {dtype}"
            )
        array = np.empty(_bytes_left(said, info, member, dtype, shape), np.uint8)
        _fill(said, member, array)
    array = array.view(dtype)
    _check_values(said, array)
    ordered = array.astype(dtype.newbyteorder("="), copy=False)
    return ordered.reshape(shape, order="F" if found[2] == "True" else "C")


def _header(said: str, member: IO[bytes] | BufferedIOBase) -> str:
    """The line before the numbers."""
    start = member.read(len(MAGIC) + 2)
    wide = {b"\x01\x00": 2, b"\x02\x00": 4}.get(start[len(MAGIC) :])
    if not start.startswith(MAGIC) or wide is None:
        raise ValueError(f"array '{said}' does not begin as numpy's arrays do")
    length = int.from_bytes(member.read(wide), "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"array '{said}' has a header of {length} bytes, which is too long")
    return member.read(length).decode("latin-1")


def _dtype(said: str, code: str) -> np.dtype:
    try:
        dtype = np.dtype(code)
    except (TypeError, ValueError):
        dtype = None
    if dtype is None or not dtype.itemsize or dtype in (np.longdouble, np.clongdouble):
        raise ValueError(f"array '{said}' is of {code!r}, which is no type of numbers or text")
    return dtype


def _bytes_left(
    said: str,
    info: zipfile.ZipInfo,
    member: IO[bytes] | BufferedIOBase,
    dtype: np.dtype,
    shape: tuple[int, ...],
) -> int:
    """How many bytes follow the header, which must be what the header says."""
    wanted, left = prod(shape) * dtype.itemsize, info.file_size - member.tell()
    if wanted != left:
        raise ValueError(
            f"array '{said}' should have {wanted} bytes, of shape {shown(shape, 60)}, but {left} "
            "are there"
        )
    return left


def _fill(said: str, member: IO[bytes] | BufferedIOBase, array: np.ndarray) -> None:
    """Read an array in pieces; the last byte of a member is where zipfile checks its sum."""
    filled = 0
    while piece := member.read(min(PIECE, max(1, array.size - filled))):
        if filled + len(piece) > array.size:
            break
        array[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    if filled != array.size or piece:
        raise ValueError(f"array '{said}' is cut, or longer than it says")


def _check_values(said: str, array: np.ndarray) -> None:
    """Refuse bytes that no truth value and no character has."""
    if array.dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
        raise ValueError(f"array '{said}' holds a truth value that is neither true nor false")
    if array.dtype.kind == "U":
        points = array.view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if points.size and points.max() > LAST_CHARACTER:
            raise ValueError(f"array '{said}' holds a character that there is not")
