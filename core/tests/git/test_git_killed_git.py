"""What git itself leaves when it is killed between its renames, and that the next call mends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from coditect.git import (
    Candidate,
    GitError,
    Held,
    Landed,
    build,
    heal_locks,
    land,
    swap,
    tag,
)
from support.repositories import DATE, REFS, Place, cycle, integrate, saved, who, write


def start(place: Place) -> str:
    base = place.start({**{f"t1/f{n}": "1\n" for n in range(12)}, "t1/gone": "1\n"})
    swap(place.open(), REFS.integration, base, None)
    return base


def integrated(place: Place, base: str) -> None:
    """An attempt made now ends as if nothing had been before."""
    head = cycle(place, base, 1)
    assert place.open().resolve(REFS.integration) == head
    assert place.files(head) == {
        **{f"t1/f{n}": (f"1 {n}\n" if n % 3 == 0 else "1\n").encode() for n in range(12)},
        "t1/new/file": b"1\n",
    }
    assert place.git("fsck", "--strict", "--no-dangling") == ""


def test_what_a_killed_git_leaves_in_the_object_store_is_harmless(place: Place) -> None:
    base = start(place)
    objects = place.repo / ".git/objects"
    write(objects, {"12/tmp_obj_aBcDeF": b"\0half", "tmp_objdir-bulk-fsync-aBcDeF/12/34": b"half"})
    integrated(place, base)


@pytest.mark.parametrize("names", [("index.lock",), ("index.saving", "index.saving.lock")])
def test_what_a_killed_git_leaves_beside_a_lanes_index_is_removed(
    place: Place, names: tuple[str, ...]
) -> None:
    base = start(place)
    lane = place.ready(base)
    for name in names:
        (lane.folder / "engine.git" / name).write_bytes(b"half")
    integrated(place, base)


def test_a_half_updated_lane_is_completed(place: Place) -> None:
    # The index is written last: files of the new base lie there as if somebody had put them.
    first = start(place)
    second = place.commit({"t1/f1": "2\n", "t1/f2": None, "x/y": "1\n", "t1/f3": "2\n"})
    lane = place.ready(first)
    write(lane.tree, {"t1/f1": "2\n", "t1/f2": None, "x/y": "1\n", "t1/f3": ""})
    lane.prepare(second)
    assert saved_nothing(place, second)
    write(lane.tree, {"t1/f1": "2\n", "t1/f3": None})
    lane.prepare(first)
    assert saved_nothing(place, first)


def saved_nothing(place: Place, base: str) -> bool:
    lane = place.lane()
    status = place.git("status", "--porcelain", "--ignored", cwd=lane.tree)
    return status == "" and place.git("rev-parse", "HEAD", cwd=lane.tree) == base


@pytest.mark.parametrize("moved", [False, True])
def test_a_ref_whose_git_was_killed_around_its_rename_is_healed(place: Place, moved: bool) -> None:
    base = start(place)
    lane = place.ready(base)
    write(lane.tree, {"t1/f0": "2\n"})
    work = saved(lane, base).commit
    found = build(place.open(), base, work, message="m", trailers=who(), date=DATE)
    assert isinstance(found, Candidate)
    refs = place.repo / ".git/refs/coditect/r1"
    if moved:
        (refs / "integration").write_text(f"{found.commit}\n")
        (refs / "saved/t1/1.lock").write_text(f"{work}\n")
    else:
        (refs / "integration.lock").write_text(f"{found.commit}\n")
    assert len(heal_locks(place.open(), "r1")) == 1
    assert swap(place.open(), REFS.integration, found.commit, base)
    assert place.open().resolve(REFS.integration) == found.commit


def under_strace(place: Place, number: int, calls: str) -> Path:
    """A folder with a git that is killed at its n-th call of a kind."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.fail("needs strace (on Debian: apt install strace)")
    folder = place.root / "strace"
    folder.mkdir(exist_ok=True)
    script = folder / "git"
    script.write_text(
        # The engine's own calls begin with an option; discovery is not what is tested here.
        f'#!/bin/sh\n[ "$1" = -c ] || exec {shutil.which("git")} "$@"\n'
        f"exec {strace} -f -qqq -o /dev/null -e trace={calls} "
        f'-e inject={calls}:signal=KILL:when={number} {shutil.which("git")} "$@"\n'
    )
    script.chmod(0o755)
    return folder


RENAMES = "rename,renameat,renameat2,link,linkat"


def attempt(place: Place, base: str) -> None:
    cycle(place, base, 1)


def tagging(place: Place, base: str) -> None:
    tag(place.open(), "v1", base, message="m", date=DATE)


def pinning(place: Place, base: str) -> None:
    heal_locks(place.open(), "r1")
    place.open().pin("r1", base)


@pytest.mark.system
@pytest.mark.parametrize(
    ("act", "number", "calls"),
    [
        *((act, number, RENAMES) for act in (attempt, tagging, pinning) for number in (1, 2, 3, 4)),
        *((attempt, number, "unlink,unlinkat,rmdir") for number in (1, 2, 5)),
        *((attempt, number, "write") for number in (1, 2, 3, 9)),
        *((attempt, number, "openat") for number in (8, 13, 21, 34)),
    ],
)
def test_a_git_killed_between_its_renames_is_mended(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Place, str], None],
    number: int,
    calls: str,
) -> None:
    base = start(place)
    before = place.untouched()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(under_strace(place, number, calls)), prepend=":")
        with suppress(GitError):
            act(place, base)
    for lock in (place.repo / ".git/refs/tags").glob("*.lock"):
        lock.unlink()  # Not the engine's to remove; git says how.
    act(place, base)
    if act is attempt:
        assert place.untouched() == before
    integrated(place, base)
    assert integrate(place, base, "t2")[0].changes == ()


@pytest.mark.system
@pytest.mark.parametrize("calls", [RENAMES, "unlink,unlinkat,rmdir", "write", "openat"])
@pytest.mark.parametrize("number", [1, 2, 3, 8, 21])
def test_a_git_killed_while_it_updates_the_users_checkout_loses_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int, calls: str
) -> None:
    base = place.start({**{f"d/f{n}": "1\n" for n in range(30)}, "gone/x": "1\n", "keep": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {f"d/f{n}": "2\n" * 999 for n in range(0, 30, 2)} | {"gone/x": None})
    write(lane.tree, {"new/y": "1\n"})
    commit = saved(lane, base).commit
    write(place.repo, {"mine": "untracked\n"})

    def landing() -> Landed | Held:
        return land(place.open(), "main", commit, update_checkout=True, note="land")

    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(under_strace(place, number, calls)), prepend=":")
        with suppress(GitError):
            landing()
    (place.repo / ".git/refs/heads/main.lock").unlink(missing_ok=True)
    (place.repo / ".git/HEAD.lock").unlink(missing_ok=True)
    found = landing()
    assert isinstance(found, Landed), found
    assert found.kept == ()
    assert place.git("status", "--porcelain") == "?? mine"
    assert place.git("rev-parse", "HEAD") == commit
    assert (place.repo / "mine").read_text() == "untracked\n"
