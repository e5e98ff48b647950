"""Pushes landed work to a remote: the one call with the user's own git configuration."""

from __future__ import annotations

import shlex

from coditect.git import plumbing
from coditect.git.outcomes import Held, Pushed, held
from coditect.git.repository import Repository


def push(
    repository: Repository, remote: str, branch: str, commit: str, *, timeout: float = 600.0
) -> Pushed | Held:
    """Push a commit to a branch of a remote, as a fast-forward or not at all.

    The one call that runs git with the user's whole surroundings: his remotes, credentials, ssh,
    proxies and his `pre-push` hook. It never asks at a terminal.
    """
    where = repository.common
    argv = [plumbing.executable(), "--git-dir", str(where), "push", "--porcelain", "--"]
    refspec = f"{commit}:refs/heads/{branch}"
    done = plumbing.execute(
        [*argv, remote, refspec],
        env=plumbing.users_environment(),
        cwd=repository.path,
        timeout=timeout,
    )
    if done.code == 0:
        return Pushed(remote, branch, commit)
    command = f"`git -C {shlex.quote(str(repository.path))} push {shlex.quote(remote)} {refspec}`"
    if any(line.startswith("!") for line in done.text.split("\n")):
        said = next(line for line in done.text.split("\n") if line.startswith("!"))
        return held(
            "push-rejected",
            f"{remote} does not take {commit[:12]} on {branch}: {said.split(chr(9))[-1]}.",
            f"Fetch and merge what is there, then type {command}.",
        )
    said = " ".join(line.strip() for line in done.err.splitlines() if line.strip())
    return held(
        "push-failed",
        f"The push to {remote} failed: {said[:400]}",
        f"Try it yourself: {command}.",
    )
