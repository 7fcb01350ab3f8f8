"""Finished results in an SQLite file: what is in it is not done again, and survives a kill.

Each result is one transaction and is found by a key, the hash of all that decides it. Every row
carries a checksum: a damaged file is refused, for a wrong number would be worse. The file is in
write-ahead mode, so that several processes may read and write it at once, on one machine.
"""

import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from topokit._archives import read_archive
from topokit._escapes import shown
from topokit._failures import ROOM, failure, told, why_not_written
from topokit._strict_json import from_json

APPLICATION = 0x746F706F  # "topo": how one tells the file from other people's SQLite files
SCHEMA = 4
PATIENCE = 60.0  # seconds to wait for another process to finish its transaction
PAUSE = 0.05  # seconds until a file is tried again for which SQLite does not wait

COLUMNS = """results (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, value TEXT NOT NULL, arrays BLOB, checksum INTEGER
)"""
ROWS = "SELECT key, kind, value, arrays, checksum FROM results"
# All that such a file holds: the table, and the index of its keys, of which SQLite keeps no text.
OWN = {("table", f"CREATE TABLE {COLUMNS}"), ("index", None)}

ANOTHER = "give another file"
DAMAGED = (
    "it is left as it is: give another file, or save what can be read with the sqlite3 shell's "
    ".recover"
)
REASONS = {
    sqlite3.SQLITE_BUSY: f"has been locked by another process for {PATIENCE:g} s; try again later",
    sqlite3.SQLITE_LOCKED: "is locked by another process; try again later",
    sqlite3.SQLITE_READONLY: f"may not be written; {ANOTHER}",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened; {ANOTHER}",
    sqlite3.SQLITE_NOTADB: f"is no store: it is no SQLite file; {ANOTHER}",
    sqlite3.SQLITE_CORRUPT: f"is damaged; {DAMAGED}",
    sqlite3.SQLITE_FULL: f"is on a full disk; {ROOM}",
    sqlite3.SQLITE_IOERR: "is on a disk that fails, or was full for a moment; look after it, or "
    + ANOTHER,
}
# Of these SQLite does not say why, and the system does.
ASKED = (
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
)


Read = TypeVar("Read")


class Entry(NamedTuple):
    """One result: plain values, and arrays where it has some.

    Attributes:
        kind: Which kind of result it is, such as "score".
        value: What JSON can hold.
        arrays: Arrays of numbers by name.
    """

    kind: str
    value: dict[str, Any]
    arrays: Mapping[str, np.ndarray] = MappingProxyType({})


def _itself(entry: Entry) -> Any:
    return entry


