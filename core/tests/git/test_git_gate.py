from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.findings import Finding
from coditect.git import Change, Changes, beyond, judge, read_changes
from coditect.git.portable import means_dot_git
from support.repositories import Place, saved, write

NONE, FILE, EXEC, LINK, MODULE = "000000", "100644", "100755", "120000", "160000"


def owns(*paths: str) -> Callable[[str], bool]:
    return lambda path: any(path == each or path.startswith(f"{each}/") for each in paths)


def judged(place: Place, before: str, after: str, *paths: str) -> list[tuple[str, str]]:
    changes = read_changes(place.open(), before, after)
    found = judge(changes, owns(*paths), task="t1", owned=" ".join(paths))
    assert all(finding.hint for finding in found)
    return [(each.code, str(dict(each.data).get("path"))) for each in found]


def of(*changes: Change) -> Changes:
    return Changes("before", "after", changes, {})


def added(path: str, mode: str = FILE, target: bytes | None = None) -> Change:
    return Change(path, NONE, mode, "0" * 40, "1" * 40, target)


def only(changes: Changes) -> list[Finding]:
    return list(judge(changes, lambda path: True, task="t1", owned="everything"))


def test_work_on_owned_paths_passes(place: Place) -> None:
    base = place.start({"src/a": "1\n", "src/b": "1\n", "doc": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {"src/a": "2\n", "src/b": None, "src/new/c": "1\n"})
    (lane.tree / "src/new/link").symlink_to("../../doc")
    assert judged(place, base, saved(lane, base).commit, "src") == []


def test_every_way_to_change_a_foreign_path_is_seen(place: Place) -> None:
    files = {f"other/{name}": f"{name}\n" for name in ("edit", "mode", "gone", "moved", "type")}
    base = place.start({**files, "src/a": "1\n"})
    lane = place.ready(base)
    other = lane.tree / "other"
    write(lane.tree, {"other/edit": "2\n", "other/gone": None, "other/new": "1\n"})
    (other / "mode").chmod(0o755)
    (other / "moved").rename(lane.tree / "src/moved")
    (other / "type").unlink()
    (other / "type").symlink_to("../src/a")
    commit = saved(lane, base).commit
    assert judged(place, base, commit, "src") == [
        ("gate-outside-ownership", f"other/{name}")
        for name in ("edit", "gone", "mode", "moved", "new", "type")
    ]
    said = {
        str(dict(each.data)["path"]): each.message
        for each in judge(
            read_changes(place.open(), base, commit), owns("src"), task="t1", owned="src/"
        )
    }
    assert "'other/mode' got another mode, but t1 owns only `src/`" in said["other/mode"]
    assert "was removed" in said["other/moved"]
    assert "was added" in said["other/new"]


def test_a_file_in_place_of_a_folder_is_called_that(place: Place) -> None:
    base = place.start({"a/x": "1\n", "b": "1\n"})
    lane = place.ready(base)
    shutil.rmtree(lane.tree / "a")
    (lane.tree / "b").unlink()
    write(lane.tree, {"a": "1\n", "b/y": "1\n"})
    changes = read_changes(place.open(), base, saved(lane, base).commit)
    said = [each.message for each in judge(changes, owns("zzz"), task="t1", owned="zzz")]
    assert any("'a' was added, a file in place of a folder" in each for each in said)
    assert any("'b/y' was added, a folder in place of the file 'b'" in each for each in said)
    assert len(said) == 4


@pytest.mark.parametrize(
    ("path", "target", "why"),
    [
        ("a", "/etc/passwd", "is absolute"),
        ("a", "..", "leaves the repository"),
        ("d/a", "../../x", "leaves the repository"),
        ("d/e/a", "../.././../x", "leaves the repository"),
        ("d/a", "../.git/config", "leads into `.git`"),
        ("a", ".GIT/hooks", "leads into `.git`"),
        ("d/a", "b/../../x", "depends on other links"),
        ("a", "", "is no path"),
        ("a", "x" * 5000, "is no path"),
        ("a", "x\0y", "is no path"),
    ],
)
def test_a_symlink_that_may_lead_out_is_refused(path: str, target: str, why: str) -> None:
    [finding] = only(of(added(path, LINK, target.encode())))
    assert finding.code == "gate-symlink"
    assert why in finding.message


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", "b"),
        ("a", "./b//c"),
        ("d/a", "../b"),
        ("d/e/a", "../../b/c"),
        ("a", "..b/c"),
        ("a", "."),
    ],
)
def test_a_symlink_within_the_repository_passes(path: str, target: str) -> None:
    assert only(of(added(path, LINK, target.encode()))) == []


PART = st.sampled_from(["a", "b", "..", ".", ""])


