"""What the engine does with git: lanes, snapshots, the gate, integration and landing.

Synchronous and safe to call from many threads; one caller at a time for each lane, scratch folder
and user's checkout.
"""

from coditect.git.changes import Change, Changes, read_changes
from coditect.git.gate import beyond, judge
from coditect.git.history import Integration, history
from coditect.git.integrate import (
    Candidate,
    Conflict,
    Prepared,
    build,
    checkout_tree,
    exists,
    heal_locks,
    is_integrated,
    overlay,
    prepared,
    present,
    swap,
    tag,
)
from coditect.git.landing import land
from coditect.git.lane import Lane
from coditect.git.names import RunRefs
from coditect.git.outcomes import Held, Landed, Pushed
from coditect.git.plumbing import Git, GitError, Identity
from coditect.git.push import push
from coditect.git.repository import Repository, Worktree
from coditect.git.snapshot import Snapshot, snapshot
from coditect.git.trailers import Trailers, trailers

__all__ = [
    "Candidate",
    "Change",
    "Changes",
    "Conflict",
    "Git",
    "GitError",
    "Held",
    "Identity",
    "Integration",
    "Landed",
    "Lane",
    "Prepared",
    "Pushed",
    "Repository",
    "RunRefs",
    "Snapshot",
    "Trailers",
    "Worktree",
    "beyond",
    "build",
    "checkout_tree",
    "exists",
    "heal_locks",
    "history",
    "is_integrated",
    "judge",
    "land",
    "overlay",
    "prepared",
    "present",
    "push",
    "read_changes",
    "snapshot",
    "swap",
    "tag",
    "trailers",
]
