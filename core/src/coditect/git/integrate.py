"""Builds merges without a checkout, and puts them on the integration ref.

The commit on the one integration ref is the record of what is integrated (invariant E3); every
other ref is derived from it. A merge is the same commit whenever it is built again from the same
parents, message and date, so that building is repeated rather than remembered.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from coditect.findings import Finding
from coditect.git.changes import Change, diff, diffs
from coditect.git.checkout import Checkout
from coditect.git.names import RunRefs
from coditect.git.plumbing import GitError
from coditect.git.repository import Repository
from coditect.git.trailers import Trailers

_NO_GUESSING = ("merge.renames=false", "merge.directoryRenames=false")
"""With renames detected, a merge could change paths that the work did not change. git 2.39 does
not obey the first of these in `merge-tree`: the built merge is compared with the work as well."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A merge that is built and on no ref yet."""

    commit: str
    tree: str
    onto: str
    """Its first parent: what the integration ref has to hold for this to be integrated."""
    work: str
    changes: tuple[Change, ...] = ()
    """What it changes on its first parent: paths that the work changed, with the work's content."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The work and what was integrated meanwhile changed the same paths, or renamed them."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the journal says before a ref moves."""

    ref: str
    new: str
    old: str
    tree: str


def build(
    repository: Repository,
    onto: str,
    work: str,
    *,
    message: str,
    trailers: Trailers,
    date: int,
    tree: str | None = None,
) -> Candidate | Conflict:
    """Merge `work` onto `onto` as objects only: three processes, whatever the repository's size.

    `work` is one commit on its base. The merge brings exactly the files that it wrote: where git
    would mix the content of both sides, or follow a rename to another path, it is a conflict. Tasks
    that live at the same time own no common path, so that none is expected.

    `tree` is given if nothing was integrated since the work's base, so `onto` is that base: the
    merge has the work's very tree then, and only its commit is made.
    """
    if tree is not None:
        parents = ("-p", onto, "-p", work)
        text = trailers.under(message)
        commit = repository.git.text("commit-tree", tree, *parents, stdin=text, date=date)
        return Candidate(commit, tree, onto, work)
    done = repository.git.run(
        *("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", onto, work),
        options=_NO_GUESSING,
        ok=(0, 1),
    )
    first, *paths = done.out.split(b"\0")
    if done.code == 1:
        return Conflict(tuple(os.fsdecode(path) for path in paths if path))
    commit = repository.git.text(
        *("commit-tree", first, "-p", onto, "-p", work),
        stdin=trailers.under(message),
        date=date,
    )
    found = diffs(repository, (work, f"{commit} {onto}"))
    brought = found.get(commit, ())
    meant = {change.path: (change.new_mode, change.new) for change in found.get(work, ())}
    mixed = tuple(
        change.path for change in brought if meant.get(change.path) != (change.new_mode, change.new)
    )
    if mixed:
        return Conflict(mixed)
    return Candidate(commit, first.decode("ascii"), onto, work, brought)


def prepared(repository: Repository, run: str, candidate: Candidate, keep: str) -> Prepared:
    """Keep a candidate from being collected while it is verified, and say what will move.

    `keep` is a ref of the run's, such as `RunRefs.candidate` gives.
    """
    repository.refs.run("update-ref", "--no-deref", keep, candidate.commit)
    ref = RunRefs(run).integration
    return Prepared(ref, candidate.commit, candidate.onto, candidate.tree)


def swap(repository: Repository, ref: str, new: str, old: str | None) -> bool:
    """Move a ref from `old` to `new` in one compare-and-swap; False if it holds something else.

    `old` None: the ref must not exist. True also if it already holds `new`, so that a caller who
    was killed may call again. Of many callers with the same `old`, one gets True.
    """
    expected = old or repository.form.nothing
    try:
        repository.refs.run("update-ref", "--no-deref", ref, new, expected)
    except GitError as trouble:
        held = repository.resolve(ref)
        if held == new:
            return True
        if held != old:
            return False
        raise GitError(
            trouble.command,
            trouble.code,
            trouble.stderr,
            "If no git is at work there, start the run again: it removes locks that were left.",
        ) from trouble
    return True


