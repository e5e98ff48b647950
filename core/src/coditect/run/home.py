"""Where runs live on disk, and who may write to one.

<home>/journal.db                     every run's events
<home>/runs/<run>/lock                held by the run's one coordinator
<home>/runs/<run>/heartbeat           a counter it moves; supervisors watch it
<home>/runs/<run>/inbox/              what other processes ask of it
<home>/runs/<run>/lanes/<stream>-<slot>/<repository>/
<home>/runs/<run>/attempts/<task>/<n>/
<home>/runs/<run>/secrets/            handed over outside git
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import secrets
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from coditect.findings import CoditectError
from coditect.run.journal import Journal

_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"


def default_home() -> Path:
    """`$CODITECT_HOME`, or `coditect` in the user's state folder."""
    if chosen := os.environ.get("CODITECT_HOME"):
        return Path(chosen).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser().absolute() / "coditect"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder."""

    home: Path
    run: str

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.home / "runs" / self.run

    @property
    def lock(self) -> Path:
        """The file whose flock makes a process the run's coordinator."""
        return self.path / "lock"

    @property
    def heartbeat(self) -> Path:
        """A counter that the living coordinator moves."""
        return self.path / "heartbeat"

    @property
    def inbox(self) -> Path:
        """Requests of other processes."""
        return self.path / "inbox"

    @property
    def secrets(self) -> Path:
        """Secrets that tasks handed over."""
        return self.path / "secrets"

    @property
    def checks(self) -> Path:
        """Scratch checkouts for verification."""
        return self.path / "checks"

    def attempt(self, task: str, number: int) -> Path:
        """An attempt's folder."""
        return self.path / "attempts" / task / str(number)

    def lane(self, workstream: str, slot: int, repository: str) -> Path:
        """A lane's folder."""
        return self.path / "lanes" / f"{workstream}-{slot}" / repository


class Home:
    """All runs of one state folder."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_home()

    @property
    def journal_file(self) -> Path:
        """The SQLite file."""
        return self.path / "journal.db"

    @property
    def journal(self) -> Journal:
        """Every run's events, to read."""
        return Journal(self.journal_file)

    def folder(self, run: str) -> RunFolder:
        """The folder of a run."""
        return RunFolder(self.path, run)

    def new_run(self, plan: str) -> str:
        """Make up an id for a run: the plan's name and five letters."""
        return f"{plan}-{''.join(secrets.choice(_LETTERS) for _ in range(5))}"

    def find(self, wanted: str | None) -> str:
        """Resolve a run's id, a unique part of its beginning, or None for the newest run."""
        runs = [run for run, _, _ in self.journal.runs()]
        if not runs:
            raise CoditectError.of(
                "no-run", f"There is no run in {self.path}.", "Start one: coditect run PLAN"
            )
        if wanted is None:
            return runs[-1]
        if wanted in runs:
            return wanted
        matches = [run for run in runs if run.startswith(wanted)]
        if len(matches) == 1:
            return matches[0]
        known = ", ".join(matches or runs[-5:])
        which = "several runs" if matches else "no run"
        raise CoditectError.of(
            "unknown-run", f"`{wanted}` names {which}.", f"Runs here: {known}. See: coditect runs"
        )


class RunLock:
    """The right to carry on a run. Held by one process; the system frees it when that dies."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, or raise with who has it."""
        self._folder.path.mkdir(parents=True, exist_ok=True)
        handle = self._folder.lock.open("a+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            owner = _owner(handle.read())
            handle.close()
            raise CoditectError.of(
                "run-locked",
                f"Run {self._folder.run} is being carried out by {owner}.",
                f"Look on with: coditect watch {self._folder.run}",
            ) from None
        handle.seek(0)
        handle.truncate()
        json.dump({"pid": os.getpid(), "host": platform.node()}, handle)
        handle.flush()
        self._file = handle

    @property
    def descriptor(self) -> int:
        """The open file; a child process that inherits it holds the lock until it ends."""
        assert self._file is not None, "the lock is not held"
        return self._file.fileno()

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _owner(text: str) -> str:
    try:
        data = json.loads(text)
        return f"process {data['pid']} on {data['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def is_running(folder: RunFolder) -> bool:
    """Whether some process carries the run on right now."""
    try:
        handle = folder.lock.open("r", encoding="utf-8")
    except FileNotFoundError:
        return False
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


# --- requests -------------------------------------------------------------------------------------


def ask(folder: RunFolder, what: str, **fields: Any) -> str:
    """Leave a request for the coordinator; give its id. Written whole or not at all."""
    request = uuid.uuid4().hex
    folder.inbox.mkdir(parents=True, exist_ok=True)
    draft = folder.inbox / f".{request}.tmp"
    draft.write_text(json.dumps({"what": what, "request": request, **fields}), encoding="utf-8")
    draft.rename(folder.inbox / f"{request}.json")
    return request


def asked(folder: RunFolder) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Give the requests that wait, oldest first; whoever records one removes its file after."""
    try:
        files = sorted(folder.inbox.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    except FileNotFoundError:
        return
    for file in files:
        try:
            yield file, json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            file.rename(file.with_suffix(".refused"))
