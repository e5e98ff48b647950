"""The journal: the truth of every run, append-only, in one SQLite file.

One writer per run, and it holds the run's lock; readers never block (WAL). A batch of events is
one transaction: after a crash either all of it is there or nothing. A journal, or an event, from a
newer version is refused in words.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from coditect.findings import CoditectError
from coditect.run.bodies import from_body, to_body
from coditect.run.events import EVENT_VERSION, Entry, Event

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE event (
  run TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  v INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (run, seq)
) WITHOUT ROWID
"""


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in words that a file cannot be read as a journal."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise CoditectError.of(
            "journal-unreadable",
            f"The journal {path} cannot be read: {error}.",
            "See to its permissions and its disk. If it is damaged, move it away to start a new "
            "one; the runs recorded in it cannot be gone on with.",
        ) from error


def _connect(path: Path, *, write: bool) -> sqlite3.Connection:
    # Readers open read-write too: a WAL reader may have to make the shared-memory file.
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={'rwc' if write else 'rw'}",
        uri=True,
        timeout=30,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        if write:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        else:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise CoditectError.of(
            "journal-too-new",
            f"{path} was written by a newer coditect (journal version {version}; this one "
            f"reads up to {SCHEMA_VERSION}).",
            "Use that version, or another home (CODITECT_HOME).",
        )
    return version


class Journal:
    """Reads the journal of a home; every call sees the newest committed events."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, run: str, after: int = 0) -> Sequence[Entry]:
        """Give a run's events with a number above `after`, oldest first."""
        if not self._path.exists():
            return ()
        with _told(self._path), closing(_connect(self._path, write=False)) as connection:
            if not _version(connection, self._path):
                return ()
            return tuple(_read(connection, run, after))

    def runs(self) -> Sequence[tuple[str, int, int]]:
        """Give every run with the times of its first and last event, oldest first."""
        if not self._path.exists():
            return ()
        with _told(self._path), closing(_connect(self._path, write=False)) as connection:
            if not _version(connection, self._path):
                return ()
            rows = connection.execute(
                "SELECT run, min(at), max(at) FROM event GROUP BY run ORDER BY min(at), run"
            )
            return tuple((str(run), int(first), int(last)) for run, first, last in rows)


def _read(connection: sqlite3.Connection, run: str, after: int) -> Iterator[Entry]:
    rows = connection.execute(
        "SELECT seq, at, kind, v, body FROM event WHERE run = ? AND seq > ? ORDER BY seq",
        (run, after),
    )
    for seq, at, kind, v, body in rows:
        try:
            if v > EVENT_VERSION:
                raise KeyError(kind)
            event = from_body(kind, _object(body))
        except ValueError as error:
            raise CoditectError.of(
                "journal-broken",
                f"Event {seq} of run {run} ({kind}) cannot be read: {error}.",
                "It was cut or edited by hand; start a new run.",
            ) from error
        except (KeyError, TypeError) as error:
            raise CoditectError.of(
                "journal-too-new",
                f"Event {seq} of run {run} ({kind}, version {v}) is not known to this version.",
                "The run was carried on by a newer coditect; use that one for it.",
            ) from error
        yield Entry(seq, at, event)


def _object(body: str) -> dict[str, Any]:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    return value


class Writer:
    """Appends to one run. Whoever makes it holds the run's lock; that is its caller's duty."""

    def __init__(self, path: Path, run: str) -> None:
        self._run = run
        self._path = path
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(path, write=True)
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                if not _version(self._connection, path):
                    self._connection.execute(_SCHEMA)
                    self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
                self._connection.execute("COMMIT")
                self.entries = tuple(_read(self._connection, run, 0))
            except BaseException:
                self._connection.close()
                raise
        last = self.entries[-1] if self.entries else None
        self._seq = last.seq if last else 0
        self._at = last.at if last else 0
        self._steady = time.monotonic_ns()

    def now(self) -> int:
        """Give the run's time, milliseconds since the epoch.

        It is the host's, but never goes back within a run, and goes on where the host's clock was
        set back: what waits for a moment of the run waits no longer for that.
        """
        passed = (time.monotonic_ns() - self._steady) // 1_000_000
        return max(time.time_ns() // 1_000_000, self._at + passed)

    def append(self, events: Iterable[Event]) -> list[Entry]:
        """Write events as one transaction, at this moment, and give them with their numbers.

        Raises CoditectError if they cannot be written; then none of them is.
        """
        at = self.now()
        entries = [Entry(self._seq + i, at, event) for i, event in enumerate(events, 1)]
        rows = [
            (self._run, entry.seq, at, entry.event.kind, EVENT_VERSION, _body(entry.event))
            for entry in entries
        ]
        if not rows:
            return []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO event VALUES (?,?,?,?,?,?)", rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise CoditectError.of(
                "journal-not-written",
                f"The journal {self._path} cannot be written: {error}.",
                "See to its disk's free space and its permissions, then: coditect resume "
                f"{self._run}",
            ) from error
        finally:
            # Still open only if something went wrong; some troubles end it by themselves.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        self._seq += len(entries)
        self._at, self._steady = at, time.monotonic_ns()
        return entries

    def close(self) -> None:
        """Give the file back; the journal stays."""
        self._connection.close()


def _body(event: Event) -> str:
    text = json.dumps(to_body(event), ensure_ascii=False, separators=(",", ":"))
    # A surrogate stands for a byte of a file's name; JSON can escape it, UTF-8 cannot hold it.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
