"""A run leaves the user's checkout, index, hooks and configuration byte for byte as they were."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from cli.scratch import Scratch

ENGINES = ("objects", "refs", "logs", "packed-refs")
"""What git keeps for refs and objects: looked at by itself."""


def fingerprint(top: Path) -> dict[str, tuple[int, str]]:
    """Every file below a folder with its mode and content, but objects and refs."""
    found: dict[str, tuple[int, str]] = {}
    for folder, folders, files in os.walk(top):
        here = Path(folder)
        if here == top / ".git":
            folders[:] = [name for name in folders if name not in ENGINES]
        for path in (here / name for name in (*folders, *files)):
            if path.parent == top / ".git" and path.name in ENGINES:
                continue
            status = path.lstat()
            content = b""
            if stat.S_ISLNK(status.st_mode):
                content = os.fsencode(path.readlink())
            elif stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            found[str(path.relative_to(top))] = (status.st_mode, digest)
    return found


def refs(scratch: Scratch) -> dict[str, str]:
    lines = scratch.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split(" ") for line in lines)


@pytest.fixture
def lived_in(hello: Scratch) -> Scratch:
    """A repository with hooks that would leave a trace, odd settings, changes and stray files."""
    work = hello.work
    hello.git("config", "user.name", "Nina")
    hello.git("config", "core.autocrlf", "input")
    hello.git("config", "commit.gpgsign", "true")
    hello.git("config", "alias.st", "status --short")
    for name in (
        "pre-commit",
        "post-commit",
        "post-checkout",
        "post-merge",
        "reference-transaction",
    ):
        hook = work / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {work}/{name}-was-here\n", encoding="utf-8")
        hook.chmod(0o755)
    (work / ".git" / "info" / "exclude").write_text("*.log\n", encoding="utf-8")
    (work / "mine.log").write_text("mine\n", encoding="utf-8")
    (work / "new.md").write_text("staged\n", encoding="utf-8")
    (work / "link").symlink_to("readme.md")
    hello.git("add", "new.md")
    (work / "readme.md").write_text("changed\n", encoding="utf-8")
    for path in work.glob("*-was-here"):
        path.unlink()
    return hello


def test_nothing_of_the_users_changes_but_refs_of_the_run(lived_in: Scratch) -> None:
    files, before = fingerprint(lived_in.work), refs(lived_in)
    lived_in("run", "plan.yaml", "--yes")
    after = refs(lived_in)
    assert fingerprint(lived_in.work) == files
    run = lived_in.status()["run"]
    assert {name for name in after if name not in before} >= {f"refs/coditect/{run}/integration"}
    assert all(name.startswith(f"refs/coditect/{run}/") for name in after if name not in before)
    assert {name: after[name] for name in before} == before
    assert lived_in.git("fsck", "--strict").strip() == ""


def test_asked_to_move_a_branch_it_moves_that_branch_and_no_other(lived_in: Scratch) -> None:
    lived_in.git("branch", "other")
    lived_in.git("symbolic-ref", "HEAD", "refs/heads/other")
    for path in lived_in.work.glob("*-was-here"):
        path.unlink()
    files, before = fingerprint(lived_in.work), refs(lived_in)
    lived_in("run", "plan.yaml", "--yes")
    after = refs(lived_in)
    assert fingerprint(lived_in.work) == files
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"refs/heads/main"}
    assert after["refs/heads/main"] == lived_in.status()["heads"]["hello"]


def test_looking_at_a_run_changes_nothing_either(finished: Scratch) -> None:
    files, before = fingerprint(finished.work), refs(finished)
    for arguments in (["status"], ["report"], ["diff", "show"], ["logs", "show"], ["land"]):
        finished(*arguments, code=None)
    assert (fingerprint(finished.work), refs(finished)) == (files, before)
