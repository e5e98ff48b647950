"""What differs between two commits, as the gate wants to see it: raw, and without guessed renames.

A rename is a path that went and a path that came; a change of mode is a change.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from coditect.git.objects import parse_tree, read_objects
from coditect.git.repository import Repository

LINK = "120000"
MODULE = "160000"
NONE = "000000"
_LONGEST_TARGET = 4096


@dataclass(frozen=True, slots=True)
class Change:
    """One path that is not the same in both."""

    path: str
    """Bytes that are no UTF-8 stand as surrogates (`os.fsdecode`)."""
    old_mode: str
    """Six octal digits; `000000` if the path is not there."""
    new_mode: str
    old: str
    """The blob or commit; zeros if the path is not there."""
    new: str
    target: bytes | None = None
    """Where the new content points, if it is a symlink."""

    @property
    def added(self) -> bool:
        """Whether the path was not there before."""
        return self.old_mode == NONE

    @property
    def removed(self) -> bool:
        """Whether the path is no longer there."""
        return self.new_mode == NONE

    @property
    def mode_only(self) -> bool:
        """Whether the content is the same."""
        return self.old == self.new


@dataclass(frozen=True, slots=True)
class Changes:
    """All that differs, and what stands beside the paths that came."""

    before: str
    after: str
    changes: tuple[Change, ...]
    siblings: Mapping[str, tuple[frozenset[str], tuple[str, ...]]]
    """For each folder on the way to an added path (`""` is the top): the names in it, before and
    after."""

    @property
    def paths(self) -> frozenset[str]:
        """The paths that differ."""
        return frozenset(change.path for change in self.changes)


def read_changes(repository: Repository, before: str, after: str) -> Changes:
    """Compare two commits or trees. One process, two if paths were added or are symlinks."""
    found = diff(repository, before, after)
    links = [change for change in found if change.new_mode == LINK]
    folders = sorted(
        {folder for change in found if change.added for folder in _folders(change.path)}
    )
    names: list[bytes | str] = [change.new for change in links]
    for side in (before, after):
        names += [side.encode("ascii") + b":" + os.fsencode(folder) for folder in folders]
    contents = read_objects(repository.git, names)
    targets = {link.path: content for link, (_, content) in zip(links, contents, strict=False)}
    digits = repository.form.digits
    trees = [_names(each, digits) for each in contents[len(links) :]]
    siblings = {
        folder: (frozenset(old), new)
        for folder, old, new in zip(
            folders, trees[: len(folders)], trees[len(folders) :], strict=True
        )
    }
    return Changes(
        before,
        after,
        tuple(
            replace(change, target=targets[change.path][: _LONGEST_TARGET + 1])
            if change.path in targets
            else change
            for change in found
        ),
        siblings,
    )


def _names(found: tuple[str, bytes], digits: int) -> tuple[str, ...]:
    kind, content = found
    if kind != "tree":
        return ()
    return tuple(os.fsdecode(node.name) for node in parse_tree(content, digits))


def diff(repository: Repository, before: str, after: str) -> tuple[Change, ...]:
    """Give the raw difference of two commits or trees, without anything that stands beside it."""
    out = repository.git.run(
        "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", before, after
    ).out
    return parse_raw(out.split(b"\0"))


def diffs(repository: Repository, lines: Iterable[str]) -> dict[str, tuple[Change, ...]]:
    """Give the raw differences of many commits in one process, by commit; equal ones are absent.

    A line names a commit, to be compared with its parent, or a commit and what to compare it with.
    """
    out = repository.git.run(
        *("diff-tree", "--stdin", "--root", "-r", "-z", "--raw", "--no-renames", "--no-abbrev"),
        stdin="".join(f"{line}\n" for line in lines).encode("ascii"),
    ).out
    found: dict[str, list[bytes]] = {}
    fields: list[bytes] = []
    rest = iter(out.split(b"\0"))
    for each in rest:
        if each.startswith(b":"):
            fields += (each, next(rest))
        elif each:
            fields = found.setdefault(each.decode("ascii"), [])
    return {commit: parse_raw([*each, b""]) for commit, each in found.items()}


def parse_raw(fields: list[bytes]) -> tuple[Change, ...]:
    """Read the fields of `--raw -z` output: a description and a path, by turns."""
    found: list[Change] = []
    for at in range(0, len(fields) - 1, 2):
        old_mode, new_mode, old, new, _ = fields[at].decode("ascii").removeprefix(":").split(" ")
        found.append(Change(os.fsdecode(fields[at + 1]), old_mode, new_mode, old, new))
    return tuple(found)


def _folders(path: str) -> list[str]:
    folders = [""]
    folder = posixpath.dirname(path)
    while folder:
        folders.append(folder)
        folder = posixpath.dirname(folder)
    return folders
