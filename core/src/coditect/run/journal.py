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
from contextlib import closing
from pathlib import Path

from coditect.findings import CoditectError
from coditect.run.events import EVENT_VERSION, Entry, Event, from_body, to_body

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


def _connect(path: Path, *, write: bool) -> sqlite3.Connection:
    # Readers open read-write too: a WAL reader may have to make the shared-memory file.
    connection = sqlite3.connect(
        f"file:{path}?mode={'rwc' if write else 'rw'}",
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
    except sqlite3.DatabaseError as error:
        connection.close()
        raise CoditectError.of(
            "journal-unreadable",
            f"{path} is not a journal: {error}.",
            "Move the file away to start a new one; runs recorded in it cannot be read.",
        ) from error
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
        with closing(_connect(self._path, write=False)) as connection:
            if not _version(connection, self._path):
                return ()
            return tuple(_read(connection, run, after))

    def runs(self) -> Sequence[tuple[str, int, int]]:
        """Give every run with the times of its first and last event, oldest first."""
        if not self._path.exists():
            return ()
        with closing(_connect(self._path, write=False)) as connection:
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
            event = from_body(kind, json.loads(body))
        except (KeyError, TypeError) as error:
            raise CoditectError.of(
                "journal-too-new",
                f"Event {seq} of run {run} ({kind}, version {v}) is not known to this version.",
                "The run was carried on by a newer coditect; use that one for it.",
            ) from error
        yield Entry(seq, at, event)


class Writer:
    """Appends to one run. Whoever makes it holds the run's lock; that is its caller's duty."""

    def __init__(self, path: Path, run: str) -> None:
        self._run = run
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

    def append(self, events: Iterable[Event]) -> list[Entry]:
        """Write events as one transaction and give them with their numbers.

        Time never goes back within a run, whatever the host's clock does.
        """
        at = max(self._at, time.time_ns() // 1_000_000)
        entries = [Entry(self._seq + i, at, event) for i, event in enumerate(events, 1)]
        rows = [
            (
                self._run,
                entry.seq,
                at,
                entry.event.kind,
                EVENT_VERSION,
                json.dumps(to_body(entry.event), ensure_ascii=False, separators=(",", ":")),
            )
            for entry in entries
        ]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT INTO event VALUES (?,?,?,?,?,?)", rows)
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._seq += len(entries)
        self._at = at
        return entries

    def close(self) -> None:
        """Give the file back; the journal stays."""
        self._connection.close()