def heal_locks(repository: Repository, run: str) -> tuple[Path, ...]:
    """Remove ref locks that a killed git left, only under the run's own refs; gives them.

    Only for the holder of the run lock: nobody else writes there.
    """
    top = repository.common / RunRefs(run).prefix
    found: list[Path] = []
    for folder, _, names in os.walk(top):
        found += [Path(folder, name) for name in names if name.endswith(".lock")]
    for lock in found:
        lock.unlink(missing_ok=True)
    return tuple(sorted(found))


def is_integrated(repository: Repository, ref: str, commit: str) -> bool:
    """Say whether a prepared commit is reachable from the integration ref (invariant E3).

    One that was collected as garbage is not: a ref would have kept it.
    """
    head = repository.resolve(ref)
    if repository.git.run("cat-file", "-e", commit, ok=(0, 1, 128)).code:
        return False
    return head is not None and repository.is_ancestor(commit, head)


def tag(
    repository: Repository, name: str, commit: str, *, message: str, date: int
) -> Finding | None:
    """Make an annotated tag; None if it is there now, a finding if it names another commit."""
    ref = f"refs/tags/{name}"
    if repository.refs.run("check-ref-format", ref, ok=(0, 1)).code:
        return Finding(
            "git-tag-name", f"{name!r} cannot be a tag's name.", "Choose another name for the tag."
        )
    who = repository.identity
    content = (
        f"object {commit}\ntype commit\ntag {name}\n"
        f"tagger {who.name} <{who.email}> {date} +0000\n\n{message.strip()}\n"
    )
    made = repository.git.text("mktag", stdin=content.encode("utf-8", "replace"))
    try:
        repository.refs.run("update-ref", "--no-deref", ref, made, repository.form.nothing)
    except GitError:
        held = repository.resolve(ref)
        if held is None:
            raise
        if held != commit:
            return Finding(
                "git-tag-elsewhere",
                f"The tag {name} is already there and names {held[:12]}, not {commit[:12]}.",
                f"Delete it (`git -C {repository.path} tag -d {name}`) or plan another name.",
                data=(("tag", name), ("commit", held)),
            )
    return None


def checkout_tree(repository: Repository, tree: str, folder: Path) -> Path:
    """Show a tree in a scratch folder for verification, and give the folder to run commands in.

    The folder is used again: only what differs is written, and what the last verification left is
    removed. One caller at a time for each folder.
    """
    checkout = Checkout(repository, folder)
    checkout.show(tree)
    return checkout.tree


def overlay(repository: Repository, tree: str, base: str, matches: Callable[[str], bool]) -> str:
    """Give `tree` with the files that match as they are in `base`: those that decide (E4).

    A matching file that only one side has is added or removed. Nothing is checked out; without a
    difference it costs one process.
    """
    wanted = [change for change in diff(repository, tree, base) if matches(change.path)]
    if not wanted:
        return repository.tree_of(tree)
    gone = repository.form.nothing
    ordered = sorted(wanted, key=lambda change: not change.removed)
    lines = (
        b"%s %s\t%s\0"
        % (
            b"0" if change.removed else change.new_mode.encode("ascii"),
            (gone if change.removed else change.new).encode("ascii"),
            os.fsencode(change.path),
        )
        for change in ordered
    )
    with tempfile.TemporaryDirectory(dir=repository.engine, prefix=".overlay-") as folder:
        git = replace(repository.git, index=Path(folder, "index"))
        git.run("read-tree", tree)
        git.run("update-index", "-z", "--index-info", stdin=b"".join(lines))
        return git.text("write-tree")


def exists(repository: Repository, tree: str, path: str) -> bool:
    """Say whether a tree has a file or folder at `path`; a trailing `/` asks for a folder."""
    kinds = present(repository, tree, (path,))
    return kinds[path] is not None and (kinds[path] == "tree" or not path.endswith("/"))


def present(repository: Repository, tree: str, paths: Iterable[str]) -> dict[str, str | None]:
    """Give the type (`blob`, `tree`, `commit`) of what a tree has at each path, or None."""
    found: dict[str, str | None] = {}
    for path in paths:
        plain = path.strip("/")
        if plain in ("", "."):
            found[path] = "tree"
            continue
        out = repository.git.run("ls-tree", "-z", "--full-tree", tree, "--", plain).out
        found[path] = os.fsdecode(out.split(b" ", 2)[1]) if out else None
    return found
