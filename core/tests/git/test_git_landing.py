from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from coditect.findings import CoditectError
from coditect.git import Held, Landed, Pushed, Repository, land, push
from support.repositories import DATE, Content, Place, meddling_git, save, write


def work(place: Place, base: str, files: dict[str, Content]) -> str:
    """Make a commit on a base that no branch has."""
    lane = place.ready(base)
    write(lane.tree, files)
    found = save(lane, base)
    assert found is not None
    return found.commit


def landed(place: Place, commit: str, *, update: bool = True) -> Landed | Held:
    return land(place.open(), "main", commit, update_checkout=update, note="coditect: land r1")


def reason(found: Landed | Held) -> str:
    assert isinstance(found, Held), found
    assert found.finding.hint
    assert found.finding.code == f"landing-{found.reason}"
    return found.reason


def clean(place: Place) -> bool:
    return place.git("status", "--porcelain", "--untracked-files=no") == ""


def test_a_branch_that_nobody_has_checked_out_moves_forward_only(place: Place) -> None:
    base = place.start({"a": "1\n"})
    place.git("checkout", "-q", "--detach")
    commit = work(place, base, {"a": "2\n"})
    assert landed(place, commit, update=False) == Landed("main", base, commit)
    assert place.git("rev-parse", "main") == commit
    assert landed(place, commit) == Landed("main", commit, commit)
    assert landed(place, base) == Landed("main", commit, commit)
    assert (place.repo / "a").read_text() == "1\n"
    assert "coditect: land r1" in place.git("reflog", "main")
    with pytest.raises(CoditectError, match="no branch"):
        land(place.open(), "other", commit, update_checkout=False, note="x")


def test_a_bare_repositorys_branch_moves(place: Place) -> None:
    base = place.start()
    place.git("clone", "-q", "--bare", str(place.repo), str(place.root / "bare.git"))
    bare = Repository.open(place.root / "bare.git", place.engine)
    commit = bare.git.text("commit-tree", bare.tree_of(base), "-p", base, stdin=b"x", date=DATE)
    assert isinstance(land(bare, "main", commit, update_checkout=False, note="x"), Landed)
    assert bare.head("main") == commit


def test_a_branch_with_commits_of_its_own_is_held(place: Place) -> None:
    base = place.start({"a": "1\n"})
    commit = work(place, base, {"a": "2\n"})
    place.commit({"b": "1\n"})
    assert reason(landed(place, commit)) == "diverged"


def test_a_checkout_is_touched_only_if_that_is_allowed(place: Place) -> None:
    base = place.start({"a": "1\n"})
    commit = work(place, base, {"a": "2\n"})
    before = place.untouched()
    found = landed(place, commit, update=False)
    assert reason(found) == "checked-out"
    assert place.untouched() == before
    assert isinstance(found, Held)
    command = found.finding.hint.split("`")[1]
    assert command == f"git -C {place.repo} merge --ff-only {commit}"
    place.git(*command.split()[1:])
    assert landed(place, commit, update=False) == Landed("main", commit, commit)


def test_a_clean_checkout_comes_along_as_if_the_user_had_merged(place: Place) -> None:
    base = place.start({"a": "1\n", "gone/x": "1\n", "t": "1\n", "same": "1\n"})
    write(place.repo, {"untracked": "mine"})
    inode = (place.repo / "same").stat().st_ino
    lane = place.ready(base)
    write(lane.tree, {"a": "2\n", "gone/x": None, "t": None, "new/y": "1\n", "run": "1\n"})
    write(lane.tree, {"t/u": "1\n"})
    (lane.tree / "run").chmod(0o755)
    (lane.tree / "link").symlink_to("a")
    found = save(lane, base)
    assert found is not None
    hooks = place.repo / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-merge", "post-checkout", "post-index-change", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {place.root}/ran\n")
        (hooks / name).chmod(0o755)
    assert landed(place, found.commit) == Landed("main", base, found.commit, checkout=place.repo)
    assert not (place.root / "ran").exists()
    assert clean(place)
    assert place.git("rev-parse", "HEAD") == found.commit
    assert (place.repo / "t/u").read_text() == "1\n"
    assert not (place.repo / "gone").exists()
    assert os.access(place.repo / "run", os.X_OK)
    assert (place.repo / "link").readlink() == Path("a")
    assert (place.repo / "untracked").read_text() == "mine"
    assert (place.repo / "same").stat().st_ino == inode
    assert "coditect: land r1" in place.git("reflog", "HEAD")
    for name in ("index.lock", "coditect.landing", "coditect.index"):
        assert not (place.repo / ".git" / name).exists()
    assert not list(place.engine.glob("*landing*"))


