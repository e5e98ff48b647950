"""A lane: where one agent works, with a git repository of its own that nothing depends on.

`tree/` is what the agent gets. Its `.git` reads the user's objects and has objects, refs, index and
configuration of its own (what `git clone --shared` makes, without the remote), and is written anew
for every attempt: whatever an agent did to it, no process of the engine ever reads it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from coditect.git.checkout import Checkout
from coditect.git.folders import remove
from coditect.git.gitdir import write_git_dir
from coditect.git.objects import GITLINK
from coditect.git.repository import Repository
from coditect.git.rules import ignore_rules


@dataclass(frozen=True, slots=True)
class LaneState:
    """What a lane shows since it was last prepared."""

    base: str
    tree: str
    submodules: tuple[str, ...]
    """Paths of the base's gitlinks; their folders are empty in a lane."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A slot's lane; one caller at a time, many lanes at the same time."""

    repository: Repository
    folder: Path
    """The slot's folder; the agent works in `tree` below it."""

    @property
    def checkout(self) -> Checkout:
        """The folder as something that shows a tree."""
        return Checkout(self.repository, self.folder)

    @property
    def tree(self) -> Path:
        """Where the agent works."""
        return self.folder / "tree"

    @property
    def rules(self) -> Path:
        """The base's ignore rules, out of the agent's sight."""
        return self.checkout.private / "info/rules"

    def prepare(self, base: str) -> None:
        """Make the lane show a commit and nothing else, with a fresh `.git` at a detached HEAD.

        Costs one scan of the lane and the files that differ. Killed at any instant, it is not
        prepared, and the next call heals it. Whatever was in it is gone: save it before.
        """
        if self._state.exists():
            self._state.unlink()
        kinds = self.checkout.show(base)
        repository = self.repository
        user = repository.user_exclude()
        self.rules.write_bytes(ignore_rules(repository.git, base, kinds, user))
        self._give_git(base, user)
        state = {
            "base": base,
            "tree": repository.tree_of(base),
            "submodules": [
                path.decode("utf-8", "surrogateescape")
                for path, kind in kinds.items()
                if kind == GITLINK
            ],
        }
        making = self._state.with_suffix(".new")
        making.write_text(json.dumps(state), "utf-8")
        making.replace(self._state)

    def prepared(self) -> LaneState | None:
        """What the lane was last prepared for; None if that was not finished."""
        try:
            state: Mapping[str, object] = json.loads(self._state.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        submodules = state["submodules"]
        assert isinstance(submodules, list)
        return LaneState(str(state["base"]), str(state["tree"]), tuple(map(str, submodules)))

    @property
    def _state(self) -> Path:
        return self.checkout.private / "prepared.json"

    def _give_git(self, base: str, user: bytes) -> None:
        dot = self.tree / ".git"
        remove(dot)
        write_git_dir(
            dot,
            self.repository.form,
            head=base,
            alternate=self.repository.objects,
            identity=self.repository.identity,
            exclude=user,
            packed_refs=_users_refs(self.repository),
        )
        shutil.copy2(self.checkout.private / "index", dot / "index")


@lru_cache(maxsize=256)
def _users_refs(repository: Repository) -> bytes:
    """Give the user's tags and branches (as `origin`'s) in the form of a packed-refs file.

    Read once for an opened repository: what the engine lands meanwhile is in every base anyway.
    """
    shown = repository.refs.run(
        "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"
    )
    old, new = b" refs/heads/", b" refs/remotes/origin/"
    lines = [line.replace(old, new, 1) for line in shown.out.split(b"\n") if line]
    lines.sort(key=lambda line: line.partition(b" ")[2])
    return b"# pack-refs with: sorted \n" + b"".join(line + b"\n" for line in lines)
