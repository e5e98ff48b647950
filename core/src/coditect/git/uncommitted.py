"""What agents will not see: changes in the user's checkout that are in no commit."""

from __future__ import annotations

from coditect.git import plumbing
from coditect.git.repository import Repository

_SECONDS = 20.0


def uncommitted(repository: Repository) -> int:
    """Count the changed and untracked files of the user's checkout; 0 where it has none.

    Only looks: the index is not refreshed, and what takes too long counts as nothing.
    """
    top = repository.path
    argv = [plumbing.executable(), "--no-optional-locks", "-C", str(top)]
    argv += ["status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all"]
    try:
        done = plumbing.execute(argv, env=plumbing.users_environment(), timeout=_SECONDS)
    except plumbing.GitError:
        return 0
    return 0 if done.code else sum(1 for item in done.out.split(b"\0") if item)
