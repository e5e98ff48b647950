"""Decides whether a task's changes may enter integration (invariant E2); pure.

The gate reads the difference, not what an agent says: a path outside the task's language is refused
whether its content, its mode or its presence changed. It also refuses what would be dangerous or
ambiguous on another machine: symlinks that leave the repository, moved submodule pointers, names
that mean `.git`, names that two file systems spell differently.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from coditect.findings import Finding
from coditect.git.changes import LINK, MODULE, Change, Changes
from coditect.git.portable import folded, is_unicode, means_dot_git

MOST = 50
"""Findings given one by one; the rest is a count."""


def judge(
    changes: Changes,
    matches: Callable[[str], bool],
    *,
    task: str,
    owned: str,
    most: int = MOST,
) -> tuple[Finding, ...]:
    """Judge changes against what a task owns; no findings, no objection.

    `matches` is the task's language within the repository; `owned` is how to call it to a person
    (its patterns). The findings are in the order of the paths.
    """
    return _capped(_judge(changes, matches, task, owned), most)


def beyond(work: Changes, candidate: Changes, *, most: int = MOST) -> tuple[Finding, ...]:
    """Find what a merge changes on its first parent that the merged work did not change.

    It must be nothing: the merge brings the work's paths and no others.
    """
    known = work.paths
    return _capped(
        (
            Finding(
                "gate-merge-beyond-work",
                f"The merge changes {_shown(change.path)!r}, which the work itself does not.",
                "Build the merge again; if it stays, report it with both commits.",
                data=(("path", _shown(change.path)),),
            )
            for change in candidate.changes
            if change.path not in known
        ),
        most,
    )


def _judge(
    changes: Changes, matches: Callable[[str], bool], task: str, owned: str
) -> Iterator[Finding]:
    clashes = _clashes(changes)
    removed = {change.path for change in changes.changes if change.removed}
    emptied = {part for path in removed for part in _prefixes(path) if part != path}
    for change in changes.changes:
        shown = _shown(change.path)
        if not matches(change.path):
            yield Finding(
                "gate-outside-ownership",
                f"{shown!r} {_what(change, removed, emptied)}, but {task} owns only `{owned}`.",
                "Let the task's owner make this change, or widen what the task owns.",
                data=(("path", shown), ("task", task)),
            )
        if MODULE in (change.old_mode, change.new_mode):
            yield Finding(
                "gate-submodule",
                f"{shown!r} is a submodule pointer that {task} added, moved or removed.",
                "Only the engine moves submodule pointers: work in the submodule's repository.",
                data=(("path", shown), ("task", task)),
            )
        if change.new_mode == LINK:
            yield from _link(change, shown)
        if change.added:
            yield from _name(change.path, shown)
            clash = next(
                (clashes[part] for part in _prefixes(change.path) if part in clashes), None
            )
            if clash is not None:
                yield Finding(
                    "gate-same-name",
                    f"{shown!r} and {_shown(clash)!r} are one path where case or Unicode form "
                    "does not count (macOS, Windows).",
                    "Choose a name that differs by more.",
                    data=(("path", shown), ("other", _shown(clash))),
                )


def _what(change: Change, removed: set[str], emptied: set[str]) -> str:
    if change.added:
        above = next((part for part in _prefixes(change.path) if part in removed), None)
        if above is not None:
            return f"was added, a folder in place of the file {_shown(above)!r}"
        if change.path in emptied:
            return "was added, a file in place of a folder"
        return "was added"
    if change.removed:
        return "was removed"
    return "got another mode" if change.mode_only else "was changed"


def _link(change: Change, shown: str) -> Iterator[Finding]:
    target = (change.target or b"").decode("utf-8", "surrogateescape")
    why = _why_unsafe(posixpath.dirname(change.path), target)
    if why:
        yield Finding(
            "gate-symlink",
            f"{shown!r} is a symlink to {_shown(target[:200])!r}, which {why}.",
            "Link to a path inside the repository, with `..` only at the start.",
            data=(("path", shown), ("target", _shown(target))),
        )


def _why_unsafe(folder: str, target: str) -> str:
    """Say what is wrong with a symlink, or nothing.

    With `..` only at its start, a target climbs through real folders alone (a tree has nothing
    else above a path), so counting them tells where it leads, whatever other links there are.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    climbs = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    above = folder.split("/") if folder else []
    if not target or "\0" in target or len(target) > 4096:
        return "is no path"
    if target.startswith("/"):
        return "is absolute"
    if climbs > len(above):
        return "leaves the repository"
    if ".." in parts[climbs:]:
        return "has `..` behind a name, so where it leads depends on other links"
    if any(means_dot_git(part) for part in parts):
        return "leads into `.git`"
    return ""


def _name(path: str, shown: str) -> Iterator[Finding]:
    data = (("path", shown),)
    if not is_unicode(path):
        yield Finding("gate-name", f"{shown!r} is not valid UTF-8.", "Rename it.", data=data)
    elif unicodedata.normalize("NFC", path) != path:
        yield Finding(
            "gate-name",
            f"{shown!r} is not in Unicode's composed form (NFC), so other systems may spell it "
            "differently.",
            "Rename it to the composed form.",
            data=data,
        )
    if any(means_dot_git(part) for part in path.split("/")):
        yield Finding(
            "gate-name",
            f"{shown!r} has a component that some file systems take for `.git`.",
            "Rename it.",
            data=data,
        )


def _clashes(changes: Changes) -> dict[str, str]:
    """Map each path that got a differently spelt twin beside it, to the twin."""
    found: dict[str, str] = {}
    for folder, (before, after) in changes.siblings.items():
        groups: dict[str, list[str]] = {}
        for name in after:
            groups.setdefault(folded(name), []).append(name)
        start = folder + "/" if folder else ""
        for twins in groups.values():
            if len(twins) > 1 and not before.issuperset(twins):
                for name in twins:
                    found[start + name] = start + next(each for each in twins if each != name)
    return found


def _prefixes(path: str) -> Iterator[str]:
    """The folders on the way to a path, from the top, and the path itself."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
    yield path


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _capped(findings: Iterable[Finding], most: int) -> tuple[Finding, ...]:
    kept: list[Finding] = []
    more = 0
    for finding in findings:
        if len(kept) < most:
            kept.append(finding)
        else:
            more += 1
    if more:
        kept.append(
            Finding("gate-more", f"There are {more} more objections.", data=(("more", more),))
        )
    return tuple(kept)
