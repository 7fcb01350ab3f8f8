"""The published sums of the files of a data set."""

import hashlib


def check_md5(where: object, content: bytes, expected: str) -> None:
    """Raise a ValueError unless the md5 sum of `content` is `expected`.

    The sum guards against a damaged file and a wrong one, not against a forged one.
    """
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != expected:
        raise ValueError(
            f"{where} has the md5 sum {found}; expected {expected}, that of the original: fetch it "
            f"again, or pass verify=False if it is meant to be other data in the same form"
        )
