from __future__ import annotations

import stat
from pathlib import Path

import pytest

from coditect.findings import CoditectError
from coditect.git import GitError, Identity, Repository, plumbing
from coditect.git.names import RunRefs
from support.repositories import DATE, REFS, Place


def refused(path: Path, engine: Path) -> str:
    with pytest.raises(CoditectError) as caught:
        Repository.open(path, engine)
    finding = caught.value.findings[0]
    assert finding.hint, finding
    return finding.code


def test_a_normal_repository_a_worktree_and_a_bare_one_are_found(place: Place) -> None:
    first = place.start()
    place.git("worktree", "add", "-q", "-b", "side", str(place.root / "side"))
    place.git("clone", "-q", "--bare", str(place.repo), str(place.root / "bare.git"))

    normal = place.open()
    side = Repository.open(place.root / "side", place.engine)
    bare = Repository.open(place.root / "bare.git", place.root / "engine2")

    assert normal.head("main") == side.head("main") == bare.head("main") == first
    assert (normal.bare, side.bare, bare.bare) == (False, False, True)
    assert side.common == normal.common == place.repo / ".git"
    assert bare.tree_of(first) == place.git("rev-parse", "HEAD^{tree}")


def test_a_submodules_checkout_is_a_repository_of_its_own(place: Place) -> None:
    place.start()
    inner = Place(place.root / "inner")
    inner.root.mkdir()
    first = inner.start()
    place.git("submodule", "--quiet", "add", str(inner.repo), "lib")
    repository = Repository.open(place.repo / "lib", place.engine)
    assert repository.head("main") == first
    assert [each.path for each in repository.worktrees()] == [place.repo / "lib"]


def test_what_is_no_usable_repository_is_refused_in_words(place: Place) -> None:
    place.start({"sub/file": "1\n"})
    place.commit({"other": "2\n"})
    url = f"file://{place.repo}"
    place.git("clone", "-q", "--depth=1", url, str(place.root / "shallow"))
    place.git("config", "uploadpack.allowFilter", "true")
    place.git("clone", "-q", "--filter=blob:none", url, str(place.root / "partial"))
    place.git("init", "-q", str(place.root / "unborn"))
    (place.root / "plain").mkdir()

    engine = place.engine
    assert refused(place.root / "nothing", engine) == "git-no-folder"
    assert refused(place.root / "plain", engine) == "git-not-a-repository"
    assert refused(place.repo / "sub", engine) == "git-not-top-level"
    assert refused(place.repo / ".git", engine) == "git-not-top-level"
    assert refused(place.root / "shallow", engine) == "git-shallow"
    assert refused(place.root / "partial", engine) == "git-partial"
    unborn = Repository.open(place.root / "unborn", place.root / "e2")
    with pytest.raises(CoditectError, match="no commit yet") as caught:
        unborn.head("main")
    assert "commit --allow-empty" in caught.value.findings[0].hint
    with pytest.raises(CoditectError, match="it has main"):
        place.open().head("trunk")


def test_a_repository_that_git_distrusts_is_opened_only_if_the_user_trusts_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GitError, match="dubious ownership"):
        place.open()
    config = place.root / "home/.gitconfig"
    config.write_text(config.read_text() + "[safe]\n\tdirectory = *\n")
    assert place.open().head("main")


def test_a_repository_with_sha256_names_works_throughout(place: Place) -> None:
    first = place.start({"a": "1\n"}, "--object-format=sha256")
    repository = place.open()
    assert repository.form.digits == len(first) == 64
    lane = place.ready(first)
    assert (lane.tree / "a").read_text() == "1\n"
    assert place.git("status", "--porcelain", cwd=lane.tree) == ""


def test_making_a_repository_gives_the_same_commit_for_the_same_date(tmp_path: Path) -> None:
    one = Repository.create(tmp_path / "a", "main", tmp_path / "ea", date=DATE)
    other = Repository.create(tmp_path / "b", "main", tmp_path / "eb", date=DATE)
    later = Repository.create(tmp_path / "c", "main", tmp_path / "ec", date=DATE + 1)
    assert one.head("main") == other.head("main") != later.head("main")
    again = Repository.create(tmp_path / "a", "main", tmp_path / "ea", date=DATE + 5)
    assert again.head("main") == one.head("main")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/file").touch()
    with pytest.raises(CoditectError, match="not empty"):
        Repository.create(tmp_path / "d", "main", tmp_path / "ed", date=DATE)


