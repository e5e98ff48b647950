"""A user's repository and the engine's folders beside it, made with real git."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coditect.git import (
    Candidate,
    Lane,
    Repository,
    RunRefs,
    Snapshot,
    Trailers,
    build,
    heal_locks,
    history,
    prepared,
    snapshot,
    swap,
)

DATE = 1_700_000_000
Content = str | bytes | None


def write(top: Path, files: Mapping[str, Content]) -> None:
    """Write files below a folder; None removes one."""
    for name, content in files.items():
        path = top / name
        if content is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def shape(top: Path) -> dict[str, tuple[str, bytes]]:
    """Everything below a folder but `.git`: kind and mode, content or target."""
    found: dict[str, tuple[str, bytes]] = {}
    for folder, folders, names in os.walk(top):
        if ".git" in folders:
            folders.remove(".git")
        for name in (*names, *folders):
            path = Path(folder, name)
            relative = str(path.relative_to(top))
            if path.is_symlink():
                found[relative] = ("link", os.fsencode(path.readlink()))
            elif path.is_file():
                executable = "x" if path.stat().st_mode & 0o100 else "-"
                found[relative] = (f"file {executable}", path.read_bytes())
            elif not path.is_dir():
                found[relative] = ("special", b"")
            elif not any(path.iterdir()):
                found[relative] = ("empty folder", b"")
    return found


@dataclass
class Place:
    """Where a test happens: a user with a home and a repository, and the engine."""

    root: Path

    @property
    def repo(self) -> Path:
        return self.root / "repo"

    @property
    def engine(self) -> Path:
        return self.root / "engine"

    @property
    def environment(self) -> dict[str, str]:
        """The user's."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_DATE": f"@{DATE} +0000",
            "GIT_COMMITTER_DATE": f"@{DATE} +0000",
        }

    def start(self, files: Mapping[str, Content] | None = None, *options: str) -> str:
        """Make the home, and the repository with a first commit; gives the commit."""
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        (home / ".gitconfig").write_text(
            "[user]\n\tname = User\n\temail = user@example.org\n[init]\n\tdefaultBranch = main\n"
            '[protocol "file"]\n\tallow = always\n'
        )
        self.git("init", "-q", *options, str(self.repo), cwd=self.root)
        return self.commit({"README": "hello\n"} if files is None else files)

    def git(self, *args: str, cwd: Path | None = None, ok: bool = True) -> str:
        """Type a git command as the user."""
        done = subprocess.run(
            ["git", *args],
            check=False,
            cwd=cwd or self.repo,
            env=self.environment,
            capture_output=True,
        )
        if ok:
            assert done.returncode == 0, done.stderr.decode()
        return os.fsdecode(done.stdout.removesuffix(b"\n"))

    def commit(self, files: Mapping[str, Content], message: str = "Work") -> str:
        """Commit files as the user, in his checkout."""
        write(self.repo, files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def open(self) -> Repository:
        return Repository.open(self.repo, self.engine)

    def lane(self, number: int = 0) -> Lane:
        return Lane(self.open(), self.engine / f"lanes/{number}")

    def ready(self, base: str, number: int = 0) -> Lane:
        """Give a lane prepared for a base."""
        lane = self.lane(number)
        lane.prepare(base)
        return lane

    def files(self, tree: str) -> dict[str, bytes]:
        """The files of a tree, with a mode before the content if it is not the ordinary one."""
        out = self.git("ls-tree", "-r", "-z", tree)
        lines = [record.split("\t", 1) for record in out.split("\0") if record]
        fields = [(meta.split(" "), path) for meta, path in lines]
        blobs = subprocess.run(
            ["git", "-C", self.repo, "cat-file", "--batch"],
            env=self.environment,
            input="".join(f"{oid}\n" for (_, _, oid), _ in fields).encode(),
            capture_output=True,
            check=True,
        ).stdout
        found: dict[str, bytes] = {}
        for (mode, kind, _), path in fields:
            header, _, blobs = blobs.partition(b"\n")
            size = int(header.split(b" ")[2]) if kind == "blob" else -1
            content, blobs = blobs[: max(size, 0)], blobs[size + 1 :]
            found[path] = content if mode == "100644" else mode.encode() + b" " + content
        return found

    def untouched(self) -> str:
        """A digest of all that is the user's: checkout, index, configuration, hooks, refs."""
        digest = hashlib.sha256()
        skipped = (".git/objects", ".git/refs/coditect")
        for path in sorted(self.repo.rglob("*")):
            name = str(path.relative_to(self.repo))
            if name.startswith(skipped):
                continue
            status = path.lstat()
            digest.update(f"{name} {status.st_mode} ".encode())
            if path.is_symlink():
                digest.update(os.fsencode(path.readlink()))
            elif path.is_file():
                digest.update(str(status.st_mtime_ns).encode() + path.read_bytes())
        return digest.hexdigest()


REFS = RunRefs("r1")


def who(task: str = "t1", attempt: int = 1) -> Trailers:
    return Trailers("r1", task, attempt, "ada")


def save(lane: Lane, base: str, task: str = "t1", attempt: int = 1) -> Snapshot | None:
    """Save a lane as an attempt of a task."""
    return snapshot(
        lane,
        base,
        message=f"Work of {task}",
        trailers=who(task, attempt),
        date=DATE + attempt,
        ref=REFS.saved(task, attempt),
    )


def saved(lane: Lane, base: str, task: str = "t1", attempt: int = 1) -> Snapshot:
    """Save a lane that has something to save."""
    found = save(lane, base, task, attempt)
    assert found is not None
    return found


def integrate(place: Place, work: str, task: str) -> tuple[Candidate, int]:
    """Merge work onto whatever the integration ref holds; gives the merge and the swaps lost."""
    repository = place.open()
    lost = 0
    while True:
        head = repository.resolve(REFS.integration)
        assert head is not None
        found = build(repository, head, work, message=task, trailers=who(task), date=DATE)
        assert isinstance(found, Candidate), found
        ready = prepared(repository, "r1", found, REFS.candidate(task, 1))
        if swap(repository, ready.ref, ready.new, ready.old):
            return found, lost
        lost += 1


def cycle(place: Place, base: str, number: int) -> str:
    """Carry an attempt from start to end, as it is repeated after a kill; gives its merge."""
    repository = place.open()
    heal_locks(repository, "r1")
    lane = place.ready(base)
    write(lane.tree, {f"t{number}/f{n}": f"{number} {n}\n" for n in range(0, 12, 3)})
    write(lane.tree, {f"t{number}/gone": None, f"t{number}/new/file": "1\n"})
    task = f"task{number}"
    work = saved(lane, base, task).commit
    for each in history(repository, base, REFS.integration):
        if each.trailers and each.trailers.task == task:
            return each.commit
    return integrate(place, work, task)[0].commit


def killed_at(place: Place, number: int, code: str, *args: str) -> bool:
    """Run code that is killed at its n-th call of git; False if it made fewer and ended well.

    By turns it dies before git runs, while git runs on without it, and right after.
    """
    fate = (
        "kill -9 $PPID; exit 1",
        'kill -9 $PPID; exec "$GIT" "$@"',
        '"$GIT" "$@"; kill -9 $PPID; exit 1',
    )[number % 3]
    folder = place.root / f"deadly{number}"
    folder.mkdir()
    script = folder / "git"
    script.write_text(
        f"#!/bin/sh\nGIT={shutil.which('git')}\n"
        # The engine's own calls begin with an option; before them the repository is discovered.
        '[ "$1" = -c ] || exec "$GIT" "$@"\n'
        f"echo >> {folder}/calls\n"
        f'[ $(wc -l < {folder}/calls) -eq {number} ] || exec "$GIT" "$@"\n{fate}\n'
    )
    script.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        check=False,
        capture_output=True,
        env={
            **os.environ,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
        },
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0


def meddling_git(place: Place, verb: str, command: str) -> Path:
    """A folder with a git before whose every call of a verb somebody else's command runs."""
    folder = place.root / f"meddling-{verb}"
    folder.mkdir(exist_ok=True)
    script = folder / "git"
    script.write_text(
        f'#!/bin/sh\nfor word; do\n[ "$word" = {verb} ] && {{ ( {command} ) >&2; break; }}\ndone\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    script.chmod(0o755)
    return folder
