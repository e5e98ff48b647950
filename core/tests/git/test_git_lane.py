from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from coditect.findings import CoditectError
from coditect.git import Lane, checkout_tree
from support.repositories import Content, Place, saved, shape, write


def test_a_prepared_lane_shows_the_base_and_its_git_works(place: Place) -> None:
    base = place.start({"a": "1\n", "d/b": "2\n", ".gitignore": "*.o\n"})
    (place.repo / "link").symlink_to("a")
    (place.repo / "run").write_text("#!/bin/sh\n")
    (place.repo / "run").chmod(0o755)
    base = place.commit({})
    lane = place.ready(base)
    assert shape(lane.tree) == shape(place.repo)
    assert place.git("status", "--porcelain", cwd=lane.tree) == ""
    assert place.git("rev-parse", "HEAD", cwd=lane.tree) == base
    assert place.git("rev-parse", "origin/main", cwd=lane.tree) == base
    assert place.git("remote", cwd=lane.tree) == ""
    assert place.git("fsck", cwd=lane.tree) == ""


def test_what_an_agent_commits_stays_in_its_lane(place: Place) -> None:
    base = place.start()
    before = place.untouched()
    lane = place.ready(base)
    write(lane.tree, {"new": "1\n"})
    place.git("checkout", "-q", "-b", "mine", cwd=lane.tree)
    place.git("add", "-A", cwd=lane.tree)
    place.git("commit", "-q", "-m", "mine", cwd=lane.tree)
    commit = place.git("rev-parse", "HEAD", cwd=lane.tree)
    assert place.git("cat-file", "-t", commit, ok=False) == ""
    assert place.untouched() == before


def test_the_users_tags_and_branches_are_known_in_a_lane(place: Place) -> None:
    base = place.start()
    place.git("tag", "v1.0")
    place.git("branch", "side/one")
    lane = place.ready(base)
    assert place.git("describe", "--tags", cwd=lane.tree) == "v1.0"
    assert "origin/side/one" in place.git("branch", "-r", cwd=lane.tree)


def test_a_lane_follows_its_base_back_and_forth(place: Place) -> None:
    first = place.start({"a": "1\n", "d/x": "1\n", "d/y": "1\n", "f": "file\n"})
    second = place.commit({"a": "2\n", "d/x": None, "e/z": "1\n"})
    (place.repo / "f").unlink()
    third = place.commit({"f/inside": "1\n"})
    lane = place.lane()
    for base in (first, third, second, first, third):
        lane.prepare(base)
        place.git("checkout", "-q", base)
        assert shape(lane.tree) == shape(place.repo)
        assert lane.prepared() is not None


def test_only_what_differs_is_written(place: Place) -> None:
    first = place.start({f"d{n}/f{m}": f"{n} {m}\n" for n in range(20) for m in range(5)})
    second = place.commit({"d3/f3": "new\n"})
    lane = place.ready(first)
    before = {path: path.stat().st_ino for path in lane.tree.glob("d*/f*")}
    times = {path: path.stat().st_ctime_ns for path in before}
    lane.prepare(second)
    touched = [path for path in before if path.stat().st_ctime_ns != times[path]]
    assert touched == [lane.tree / "d3/f3"]


def litter(lane: Lane) -> None:
    """Leave about what no work tree should have."""
    tree = lane.tree
    write(tree, {"untracked": "1", "build/x.o": "1", "deep/er/file": "1", "a": "edited"})
    (tree / "empty").mkdir()
    os.mkfifo(tree / "pipe")
    (tree / "d/b").unlink()
    os.mkfifo(tree / "d/b")
    (tree / "etc").symlink_to("/etc")
    subprocess.run(["git", "init", "-q", tree / "nested"], check=True)
    write(tree / "nested", {"file": "1"})
    (tree / "locked/in").mkdir(parents=True)
    write(tree, {"locked/in/file": "1"})
    (tree / "locked/in").chmod(0o000)
    (tree / "locked").chmod(0o500)
    os.fsencode(tree)
    Path(os.fsdecode(os.fsencode(tree) + b"/bad\xff\nname")).write_text("1")
    (tree / ".GIT").mkdir()
    (tree / "git~1").write_text("1")
    os.link(tree / "e", tree / "hard")
    (tree / "e").chmod(0o000)


def test_everything_that_was_left_in_a_lane_is_gone(place: Place) -> None:
    base = place.start({"a": "1\n", "d/b": "2\n", "e": "3\n", ".gitignore": "*.o\nbuild/\n"})
    lane = place.ready(base)
    clean = shape(lane.tree)
    litter(lane)
    lane.prepare(base)
    assert shape(lane.tree) == clean
    assert place.git("status", "--porcelain", "--ignored", cwd=lane.tree) == ""


def test_folders_swapped_for_links_to_each_other_come_back(place: Place) -> None:
    # The files seen through the link have the very inodes and times that the index knows.
    base = place.start({"a/x": "1\n", "b/x": "1\n"})
    lane = place.ready(base)
    clean = shape(lane.tree)
    shutil.rmtree(lane.tree / "b")
    (lane.tree / "a").rename(lane.tree / "moved")
    (lane.tree / "a").symlink_to("moved")
    lane.prepare(base)
    assert shape(lane.tree) == clean


