"""Compiled programs on disk, in the user's cache folder: a help, and never a reason to fail.

A program that cannot be read, is damaged, or is of another machine is compiled again; one that
cannot be written is not kept. Nothing is said of either. What was not used for longest is deleted
when all programs together would take more than `LIMIT` bytes.

The environment variable `TOPOKIT_CACHE` names another folder, or is `off`. A program is code that
runs: a folder that belongs to somebody else, or that everybody may write to, is not used.
"""

import hashlib
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from topokit._atomic import replacing

VARIABLE, OFF = "TOPOKIT_CACHE", "off"
LIMIT = 2**28
ENDING = ".program"


def read_program(key: str) -> bytes | None:
    """What was kept under a key, whole, or None."""
    folder = _folder()
    if folder is None:
        return None
    path = folder / f"{key}{ENDING}"
    try:
        content = path.read_bytes()
        digest, program = content[:32], content[32:]
        if hashlib.sha256(program).digest() != digest:
            raise ValueError("damaged")
        os.utime(path)
    except (OSError, ValueError):
        forget_program(key)
        return None
    return program


def keep_program(key: str, program: bytes) -> None:
    """Keep a program, if that can be done, and let old ones go."""
    folder = _folder()
    if folder is None or len(program) > LIMIT:
        return
    with suppress(OSError):
        with replacing(folder / f"{key}{ENDING}") as part:
            part.write_bytes(hashlib.sha256(program).digest() + program)
        _let_go(folder)


def forget_program(key: str) -> None:
    """Delete what is kept under a key, so that it is written anew."""
    folder = _folder()
    if folder is not None:
        with suppress(OSError):
            (folder / f"{key}{ENDING}").unlink(missing_ok=True)


def _folder() -> Path | None:
    """The folder, made where there is none, or None where programs are not to be kept."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.lower() == OFF:
        return None
    try:
        folder = Path(chosen).expanduser() if chosen else _user_cache() / "topokit"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError, ValueError):  # RuntimeError: there is no home
        return None
    ours = found.st_uid == os.getuid() and not found.st_mode & stat.S_IWOTH
    return folder if ours else None


def _user_cache() -> Path:
    """Where programs of the user keep what can be made again."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".cache"


def _let_go(folder: Path) -> None:
    """Delete what was not used for longest, down to `LIMIT`; other processes may do the same."""
    kept = []
    for path in folder.glob(f"*{ENDING}"):
        with suppress(FileNotFoundError):
            found = path.stat()
            kept.append((found.st_mtime_ns, found.st_size, path))
    total = sum(size for _, size, _ in kept)
    for _, size, path in sorted(kept):
        if total <= LIMIT:
            break
        path.unlink(missing_ok=True)
        total -= size
