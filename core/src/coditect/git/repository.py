"""The user's repository, as the engine sees it.

Two ways lead into it. `git` works on its *objects* through a git directory of the engine's own, so
that no configuration, attribute, hook, graft or replacement of the user's (or of an agent that
wrote there) is ever read; nearly everything goes this way. `refs` works on its *refs*, with the
user's git directory and overrides for whatever could start a program. Neither touches his index,
his configuration or a checkout; objects are only ever added, all of them made by the engine's git
from files, so that nothing needs to be imported from a lane.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coditect.findings import CoditectError
from coditect.git import plumbing
from coditect.git.gitdir import Format, write_git_dir
from coditect.git.names import RunRefs
from coditect.git.plumbing import OWN, SAFE, Git, GitError, Identity

_TREES: dict[tuple[Path, str], str] = {}
"""Object store and commit -> tree, which never changes: one small entry a commit looked at."""


@dataclass(frozen=True, slots=True)
class Worktree:
    """A checkout of the user's: where it is and which branch it shows."""

    path: Path
    git_dir: Path
    branch: str | None
    """The full ref; None if HEAD is detached."""


@dataclass(frozen=True, slots=True)
class Repository:
    """An opened repository; immutable, safe to share between threads."""

    path: Path
    """The top of its work tree, or its git directory if it is bare."""
    common: Path
    """The git directory that all its worktrees share."""
    objects: Path
    form: Format
    bare: bool
    engine: Path
    """A folder of the engine's own, outside the repository's work tree or ignored there."""
    identity: Identity = field(default_factory=Identity)
    hold: tuple[int, ...] = ()
    """Open files that every git process inherits, such as the run lock's: who was killed still
    holds the lock until the last of his gits has ended."""

    @classmethod
    def open(
        cls,
        path: Path,
        engine: Path,
        identity: Identity | None = None,
        *,
        hold: tuple[int, ...] = (),
    ) -> Repository:
        """Find the repository at `path`: normal, bare, a worktree or a submodule.

        A folder *inside* a repository, a shallow or partial clone, and no repository at all are
        errors that say what to do. Discovery is done with the user's own configuration, so that
        his `safe.directory` counts; it starts no program.
        """
        path = path.absolute()
        if not path.is_dir():
            raise CoditectError.of(
                "git-no-folder", f"There is no folder {path}.", "Check the repository's path."
            )
        found = _discover(path)
        top, common = found["top"], Path(found["common"])
        bare = not top
        here = Path(top) if top else Path(found["git"])
        if top and not here.samefile(path):
            raise CoditectError.of(
                "git-not-top-level",
                f"{path} is no repository of its own but a folder of {here}.",
                f"Name {here}, or make a repository here: `git -C {path} init`.",
            )
        if found["shallow"] == "true":
            raise CoditectError.of(
                "git-shallow",
                f"{path} is a shallow clone: merges need the history that it lacks.",
                f"Fetch the rest: `git -C {path} fetch --unshallow`.",
            )
        if found["partial"]:
            raise CoditectError.of(
                "git-partial",
                f"{path} is a partial clone: reading it could reach for the network at any time.",
                "Clone it again without `--filter`.",
            )
        engine = engine.absolute()
        repository = cls(
            path=here,
            common=common,
            objects=Path(found["objects"]),
            form=Format(found["format"], found["shared"]),
            bare=bare,
            engine=engine,
            identity=identity or Identity(),
            hold=hold,
        )
        _ensure_git_dir(engine / "store.git", repository.form)
        return repository

    @classmethod
    def create(
        cls,
        path: Path,
        branch: str,
        engine: Path,
        *,
        date: int,
        identity: Identity | None = None,
        hold: tuple[int, ...] = (),
    ) -> Repository:
        """Make a repository with one empty commit on `branch`, the same commit for the same date.

        Done again after it was killed half way, it goes on where it was; a folder that holds
        anything else is refused.
        """
        path = path.absolute()
        if path.exists() and any(entry.name != ".git" for entry in path.iterdir()):
            raise CoditectError.of(
                "git-folder-in-use",
                f"{path} is not empty, so no repository is made there.",
                "Name a new folder.",
            )
        path.mkdir(parents=True, exist_ok=True)
        plumbing.executable()
        bootstrap = Git(path / ".git", identity=identity or Identity())
        bootstrap.run("init", "-q", "--template=", f"--initial-branch={branch}", str(path))
        repository = cls.open(path, engine, identity, hold=hold)
        if repository.resolve(f"refs/heads/{branch}") is None:
            tree = repository.git.text("mktree", stdin=b"")
            commit = repository.git.text("commit-tree", tree, stdin=b"Start\n", date=date)
            repository.refs.run("update-ref", f"refs/heads/{branch}", commit)
        return repository

    @property
    def git(self) -> Git:
        """For objects: the engine's own git directory over the user's object store."""
        store = self.engine / "store.git"
        return Git(store, self.objects, identity=self.identity, hold=self.hold)

    @property
    def refs(self) -> Git:
        """For the user's refs; writes no reflog and runs no hook."""
        return Git(self.common, identity=self.identity, hold=self.hold)

    def branches(self, git_dir: Path) -> Git:
        """For moving a branch of the user's, seen from a checkout's git directory.

        Writes reflogs as the user's configuration says; runs no hook.
        """
        durable = (option for option in OWN if option.startswith("core.fsync"))
        return Git(git_dir, identity=self.identity, options=(*SAFE, *durable), hold=self.hold)

    def run_refs(self, run: str) -> RunRefs:
        """Give the names of a run's refs."""
        return RunRefs(run)

    def resolve(self, ref: str) -> str | None:
        """Name the commit that a ref leads to, or None."""
        done = self.refs.run(
            "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", ok=(0, 1, 128)
        )
        return done.text if done.code == 0 else None

    def head(self, branch: str) -> str:
        """Name the commit of a branch; an error that says what to do if there is none."""
        commit = self.resolve(f"refs/heads/{branch}")
        if commit is not None:
            return commit
        out = self.refs.text("for-each-ref", "--count=6", "--format=%(refname:short)", "refs/heads")
        if not out:
            raise CoditectError.of(
                "git-unborn-branch",
                f"{self.path} has no commit yet, so there is nothing to start from.",
                f"Make the first one: `git -C {self.path} commit --allow-empty -m Start`.",
            )
        raise CoditectError.of(
            "git-no-branch",
            f"{self.path} has no branch {branch!r}; it has {', '.join(out.split())}.",
            f"Name one of them, or make it: `git -C {self.path} branch {branch}`.",
        )

    def tree_of(self, commit: str) -> str:
        """Name the tree of a commit."""
        known = _TREES.get((self.objects, commit))
        if known is None:
            known = self.git.text("rev-parse", "--verify", f"{commit}^{{tree}}")
            _TREES[self.objects, commit] = known
        return known

    def know_tree(self, commit: str, tree: str) -> None:
        """Take note of a commit's tree, so that nobody has to ask git for it."""
        _TREES[self.objects, commit] = tree

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Say whether `older` is `newer` or one of its ancestors."""
        return self.git.run("merge-base", "--is-ancestor", older, newer, ok=(0, 1)).code == 0

    def apart(self, one: str, other: str) -> tuple[int, int]:
        """Count the commits that only `one` and only `other` has behind it."""
        counts = self.git.text("rev-list", "--left-right", "--count", f"{one}...{other}")
        left, right = counts.split()
        return int(left), int(right)

    def pin(self, run: str, commit: str) -> str:
        """Keep the commit a run starts from; gives the ref. Another pin of the run is an error."""
        ref = RunRefs(run).base
        try:
            self.refs.run("update-ref", "--no-deref", ref, commit, self.form.nothing)
        except GitError:
            found = self.resolve(ref)
            if found is None:
                raise
            if found != commit:
                raise CoditectError.of(
                    "git-run-pinned",
                    f"Run {run} in {self.path} started from {found[:12]}, not {commit[:12]}.",
                    "Start a new run for another base.",
                ) from None
        return ref

    def worktrees(self) -> tuple[Worktree, ...]:
        """Give the user's checkouts, the main one first; one whose folder is gone is left out."""
        out = self.refs.run("worktree", "list", "--porcelain", "-z").out
        found: list[Worktree] = []
        for number, block in enumerate(out.split(b"\0\0")):
            lines = {
                line.partition(b" ")[0]: line.partition(b" ")[2]
                for line in block.split(b"\0")
                if line
            }
            if b"worktree" not in lines or b"bare" in lines:
                continue
            path = Path(os.fsdecode(lines[b"worktree"]))
            if number == 0 and _git_dir_of(path) is None:
                path = self.path  # A submodule: git names the folder of its git directory.
            git_dir = _git_dir_of(path)
            if git_dir is None:
                continue
            branch = lines.get(b"branch")
            found.append(Worktree(path, git_dir, os.fsdecode(branch) if branch else None))
        return tuple(found)

    def checkouts(self, branch: str) -> tuple[Worktree, ...]:
        """Give the checkouts that show a branch."""
        ref = f"refs/heads/{branch}"
        return tuple(each for each in self.worktrees() if each.branch == ref)

    def user_exclude(self) -> bytes:
        """Give the user's `info/exclude`: ignore rules of his that are not in any tree."""
        try:
            return (self.common / "info/exclude").read_bytes()
        except FileNotFoundError:
            return b""