def test_opening_and_pinning_leave_everything_of_the_users_as_it_was(place: Place) -> None:
    first = place.start()
    second = place.commit({"more": "1\n"})
    before = place.untouched()
    repository = place.open()
    ref = repository.pin("r1", first)
    assert repository.pin("r1", first) == ref == "refs/coditect/r1/base"
    assert repository.resolve(ref) == first
    with pytest.raises(CoditectError, match="started from"):
        repository.pin("r1", second)
    assert place.untouched() == before
    assert not (place.repo / ".git/logs/refs/coditect").exists()


def test_a_pinned_base_outlives_the_branch_and_a_collection(place: Place) -> None:
    place.start()
    base = place.commit({"more": "1\n"})
    place.open().pin("r1", base)
    place.git("reset", "-q", "--hard", "HEAD~1")
    place.git("reflog", "expire", "--expire=now", "--all")
    place.git("gc", "-q", "--prune=now")
    assert place.git("cat-file", "-t", base) == "commit"


def test_replacements_and_grafts_of_the_user_are_not_believed(place: Place) -> None:
    first = place.start({"a": "1\n"})
    second = place.commit({"a": "2\n"})
    place.git("replace", second, first)
    assert place.open().tree_of(second) != place.open().tree_of(first)


def test_objects_get_the_permissions_that_the_user_shares_his_repository_with(
    place: Place,
) -> None:
    first = place.start({}, "--shared=group")
    lane = place.ready(first)
    (lane.tree / "new").write_text("1\n")
    oid = place.open().git.run("hash-object", "-w", "--stdin", stdin=b"1\n").text
    path = place.repo / ".git/objects" / oid[:2] / oid[2:]
    assert stat.S_IMODE(path.stat().st_mode) & 0o060 == 0o040
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o070 == 0o070


def test_worktrees_say_which_branch_they_show(place: Place) -> None:
    place.start()
    side, gone = place.root / "si de", place.root / "gone"
    place.git("worktree", "add", "-q", "-b", "side", str(side))
    place.git("worktree", "add", "-q", "-b", "gone", str(gone))
    place.git("worktree", "add", "-q", "--detach", str(place.root / "loose"))
    gone.rename(place.root / "elsewhere")
    repository = place.open()
    shown = {each.path: each.branch for each in repository.worktrees()}
    assert shown == {
        place.repo: "refs/heads/main",
        side: "refs/heads/side",
        place.root / "loose": None,
    }
    assert [each.path for each in repository.checkouts("side")] == [side]
    assert repository.checkouts("gone") == ()


@pytest.mark.parametrize("name", ["", "a/b", "a..b", ".a", "a.lock", "a b", "-a", "a~1", "a."])
def test_a_name_that_no_ref_can_have_is_refused(name: str) -> None:
    with pytest.raises(CoditectError, match="ref's name"):
        RunRefs(name)
    with pytest.raises(CoditectError, match="ref's name"):
        REFS.saved(name, 1)


def test_an_old_git_and_a_missing_one_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CoditectError, match="no git program"):
        plumbing.executable()
    old = tmp_path / "old"
    old.mkdir()
    program = old / "git"
    program.write_text("#!/bin/sh\necho git version 2.30.2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(old))
    with pytest.raises(CoditectError, match=r"2\.30\.2.*2\.38"):
        plumbing.executable()


def test_a_failing_git_says_what_it_was_asked_and_what_it_answered(place: Place) -> None:
    place.start()
    with pytest.raises(GitError, match="not a valid object name nothing") as caught:
        place.open().git.text("commit-tree", "nothing", stdin=b"x", date=DATE)
    assert caught.value.code == 128
    assert caught.value.command == "commit-tree nothing"
    assert "fatal" in caught.value.stderr


def test_a_path_that_git_cannot_write_down_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path / "line\nbreak")
    place.root.mkdir()
    with pytest.raises(CoditectError, match="line break"):
        place.ready(place.start())


def test_a_git_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="did not end in time") as caught:
        plumbing.execute(["sh", "-c", "sleep 60"], env={}, timeout=0.05)
    assert caught.value.code is None


def test_no_surroundings_reach_git(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place.start()
    for name in ("DIR", "INDEX_FILE", "WORK_TREE", "OBJECT_DIRECTORY", "NAMESPACE"):
        monkeypatch.setenv(f"GIT_{name}", "/nonexistent/x")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Mallory")
    repository = Repository.open(place.repo, place.engine, Identity("Engine", "e@x"))
    commit = repository.git.text("commit-tree", repository.tree_of(first), stdin=b"x\n", date=DATE)
    shown = repository.git.text("cat-file", "commit", commit)
    assert shown.count(f"Engine <e@x> {DATE} +0000") == 2
