from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from coditect.findings import CoditectError
from coditect.git import (
    Candidate,
    Conflict,
    RunRefs,
    beyond,
    build,
    exists,
    heal_locks,
    history,
    is_integrated,
    overlay,
    prepared,
    present,
    read_changes,
    swap,
    tag,
    trailers,
)
from coditect.git.integrate import Prepared
from support.repositories import DATE, REFS, Content, Place, saved, who, write


def work(place: Place, base: str, task: str, files: Mapping[str, Content]) -> str:
    """Do a task in a lane; gives the saved commit."""
    lane = place.ready(base)
    write(lane.tree, files)
    return saved(lane, base, task).commit


def merged(place: Place, onto: str, commit: str, task: str = "t1") -> Candidate:
    found = build(
        place.open(), onto, commit, message=f"Integrate {task}", trailers=who(task), date=DATE
    )
    assert isinstance(found, Candidate), found
    return found


def test_disjoint_work_is_merged_without_a_checkout(place: Place) -> None:
    base = place.start({"a": "1\n", "b": "1\n"})
    before = place.untouched()
    one = work(place, base, "t1", {"a": "2\n", "new": "1\n"})
    two = work(place, base, "t2", {"b": "2\n"})
    first = merged(place, base, one, "t1")
    second = merged(place, first.commit, two, "t2")
    assert place.files(second.commit) == {"a": b"2\n", "b": b"2\n", "new": b"1\n"}
    assert place.git("rev-parse", f"{second.commit}^1", f"{second.commit}^2") == (
        f"{first.commit}\n{two}"
    )
    assert place.git("rev-parse", f"{second.commit}^{{tree}}") == second.tree
    assert trailers(place.open(), second.commit) == who("t2")
    assert trailers(place.open(), base) is None
    assert merged(place, first.commit, two, "t2") == second
    assert place.untouched() == before
    assert place.git("fsck", "--strict", "--no-dangling") == ""


def test_a_merge_brings_exactly_the_works_paths(place: Place) -> None:
    base = place.start({"a": "1\n", "b": "1\n"})
    one = work(place, base, "t1", {"a": "2\n"})
    two = work(place, base, "t2", {"b": None, "c": "1\n"})
    onto = merged(place, base, one).commit
    candidate = merged(place, onto, two)
    repository = place.open()
    changes = read_changes(repository, base, two)
    assert beyond(changes, read_changes(repository, onto, candidate.commit)) == ()


def test_the_same_path_changed_twice_is_a_conflict_with_its_paths(place: Place) -> None:
    base = place.start({"a": "1\n", "b c\n": "1\n", "d/x": "1\n"})
    one = work(place, base, "t1", {"a": "2\n", "b c\n": "2\n", "d/x": "2\n"})
    two = work(place, base, "t2", {"a": "3\n", "b c\n": "3\n", "d/x": None})
    found = build(place.open(), one, two, message="m", trailers=who(), date=DATE)
    assert isinstance(found, Conflict)
    assert sorted(set(found.paths)) == ["a", "b c\n", "d/x"]


def test_a_file_against_a_folder_is_a_conflict(place: Place) -> None:
    base = place.start()
    one = work(place, base, "t1", {"a": "1\n"})
    two = work(place, base, "t2", {"a/b": "1\n"})
    found = build(place.open(), one, two, message="m", trailers=who(), date=DATE)
    assert isinstance(found, Conflict)


def test_no_rename_is_guessed_so_no_foreign_path_is_changed(place: Place) -> None:
    text = "".join(f"line {number}\n" for number in range(50))
    base = place.start({"old/a": text, "old/b": text + "b\n", "old/c": text + "c\n"})
    files: dict[str, Content] = {"new/a": text, "new/b": text + "b\n", "new/c": text}
    moved = work(place, base, "t1", {**files, "old/a": None, "old/b": None, "old/c": None})
    added = work(place, base, "t2", {"old/d": "1\n"})
    assert "old/d" in place.files(merged(place, moved, added).commit)
    edited = work(place, base, "t3", {"old/a": text + "edited\n"})
    found = build(place.open(), moved, edited, message="m", trailers=who(), date=DATE)
    assert isinstance(found, Conflict)
    assert {Path(path).name for path in found.paths} == {"a"}
    # What it guards against: left alone, git follows renamed files and folders.
    follow = ("-c", "merge.directoryRenames=true", "merge-tree", "--write-tree")
    assert "new/d" in place.files(place.git(*follow, moved, added))
    assert place.files(place.git(*follow, moved, edited))["new/a"].endswith(b"edited\n")


