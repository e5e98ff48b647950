"""Brings a clean checkout of the user's along when its branch lands; never loses what he wrote.

Order of things, all while holding the checkout's own `index.lock` (see `users_index`): check that
everything is clean, write down what is about to be done, update the files, move the branch by
compare-and-swap, put the new index in place, let go. Until the lock is gone the user's git refuses
to commit, so that a branch that moved ahead of its index cannot be reverted by accident.

Whoever is killed on the way leaves the lock and the note. `finish` then goes on: every changed
file that is as it was, absent, or an unfinished copy of the new one is written; a file with any
other content is the user's own edit and stays, to be seen as a modification. Without a lock of its
own the engine finishes nothing, and a lock of anybody else's is left alone.

The user's attributes and his repository's configuration count (line ends, sparse checkouts), his
global configuration does not. No filter is run: a change to a file that has one (Git LFS) is held.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from coditect.git.changes import MODULE, Change, diff
from coditect.git.folders import exists, is_real_folder
from coditect.git.objects import read_objects
from coditect.git.outcomes import Held, Landed, by_hand, held, moved_meanwhile
from coditect.git.plumbing import GitError
from coditect.git.repository import Repository, Worktree
from coditect.git.users_index import Plan, Site, held_index, site_of

_OPERATIONS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


def fast_forward(
    repository: Repository, worktree: Worktree, branch: str, commit: str, old: str, note: str
) -> Landed | Held:
    """Move `branch`, checked out in `worktree`, from `old` to its descendant `commit`."""
    with site_of(repository, worktree) as found, held_index(found) as site:
        if site is None:
            return _busy(worktree.path, commit)
        changes = diff(repository, old, commit)
        plan = Plan(f"refs/heads/{branch}", old, commit)
        site.copy_index()
        why = _not_ready(site, plan, changes)
        if why is not None:
            return why
        site.write_plan(plan)
        try:
            site.git().run("read-tree", "-m", "-u", "--no-recurse-submodules", old, commit)
        except GitError as trouble:
            site.copy_index()
            if _dirty(site, old):
                raise
            site.forget_plan()
            return held(
                "refused",
                f"git does not update {worktree.path}: {trouble.said}",
                f"See to that, then type {by_hand(worktree.path, commit)}.",
            )
        if not _move(site, plan, note):
            site.git().run("read-tree", "-m", "-u", "--no-recurse-submodules", commit, old)
            site.forget_plan()
            return moved_meanwhile(worktree.path, branch, commit)
        site.install_index()
        site.forget_plan()
    return Landed(branch, old, commit, checkout=worktree.path)


def finish(repository: Repository, worktree: Worktree, note: str) -> tuple[str, ...] | Held:
    """Finish a landing that was interrupted in this checkout, if there is one.

    Gives the files that the user edited meanwhile and that were left as they are.
    """
    if not exists(worktree.git_dir / "coditect.landing"):
        return ()
    with site_of(repository, worktree) as found:
        if not found.ours:
            found.forget_plan()  # He removed the lock himself: the checkout is his again.
        with held_index(found) as site:
            if site is None:
                return _busy(worktree.path, "the integration commit")
            plan = site.plan()
            if plan is None:
                return ()
            if repository.resolve(plan.ref) not in (plan.old, plan.new):
                site.forget_plan()
                return ()
            kept = _complete(site, diff(repository, plan.old, plan.new))
            if _move(site, plan, note):
                site.install_index()
            site.forget_plan()
            return kept


def _busy(path: Path, commit: str) -> Held:
    return held(
        "busy",
        f"Another git is at work in {path}, or left its index.lock there.",
        f"When it is done, land again; or type {by_hand(path, commit)}.",
    )


def _move(site: Site, plan: Plan, note: str) -> bool:
    """Move the branch; True if it is there, whoever moved it."""
    git = site.repository.branches(site.worktree.git_dir)
    try:
        git.run("update-ref", "-m", note, plan.ref, plan.new, plan.old)
    except GitError:
        now = site.repository.resolve(plan.ref)
        if now == plan.old:
            raise
        return now == plan.new
    return True


def _not_ready(site: Site, plan: Plan, changes: tuple[Change, ...]) -> Held | None:
    """Say why the checkout is not to be touched, or None."""
    path, git_dir = site.worktree.path, site.worktree.git_dir
    hand = by_hand(path, plan.new)
    under_way = next((name for name in _OPERATIONS if exists(git_dir / name)), None)
    if under_way is not None:
        return held(
            "operation",
            f"A merge, rebase or the like is under way in {path} ({under_way}).",
            f"Finish or abort it, then type {hand}.",
        )
    head = (git_dir / "HEAD").read_text("utf-8", "surrogateescape").strip()
    if head != f"ref: {plan.ref}" or site.repository.resolve(plan.ref) != plan.old:
        return moved_meanwhile(path, plan.ref.removeprefix("refs/heads/"), plan.new)
    if _dirty(site, plan.old):
        return held(
            "dirty",
            f"{path} has changes that are not committed.",
            f"Commit them, or put them aside with `git stash`; then type {hand}.",
        )
    ways = _in_the_way(path, changes)
    if ways:
        return held(
            "in-the-way",
            f"{path} has untracked files where landed ones belong: {', '.join(ways[:5])}"
            + (" and more." if len(ways) > 5 else "."),
            f"Move them away, then type {hand}.",
            *ways,
        )
    filtered = _filtered(site, plan.new, changes)
    if filtered:
        return held(
            "filters",
            f"{filtered[0]} and {len(filtered) - 1} more files pass through a filter such as "
            "Git LFS, which the engine does not run.",
            f"Type {hand}.",
            *filtered,
        )
    return None


def _dirty(site: Site, commit: str) -> bool:
    """Whether index or files differ from a commit; works on the private index."""
    git = site.git()
    git.run("update-index", "-q", "--refresh", ok=(0, 1))
    if git.run("diff-index", "--cached", "--quiet", commit, ok=(0, 1)).code:
        return True
    return bool(git.run("ls-files", "-z", "--modified", "--deleted", "--unmerged").out)


def _in_the_way(top: Path, changes: tuple[Change, ...]) -> list[str]:
    """What is there, untracked (ignored or not), in places that files are added to."""
    removed = {change.path for change in changes if change.removed}
    found: dict[str, None] = {}
    for change in changes:
        if not change.added:
            continue
        parts = change.path.split("/")
        for length in range(1, len(parts)):
            above = "/".join(parts[:length])
            if exists(top / above) and not is_real_folder(top / above) and above not in removed:
                found[above] = None
        if is_real_folder(top / change.path):
            below = (
                Path(folder, name)
                for folder, _, names in os.walk(top / change.path)
                for name in names
            )
            names = (os.fspath(each.relative_to(top)) for each in below)
            found.update((name, None) for name in names if name not in removed)
        elif _is_at(top, change.path):
            found[change.path] = None
    return list(found)


def _is_at(top: Path, path: str) -> bool:
    """Whether something is at a path that no symlink leads to."""
    parts = path.split("/")
    above = ("/".join(parts[:length]) for length in range(1, len(parts)))
    return all(is_real_folder(top / each) for each in above) and exists(top / path)


def _filtered(site: Site, commit: str, changes: Iterable[Change]) -> list[str]:
    """Which changed files have a filter driver that the user has configured, before or after."""
    if not site.filters:
        return []
    paths = [change.path for change in changes]
    stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
    found: dict[str, None] = {}
    ahead = site.git("ahead")
    ahead.run("read-tree", commit)
    for git, source in ((site.git(), ()), (ahead, ("--cached",))):
        out = git.run("check-attr", "-z", *source, "--stdin", "filter", stdin=stdin).out
        fields = [os.fsdecode(field) for field in out.split(b"\0")]
        for path, value in zip(fields[::3], fields[2::3], strict=False):
            if value in site.filters:
                found[path] = None
    return list(found)


def _complete(site: Site, changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Bring files and private index to the new state; gives the files that are the user's."""
    top = site.worktree.path
    site.copy_index()
    files = [change for change in changes if MODULE not in (change.old_mode, change.new_mode)]
    unlike_old = _unlike(site, "was", [(each.path, each.old_mode, each.old) for each in files])
    unlike_new = _unlike(site, "will", [(each.path, each.new_mode, each.new) for each in files])
    kept: list[str] = []
    for change in files:
        if change.removed and _is_at(top, change.path):
            if is_real_folder(top / change.path):
                continue  # The new files in it, or something of the user's beside the tree.
            if change.path in unlike_old:
                kept.append(change.path)
            else:
                _unlink(top, change.path)
    write: list[str] = []
    for change in files:
        if change.removed or change.path not in unlike_new:
            continue
        as_before = not change.added and change.path not in unlike_old
        if _free(top, change.path) or as_before or _unfinished(site, change):
            write.append(change.path)
        else:
            kept.append(change.path)
    git = site.git()
    git.run("update-index", "-z", "--index-info", stdin=_index_info(site, changes))
    stdin = b"".join(os.fsencode(path) + b"\0" for path in write)
    git.run("checkout-index", "-f", "-u", "-z", "--stdin", stdin=stdin)
    git.run("update-index", "-q", "--refresh", ok=(0, 1))
    return tuple(kept)


