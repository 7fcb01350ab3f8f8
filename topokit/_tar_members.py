"""The files of a tar archive, one after the other, in as much memory as a piece of one takes.

What an archive says of itself is used for nothing but to find the next member. Names may come from
extended headers; a member with holes, which would grow out of nothing, is refused, and so is an
archive that ends before its end, or goes on after it.
"""

import re
import tarfile
from collections.abc import Iterator

from topokit._escapes import shown
from topokit._unpacked_streams import UnpackedStream

LONGEST_HEADER = 2**20  # bytes of a name or of extended attributes
MOST_MEMBERS = 100_000
PIECE = 2**20
BLOCK = tarfile.BLOCKSIZE
EXTENDED = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
# A record of an extended header: its length, then an attribute and its value.
RECORD = re.compile(rb"(\d{1,7}) ([^=\n]+)=")
DAMAGED = "fetch it again"


class MemberBytes:
    """So many bytes of a stream, as a file of their own."""

    def __init__(self, stream: UnpackedStream, size: int) -> None:
        self._stream, self.left = stream, size

    def read(self, n_bytes: int) -> bytes:
        """At most so many bytes.

        Raises:
            ValueError: If the stream ends before.
        """
        wanted = min(n_bytes, self.left)
        found = self._stream.read(wanted) if wanted else b""
        if wanted and not found:
            raise ValueError(f"the archive ends in the middle of a member: {DAMAGED}")
        self.left -= len(found)
        return found

    def skip(self) -> None:
        """Read to the end."""
        while self.read(PIECE):
            pass


def tar_members(stream: UnpackedStream) -> Iterator[tuple[str, MemberBytes | None]]:
    """The name and the bytes of each file; what of them is not read is passed over.

    A link has a name and no bytes; folders and devices are passed over.

    Raises:
        ValueError: If it is no tar archive, or a damaged or an implausible one.
    """
    shared: dict[str, str] = {}
    own: dict[str, str] = {}
    for header in _headers(stream):
        size, part = header.size, MemberBytes(stream, header.size)
        if header.type in EXTENDED:
            own |= _attributes(part)
        elif header.type == tarfile.XGLTYPE:
            shared |= _attributes(part)
        elif header.type == tarfile.GNUTYPE_LONGNAME:
            own["path"] = _bytes(part).decode("utf-8", "surrogateescape").split("\0")[0]
        elif header.type == tarfile.GNUTYPE_LONGLINK:
            _bytes(part)
        else:
            said, own = shared | own, {}
            name = said.get("path", header.name)
            size = part.left = _size(header, name, said)
            if header.isreg() or header.islnk() or header.issym():
                yield name, part if header.isreg() else None
            part.skip()
        _exactly(stream, -size % BLOCK)


def _headers(stream: UnpackedStream) -> Iterator[tarfile.TarInfo]:
    """Each header, when the stream is behind what belongs to the last one."""
    for _ in range(MOST_MEMBERS):
        block = _exactly(stream, BLOCK)
        if not any(block):
            break
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise ValueError(f"it is no tar archive, or a damaged one ({shown(error)})") from error
        yield header
    else:
        raise ValueError(f"the archive has more than {MOST_MEMBERS:,} members")
    while piece := stream.read(PIECE):
        if any(piece):
            raise ValueError(f"the archive goes on behind its end: {DAMAGED}")


def _size(header: tarfile.TarInfo, name: str, said: dict[str, str]) -> int:
    """How many bytes a member has; links, folders and devices have none, whatever they say."""
    if header.issparse() or header.type == tarfile.GNUTYPE_SPARSE or _has_holes(said):
        raise ValueError(f"its member {shown(name)!r} has holes; pack it without (sparse files)")
    if not header.isreg() and header.type in tarfile.SUPPORTED_TYPES:
        return 0
    told = said.get("size", str(header.size))
    if not (told.isascii() and told.isdigit() and len(told) < 19):
        raise ValueError(f"its member {shown(name)!r} has a size of {shown(told)!r}")
    return int(told)


def _has_holes(said: dict[str, str]) -> bool:
    return any(name.startswith("GNU.sparse") for name in said)


def _attributes(part: MemberBytes) -> dict[str, str]:
    """Those of an extended header: records `LENGTH NAME=VALUE`, each with a line end."""
    content, found, place = _bytes(part), dict[str, str](), 0
    while place < len(content) and content[place]:
        record = RECORD.match(content, place)
        end = place + int(record[1]) if record else 0
        if record is None or not record.end() < end <= len(content):
            raise ValueError(f"an extended header of the archive is damaged: {DAMAGED}")
        value = content[record.end() : end - 1]
        found[record[2].decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        place = end
    return found


def _bytes(part: MemberBytes) -> bytes:
    """A whole header, which is short."""
    if not 0 <= part.left <= LONGEST_HEADER:
        raise ValueError(f"a header of the archive says that it has {part.left} bytes: {DAMAGED}")
    return _exactly(part, part.left)


def _exactly(stream: "UnpackedStream | MemberBytes", n_bytes: int) -> bytes:
    found = b""
    while len(found) < n_bytes and (piece := stream.read(n_bytes - len(found))):
        found += piece
    if len(found) < n_bytes:
        raise ValueError(f"the archive ends before its end: {DAMAGED}")
    return found
