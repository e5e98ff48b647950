"""Lands integrated work: moves the target branch, only ever forward.

A branch that nobody has checked out moves by one compare-and-swap. A checkout is touched only when
the caller allows it and it is clean (see `users_checkout`); else landing is held, with the command
that the user can type himself.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from coditect.git import users_checkout
from coditect.git.outcomes import Held, Landed, by_hand, held, moved_meanwhile
from coditect.git.plumbing import GitError
from coditect.git.repository import Repository, Worktree


def land(
    repository: Repository, branch: str, commit: str, *, update_checkout: bool, note: str
) -> Landed | Held:
    """Fast-forward `branch` to `commit`; `note` goes into the branch's reflog.

    Finishes a landing that was interrupted first. Killed at any instant, it may be called again.
    """
    kept: tuple[str, ...] = ()
    places = repository.worktrees()
    shown = [each for each in places if each.branch == f"refs/heads/{branch}"]
    for worktree in shown:
        finished = users_checkout.finish(repository, worktree, note)
        if isinstance(finished, Held):
            return finished
        kept += finished
    old = repository.head(branch)
    own, new = repository.apart(old, commit)
    if not new:
        return Landed(branch, old, old, kept=kept)
    if own:
        return held(
            "diverged",
            f"{branch} has commits of its own ({old[:12]}) that {commit[:12]} does not have.",
            f"Merge it yourself: `git -C {shlex.quote(str(repository.path))} merge {commit}` on "
            f"{branch}.",
        )
    busy = _in_operation(places, branch)
    if busy is not None:
        return held(
            "operation",
            f"{branch} is being rebased or bisected in {busy.path}.",
            f"Finish that first, then type {by_hand(busy.path, commit)}.",
        )
    if not shown:
        return _move(repository, branch, commit, old, note)
    if len(shown) > 1 or not update_checkout:
        where = " and ".join(str(each.path) for each in shown)
        return held(
            "checked-out",
            f"{branch} is checked out in {where}, which is not to be touched.",
            f"Type {by_hand(shown[0].path, commit)}, or: coditect land --update-checkout",
        )
    return users_checkout.fast_forward(repository, shown[0], branch, commit, old, note)


def _move(repository: Repository, branch: str, commit: str, old: str, note: str) -> Landed | Held:
    ref = f"refs/heads/{branch}"
    try:
        repository.branches(repository.common).run("update-ref", "-m", note, ref, commit, old)
    except GitError:
        now = repository.resolve(ref)
        if now == old:
            raise
        if now != commit:
            return moved_meanwhile(repository.path, branch, commit)
    return Landed(branch, old, commit)


def _in_operation(places: Iterable[Worktree], branch: str) -> Worktree | None:
    ref = f"refs/heads/{branch}"
    for worktree in places:
        for name in ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"):
            try:
                said = (worktree.git_dir / name).read_text("utf-8", "replace").strip()
            except (FileNotFoundError, NotADirectoryError):
                continue
            if said in (ref, branch):
                return worktree
    return None
