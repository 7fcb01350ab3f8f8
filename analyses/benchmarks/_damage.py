"""Files made hostile: bits, bytes, numbers, lines and members of archives that are others.

What a container checks is set right again, so that the damage reaches what reads its contents: a
zip file and a tar are packed anew around a damaged member, gzip around damaged contents, and the
headers of `.npy` and `.safetensors` get the length that they then have.
"""

import gzip
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from random import Random

Damage = Callable[[bytes, Random], bytes]

WITHIN = 0.7  # share of the files whose container is opened, where they have one
NUMBER = re.compile(rb"\d+")
WORD = re.compile(rb"\w+")
STRING = re.compile(rb"\"[^\"\n]{0,99}\"|'[^'\n]{0,99}'")

NUMBERS = [
    *(b"0 1 2 7 -1 +1 007 1_0 0x10 1.5 1e999 nan inf -inf 1e400 2147483648 4294967295".split()),
    *(b"9223372036854775807 18446744073709551616 99999999999999999999999".split()),
    *(b"true null".split()),
    *("٣ ¹".encode().split()),
    b"9" * 5000,
    b"",
]
TEXTS = [
    b"",
    b"\x1b[2J\x1b]0;x\x1b\\",
    b"a\nb\r\nc",
    b"\\u001b[2J",
    b"\\ud800",
    b"\xff\xfe",
    b"\x00",
    b"x" * 200_000,
    b"[" * 20_000,
    b"(00, 0)",
    b"__tuple__",
    b"../../x",
    "\u202eabc".encode(),
    b"&a;",
    b"NaN",
]
WORDS = [0, 1, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]


def _place(content: bytes, random: Random) -> int:
    return random.randrange(len(content) + 1)


def _piece(content: bytes, random: Random) -> tuple[int, int]:
    """Start and end of a piece, short ones more often."""
    start = _place(content, random)
    length = int(len(content) ** random.random())
    return start, min(len(content), start + length)


def flip_bit(content: bytes, random: Random) -> bytes:
    """One bit is another; of each eight, one in eight is a second one."""
    found = bytearray(content)
    for _ in range(1 if random.random() < 7 / 8 else 3):
        if found:
            found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    return bytes(found)


def set_byte(content: bytes, random: Random) -> bytes:
    """One byte is any other."""
    found = bytearray(content)
    if found:
        found[random.randrange(len(found))] = random.randrange(256)
    return bytes(found)


def set_word(content: bytes, random: Random) -> bytes:
    """A number of two to eight bytes is one at the edge of its range."""
    size = random.choice([2, 4, 8])
    start = _place(content, random)
    value = random.choice(WORDS) % 2 ** (8 * size)
    word = value.to_bytes(size, random.choice(["little", "big"]))
    return content[:start] + word + content[start + size :]


def cut(content: bytes, random: Random) -> bytes:
    """The end is missing."""
    return content[: _place(content, random)]


def grow(content: bytes, random: Random) -> bytes:
    """More follows."""
    return content + random.choice([b"\n", b"x", b"\x00" * 512, content, random.randbytes(99)])


def drop(content: bytes, random: Random) -> bytes:
    """A piece is missing."""
    start, stop = _piece(content, random)
    return content[:start] + content[stop:]


def repeat(content: bytes, random: Random) -> bytes:
    """A piece stands somewhere else as well."""
    start, stop = _piece(content, random)
    place = _place(content, random)
    return content[:place] + content[start:stop] + content[place:]


def _exchange(pattern: re.Pattern[bytes], others: list[bytes]) -> Damage:
    def exchange(content: bytes, random: Random) -> bytes:
        found = list(pattern.finditer(content))
        if not found:
            return set_byte(content, random)
        match = random.choice(found)
        other = random.choice([*others, random.choice(found)[0]])
        return content[: match.start()] + other + content[match.end() :]

    return exchange


def edit_lines(content: bytes, random: Random) -> bytes:
    """A line, or what stands between two brackets, is missing, twice, or elsewhere."""
    parts = re.split(random.choice([rb"(?<=\n)", rb"(?<=>)", rb"(?<=\})", rb"(?<=,)"]), content)
    place = random.randrange(len(parts))
    part = parts.pop(place)
    for _ in range(random.randrange(3)):
        parts.insert(random.randrange(len(parts) + 1), part)
    return b"".join(parts)