def test_a_linked_worktree_comes_along(place: Place) -> None:
    base = place.start({"a": "1\n"})
    place.git("checkout", "-q", "-b", "other")
    side = place.root / "side"
    place.git("worktree", "add", "-q", str(side), "main")
    commit = work(place, base, {"a": "2\n"})
    assert landed(place, commit) == Landed("main", base, commit, checkout=side)
    assert (side / "a").read_text() == "2\n"
    assert place.git("status", "--porcelain", cwd=side) == ""
    assert (place.repo / "a").read_text() == "1\n"


@pytest.mark.parametrize("how", ["edited", "staged", "deleted", "added", "mode", "unmerged"])
def test_a_dirty_checkout_is_held_and_nothing_in_it_changes(place: Place, how: str) -> None:
    base = place.start({"a": "1\n", "b": "1\n"})
    commit = work(place, base, {"a": "2\n"})
    if how == "unmerged":
        place.git("checkout", "-q", "-b", "side")
        place.commit({"b": "2\n"})
        place.git("checkout", "-q", "main")
        write(place.repo, {"b": "3\n"})
        place.git("stash", "-q")
        place.git("merge", "-q", "--squash", "side")
        place.git("checkout", "-q", "-f", "--", ".")
        place.git("reset", "-q", "--hard")
        place.git("stash", "pop", "-q")
    elif how == "deleted":
        write(place.repo, {"b": None})
    elif how == "mode":
        (place.repo / "b").chmod(0o755)
    else:
        write(place.repo, {"new" if how == "added" else "b": "mine\n"})
        if how != "edited":
            place.git("add", "-A")
    before = place.untouched()
    assert reason(landed(place, commit)) == "dirty"
    assert place.untouched() == before
    assert not list(place.engine.glob("*landing*"))


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize(
    ("mine", "theirs"), [("new", "new"), ("d", "d/new"), ("d/e/f", "d/e"), ("x/y", "x/y/z")]
)
def test_a_file_of_the_users_in_the_way_is_never_overwritten(
    place: Place, mine: str, theirs: str, ignored: bool
) -> None:
    base = place.start({"a": "1\n"})
    commit = work(place, base, {theirs: "landed\n"})
    write(place.repo, {mine: "mine\n"})
    if ignored:
        (place.repo / ".git/info/exclude").write_text("new\nd\nx\n")
    before = place.untouched()
    found = landed(place, commit)
    assert reason(found) == "in-the-way"
    assert isinstance(found, Held)
    assert mine in found.finding.message
    assert place.untouched() == before


def test_an_untracked_file_where_a_tracked_folder_goes_is_kept(place: Place) -> None:
    base = place.start({"d/x": "1\n"})
    lane = place.ready(base)
    (lane.tree / "d/x").unlink()
    (lane.tree / "d").rmdir()
    write(lane.tree, {"d": "file\n"})
    found = save(lane, base)
    assert found is not None
    write(place.repo, {"d/mine": "mine\n"})
    assert reason(landed(place, found.commit)) == "in-the-way"
    (place.repo / "d/mine").unlink()
    assert isinstance(landed(place, found.commit), Landed)
    assert (place.repo / "d").read_text() == "file\n"
    assert clean(place)


def test_two_checkouts_of_one_branch_are_not_chosen_between(place: Place) -> None:
    base = place.start({"a": "1\n"})
    place.git("worktree", "add", "-q", "--force", str(place.root / "side"), "main")
    assert reason(landed(place, work(place, base, {"a": "2\n"}))) == "checked-out"