class Store:
    """An open file of results; close it, or use `contextlib.closing`. Threads may share it."""

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        """Open the file at `path`, or make it.

        Raises:
            ValueError: If there is no such file and none may be made, or it is something else, of
                another schema, damaged, locked, or not to be written.
        """
        self.path = Path(path)
        self._lock = threading.Lock()
        _check_place(self.path, create=create)
        with self._explained():
            self._connection = sqlite3.connect(
                _address(self.path, create=create),
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
            )
        self._connection.text_factory = _text
        try:
            with self._explained():
                self._prepare(create=create)
        except ValueError:
            self.close()
            raise

    def get(self, key: str, read: Callable[[Entry], Read] = _itself) -> Read | None:
        """The result of that key, if it is finished, as `read` makes it of its entry."""
        with self._explained(), self._lock:
            row = self._connection.execute(f"{ROWS} WHERE key = ?", (key,)).fetchone()
        return None if row is None else self._read(self._checked(row), read)

    def put(self, key: str, entry: Entry) -> None:
        """Keep a result; one transaction. The first result of a key stays."""
        row = _row(key, entry)
        with self._explained(), self._lock:
            self._connection.execute("INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?)", row)

    def entries(self, kind: str, read: Callable[[Entry], Read] = _itself) -> Iterator[Read]:
        """All results of a kind, oldest first; every row is checked, for its kind may be damaged.

        Raises:
            ValueError: At once, if a row of any kind was changed.
        """
        with self._explained(), self._lock:
            every = map(self._checked, self._connection.execute(f"{ROWS} ORDER BY rowid"))
            rows = [row for row in every if row[1] == kind]
        return (self._read(row, read) for row in rows)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _prepare(self, *, create: bool) -> None:
        """Tell a store from other files; make one of an empty file, unless it is only read."""
        self._connection.execute("BEGIN")  # one answer, whatever others write meanwhile
        application, schema, tables = (
            self._connection.execute(question).fetchone()[0]
            for question in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_master",
            )
        )
        self._connection.execute("COMMIT")
        if not (application or schema or tables):
            # A table that is not in the file: reading finds nothing, and writes nothing.
            if create:
                self._make()
            else:
                self._connection.execute(f"CREATE TEMP TABLE {COLUMNS}")
            return
        if (application, schema) != (APPLICATION, SCHEMA):
            raise ValueError(_another(self.path, application, schema))
        self._check()

    def _check(self) -> None:
        """Refuse a damaged file; and one that would run what others wrote into it, when read."""
        if {*self._connection.execute("SELECT type, sql FROM sqlite_master")} != OWN:
            raise self._damage("it has another table than that of results")
        (found,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise self._damage(found.splitlines()[-1])

    def _damage(self, what: str) -> ValueError:
        return ValueError(f"store: {self.path} is damaged: {shown(what)}; {DAMAGED}")

    def _make(self) -> None:
        """Two processes may do this at once: all of it is one transaction, and can be repeated."""
        self._log_ahead()
        self._connection.executescript(
            f"BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS {COLUMNS};"
            f" PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA}; COMMIT"
        )

    def _log_ahead(self) -> None:
        """Write ahead to a log; of two that begin it at once SQLite refuses one without a wait."""
        end = monotonic() + PATIENCE
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
                if code != sqlite3.SQLITE_BUSY or monotonic() > end:
                    raise
                sleep(PAUSE)

    def _checked(self, row: tuple) -> tuple:
        """A row, if it is what was written."""
        key, kind, value, arrays, checksum = row
        texts = all(isinstance(part, str) for part in (key, kind, value))
        if (
            not texts
            or not isinstance(arrays, bytes | None)
            or _checksum(key, kind, value, arrays) != checksum
        ):
            raise self._damage("a row was changed")
        return row

    def _read(self, row: tuple, read: Callable[[Entry], Read]) -> Read:
        """What `read` makes of a row; whoever writes sums into a file may write anything there."""
        key, kind, value, arrays, _ = row
        try:
            found = from_json(value)
            return read(Entry(kind, found, {} if arrays is None else read_archive(BytesIO(arrays))))
        except (ValueError, TypeError, LookupError) as error:
            raise self._damage(f"row {key} is no result ({error})") from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The errors of SQLite as a ValueError that says what to do."""
        try:
            yield
        except UnicodeDecodeError as error:  # of what SQLite quotes
            damage = f"is damaged ({shown(error)}); {ANOTHER}"
            raise ValueError(f"store: {self.path} {damage}") from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            why = why_not_written(self.path) if code in ASKED else None
            if why is not None:
                raise ValueError(f"store: {told(failure(why, self.path))}") from error
            reason = REASONS.get(code, "cannot be used; see what SQLite says")
            raise ValueError(f"store: {self.path} {reason} ({shown(error)})") from error


def _text(stored: bytes) -> str:
    """A text; of a damaged one something else, which its sum shows."""
    return stored.decode(errors="surrogateescape")


def _address(path: Path, *, create: bool) -> str:
    """Where SQLite finds the file; what may not be written is opened for reading alone.

    Readers write too, in a file beside the store, while others may be writing it. Where there are
    no such files and none can be made, nobody does.
    """
    address = path.absolute().as_uri()
    if create or all(os.access(place, os.W_OK) for place in (path, path.absolute().parent)):
        return address
    return f"{address}?mode=ro" + ("" if _log(path).exists() else "&immutable=1")


def _check_place(path: Path, *, create: bool) -> None:
    """Refuse what SQLite would find out only when a first result is finished."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ValueError(f"store: there is no folder {folder}; make it first")
    if path.is_dir():
        raise ValueError(f"store: {path} is a folder; give a file in it")
    if path.exists() and not path.is_file():
        raise ValueError(f"store: {path} is no regular file; {ANOTHER}")
    if not create and not path.exists():
        raise ValueError(f"store: there is no file {path}")
    _check_log(path)
    for place in (path, folder) if create else ():
        if place.exists() and not os.access(place, os.W_OK):
            raise ValueError(f"store: {place} may not be written; {ANOTHER}")


def _log(path: Path) -> Path:
    """The file beside a store that holds what was written last."""
    return path.with_name(f"{path.name}-wal")


def _check_log(path: Path) -> None:
    """Refuse a log that is none, and one of a store that is gone, which SQLite would delete."""
    log = _log(path)
    if log.is_dir():
        raise ValueError(f"store: {log} is a folder, where SQLite keeps what it writes; move it")
    # In this order: another process that makes the store fills it before there is a log.
    left = log.exists() and log.stat().st_size
    if left and path.exists() and not path.stat().st_size:
        raise ValueError(
            f"store: {path} is damaged: it is empty, and {log} holds {left} bytes of what was "
            "written into it; both are left as they are: bring the store back from a copy, or "
            f"{ANOTHER}"
        )


def _another(path: Path, application: int, schema: int) -> str:
    """What to say of a database that is none of ours, or one of another version."""
    if application != APPLICATION and (application, schema) != (0, 1):
        return f"store: {path} is no store: it is a database of another program; {ANOTHER}"
    return (
        f"store: {path} has schema {schema}, this version of topokit reads and writes schema "
        f"{SCHEMA}; {ANOTHER}"
    )


def _row(key: str, entry: Entry) -> tuple:
    value = json.dumps(entry.value)
    arrays = _packed(entry.arrays) if entry.arrays else None
    return key, entry.kind, value, arrays, _checksum(key, entry.kind, value, arrays)


def _checksum(key: str, kind: str, value: str, arrays: bytes | None) -> int:
    return zlib.crc32(repr((key, kind, value)).encode() + (arrays or b""))


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An npz archive."""
    file, named = BytesIO(), dict[str, Any](arrays)
    np.savez(file, **named)
    return file.getvalue()
