"""Reads back what was integrated: the merges on the integration ref, with who did what."""

from __future__ import annotations

from dataclasses import dataclass

from coditect.git.changes import diffs
from coditect.git.objects import read_objects
from coditect.git.repository import Repository
from coditect.git.trailers import Trailers, message_of, parse_trailers


@dataclass(frozen=True, slots=True)
class Integration:
    """One commit on the way from the base to the integration ref."""

    commit: str
    first_parent: str
    work: str | None
    """The merged work's commit."""
    date: int
    """When it was made, seconds since 1970."""
    trailers: Trailers | None
    """None: the engine did not make it."""
    paths: tuple[str, ...]
    """What it changed on its first parent."""


def history(repository: Repository, base: str, ref: str) -> tuple[Integration, ...]:
    """Give the first-parent line from `base` (without it) to a ref or commit, oldest first.

    Four processes, however long the line is.
    """
    tip = ref if len(ref) == repository.form.digits else repository.resolve(ref)
    if tip is None:
        return ()
    out = repository.git.text(
        "rev-list", "--first-parent", "--reverse", "--parents", f"{base}..{tip}"
    )
    line = [commit.split(" ") for commit in out.split("\n") if " " in commit]
    contents = read_objects(repository.git, [commit[0] for commit in line])
    changed = diffs(repository, (f"{commit[0]} {commit[1]}" for commit in line)) if line else {}
    return tuple(
        Integration(
            commit=commit[0],
            first_parent=commit[1],
            work=commit[2] if len(commit) > 2 else None,
            date=_date(content),
            trailers=parse_trailers(message_of(content)),
            paths=tuple(change.path for change in changed.get(commit[0], ())),
        )
        for commit, (_, content) in zip(line, contents, strict=True)
    )


def _date(content: bytes) -> int:
    header = content.partition(b"\n\n")[0]
    line = next(line for line in header.split(b"\n") if line.startswith(b"committer "))
    return int(line.split(b" ")[-2])