def _index_info(site: Site, changes: Iterable[Change]) -> bytes:
    ordered = sorted(changes, key=lambda change: not change.removed)
    return b"".join(
        f"{'0' if change.removed else change.new_mode} "
        f"{site.repository.form.nothing if change.removed else change.new}\t".encode("ascii")
        + os.fsencode(change.path)
        + b"\0"
        for change in ordered
    )


def _unlike(site: Site, name: str, entries: list[tuple[str, str, str]]) -> frozenset[str]:
    """Which of these paths do not have this content (or are absent), by the user's attributes."""
    git = site.git(name)
    there = [entry for entry in entries if entry[1] != "000000"]
    lines = (
        f"{mode} {oid}\t".encode("ascii") + os.fsencode(path) + b"\0" for path, mode, oid in there
    )
    git.run("update-index", "-z", "--index-info", stdin=b"".join(lines))
    out = git.run("ls-files", "-z", "--modified", "--deleted").out
    return frozenset(os.fsdecode(path) for path in out.split(b"\0"))


def _free(top: Path, path: str) -> bool:
    """Whether nothing is at a path, nor a file or symlink in place of a folder above it."""
    parts = path.split("/")
    for length in range(1, len(parts)):
        above = top / "/".join(parts[:length])
        if exists(above) and not is_real_folder(above):
            return False
    if is_real_folder(top / path) and not any((top / path).iterdir()):
        (top / path).rmdir()
    return not exists(top / path)


def _unfinished(site: Site, change: Change) -> bool:
    """Whether the file is a beginning of the new one: a copy that was interrupted."""
    path = site.worktree.path / change.path
    if not _is_at(site.worktree.path, change.path) or path.is_symlink() or not path.is_file():
        return False
    [(_, content)] = read_objects(site.repository.git, [change.new])
    return content.startswith(path.read_bytes())


def _unlink(top: Path, path: str) -> None:
    (top / path).unlink()
    folder = (top / path).parent
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
