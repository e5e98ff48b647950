from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from coditect.findings import Severity
from coditect.git import Snapshot, read_changes, snapshot, trailers
from support.repositories import DATE, REFS, Place, meddling_git, save, saved, who, write


def codes(found: Snapshot | None) -> list[str]:
    return [finding.code for finding in found.findings] if found else []


def test_an_unchanged_lane_has_nothing_to_save(place: Place) -> None:
    base = place.start({"a": "1\n"})
    lane = place.ready(base)
    assert save(lane, base) is None
    (lane.tree / "a").touch()
    write(lane.tree, {"b": "1"})
    (lane.tree / "b").unlink()
    (lane.tree / "empty").mkdir()
    assert save(lane, base) is None


def test_all_that_was_written_is_one_commit_on_the_base_under_a_ref(place: Place) -> None:
    base = place.start({"a": "1\n", "gone": "1\n", "d/same": "1\n", "mode": "1\n", "t/u": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {"a": "2\n", "gone": None, "new/deep/file": "3\n", "space \t": "4\n"})
    (lane.tree / "mode").chmod(0o755)
    (lane.tree / "d/link").symlink_to("../a")
    shutil.rmtree(lane.tree / "t")
    (lane.tree / "t").write_text("file now\n")
    found = saved(lane, base)
    assert place.files(found.commit) == {
        "a": b"2\n",
        "d/link": b"120000 ../a",
        "d/same": b"1\n",
        "mode": b"100755 1\n",
        "new/deep/file": b"3\n",
        "space \t": b"4\n",
        "t": b"file now\n",
    }
    assert found.tree == place.git("rev-parse", f"{found.commit}^{{tree}}")
    assert place.git("rev-parse", f"{found.commit}^") == base
    assert place.git("rev-parse", "refs/coditect/r1/saved/t1/1") == found.commit
    assert trailers(lane.repository, found.commit) == who()
    assert place.git("show", "-s", "--format=%an %at %ct", found.commit) == (
        f"Coditect {DATE + 1} {DATE + 1}"
    )
    assert found.findings == ()
    assert place.git("fsck", "--strict") == ""


def test_saving_again_gives_the_same_commit(place: Place) -> None:
    base = place.start({"a": "1\n", "f": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {"a": "2\n", "f": None})
    os.mkfifo(lane.tree / "f")
    (lane.folder / "engine.git/index.saving.lock").write_bytes(b"left by a kill")
    first = saved(lane, base)
    assert saved(lane, base) == first
    assert codes(first) == ["unsaved-special"]
    write(lane.tree, {"a": "3\n"})
    assert saved(lane, base).commit != first.commit


def test_a_file_that_became_a_folder_and_a_folder_that_became_a_file(place: Place) -> None:
    base = place.start({"a": "1\n", "b/c": "1\n", "b/d/e": "1\n"})
    lane = place.ready(base)
    (lane.tree / "a").unlink()
    shutil.rmtree(lane.tree / "b")
    write(lane.tree, {"a/x": "1\n", "b": "1\n"})
    assert place.files(saved(lane, base).commit) == {"a/x": b"1\n", "b": b"1\n"}


def test_what_the_agent_committed_counts_as_content_only(place: Place) -> None:
    base = place.start({"a": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {"a": "2\n", "b": "1\n"})
    place.git("add", "-A", cwd=lane.tree)
    place.git("commit", "-q", "-m", "mine", cwd=lane.tree)
    write(lane.tree, {"c": "1\n", "b": None})
    place.git("update-index", "--assume-unchanged", "a", cwd=lane.tree)
    write(lane.tree, {"a": "3\n"})
    found = saved(lane, base)
    assert place.files(found.commit) == {"a": b"3\n", "c": b"1\n"}
    assert place.git("rev-parse", f"{found.commit}^") == base


def test_what_the_base_ignores_is_left_out_whatever_the_agent_says(place: Place) -> None:
    base = place.start({".gitignore": "*.o\nout/\n", "lib/.gitignore": "/gen\n!keep.o\n"})
    lane = place.ready(base)
    write(
        lane.tree,
        {
            ".gitignore": "*\n",
            "lib/.gitignore": "*\n",
            "new/.gitignore": "*\n",
            "wanted": "1",
            "x.o": "1",
            "out/file": "1",
            "lib/gen/file": "1",
            "lib/keep.o": "1",
            "lib/wanted": "1",
            "new/wanted": "1",
        },
    )
    write(lane.tree, {".git/info/exclude": "*\n"})
    place.git("config", "core.excludesFile", "/etc/hostname", cwd=lane.tree)
    assert set(place.files(saved(lane, base).commit)) == {
        *(".gitignore", "lib/.gitignore", "new/.gitignore"),
        *("wanted", "lib/keep.o", "lib/wanted", "new/wanted"),
    }


def test_a_tracked_file_that_the_base_ignores_is_saved(place: Place) -> None:
    place.start({"dist/app.js": "1\n"})
    base = place.commit({".gitignore": "dist/\n"})
    lane = place.ready(base)
    write(lane.tree, {"dist/app.js": "2\n", "dist/other.js": "1\n"})
    changed = read_changes(lane.repository, base, saved(lane, base).commit)
    assert changed.paths == {"dist/app.js"}


def test_granted_secrets_stay_outside_git(place: Place) -> None:
    base = place.start()
    lane = place.ready(base)
    write(lane.tree, {"token": "s3cret", "keys/a": "s3cret", "keys.md": "1", "code": "1"})
    found = snapshot(
        lane,
        base,
        message="m",
        trailers=who(),
        date=DATE,
        ref=REFS.saved("t1", 1),
        secrets=("token", "keys"),
    )
    assert found is not None
    assert set(place.files(found.commit)) == {"README", "code", "keys.md"}


def test_names_that_are_no_text_are_saved(place: Place) -> None:
    base = place.start()
    lane = place.ready(base)
    names = [
        b"new\nline",
        b"bad\xff\xfe",
        "é".encode(),
        b"tab\t",
        b'"quote"',
        b"back\\slash",
        b"-n",
    ]
    names += [b" ", b":(top)x", b"!x", b"#x", b"dir\n/\xff"]
    for name in names:
        path = Path(os.fsdecode(os.fsencode(lane.tree) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name)
    found = saved(lane, base)
    changed = read_changes(lane.repository, base, found.commit)
    assert sorted(os.fsencode(path) for path in changed.paths) == sorted(names)
    assert found.findings == ()


def test_names_that_mean_dot_git_are_told_and_nothing_else_is_lost(place: Place) -> None:
    base = place.start()
    lane = place.ready(base)
    names = (".GIT/config", "git~1", "d/.git\u200c/hooks/x", ".git ", "GIT~1/x", ".git::$INDEX")
    write(lane.tree, dict.fromkeys(names, "1") | {"good": "1"})
    (lane.tree / ".gitmodules").symlink_to("good")
    found = saved(lane, base)
    assert set(place.files(found.commit)) == {"README", "good"}
    assert codes(found) == ["unsaved-name"] * 7
    told = {dict(finding.data)["path"] for finding in found.findings}
    assert told == {*names, ".gitmodules"}


def test_what_is_neither_file_nor_link_is_told(place: Place) -> None:
    base = place.start({"a": "1\n", ".gitignore": "*.sock\n"})
    lane = place.ready(base)
    os.mkfifo(lane.tree / "pipe")
    (lane.tree / "a").unlink()
    os.mkfifo(lane.tree / "a")
    with socket.socket(socket.AF_UNIX) as plug:
        here = os.open(lane.tree, os.O_RDONLY)
        try:
            plug.bind(f"/proc/self/fd/{here}/plug")
            os.mkfifo("ignored.sock", dir_fd=here)
        finally:
            os.close(here)
        found = saved(lane, base)
    assert set(place.files(found.commit)) == {".gitignore"}
    assert sorted(str(dict(each.data)["path"]) for each in found.findings) == ["a", "pipe", "plug"]
    assert set(codes(found)) == {"unsaved-special"}


def test_only_what_cannot_be_saved_is_still_told(place: Place) -> None:
    base = place.start()
    lane = place.ready(base)
    os.mkfifo(lane.tree / "pipe")
    found = saved(lane, base)
    assert (found.commit, codes(found)) == (base, ["unsaved-special"])
    assert lane.repository.resolve(REFS.saved("t1", 1)) == base


def test_a_large_file_is_told_and_the_rest_is_saved(place: Place) -> None:
    base = place.start({"a": "1\n"})
    lane = place.ready(base)
    with (lane.tree / "core").open("wb") as file:
        file.truncate(3 * 2**20)
    write(lane.tree, {"small": "1"})
    found = snapshot(
        lane,
        base,
        message="m",
        trailers=who(),
        date=DATE,
        ref=REFS.saved("t1", 1),
        limit=2**20,
    )
    assert found is not None
    assert set(place.files(found.commit)) == {"a", "small"}
    assert "'core' has 3 MiB, over the limit of 1 MiB" in found.findings[0].message


def test_a_file_that_turns_into_something_else_at_the_last_moment_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = place.start({"a": "1\n"})
    lane = place.ready(base)
    write(lane.tree, {"a": "2\n", "b": "1\n", "c": "1\n"})
    command = f"cd {lane.tree}; rm -f b; mkfifo b"
    meddling = meddling_git(place, "update-index", command)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(meddling), prepend=os.pathsep)
        found = saved(lane, base)
    assert set(place.files(found.commit)) == {"a", "c"}
    assert codes(found) == ["unsaved-unreadable"]


def test_what_is_too_deep_to_reach_is_told(place: Place) -> None:
    base = place.start()
    lane = place.ready(base)
    script = "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')\nopen('f','w')"
    subprocess.run([sys.executable, "-c", script], cwd=lane.tree, check=True)
    write(lane.tree, {"a": "1\n"})
    found = saved(lane, base)
    assert set(place.files(found.commit)) == {"README", "a"}
    assert set(codes(found)) == {"unsaved-unreadable"}
    lane.prepare(base)


def test_findings_are_capped_with_a_count(place: Place) -> None:
    base = place.start()
    lane = place.ready(base)
    for number in range(60):
        os.mkfifo(lane.tree / f"pipe{number:02}")
    found = saved(lane, base)
    assert len(found.findings) == 51
    assert found.findings[-1].message == "10 more paths were not saved."


def test_a_nested_repositorys_files_are_saved_and_its_ignored_ones_not(place: Place) -> None:
    base = place.start({".gitignore": "node_modules/\n*.log\n"})
    lane = place.ready(base)
    for name in ("app", "other/bare-bones"):
        subprocess.run(["git", "init", "-q", lane.tree / name], check=True)
    write(
        lane.tree,
        {
            "app/main.js": "1",
            "app/src/x.js": "2",
            "app/node_modules/left-pad/index.js": "3",
            "app/npm.log": "4",
            "app/.gitignore": "*\n",
            "app/inner/.git": "gitdir: /nowhere\n",
            "app/inner/file": "5",
            "app/:odd": "6",
        },
    )
    subprocess.run(["git", "-C", lane.tree / "app", "add", "-fA", "."], check=False)
    found = saved(lane, base)
    assert set(place.files(found.commit)) == {
        *(".gitignore", "app/.gitignore", "app/main.js", "app/src/x.js", "app/inner/file"),
        "app/:odd",
    }
    assert codes(found) == ["nested-repository", "nested-repository"]
    assert {each.severity for each in found.findings} == {Severity.WARNING}


def test_a_repository_started_in_a_tracked_folder_hides_nothing(place: Place) -> None:
    base = place.start({"src/a": "1\n"})
    lane = place.ready(base)
    subprocess.run(["git", "init", "-q", lane.tree / "src"], check=True)
    write(lane.tree, {"src/a": "2\n", "src/new": "1\n"})
    assert place.files(saved(lane, base).commit) == {"src/a": b"2\n", "src/new": b"1\n"}


def test_what_is_put_into_a_submodules_folder_is_told(place: Place) -> None:
    place.start()
    inner = Place(place.root / "inner")
    inner.root.mkdir()
    inner.start()
    place.git("submodule", "--quiet", "add", str(inner.repo), "lib")
    base = place.commit({})
    lane = place.ready(base)
    assert save(lane, base) is None
    write(lane.tree, {"lib/x": "1"})
    found = saved(lane, base)
    assert (found.commit, codes(found)) == (base, ["unsaved-submodule"])
    shutil.rmtree(lane.tree / "lib")
    changed = read_changes(lane.repository, base, saved(lane, base).commit)
    assert [(each.path, each.old_mode, each.removed) for each in changed.changes] == [
        ("lib", "160000", True)
    ]


def test_links_in_the_place_of_folders_are_saved_as_links(place: Place) -> None:
    base = place.start({"a/x": "1\n", "b/x": "1\n", ".gitignore": "/z\n", "c/x": "1\n"})
    lane = place.ready(base)
    shutil.rmtree(lane.tree / "b")
    (lane.tree / "a").rename(lane.tree / "b")
    (lane.tree / "a").symlink_to("b")
    shutil.rmtree(lane.tree / "c")
    (lane.tree / "c").symlink_to(place.root / "home")
    write(place.root / "home", {"x": "outside"})
    assert place.files(saved(lane, base).commit) == {
        ".gitignore": b"/z\n",
        "a": b"120000 b",
        "b/x": b"1\n",
        "c": b"120000 " + os.fsencode(place.root / "home"),
    }


def test_an_edit_that_restores_size_and_time_is_seen(place: Place) -> None:
    base = place.start({"a": "one\n"})
    lane = place.ready(base)
    status = (lane.tree / "a").stat()
    write(lane.tree, {"a": "two\n"})
    os.utime(lane.tree / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert place.files(saved(lane, base).commit) == {"a": b"two\n"}


POISON = """
import os, subprocess, sys
marker = sys.argv[1]
with open("evil", "w") as file:
    file.write(f"#!/bin/sh\\necho ran >> {marker}\\ncat\\n")
os.chmod("evil", 0o755)
evil = os.path.abspath("evil")
def poison(where):
    config = where + "/config"
    with open(config, "a") as file:
        file.write(f'''
[core]
\\tfsmonitor = {evil}
\\thooksPath = {os.getcwd()}/hooks
\\tsshCommand = {evil}
\\tpager = {evil}
\\teditor = {evil}
\\tgitProxy = {evil}
\\tworktree = /tmp
[filter "x"]
\\tclean = {evil}
\\tsmudge = {evil}
\\tprocess = {evil}
\\trequired = true
[diff "x"]
\\ttextconv = {evil}
\\tcommand = {evil}
[diff]
\\texternal = {evil}
[merge "x"]
\\tdriver = {evil}
[gpg]
\\tprogram = {evil}
[commit]
\\tgpgSign = true
[alias]
\\tls-files = !{evil}
\\tread-tree = !{evil}
[credential]
\\thelper = !{evil}
[include]
\\tpath = {os.getcwd()}/more
''')
os.mkdir("hooks")
for hook in ("reference-transaction", "post-index-change", "post-checkout", "pre-commit",
             "fsmonitor-watchman", "post-commit", "pre-auto-gc", "update"):
    with open(f"hooks/{hook}", "w") as file:
        file.write(f"#!/bin/sh\\necho {hook} >> {marker}\\n")
    os.chmod(f"hooks/{hook}", 0o755)
subprocess.run(["git", "init", "-q", "nested"], check=True)
with open("nested/file", "w") as file:
    file.write("1")
subprocess.run(["git", "-C", "nested", "add", "-A"], check=True)
subprocess.run(["git", "-C", "nested", "-c", "user.name=x", "-c", "user.email=x",
                "commit", "-qm", "x"], check=True)
with open("nested/file", "w") as file:
    file.write("2")
poison("nested/.git")
poison(".git")
with open(".gitattributes", "w") as file:
    file.write("* filter=x diff=x merge=x ident working-tree-encoding=nonsense\\n")
with open("README", "w") as file:
    file.write("poisoned\\n")
for lock in ("index.lock", "HEAD.lock", "config.lock", "packed-refs.lock"):
    open(".git/" + lock, "w").close()
with open(".git/HEAD", "w") as file:
    file.write("garbage")
"""


def test_nothing_that_an_agent_prepared_is_ever_run(place: Place) -> None:
    base = place.start()
    marker = place.root / "marker"
    lane = place.ready(base)
    subprocess.run([sys.executable, "-c", POISON, str(marker)], cwd=lane.tree, check=True)
    before = place.untouched()
    files = place.files(saved(lane, base).commit)
    assert files["README"] == b"poisoned\n"
    assert files["nested/file"] == b"2"
    lane.prepare(base)
    assert place.git("status", "--porcelain", cwd=lane.tree) == ""
    assert not marker.exists()
    assert place.untouched() == before


def test_what_the_users_own_repository_has_configured_is_not_run_either(place: Place) -> None:
    marker = place.root / "marker"
    evil = place.root / "evil"
    evil.write_text(f"#!/bin/sh\necho ran >> {marker}\ncat\n")
    evil.chmod(0o755)
    base = place.start({".gitattributes": "*.bin filter=lfs\n", "a.bin": "pointer\n"})
    for key in ("core.fsmonitor", "filter.lfs.clean", "filter.lfs.smudge"):
        place.git("config", key, str(evil))
    place.git("config", "filter.lfs.required", "true")
    for hook in ("reference-transaction", "post-index-change", "post-checkout"):
        path = place.repo / ".git/hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {hook} >> {marker}\n")
        path.chmod(0o755)
    before = place.untouched()
    lane = place.ready(base)
    assert (lane.tree / "a.bin").read_text() == "pointer\n"
    write(lane.tree, {"b.bin": "large\n"})
    assert place.files(saved(lane, base).commit)["b.bin"] == b"large\n"
    assert not marker.exists()
    assert place.untouched() == before


def test_ten_thousand_new_files_are_saved(place: Place) -> None:
    base = place.start()
    lane = place.ready(base)
    for folder in range(100):
        (lane.tree / f"d{folder}").mkdir()
        for number in range(100):
            (lane.tree / f"d{folder}/f{number}").write_text(f"{folder} {number}\n")
    found = saved(lane, base)
    assert len(read_changes(lane.repository, base, found.commit).paths) == 10_000


SHUT = """
import json, os, shutil, subprocess, sys
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[2])
from support.repositories import Place, saved, shape, write
if os.geteuid() == 0:  # Permissions do not stop root.
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
place = Place(Path(sys.argv[1]))
base = place.start({"a": "1\\n", "d/b": "1\\n", "e": "1\\n", "shut/x": "1\\n"})
lane = place.ready(base)
clean = shape(lane.tree)
write(lane.tree, {"a": "2\\n", "d/new": "1\\n", "e": "1\\n", "dark/deep/x": "1\\n",
                  "dark/y": "1\\n", "shut/x": "2\\n"})
for name in ("a", "e", "dark/deep/x"):
    (lane.tree / name).chmod(0)
(lane.tree / "dark/deep").chmod(0)
(lane.tree / "dark").chmod(0o111)
(lane.tree / "d").chmod(0o444)
(lane.tree / "shut").chmod(0)
(lane.tree / ".git/objects").chmod(0)
(lane.tree / ".git").chmod(0o500)
found = saved(lane, base)
assert place.files(found.commit) == {
    "a": b"2\\n", "d/b": b"1\\n", "d/new": b"1\\n", "e": b"1\\n", "shut/x": b"2\\n",
    "dark/deep/x": b"1\\n", "dark/y": b"1\\n"}, place.files(found.commit)
assert found.findings == (), found.findings
lane.tree.chmod(0o500)
(lane.tree / "dark").chmod(0)
lane.prepare(base)
assert shape(lane.tree) == clean
print("well")
"""


def test_what_the_agent_locked_away_is_opened_saved_and_removed() -> None:
    top = Path(tempfile.mkdtemp(prefix="coditect-test-"))
    top.chmod(0o777)
    try:
        done = subprocess.run(
            [sys.executable, "-c", SHUT, str(top), json.dumps([path for path in sys.path if path])],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(top / "home")},
        )
        assert done.stdout == "well\n", done.stderr
    finally:
        shutil.rmtree(top)