def test_a_very_deep_folder_is_removed(place: Place) -> None:
    base = place.start()
    lane = place.ready(base)
    script = "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')\nopen('f','w')"
    subprocess.run(["python3", "-c", script], cwd=lane.tree, check=True)
    lane.prepare(base)
    assert sorted(each.name for each in lane.tree.iterdir()) == [".git", "README"]


@pytest.mark.parametrize("kind", ["gone", "file", "link", "empty"])
def test_a_lane_whose_git_was_destroyed_gets_it_again(place: Place, kind: str) -> None:
    base = place.start()
    lane = place.ready(base)
    dot = lane.tree / ".git"
    shutil.rmtree(dot)
    if kind == "file":
        dot.write_text(f"gitdir: {place.repo}/.git\n")
    elif kind == "link":
        (dot).symlink_to(place.repo / ".git")
    elif kind == "empty":
        dot.mkdir(mode=0o000)
    before = place.untouched()
    write(lane.tree, {"README": "changed\n"})
    assert place.files(saved(lane, base).commit) == {"README": b"changed\n"}
    lane.prepare(base)
    assert place.untouched() == before
    assert dot.is_dir()
    assert not dot.is_symlink()
    assert place.git("status", "--porcelain", cwd=lane.tree) == ""


@pytest.mark.parametrize("kind", ["gone", "file", "link"])
def test_a_lane_that_was_replaced_holds_nothing_and_is_built_anew(place: Place, kind: str) -> None:
    base = place.start()
    lane = place.ready(base)
    shutil.rmtree(lane.tree)
    if kind == "file":
        lane.tree.write_text("x")
    elif kind == "link":
        (lane.tree).symlink_to(place.repo)
    before = place.untouched()
    with pytest.raises(CoditectError, match="no longer a folder"):
        saved(lane, base)
    lane.prepare(base)
    assert place.untouched() == before
    assert shape(lane.tree) == shape(place.repo)


@pytest.mark.parametrize("broken", ["index", "HEAD", "config", "index.lock"])
def test_a_lane_whose_private_folder_was_damaged_is_rebuilt(place: Place, broken: str) -> None:
    base = place.start({"a": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {"junk": "1"})
    path = lane.folder / "engine.git" / broken
    path.write_bytes(b"\0garbage\n")
    lane.prepare(base)
    assert shape(lane.tree) == {"a": ("file -", b"1\n")}
    write(lane.tree, {"a": "2\n"})
    assert place.files(saved(lane, base).commit) == {"a": b"2\n"}


def test_a_lane_that_cannot_be_filled_says_so(place: Place) -> None:
    base = place.start()
    (place.engine / "lanes").mkdir(parents=True)
    (place.engine / "lanes/0").symlink_to("/proc/nothing/here")
    lane = place.lane()
    lane.prepare(base)  # A link in the place of the folder is just removed.
    lane.checkout.discard()
    shutil.rmtree(place.engine / "lanes")
    (place.engine / "lanes").write_text("a file")
    with pytest.raises(CoditectError, match="cannot be filled"):
        lane.prepare(base)


def test_a_lane_that_was_not_prepared_for_a_base_is_not_saved_as_work_on_it(place: Place) -> None:
    first = place.start()
    second = place.commit({"b": "1\n"})
    lane = place.lane()
    with pytest.raises(CoditectError, match="does not show"):
        saved(lane, first)
    lane.prepare(first)
    with pytest.raises(CoditectError, match="does not show"):
        saved(lane, second)


def test_files_are_shown_byte_for_byte(place: Place) -> None:
    files: dict[str, Content] = {
        ".gitattributes": "*.txt text eol=crlf\n*.id ident\n*.enc working-tree-encoding=UTF-16\n",
        "a.txt": "one\ntwo\n",
        "b.id": "$Id$\n",
        "c.enc": "plain\n".encode("utf-16"),
    }
    base = place.start(files)
    lane = place.ready(base)
    assert (lane.tree / "a.txt").read_bytes() == b"one\ntwo\n"
    assert (lane.tree / "b.id").read_bytes() == b"$Id$\n"
    assert (lane.tree / "c.enc").read_bytes() == b"plain\n"
    assert place.git("status", "--porcelain", cwd=lane.tree) == ""


def test_a_submodules_folder_is_empty_in_a_lane(place: Place) -> None:
    place.start()
    inner = Place(place.root / "inner")
    inner.root.mkdir()
    inner.start()
    place.git("submodule", "--quiet", "add", str(inner.repo), "lib")
    base = place.commit({})
    lane = place.ready(base)
    assert list((lane.tree / "lib").iterdir()) == []
    write(lane.tree, {"lib/x": "1", "lib/deep/y": "2"})
    lane.prepare(base)
    assert list((lane.tree / "lib").iterdir()) == []


def test_a_scratch_checkout_is_used_again_and_forgets_what_was_left(place: Place) -> None:
    first = place.start({"a": "1\n", "test.sh": "exit 0\n"})
    second = place.commit({"a": "2\n"})
    repository = place.open()
    folder = place.engine / "scratch/0"
    top = checkout_tree(repository, repository.tree_of(first), folder)
    write(top, {"a": "spoilt", "cache/x": "1"})
    assert checkout_tree(repository, second, folder) == top
    assert shape(top) == {"a": ("file -", b"2\n"), "test.sh": ("file -", b"exit 0\n")}
    assert not (top / ".git").exists()
