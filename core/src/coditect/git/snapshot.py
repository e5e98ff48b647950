"""Saves what an attempt wrote, as one commit on its base.

The content of the work tree counts, whatever the agent did with the lane's own git: no process
of the engine reads the lane's `.git`, nor a nested repository's. What the *base* ignores is left
out; an edited `.gitignore` is content like any other. Files go in byte for byte, so an edited
`.gitattributes` has no say either.

What git cannot hold is reported, each as a finding that says what was not saved:
`unsaved-special` (FIFO, socket, device), `unsaved-name` (a component that means `.git`),
`unsaved-large` (over the limit), `unsaved-unreadable`, `unsaved-submodule` (content of a
submodule's folder). A nested repository's files are saved like any others (`nested-repository`, a
warning): its history is not.
"""

# Paths are bytes here, since a name need not be text; pathlib takes text only.
# ruff: noqa: PTH101, PTH118

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from coditect.findings import CoditectError, Finding, Severity
from coditect.git.checkout import copy_index
from coditect.git.folders import is_real_folder, open_folders
from coditect.git.lane import Lane, LaneState
from coditect.git.plumbing import Git, GitError
from coditect.git.portable import means_dot_git
from coditect.git.trailers import Trailers

LIMIT = 100 * 1024 * 1024
"""Bytes over which a file is not saved unless the caller says otherwise."""
_MOST_FINDINGS = 50


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was saved."""

    commit: str
    """A child of the base; the base itself if nothing that can be saved was changed."""
    tree: str
    findings: tuple[Finding, ...] = ()
    """What could not be saved, and why."""


def snapshot(
    lane: Lane,
    base: str,
    *,
    message: str,
    trailers: Trailers,
    date: int,
    ref: str,
    limit: int = LIMIT,
    secrets: Iterable[str] = (),
) -> Snapshot | None:
    """Save the lane's content as a commit on `base` under `ref`; None if nothing was changed.

    The lane must have been prepared for this base. `secrets` are paths (files or folders) that were
    handed to the agent and stay outside git. Repeated after a kill it gives the same commit. The
    lane's files are only made readable, never changed.
    """
    prepared = lane.prepared()
    if prepared is None or prepared.base != base:
        raise CoditectError.of(
            "git-lane-not-prepared",
            f"The lane {lane.tree} does not show {base[:12]}, so what it holds is nobody's work.",
            "Prepare the lane again.",
        )
    if not is_real_folder(lane.tree):
        raise CoditectError.of(
            "git-lane-gone",
            f"The lane {lane.tree} is no longer a folder: nothing of the attempt is left to save.",
            "Prepare the lane and try again; look at what the agent did with its folder.",
        )
    hidden = frozenset(os.fsencode(each.strip("/")) for each in secrets)
    with lane.checkout.held() as held:
        git = copy_index(held, "index.saving")
        survey = _survey(lane, prepared, git, limit, hidden)
        _stage(git, survey)
        tree = git.text("write-tree")
    findings = survey.capped()
    if tree == prepared.tree and not findings:
        return None
    commit = base
    if tree != prepared.tree:
        text = trailers.under(message)
        commit = lane.repository.git.text("commit-tree", tree, "-p", base, stdin=text, date=date)
    lane.repository.refs.run("update-ref", "--no-deref", ref, commit)
    return Snapshot(commit, tree, findings)


@dataclass(slots=True)
class _Survey:
    """What is to be put into the index and taken out of it."""

    top: bytes
    limit: int
    secrets: frozenset[bytes]
    add: list[bytes] = field(default_factory=list)
    drop: list[bytes] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    folders: dict[bytes, bool] = field(default_factory=dict)
    """Whether a path's parent is a folder without any symlink on the way."""

    def look(self, path: bytes, *, tracked: bool) -> None:
        """Decide about one path that is not as in the base."""
        if any(path == each or path.startswith(each + b"/") for each in self.secrets):
            return
        status = self._status(path)
        if status is None or stat.S_ISDIR(status.st_mode):
            if tracked:
                self.drop.append(path)
            return
        if stat.S_ISLNK(status.st_mode):
            self._add(path)
        elif not stat.S_ISREG(status.st_mode):
            if tracked:
                self.drop.append(path)
            self.special(path)
        elif status.st_size > self.limit:
            self.report(
                "unsaved-large",
                path,
                f"has {status.st_size / 2**20:.0f} MiB, over the limit of "
                f"{self.limit / 2**20:g} MiB",
                "Keep large files out of the repository, or raise the limit.",
            )
        elif self._readable(path, status.st_mode):
            self._add(path)
        else:
            self.unreadable(path)

    def special(self, path: bytes) -> None:
        """Report what is neither file nor folder nor symlink."""
        self.report(
            "unsaved-special",
            path,
            "is a FIFO, socket or device, which git cannot hold",
            "Remove it at the end of the work, or have the base ignore it.",
        )

    def unreadable(self, path: bytes) -> None:
        """Report what cannot be read, even after its permissions were opened."""
        self.report(
            "unsaved-unreadable",
            path,
            "cannot be read",
            "See to its owner and permissions.",
        )

    def refused(self, path: bytes) -> None:
        """Report a name that git does not take."""
        self.report(
            "unsaved-name",
            path,
            "has a name that git refuses: some file systems take it for `.git`, or it is one of "
            "git's own files as a symlink",
            "Give it another name.",
        )

    def report(
        self, code: str, path: bytes, why: str, hint: str, severity: Severity = Severity.ERROR
    ) -> None:
        """Add a finding about a path."""
        shown = os.fsdecode(path)
        said = shown.encode("utf-8", "backslashreplace").decode("utf-8")
        saved = "" if severity is Severity.WARNING else " and was not saved"
        self.findings.append(
            Finding(code, f"{said!r} {why}{saved}.", hint, severity, data=(("path", said),))
        )

    def capped(self) -> tuple[Finding, ...]:
        """Give the findings, at most so many, and how many more there are."""
        more = len(self.findings) - _MOST_FINDINGS
        if more <= 0:
            return tuple(self.findings)
        rest = Finding("unsaved-more", f"{more} more paths were not saved.", data=(("more", more),))
        return (*self.findings[:_MOST_FINDINGS], rest)

    def _add(self, path: bytes) -> None:
        if any(means_dot_git(part) for part in os.fsdecode(path).split("/")):
            self.refused(path)
        else:
            self.add.append(path)

    def _status(self, path: bytes) -> os.stat_result | None:
        if not self._in_folder(path.rpartition(b"/")[0]):
            return None
        try:
            return os.lstat(os.path.join(self.top, path))
        except OSError:
            return None

    def _in_folder(self, folder: bytes) -> bool:
        if not folder:
            return True
        known = self.folders.get(folder)
        if known is None:
            known = self._in_folder(folder.rpartition(b"/")[0])
            if known:
                try:
                    known = stat.S_ISDIR(os.lstat(os.path.join(self.top, folder)).st_mode)
                except OSError:
                    known = False
            self.folders[folder] = known
        return known

    def _readable(self, path: bytes, mode: int) -> bool:
        full = os.path.join(self.top, path)
        if os.access(full, os.R_OK):
            return True
        try:
            os.chmod(full, stat.S_IMODE(mode) | stat.S_IRUSR)
        except OSError:
            return False
        return os.access(full, os.R_OK)