@pytest.mark.parametrize("what", ["merge", "rebase", "bisect"])
def test_a_checkout_in_the_middle_of_something_is_held(place: Place, what: str) -> None:
    base = place.start({"a": "1\n"})
    commit = work(place, base, {"a": "2\n"})
    git_dir = place.repo / ".git"
    if what == "merge":
        place.git("checkout", "-q", "-b", "side")
        place.commit({"c": "1\n"})
        place.git("checkout", "-q", "main")
        place.git("merge", "-q", "--no-ff", "--no-commit", "side")
    elif what == "rebase":
        place.git("checkout", "-q", "--detach")
        (git_dir / "rebase-merge").mkdir()
        (git_dir / "rebase-merge/head-name").write_text("refs/heads/main\n")
    else:
        place.git("bisect", "start")
        place.git("checkout", "-q", "--detach")
    before = place.untouched()
    assert reason(landed(place, commit)) == "operation"
    assert place.untouched() == before


def test_another_git_at_work_in_the_checkout_is_left_alone(place: Place) -> None:
    base = place.start({"a": "1\n"})
    commit = work(place, base, {"a": "2\n"})
    lock = place.repo / ".git/index.lock"
    lock.write_bytes(b"")
    before = place.untouched()
    assert reason(landed(place, commit)) == "busy"
    assert place.untouched() == before
    lock.unlink()
    assert isinstance(landed(place, commit), Landed)


def test_a_file_with_a_filter_of_the_users_is_left_to_his_git(place: Place) -> None:
    base = place.start({".gitattributes": "*.bin filter=lfs\n", "a.bin": "1\n", "b": "1\n"})
    config = place.root / "home/.gitconfig"
    text = config.read_text()
    config.write_text(f'{text}[filter "lfs"]\n\tclean = touch {place.root}/ran; cat\n')
    filtered = work(place, base, {"a.bin": "2\n"})
    assert reason(landed(place, filtered)) == "filters"
    anew = work(place, base, {"c.dat": "2\n", ".gitattributes": "*.dat filter=lfs\n"})
    assert reason(landed(place, anew)) == "filters"
    plain = work(place, base, {"b": "2\n"})
    assert isinstance(landed(place, plain), Landed)
    assert not (place.root / "ran").exists()
    config.write_text(text)
    base = place.git("rev-parse", "HEAD")
    assert isinstance(landed(place, work(place, base, {"a.bin": "3\n"})), Landed)


def test_the_users_line_ends_are_his(place: Place) -> None:
    base = place.start({".gitattributes": "*.bat text eol=crlf\n", "a.bat": "one\n"})
    commit = work(place, base, {"a.bat": "two\n", "b.bat": "new\n"})
    assert isinstance(landed(place, commit), Landed)
    assert (place.repo / "a.bat").read_bytes() == b"two\r\n"
    assert (place.repo / "b.bat").read_bytes() == b"new\r\n"
    assert clean(place)


@pytest.mark.parametrize("shown", [False, True])
def test_a_branch_that_is_moved_at_the_same_moment_is_held(
    place: Place, monkeypatch: pytest.MonkeyPatch, shown: bool
) -> None:
    base = place.start({"a": "1\n"})
    commit = work(place, base, {"a": "2\n", "new": "1\n"})
    other = place.git("commit-tree", "-p", base, "-m", "other", f"{base}^{{tree}}")
    if not shown:
        place.git("checkout", "-q", "--detach")
    command = f"unset GIT_DIR; {shutil.which('git')} -C {place.repo} update-ref refs/heads/main"
    meddling = meddling_git(place, "update-ref", f"{command} {other}")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(meddling), prepend=os.pathsep)
        assert reason(landed(place, commit)) == "diverged"
    assert place.git("rev-parse", "main") == other
    assert place.git("status", "--porcelain") == ""
    assert not (place.repo / "new").exists()
    assert not (place.repo / ".git/index.lock").exists()


def test_a_branch_that_another_landing_moves_at_the_same_moment_is_landed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = place.start({"a": "1\n"})
    place.git("checkout", "-q", "--detach")
    commit = work(place, base, {"a": "2\n"})
    command = f"unset GIT_DIR; {shutil.which('git')} -C {place.repo} update-ref refs/heads/main"
    meddling = meddling_git(place, "update-ref", f"{command} {commit}")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(meddling), prepend=os.pathsep)
        assert landed(place, commit) == Landed("main", base, commit)