def test_a_file_is_never_mixed_from_two_sides(place: Place) -> None:
    text = "".join(f"line {number}\n" for number in range(50))
    base = place.start({"a": text, "old": text + "old\n"})
    one = work(place, base, "t1", {"a": "first\n" + text, "old": text + "old edited\n"})
    for files in ({"a": text + "last\n"}, {"old": None, "new": text + "old\n"}):
        two = work(place, base, "t2", dict(files))
        found = build(place.open(), one, two, message="m", trailers=who(), date=DATE)
        assert isinstance(found, Conflict), found


def test_one_swap_of_many_wins_and_repeating_it_is_fine(place: Place) -> None:
    base = place.start({"a": "1\n", "b": "1\n"})
    repository = place.open()
    ref = REFS.integration
    assert swap(repository, ref, base, None)
    assert not swap(repository, ref, merged(place, base, base).commit, None)
    one = merged(place, base, work(place, base, "t1", {"a": "2\n"}))
    two = merged(place, base, work(place, base, "t2", {"b": "2\n"}))
    ready = prepared(repository, "r1", one, REFS.candidate("t1", 1))
    assert ready == Prepared(ref, one.commit, base, one.tree)
    assert not is_integrated(repository, ref, one.commit)
    assert swap(repository, ready.ref, ready.new, ready.old)
    assert swap(repository, ready.ref, ready.new, ready.old)
    assert not swap(repository, ref, two.commit, base)
    again = merged(place, one.commit, two.work)
    assert swap(repository, ref, again.commit, one.commit)
    assert is_integrated(repository, ref, one.commit)
    assert not is_integrated(repository, ref, two.commit)
    assert not is_integrated(repository, RunRefs("other").integration, one.commit)
    assert not (place.repo / ".git/logs/refs/coditect").exists()


def test_a_candidate_outlives_a_collection_while_it_is_verified(place: Place) -> None:
    base = place.start({"a": "1\n"})
    candidate = merged(place, base, work(place, base, "t1", {"a": "2\n"}))
    prepared(place.open(), "r1", candidate, REFS.candidate("t1", 1))
    place.git("gc", "-q", "--prune=now")
    assert swap(place.open(), REFS.integration, candidate.commit, None)
    assert place.git("fsck") == ""


def test_a_lock_that_was_left_is_removed_only_under_the_runs_own_refs(place: Place) -> None:
    base = place.start()
    repository = place.open()
    assert swap(repository, REFS.integration, base, None)
    top = place.repo / ".git"
    own = top / "refs/coditect/r1/integration.lock"
    foreign = [
        *(top / name for name in ("index.lock", "packed-refs.lock", "refs/heads/main.lock")),
        top / "refs/coditect/r2/integration.lock",
    ]
    for lock in (own, *foreign):
        lock.parent.mkdir(exist_ok=True)
        lock.touch()
    assert heal_locks(repository, "r1") == (own,)
    assert not own.exists()
    assert all(lock.exists() for lock in foreign)
    assert heal_locks(repository, "r1") == ()
    assert heal_locks(repository, "r3") == ()


def test_a_swap_behind_a_left_lock_says_so_and_succeeds_after_healing(place: Place) -> None:
    base = place.start()
    repository = place.open()
    swap(repository, REFS.integration, base, None)
    lock = place.repo / ".git/refs/coditect/r1/integration.lock"
    lock.touch()
    new = merged(place, base, base).commit
    with pytest.raises(CoditectError, match=r"integration\.lock") as caught:
        swap(repository, REFS.integration, new, base)
    assert "start the run again" in caught.value.findings[0].hint
    heal_locks(repository, "r1")
    assert swap(repository, REFS.integration, new, base)