def _survey(
    lane: Lane, prepared: LaneState, git: Git, limit: int, secrets: frozenset[bytes]
) -> _Survey:
    survey = _Survey(os.fsencode(lane.tree), limit, secrets)
    submodules = frozenset(os.fsencode(path) for path in prepared.submodules)
    specials = open_folders(lane.tree)
    rules = f"--exclude-from={lane.rules}"
    done = git.run("ls-files", "-t", "-z", "--modified", "--deleted", "--others", rules)
    for line in done.err.splitlines():
        survey.findings.append(
            Finding(
                "unsaved-unreadable",
                f"A part of the lane could not be read: {line.strip()}.",
                "Look at its permissions, owner and depth.",
            )
        )
    tracked: set[bytes] = set()
    others: list[bytes] = []
    nested: list[bytes] = []
    for record in done.out.split(b"\0"):
        tag, path = record[:1], record[2:]
        if tag != b"?":
            tracked.add(path)
        elif path.endswith(b"/"):
            nested.append(path.rstrip(b"/"))
        else:
            others.append(path)
    for path in sorted(tracked - {b""}):
        if path not in submodules:
            survey.look(path, tracked=True)
        elif not is_real_folder(Path(os.fsdecode(survey.top), os.fsdecode(path))):
            survey.drop.append(path)
    _submodules(survey, submodules)
    for folder in nested:
        survey.report(
            "nested-repository",
            folder,
            "is a repository of its own inside the lane; its files were saved, its history not",
            "Remove its .git folder: only the engine adds submodules.",
            Severity.WARNING,
        )
    below = [path for folder in nested for path in _files_below(survey.top, folder)]
    ignored = _ignored(lane, git, [*below, *specials])
    for path in dict.fromkeys((*others, *below, *specials)):
        if path not in ignored and path not in tracked:
            survey.look(path, tracked=False)
    return survey


