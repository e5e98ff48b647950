"""What a landing leaves that was killed, and that the next one finishes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coditect.git import Held, Landed, land
from coditect.git.users_index import Plan, Site, held_index, site_of
from support.repositories import Content, Place, killed_at, save, write

OLD: dict[str, Content] = {"a": "1\n", "b": "1\n", "gone/x": "1\n", "t": "1\n", "long": "1\n"}
LONG = "new content\n" * 1000


def story(place: Place) -> tuple[str, str]:
    """A base that is checked out, and work on it; gives both."""
    base = place.start({**OLD, "sub/y": "1\n", "tr": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {"a": "2\n", "gone/x": None, "t": None, "sub/y": None, "tr": None})
    (lane.tree / "sub").rmdir()
    write(lane.tree, {"t/u": "1\n", "new/z": "1\n", "long": LONG, "sub": "file\n"})
    (lane.tree / "tr").symlink_to("a")
    found = save(lane, base)
    assert found is not None
    return base, found.commit


def again(place: Place, commit: str) -> Landed | Held:
    return land(place.open(), "main", commit, update_checkout=True, note="land")


def landed_well(place: Place, commit: str) -> None:
    assert place.git("rev-parse", "HEAD") == commit
    assert place.git("status", "--porcelain") == ""
    assert (place.repo / "t/u").read_text() == "1\n"
    assert not (place.repo / "gone").exists()
    left = [each.name for each in (place.repo / ".git").iterdir()]
    assert not {"index.lock", "coditect.landing", "coditect.index"}.intersection(left)
    assert not list(place.engine.glob("landing-*"))


Step = Callable[[Place, Site, str, str], None]


def killed(place: Place, base: str, commit: str, *steps: Step) -> None:
    """Do steps of a landing under its lock, and leave everything as a kill would."""
    repository = place.open()
    with site_of(repository, repository.worktrees()[0]) as found, held_index(found) as site:
        assert site is not None
        site.copy_index()
        for step in steps:
            step(place, site, base, commit)
        keep = {path: path.read_bytes() for path in place.engine.glob("landing-*")}
        site.write_plan(Plan("x", "y", "z"))  # So that the lock is left.
    for path in place.engine.glob("landing-*"):
        path.unlink()
    for path, content in keep.items():
        path.write_bytes(content)


def plan(place: Place, site: Site, base: str, commit: str) -> None:
    site.write_plan(Plan("refs/heads/main", base, commit))


def some_files(place: Place, site: Site, base: str, commit: str) -> None:
    """As git leaves them in the midst of updating: removed first, then written one by one."""
    top = place.repo
    for name in ("gone/x", "t", "b", "long", "sub/y"):
        (top / name).unlink()
    (top / "b").write_text("1\n")
    (top / "gone").rmdir()
    (top / "sub").rmdir()
    write(top, {"a": "2\n", "t/u": "1\n", "long": LONG[:5000]})


def all_files(place: Place, site: Site, base: str, commit: str) -> None:
    site.git().run("read-tree", "-m", "-u", base, commit)


def branch(place: Place, site: Site, base: str, commit: str) -> None:
    place.git("update-ref", "refs/heads/main", commit, base)


def index(place: Place, site: Site, base: str, commit: str) -> None:
    site.install_index()


def half_index(place: Place, site: Site, base: str, commit: str) -> None:
    (place.repo / ".git/coditect.index").write_bytes(b"half")


def done(place: Place, site: Site, base: str, commit: str) -> None:
    site.forget_plan()


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (plan,),
        (plan, some_files),
        (plan, all_files),
        (plan, all_files, branch),
        (plan, some_files, branch),
        (plan, all_files, branch, half_index),
        (plan, all_files, branch, index),
        (plan, all_files, branch, index, done),
    ],
    ids=lambda steps: "-".join(step.__name__ for step in steps) or "lock",
)
def test_a_landing_that_was_killed_is_finished_by_the_next(
    place: Place, steps: tuple[Step, ...]
) -> None:
    base, commit = story(place)
    killed(place, base, commit, *steps)
    assert (place.repo / ".git/index.lock").exists()
    found = again(place, commit)
    assert isinstance(found, Landed), found
    assert found.new == commit
    assert found.kept == ()
    landed_well(place, commit)


def test_the_users_git_cannot_commit_while_a_landing_is_half_done(place: Place) -> None:
    base, commit = story(place)
    killed(place, base, commit, plan, all_files, branch)
    assert place.git("commit", "-aqm", "oops", ok=False) == ""
    assert place.git("rev-parse", "HEAD") == commit
    assert "Coditect is landing" in (place.repo / ".git/index.lock").read_text()
    again(place, commit)
    landed_well(place, commit)


def test_what_the_user_edited_after_the_kill_stays_as_his_modification(place: Place) -> None:
    base, commit = story(place)
    killed(place, base, commit, plan, some_files)
    write(place.repo, {"a": "mine\n", "new/z": "mine too\n", "b": "unrelated\n", "gone/x": "1\n"})
    write(place.repo, {"sub/y": "edited\n", "t/u": "edited\n"})
    found = again(place, commit)
    assert isinstance(found, Landed), found
    assert found.new == commit
    assert set(found.kept) == {"a", "new/z", "t/u", "sub", "sub/y"}
    assert (place.repo / "a").read_text() == "mine\n"
    assert (place.repo / "b").read_text() == "unrelated\n"
    assert (place.repo / "sub/y").read_text() == "edited\n"
    assert (place.repo / "long").read_text() == LONG
    assert not (place.repo / "gone").exists()
    assert place.git("diff", "--name-only", "--cached") == ""
    assert place.git("diff", "--name-only").split() == ["a", "b", "new/z", "sub", "t/u"]


def test_a_file_of_the_users_where_a_folder_belongs_is_kept(place: Place) -> None:
    base, commit = story(place)
    killed(place, base, commit, plan)
    write(place.repo, {"new": "mine\n"})
    (place.repo / "t").unlink()
    (place.repo / "t").symlink_to("a")
    found = again(place, commit)
    assert isinstance(found, Landed)
    assert set(found.kept) == {"new/z", "t", "t/u"}
    assert (place.repo / "new").read_text() == "mine\n"
    assert (place.repo / "t").readlink() == Path("a")


def test_a_user_who_removed_the_lock_himself_has_his_checkout_back(place: Place) -> None:
    base, commit = story(place)
    killed(place, base, commit, plan, some_files)
    (place.repo / ".git/index.lock").unlink()
    before = place.git("status", "--porcelain")
    found = again(place, commit)
    assert isinstance(found, Held)
    assert found.reason == "dirty"
    assert place.git("status", "--porcelain") == before
    place.git("reset", "-q", "--hard")
    place.git("clean", "-qfd")
    assert isinstance(again(place, commit), Landed)
    landed_well(place, commit)


def test_a_branch_that_the_user_forced_elsewhere_is_not_finished(place: Place) -> None:
    base, commit = story(place)
    killed(place, base, commit, plan)
    other = place.git("commit-tree", "-p", base, "-m", "x", f"{base}^{{tree}}")
    place.git("update-ref", "refs/heads/main", other)
    found = again(place, commit)
    assert isinstance(found, Held)
    assert found.reason == "diverged"
    assert place.git("rev-parse", "main") == other
    assert place.git("status", "--porcelain") == ""


def test_an_unfinished_landing_is_finished_before_a_later_one(place: Place) -> None:
    base, commit = story(place)
    killed(place, base, commit, plan, some_files)
    repository = place.open()
    later = repository.git.text(
        "commit-tree", repository.tree_of(base), "-p", commit, stdin=b"later", date=1
    )
    assert again(place, later) == Landed("main", commit, later, checkout=place.repo)
    assert place.git("status", "--porcelain") == ""
    assert (place.repo / "a").read_text() == "1\n"


LAND = """
import sys
from pathlib import Path
from coditect.git import Repository, land
repository = Repository.open(Path(sys.argv[1]), Path(sys.argv[2]))
land(repository, "main", sys.argv[3], update_checkout=True, note="land")
"""


def test_two_landings_at_once_take_turns(place: Place) -> None:
    _, commit = story(place)
    repository = place.open()
    with site_of(repository, repository.worktrees()[0]) as found, held_index(found) as site:
        assert site is not None
        answer = again(place, commit)
        assert isinstance(answer, Held)
        assert answer.reason == "busy"
    assert isinstance(again(place, commit), Landed)
    landed_well(place, commit)


def test_a_landing_killed_at_any_git_call_is_finished_by_the_next(place: Place) -> None:
    base, commit = story(place)
    number = 1
    while killed_at(place, number, LAND, str(place.repo), str(place.engine), commit):
        result = again(place, commit)
        while isinstance(result, Held) and result.reason == "busy":
            result = again(place, commit)  # A git of the killed one is still at work.
        assert isinstance(result, Landed), result
        assert result.kept == ()
        landed_well(place, commit)
        place.git("reset", "-q", "--hard", base)
        number += 1
    landed_well(place, commit)
    assert number > 8