@settings(max_examples=300)
@given(
    folder=st.lists(st.sampled_from(["a", "b"]), max_size=3),
    target=st.lists(PART, min_size=1, max_size=6).map("/".join),
)
def test_a_link_that_passes_leads_inside(folder: list[str], target: str) -> None:
    path = "/".join([*folder, "link"])
    found = only(of(added(path, LINK, target.encode())))
    leads = os.path.normpath("/".join(["/top", *folder, target]))
    inside = leads == "/top" or leads.startswith("/top/")
    if not found:
        assert target
        assert inside
    elif "leaves" in found[0].message:
        assert not inside


def test_a_retargeted_symlink_is_looked_at_with_its_new_target(place: Place) -> None:
    place.start({"a": "1\n"})
    (place.repo / "link").symlink_to("a")
    base = place.commit({})
    lane = place.ready(base)
    (lane.tree / "link").unlink()
    (lane.tree / "link").symlink_to("/etc/passwd")
    assert judged(place, base, saved(lane, base).commit, "link") == [("gate-symlink", "link")]


def test_submodule_pointers_are_the_engines(place: Place) -> None:
    base = place.start({"a": "1\n", "lib": "1\n"})
    repository = place.open()
    tree = repository.git.text(
        "mktree",
        stdin=f"160000 commit {base}\tadded\n".encode() + f"160000 commit {base}\tlib\n".encode(),
    )
    found = judged(place, base, tree, "added", "lib", "a")
    assert found == [("gate-submodule", "added"), ("gate-submodule", "lib")]
    assert judged(place, tree, base, "added", "lib", "a") == [
        ("gate-submodule", "added"),
        ("gate-submodule", "lib"),
    ]


def test_a_name_that_differs_only_by_case_or_form_is_refused(place: Place) -> None:
    base = place.start({"src/Readme": "1\n", "Lib/x": "1\n", "keep": "1\n", "straße": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {"src/README": "1\n", "lib/y": "1\n", "KEEP": "1\n", "STRASSE": "1\n"})
    names = ("src", "lib", "KEEP", "STRASSE")
    found = judged(place, base, saved(lane, base).commit, *names)
    assert found == [
        ("gate-same-name", name) for name in ("KEEP", "STRASSE", "lib/y", "src/README")
    ]


def test_a_rename_that_changes_case_only_passes(place: Place) -> None:
    base = place.start({"src/Readme": "1\n"})
    lane = place.ready(base)
    (lane.tree / "src/Readme").rename(lane.tree / "src/README")
    assert judged(place, base, saved(lane, base).commit, "src") == []


def test_twins_that_were_there_before_do_not_stop_their_neighbours(place: Place) -> None:
    base = place.start({"Src/a": "1\n", "src/b": "1\n", "x": "1\n", "X": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {"src/new": "1\n", "y": "1\n"})
    assert judged(place, base, saved(lane, base).commit, "src", "y") == []


def test_added_names_that_other_systems_spell_differently_are_refused(place: Place) -> None:
    decomposed, composed = "cafe\u0301", "caf\u00e9"
    base = place.start({decomposed + "-old": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {decomposed: "1\n", composed + "2": "1\n", decomposed + "-old": "2\n"})
    Path(os.fsdecode(os.fsencode(lane.tree) + b"/bad\xff")).write_text("1")
    found = read_changes(place.open(), base, saved(lane, base).commit)
    told = judge(found, lambda path: True, task="t1", owned="**")
    assert [(each.code, dict(each.data)["path"]) for each in told] == [
        ("gate-name", "bad\\udcff"),
        ("gate-name", decomposed),
    ]


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        ".GIT",
        ".gIt",
        "git~1",
        "GIT~1",
        ".git ",
        ".git...",
        ".git. ",
        ".g\u200cit",
        "\ufeff.git",
        ".git::$INDEX_ALLOCATION",
        ".git:x",
        "a\\.git\\b",
        "git~1.",
        ".GIT\u206f",
    ],
)
def test_names_that_mean_dot_git_are_known(name: str) -> None:
    assert means_dot_git(name)
    assert [each.code for each in only(of(added(f"d/{name}/x")))] == ["gate-name"]


@pytest.mark.parametrize("name", [".gitignore", "git", "git~2", ".git2", "x.git", ".gitt ", "a:b"])
def test_names_that_only_look_like_it_are_free(name: str) -> None:
    assert not means_dot_git(name)


def test_findings_are_capped_with_a_count() -> None:
    changes = of(*(added(f"f{number:03}") for number in range(80)))
    found = judge(changes, lambda path: False, task="t1", owned="nothing", most=10)
    assert len(found) == 11
    assert found[-1].message == "There are 70 more objections."


def test_a_merge_that_brings_more_than_the_work_is_refused() -> None:
    work, merge = of(added("a")), of(added("a"), added("b"))
    assert beyond(work, work) == ()
    assert [dict(each.data)["path"] for each in beyond(work, merge)] == ["b"]
