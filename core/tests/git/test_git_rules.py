from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.git.rules import translate
from support.repositories import Place, write

FOLDERS = ("", "a/", "a/b/", "c*[d/", "#e/", "a/b/!f/")
NAMES = ("x", "y.o", "b", "build", "!z", "#w", "sp ace ")
PATTERN = st.one_of(
    st.sampled_from(
        [
            *("x", "*.o", "/x", "b/", "/b/", "b/x", "/b/**", "**/x", "**/b/x", "b/**/x", "*", "/*"),
            *("!x", "!*.o", "!b/", "!/b/", "!b/x", "!*", "# comment", "\\#w", "\\!z", "!\\!z", ""),
            *("sp ace ", "sp ace\\ ", "x ", "[xy]*", "?", "build", "!build/", "build/*", "/"),
            *("b//", "x\r", "\\", "a/*/x", "!a/b", "**", "**/", "/**/x"),
        ]
    ),
    st.text("xyb*/!.\\ ?[]", max_size=6),
)
RULES = st.dictionaries(
    st.sampled_from(FOLDERS), st.lists(PATTERN, max_size=4).map("\n".join), max_size=4
)


def listed(git_dir: Path, top: Path, *options: str) -> set[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z", "--others", *options],
        cwd=top,
        env={"PATH": os.environ["PATH"], "GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(top)},
        capture_output=True,
        check=True,
    )
    return set(os.fsdecode(done.stdout).split("\0"))


@settings(max_examples=150, deadline=None)
@given(RULES)
def test_rules_of_all_folders_in_one_list_ignore_what_git_ignores(rules: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        top, git_dir = Path(folder, "tree"), Path(folder, "git")
        subprocess.run(["git", "init", "-q", "--bare", "--template=", git_dir], check=True)
        write(top, {f"{where}{name}": "" for where in FOLDERS for name in NAMES if name != "b"})
        write(top, {f"{where}.gitignore": text for where, text in rules.items()})
        write(top, {f"{where}build2/x": "" for where in FOLDERS})
        lines: list[bytes] = []
        for where in sorted(rules, key=lambda where: where.count("/")):
            lines += translate(where.encode(), rules[where].encode())
        one = Path(folder, "rules")
        one.write_bytes(b"".join(line + b"\n" for line in lines))
        ours = listed(git_dir, top, f"--exclude-from={one}")
        assert ours == listed(git_dir, top, "--exclude-per-directory=.gitignore")


@pytest.mark.parametrize(
    ("folder", "text", "lines"),
    [
        (b"", b"*.o\n/top\n", [b"*.o", b"/top"]),
        (b"a/", b"*.o\n", [b"/a/**/*.o"]),
        (b"a/", b"!/keep\nd/e\n", [b"!/a/keep", b"/a/d/e"]),
        (b"a*/", b"x\n", [b"/a\\*/**/x"]),
        (b"a\nb/", b"x", [b"/a?b/**/x"]),
        (b"", b"\xef\xbb\xbfx\r\n# no\n\n   \ny \nz\\ \n", [b"x", b"y", b"z\\ "]),
    ],
)
def test_a_rule_is_rewritten_to_start_at_the_top(
    folder: bytes, text: bytes, lines: list[bytes]
) -> None:
    assert translate(folder, text) == lines


def test_the_users_own_exclusions_count_least(place: Place) -> None:
    base = place.start({".gitignore": "!keep.log\n"})
    exclude = place.repo / ".git/info/exclude"
    exclude.write_text("*.log\n")
    lane = place.ready(base)
    assert lane.rules.read_bytes() == b"*.log\n!keep.log\n"


def test_an_ignore_file_that_is_a_symlink_has_no_say(place: Place) -> None:
    place.start({"rules": "*.o\n"})
    (place.repo / ".gitignore").symlink_to("rules")
    lane = place.ready(place.commit({}))
    assert lane.rules.read_bytes() == b""
