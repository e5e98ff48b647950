"""Holds the index of a user's checkout for a while, so that his git and the engine take turns.

The lock is git's own: `index.lock`, here a hard link to a file `coditect.landing` beside it. So it
appears with its content in one step, it can be told from every other lock, and `flock` on the file
tells whether its owner still lives.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from coditect.git import plumbing
from coditect.git.plumbing import SAFE, Git
from coditect.git.repository import Repository, Worktree

_WORDS = b"Coditect is landing work here; it removes this lock when it is started again.\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be done to a checkout, written down before."""

    ref: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Site:
    """A checkout of the user's with a private copy of its index to work on."""

    repository: Repository
    worktree: Worktree
    scratch: Path
    """A folder for indexes, gone afterwards."""
    filters: frozenset[str]
    """The filter drivers that the user has configured anywhere."""
    hold: tuple[int, ...] = ()
    """The open lock: an orphaned git still holds it."""

    def git(self, index: str = "index") -> Git:
        """For the checkout with one of the private indexes, and with every filter switched off."""
        off = tuple(
            f"filter.{driver}.{setting}"
            for driver in sorted(self.filters)
            for setting in ("clean=", "smudge=", "process=", "required=false")
        )
        return Git(
            self.worktree.git_dir,
            work_tree=self.worktree.path,
            index=self.scratch / index,
            identity=self.repository.identity,
            options=(*SAFE, "core.splitIndex=false", *off),
            timeout=3600.0,
            hold=self.hold,
        )

    @property
    def lock(self) -> Path:
        """What git itself waits for."""
        return self.worktree.git_dir / "index.lock"

    @property
    def twin(self) -> Path:
        """The engine's name for the same file."""
        return self.worktree.git_dir / "coditect.landing"

    @property
    def ours(self) -> bool:
        """Whether the lock that is there now is one of the engine's, its owner dead or alive."""
        try:
            return self.lock.samefile(self.twin)
        except FileNotFoundError:
            return False

    @property
    def _note(self) -> Path:
        digest = hashlib.sha256(bytes(self.worktree.git_dir)).hexdigest()
        return self.repository.engine / f"landing-{digest[:16]}.json"

    def plan(self) -> Plan | None:
        """Read what was written down and not finished."""
        try:
            found = json.loads(self._note.read_text("utf-8"))
            return Plan(str(found["ref"]), str(found["old"]), str(found["new"]))
        except (FileNotFoundError, ValueError):
            return None

    def write_plan(self, plan: Plan) -> None:
        """Write down what is about to be done; it survives a loss of power."""
        making = self._note.with_suffix(".new")
        with making.open("w", encoding="utf-8") as file:
            json.dump({"ref": plan.ref, "old": plan.old, "new": plan.new}, file)
            file.flush()
            os.fsync(file.fileno())
        making.replace(self._note)

    def forget_plan(self) -> None:
        """Say that nothing is left to be done."""
        self._note.unlink(missing_ok=True)

    def copy_index(self) -> None:
        """Copy the user's index, with its time, by which git knows which files to look into."""
        source, copy = self.worktree.git_dir / "index", self.scratch / "index"
        (self.scratch / "index.lock").unlink(missing_ok=True)
        if source.exists():
            shutil.copy2(source, copy)

    def install_index(self) -> None:
        """Put the private index in the place of the user's, in one step; needs the lock."""
        target = self.worktree.git_dir / "index"
        making = self.worktree.git_dir / "coditect.index"
        shutil.copy2(self.scratch / "index", making)
        if target.exists():
            shutil.copymode(target, making)
        making.replace(target)


@contextmanager
def site_of(repository: Repository, worktree: Worktree) -> Iterator[Site]:
    """Give the checkout something to work with, and tidy up."""
    with tempfile.TemporaryDirectory(dir=repository.engine, prefix=".landing-") as folder:
        yield Site(repository, worktree, Path(folder), _filters(worktree))


@contextmanager
def held_index(site: Site) -> Iterator[Site | None]:
    """Hold the index, and give the site to work on; None if somebody else holds it.

    Afterwards the lock is gone, unless a plan is still written down: then it stays for whoever
    finishes it, as it would after a kill.
    """
    file = _own(site.twin)
    if file is None:
        yield None
        return
    try:
        if not site.ours:
            try:
                os.link(site.twin, site.lock)
            except FileExistsError:
                site.twin.unlink()
                yield None
                return
        yield replace(site, hold=(*site.repository.hold, file))
        if site.plan() is None:
            _let_go(site)
    except BaseException:
        if site.plan() is None:
            _let_go(site)
        raise
    finally:
        os.close(file)


def _let_go(site: Site) -> None:
    (site.worktree.git_dir / "coditect.index").unlink(missing_ok=True)
    if site.ours:
        site.lock.unlink()
    site.twin.unlink(missing_ok=True)


def _own(path: Path) -> int | None:
    """Open and `flock` a file that is still there afterwards; None if another process has it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        try:
            if os.path.samestat(os.fstat(file), path.stat()):
                os.pwrite(file, _WORDS, 0)
                return file
        except FileNotFoundError:
            pass
        os.close(file)


def _filters(worktree: Worktree) -> frozenset[str]:
    done = plumbing.execute(
        [plumbing.executable(), "config", "--name-only", "-z", "--get-regexp", r"^filter\."],
        env={**plumbing.users_environment(), "GIT_DIR": str(worktree.git_dir)},
        timeout=60,
    )
    keys = [key for key in done.text.split("\0") if key.count(".") > 1]
    names = (key.partition(".")[2].rpartition(".")[0] for key in keys)
    return frozenset(name for name in names if "=" not in name)