def _discover(path: Path) -> Mapping[str, str]:
    git = plumbing.executable()
    env = plumbing.users_environment()

    def ask(*args: str) -> plumbing.Completed:
        return plumbing.execute([git, "-C", str(path), *args], env=env, timeout=60)

    keys = ("git", "common", "objects", "shallow", "format", "bare", "inside")
    done = ask(
        "rev-parse",
        "--path-format=absolute",
        *("--git-dir", "--git-common-dir", "--git-path", "objects"),
        *("--is-shallow-repository", "--show-object-format=storage"),
        *("--is-bare-repository", "--is-inside-work-tree"),
    )
    if done.code != 0:
        if "not a git repository" in done.err:
            raise CoditectError.of(
                "git-not-a-repository",
                f"{path} is not a git repository.",
                "A repository's path counts from the folder you start in: start there, or name it "
                "with `-C FOLDER` or `-r NAME=PATH`. To make this one a repository: "
                f"`git -C {path} init -b main`, then commit what is there.",
            )
        raise GitError("rev-parse", done.code, done.err)
    lines = done.text.split("\n")
    if len(lines) != len(keys):
        raise CoditectError.of(
            "git-path-with-newline",
            f"The repository's path {str(path)!r} has a line break in it, which git's own lists "
            "of paths cannot hold.",
            "Move the repository to a path without line breaks.",
        )
    found = dict(zip(keys, lines, strict=True))
    top = ask("rev-parse", "--show-toplevel") if found["inside"] == "true" else None
    found["top"] = top.text if top is not None and top.code == 0 else ""
    if not found["top"] and found["bare"] == "false":
        raise CoditectError.of(
            "git-not-top-level",
            f"{path} is inside a git directory, not the top of a repository.",
            f"Name the folder that holds it, such as {Path(found['git']).parent}.",
        )
    partial = r"^(extensions\.partialclone|remote\..*\.(promisor|partialclonefilter))$"
    found["partial"] = ask("config", "--get-regexp", partial).text
    shared = ask("config", "--get", "core.sharedRepository").text
    found["shared"] = shared if shared.isalnum() else ""
    return found


def _git_dir_of(path: Path) -> Path | None:
    """The git directory of the checkout at `path`, as its `.git` says."""
    dot = path / ".git"
    if dot.is_dir():
        return dot
    try:
        text = dot.read_text("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    found = re.fullmatch(r"gitdir: (.*)\n?", text)
    return (path / found.group(1)).resolve() if found else None


def _ensure_git_dir(folder: Path, form: Format) -> None:
    """Write the engine's git directory once; many may try at the same time."""
    if (folder / "HEAD").exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    write_git_dir(making, form)
    try:
        making.rename(folder)
    except OSError:
        shutil.rmtree(making)
        if not (folder / "HEAD").exists():
            raise