edit_number, edit_word = _exchange(NUMBER, NUMBERS), _exchange(WORD, [*NUMBERS, *TEXTS])
edit_text = _exchange(STRING, [b'"%b"' % text for text in TEXTS])

PLAIN: list[Damage] = [flip_bit, set_byte, set_word, cut, grow, drop, repeat]
PLAIN += [edit_number, edit_number, edit_word, edit_text, edit_lines]


def damaged(content: bytes, random: Random) -> bytes:
    """A file that is damaged once, seldom more often; the same for the same state of `random`."""
    for _ in range(1 if random.random() < 0.8 else random.randint(2, 4)):
        content = _once(content, random)
    return content


def _once(content: bytes, random: Random) -> bytes:
    opened = next((w for start, w in CONTAINERS.items() if content.startswith(start)), None)
    if content[257:262] == b"ustar":
        opened = _in_tar
    elif content[8:9] == b"{" and content[1:8] < b"\x01":
        opened = _in_safetensors
    if opened is not None and random.random() < WITHIN:
        try:
            return opened(content, random)
        except (ValueError, OSError, EOFError, LookupError, zlib.error, zipfile.BadZipFile):
            pass
        except (tarfile.TarError, NotImplementedError, RuntimeError):
            pass
    return random.choice(PLAIN)(content, random)


def _in_zip(content: bytes, random: Random) -> bytes:
    """A zip file whose members are others, with sums that fit them."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        packing = file.infolist()[0].compress_type
        members = [(info.filename, file.read(info)) for info in file.infolist()]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as zipped:
        for name, part in _others(members, random):
            # Not by writestr, which warns of two equal names.
            info = zipfile.ZipInfo(name)
            info.compress_type = packing
            zipped.NameToInfo.pop(name, None)
            zipped.writestr(info, part)
    return file.getvalue()


def _in_tar(content: bytes, random: Random) -> bytes:
    """A tar whose members are others."""
    with tarfile.open(fileobj=io.BytesIO(content)) as file:
        members = [
            (info.name, opened.read()) for info in file if (opened := file.extractfile(info))
        ]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        for name, part in _others(members, random):
            info = tarfile.TarInfo(name)
            info.size = len(part)
            packed.addfile(info, io.BytesIO(part))
    return file.getvalue()


def _others(members: list[tuple[str, bytes]], random: Random) -> list[tuple[str, bytes]]:
    """One member is damaged within, missing, twice, or has the name or contents of another."""
    place = random.randrange(len(members))
    name, part = members[place]
    other_name, other_part = random.choice(members)
    damage = random.choices(range(5), [12, 1, 1, 1, 1])[0]
    if damage == 0:
        members[place] = name, _once(part, random)
    elif damage == 1:
        members.pop(place)
    elif damage == 2:
        members.insert(random.randrange(len(members) + 1), (name, other_part))
    elif damage == 3:
        members[place] = (f"{other_name}{random.choice(['', 'x'])}", part)
    else:
        members[place] = name, other_part
    return members


def _in_gzip(content: bytes, random: Random) -> bytes:
    """The contents are others, with a sum that fits them."""
    return gzip.compress(_once(gzip.decompress(content), random), 1, mtime=0)


def _in_npy(content: bytes, random: Random) -> bytes:
    """The header is another, of the length that it says."""
    length = int.from_bytes(content[8:10], "little")
    header, numbers = content[10 : 10 + length], content[10 + length :]
    if random.random() < 0.5:
        return content[: 10 + length] + random.choice(PLAIN)(numbers, random)
    header = random.choice([edit_number, edit_word, edit_text, flip_bit, drop])(header, random)
    return content[:8] + (len(header) % 2**16).to_bytes(2, "little") + header + numbers


def _in_safetensors(content: bytes, random: Random) -> bytes:
    """The header is another, of the length that it says."""
    length = int.from_bytes(content[:8], "little")
    header = random.choice(PLAIN)(content[8 : 8 + length], random)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


CONTAINERS: dict[bytes, Damage] = {
    b"PK\x03\x04": _in_zip,
    b"\x1f\x8b": _in_gzip,
    b"\x93NUMPY\x01": _in_npy,
}
