"""Files that nobody writes by mistake."""

import tarfile


def member_of_holes(name: str, size: int) -> bytes:
    """A tar archive of one file that is all holes, as GNU's tar packs it."""
    header = tarfile.TarInfo(name)
    header.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"%011o\0" % size
    block[148:156] = b"%06o\0 " % (256 + sum(block[:148]) + sum(block[156:]))
    return bytes(block) + bytes(1024)
