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

import contextlib
import fcntl
import json
import os
import platform
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from coditect.agents.supervisor import processes
from coditect.findings import CoditectError
from coditect.run.journal import Journal

_PROBES = 0.5
"""Seconds after which whoever holds a run's lock does more than probe it."""
_LAST_GITS = 30.0
"""Seconds that the gits of a dead coordinator get to end."""
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
    """The right to carry on a run. Held by one process; the system frees it when that dies.

    The gits of a coordinator share its lock, so that whoever comes after one that was killed waits
    for the last of them. Whoever only probes the lock holds it for an instant.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, or raise with who has it."""
        try:
            self._folder.path.mkdir(parents=True, exist_ok=True)
            handle = self._folder.lock.open("a+", encoding="utf-8")
            try:
                self._wait_for(handle)
                handle.seek(0)
                handle.truncate()
                json.dump({**processes.identity(os.getpid()), "host": platform.node()}, handle)
                handle.flush()
            except BaseException:
                handle.close()
                raise
        except OSError as error:
            raise CoditectError.of(
                "run-folder",
                f"The folder of run {self._folder.run} cannot be written: {error}.",
                "See to its disk's free space and its permissions.",
            ) from error
        self._file = handle

    def _wait_for(self, handle: IO[str]) -> None:
        begun = time.monotonic()
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                return
            handle.seek(0)
            owner = _owner(handle.read())
            dead = processes.is_visible(owner) and not processes.is_alive(owner)
            if time.monotonic() - begun > (_LAST_GITS if dead else _PROBES):
                break
            time.sleep(0.02)
        who = f"process {owner['pid']} on {owner['host']}" if owner else "another process"
        if dead:
            raise CoditectError.of(
                "run-locked",
                f"Run {self._folder.run} was being carried out by {who}, which is dead; a git that "
                "it began is still at work.",
                "Wait until that has ended, and try again.",
            )
        raise CoditectError.of(
            "run-locked",
            f"Run {self._folder.run} is being carried out by {who}.",
            f"Look on with: coditect watch {self._folder.run}",
        )

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


def _owner(text: str) -> dict[str, Any]:
    """Read who a lock's file names; empty if that cannot be read."""
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    known = isinstance(data, dict) and {"pid", "host"} <= data.keys()
    return data if known else {}


def is_running(folder: RunFolder) -> bool:
    """Whether some process carries the run on right now."""
    try:
        handle = folder.lock.open("r", encoding="utf-8")
    except OSError:
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
    """Give the requests that wait, oldest first; whoever records one removes its file after.

    What is no request is put aside, as `.refused`, so that nobody looks at it again.
    """
    waiting = [file for file in folder.inbox.glob("*.json") if os.path.lexists(file)]
    for file in sorted(waiting, key=lambda file: (file.lstat().st_mtime_ns, file.name)):
        try:
            body = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            yield file, {"request": file.stem, **body}
        else:
            with contextlib.suppress(OSError):
                file.rename(file.with_suffix(".refused"))