def test_a_branch_behind_a_lock_is_not_moved(place: Place) -> None:
    base = place.start({"a": "1\n"})
    place.git("checkout", "-q", "--detach")
    commit = work(place, base, {"a": "2\n"})
    (place.repo / ".git/refs/heads/main.lock").touch()
    with pytest.raises(CoditectError, match=r"main\.lock"):
        landed(place, commit)
    assert place.git("rev-parse", "main") == base


def test_what_git_itself_refuses_to_overwrite_is_held(place: Place) -> None:
    base = place.start({"a": "1\n", "b": "1\n"})
    commit = work(place, base, {"a": "2\n", "b": "2\n"})
    place.git("update-index", "--assume-unchanged", "b")
    write(place.repo, {"b": "mine\n"})
    before = place.untouched()
    found = landed(place, commit)
    assert reason(found) == "refused"
    assert isinstance(found, Held)
    assert found.finding.message.endswith("Entry 'b' not uptodate. Cannot merge.")
    assert place.untouched() == before
    assert not list(place.engine.glob("*landing*"))


def test_a_checkout_whose_branch_cannot_be_moved_is_put_back_on_the_next_call(
    place: Place,
) -> None:
    base = place.start({"a": "1\n"})
    commit = work(place, base, {"a": "2\n", "new": "1\n"})
    lock = place.repo / ".git/refs/heads/main.lock"
    lock.touch()
    with pytest.raises(CoditectError, match=r"main\.lock"):
        landed(place, commit)
    lock.unlink()
    assert landed(place, commit) == Landed("main", commit, commit)
    assert clean(place)
    assert (place.repo / "new").exists()


def test_a_sparse_checkout_stays_sparse(place: Place) -> None:
    base = place.start({"in/a": "1\n", "out/b": "1\n"})
    place.git("sparse-checkout", "set", "in")
    commit = work(place, base, {"in/a": "2\n", "out/b": "2\n", "out/c": "1\n"})
    assert isinstance(landed(place, commit), Landed)
    assert (place.repo / "in/a").read_text() == "2\n"
    assert not (place.repo / "out").exists()
    assert clean(place)


def remote(place: Place) -> Path:
    path = place.root / "remote.git"
    place.git("init", "-q", "--bare", str(path))
    place.git("remote", "add", "origin", str(path))
    return path


def test_landed_work_is_pushed_as_a_fast_forward_or_not_at_all(place: Place) -> None:
    base = place.start({"a": "1\n"})
    path = remote(place)
    commit = work(place, base, {"a": "2\n"})
    repository = place.open()
    assert push(repository, "origin", "main", commit) == Pushed("origin", "main", commit)
    assert push(repository, "origin", "main", commit) == Pushed("origin", "main", commit)
    assert place.git("rev-parse", "main", cwd=path) == commit
    other = work(place, base, {"a": "3\n"})
    found = push(repository, "origin", "main", other)
    assert isinstance(found, Held)
    assert found.reason == "push-rejected"
    assert "non-fast-forward" in found.finding.message
    assert place.git("rev-parse", "main", cwd=path) == commit


def test_a_push_uses_the_users_own_configuration_and_hooks(place: Place) -> None:
    base = place.start()
    path = remote(place)
    config = place.root / "home/.gitconfig"
    config.write_text(config.read_text() + f'[url "{path}"]\n\tinsteadOf = hub:\n')
    hook = place.repo / ".git/hooks/pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntest ! -e forbid\n")
    hook.chmod(0o755)
    assert isinstance(push(place.open(), "hub:", "main", base), Pushed)
    write(place.repo, {"forbid": ""})
    found = push(place.open(), "hub:", "other", base)
    assert isinstance(found, Held)
    assert found.reason == "push-failed"


def test_a_push_to_nowhere_is_held_with_the_reason(place: Place) -> None:
    base = place.start()
    for name in (str(place.root / "nothing"), "--force"):
        found = push(place.open(), name, "main", base)
        assert isinstance(found, Held)
        assert found.reason == "push-failed"
        assert name in found.finding.hint
