"""A folder that shows a tree, with everything git needs for it kept outside the folder.

Used for lanes and for the scratch checkouts that work is verified in. What happened in the folder
since it was last shown does not matter: `show` ends with the tree's files, byte for byte, and
nothing else, at a cost of one scan plus what differs. It may be killed at any instant and called
again.

Files are as the repository holds them: no end-of-line conversion, no `ident`, no filter. A user of
Git LFS sees the pointers of his large files here, and large files that an agent writes are saved as
ordinary content.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from coditect.findings import CoditectError
from coditect.git.folders import exists, is_real_folder, keep_only, remove
from coditect.git.gitdir import write_git_dir
from coditect.git.locks import exclusive
from coditect.git.objects import listing
from coditect.git.plumbing import Git, GitError
from coditect.git.repository import Repository


@dataclass(frozen=True, slots=True)
class Checkout:
    """One such folder; one caller at a time, many folders at the same time."""

    repository: Repository
    folder: Path
    """Holds `tree/`, the folder that is shown, and `engine.git/`, which is not for agents."""

    @property
    def tree(self) -> Path:
        """The folder that shows the tree."""
        return self.folder / "tree"

    @property
    def private(self) -> Path:
        """The engine's git directory for this folder."""
        return self.folder / "engine.git"

    @contextmanager
    def held(self) -> Iterator[Git]:
        """Hold the folder, and give a git with the private directory and index on it.

        Waits for whoever is at work there, be it the last git of a process that was killed.
        """
        repository = self.repository
        with exclusive(self.folder.with_name(f"{self.folder.name}.lock")) as file:
            yield Git(
                self.private,
                repository.objects,
                work_tree=self.tree,
                index=self.private / "index",
                identity=repository.identity,
                timeout=3600.0,
                hold=(*repository.hold, file),
            )

    def show(self, tree: str) -> dict[bytes, bytes]:
        """Make the folder show a tree (or a commit's), and give the tree's `objects.listing`.

        If anything is odd it is built anew; only if that fails too, there is an error.
        """
        kinds = listing(self.repository.git, tree)
        try:
            with self.held() as git:
                try:
                    self._show(git, tree, kinds)
                except (GitError, OSError):
                    self.discard()
                    self._show(git, tree, kinds)
        except OSError as trouble:
            raise CoditectError.of(
                "git-checkout-failed",
                f"{self.tree} cannot be filled: {trouble}.",
                "Check the disk's free space and the folder's permissions.",
            ) from trouble
        return kinds

    def discard(self) -> None:
        """Remove the folder and what belongs to it."""
        remove(self.folder)

    def _show(self, git: Git, tree: str, kinds: dict[bytes, bytes]) -> None:
        if not is_real_folder(self.tree) or not (self.private / "HEAD").exists():
            remove(self.folder)
            self.tree.mkdir(parents=True)
            write_git_dir(self.private, self.repository.form)
        (self.private / "index.lock").unlink(missing_ok=True)
        keep_only(self.tree, kinds)
        git.run("read-tree", "--reset", "-u", "--no-recurse-submodules", tree)


def copy_index(git: Git, name: str) -> Git:
    """Copy the private index, and give a git that works on the copy.

    So the index itself always says what was last shown, whatever is computed from it.
    """
    source, copy = git.git_dir / "index", git.git_dir / name
    lock = copy.with_name(name + ".lock")
    if exists(lock):
        lock.unlink()
    shutil.copy2(source, copy)  # With its time, by which git knows which files to look into.
    return replace(git, index=copy)