def test_a_tag_is_made_once_and_never_moved(place: Place) -> None:
    first = place.start()
    second = place.commit({"b": "1\n"})
    repository = place.open()
    for _ in range(2):
        assert tag(repository, "v1.0", first, message="Release", date=DATE) is None
    made = place.git("rev-parse", "v1.0")
    assert place.git("cat-file", "-t", made) == "tag"
    assert place.git("rev-parse", "v1.0^{commit}") == first
    assert tag(repository, "v1.0", first, message="Later", date=DATE + 9) is None
    assert place.git("rev-parse", "v1.0") == made
    elsewhere = tag(repository, "v1.0", second, message="Release", date=DATE)
    assert elsewhere is not None
    assert elsewhere.code == "git-tag-elsewhere"
    badly = tag(repository, "a..b", second, message="Release", date=DATE)
    assert badly is not None
    assert badly.code == "git-tag-name"


def test_files_that_judge_come_from_the_base(place: Place) -> None:
    base = place.start(
        {"src/a": "1\n", "tests/t": "exit 1\n", "tests/u": "1\n", "tests/v/w": "1\n"}
    )
    lane = place.ready(base)
    write(lane.tree, {"src/a": "2\n", "tests/t": "exit 0\n", "tests/u": None, "tests/more": "1\n"})
    (lane.tree / "tests/v/w").unlink()
    (lane.tree / "tests/v").rmdir()
    (lane.tree / "tests/v").symlink_to("t")
    candidate = saved(lane, base)
    repository = place.open()
    tree = overlay(repository, candidate.commit, base, lambda path: path.startswith("tests/"))
    assert place.files(tree) == {
        "src/a": b"2\n",
        "tests/t": b"exit 1\n",
        "tests/u": b"1\n",
        "tests/v/w": b"1\n",
    }
    assert overlay(repository, candidate.commit, base, lambda path: False) == candidate.tree
    assert [each.name for each in place.engine.iterdir() if each.name.startswith(".")] == []


def test_presence_is_asked_of_the_tree(place: Place) -> None:
    base = place.start({"d/e/f": "1\n", "a b": "1\n"})
    repository = place.open()
    for path in ("d", "d/", "d/e/f", "a b", ".", ""):
        assert exists(repository, base, path), path
    for path in ("x", "d/x", "d/e/f/g", "d/e/f/", "D", "*", "a"):
        assert not exists(repository, base, path), path
    assert present(repository, base, ("d", "a b", "no")) == {"d": "tree", "a b": "blob", "no": None}


def test_history_tells_who_integrated_what(place: Place) -> None:
    base = place.start({"a": "1\n", "b": "1\n"})
    repository = place.open()
    head = base
    works = []
    steps: list[dict[str, Content]] = [{"a": "2\n", "new\n": "1\n"}, {"b": None}, {}]
    for number, files in enumerate(steps, 1):
        works.append(work(place, base, f"t{number}", files) if files else base)
        head = merged(place, head, works[-1], f"t{number}").commit
        swap(repository, REFS.integration, head, place.open().resolve(REFS.integration))
    found = history(repository, base, REFS.integration)
    assert [each.trailers and each.trailers.task for each in found] == ["t1", "t2", "t3"]
    assert [each.work for each in found] == works
    assert [each.paths for each in found] == [("a", "new\n"), ("b",), ()]
    assert [each.first_parent for each in found] == [base, *(each.commit for each in found[:-1])]
    assert {each.date for each in found} == {DATE}
    assert history(repository, head, REFS.integration) == ()
    assert history(repository, base, "refs/coditect/none/integration") == ()
    assert history(repository, base, head) == found


def test_messages_keep_their_trailers_whatever_is_in_them(place: Place) -> None:
    base = place.start()
    nasty = "Title\0\n\nCoditect-Task: another\n\n\udcff end\n\n\n"
    found = build(place.open(), base, base, message=nasty, trailers=who("t9"), date=DATE)
    assert isinstance(found, Candidate)
    assert trailers(place.open(), found.commit) == who("t9")
    with pytest.raises(CoditectError, match="is no commit"):
        trailers(place.open(), found.tree)
    plain = place.commit({}, "Coditect-Run: r\nCoditect-Attempt: x\n")
    assert trailers(place.open(), plain) is None