def _files_below(top: bytes, folder: bytes) -> Iterable[bytes]:
    stack = [folder]
    while stack:
        path = stack.pop()
        with os.scandir(os.path.join(top, path)) as entries:
            for entry in list(entries):
                if entry.name == b".git":
                    continue
                inner = path + b"/" + entry.name
                if entry.is_dir(follow_symlinks=False):
                    stack.append(inner)
                else:
                    yield inner


def _ignored(lane: Lane, git: Git, paths: list[bytes]) -> frozenset[bytes]:
    """Which of these the base ignores: asked about names alone, in a folder that has no files."""
    if not paths:
        return frozenset()
    nowhere = lane.checkout.private / "nowhere"
    nowhere.mkdir(exist_ok=True)
    done = replace(git, work_tree=nowhere).run(
        *("check-ignore", "--no-index", "-z", "--stdin"),
        stdin=b"".join(b"./" + path + b"\0" for path in paths),
        options=(f"core.excludesFile={lane.rules}",),
        ok=(0, 1),
    )
    return frozenset(path.removeprefix(b"./") for path in done.out.split(b"\0"))


def _submodules(survey: _Survey, submodules: frozenset[bytes]) -> None:
    for path in sorted(submodules):
        try:
            with os.scandir(os.path.join(survey.top, path)) as entries:
                filled = any(True for _ in entries)
        except OSError:
            continue
        if filled:
            survey.report(
                "unsaved-submodule",
                path,
                "is a submodule's folder, and what is in it was not saved",
                "Work on a submodule in a task of its own repository.",
                Severity.WARNING,
            )


def _stage(git: Git, survey: _Survey) -> None:
    """Put the survey into the index; a path that git cannot take becomes a finding."""
    if survey.drop:
        paths = b"".join(path + b"\0" for path in survey.drop)
        git.run("update-index", "--force-remove", "-z", "--stdin", stdin=paths)
    left = survey.add
    while left:
        paths = b"".join(path + b"\0" for path in left)
        verb = ("update-index", "--add", "--remove", "--replace", "-z", "--stdin")
        try:
            done = git.run(*verb, stdin=paths)
        except GitError as trouble:
            bad = _refused(trouble.stderr, left)
            if bad is None:
                raise
            survey.unreadable(bad)
            left = [path for path in left if path != bad]
        else:
            for line in done.err.splitlines():
                if line.startswith("Ignoring path "):
                    survey.refused(os.fsencode(line.removeprefix("Ignoring path ")))
            return


def _refused(stderr: str, paths: list[bytes]) -> bytes | None:
    start = "fatal: Unable to process path "
    names = {line.removeprefix(start) for line in stderr.splitlines() if line.startswith(start)}
    return next((path for path in paths if path.decode(errors="replace") in names), None)
