"""Whoever reads the output, and whatever is in it: no stack trace, and no command to a terminal."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cli.scratch import HELLO, PROGRAM, Scratch

COMMANDS = (
    ["check", "plan.yaml"],
    ["report"],
    ["diff", "greeting", "--raw"],
    ["--help"],
    ["schema"],
    ["status"],
    ["watch"],
    ["schedule", "plan.yaml", "--agents", "2"],
)


def shown(arguments: list[str]) -> str:
    return " ".join(arguments)


@pytest.mark.parametrize("arguments", COMMANDS, ids=shown)
def test_a_reader_who_leaves_early_breaks_nothing(finished: Scratch, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = finished(*arguments, stdout=writing)
    finally:
        os.close(writing)
    assert done.err == ""


@pytest.mark.parametrize("arguments", COMMANDS[:4], ids=shown)
def test_a_closed_stdout_breaks_nothing(finished: Scratch, arguments: list[str]) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&- <&-', "sh", *PROGRAM, *arguments],
        cwd=finished.work,
        env=finished.env(),
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [["check", "plan.yaml"], ["report"], ["--help"]], ids=shown)
def test_a_full_disk_is_told_in_words(finished: Scratch, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = finished(*arguments, stdout=full, code=2)
    assert "error [system-refuses]" in done.err
    assert "No space left" in done.err


def test_with_nobody_to_tell_the_exit_code_still_says_it(scratch: Scratch) -> None:
    with Path("/dev/full").open("wb") as full:
        scratch("check", "nowhere.yaml", stderr=full, code=2)
        scratch("check", "nowhere.yaml", "--json", stdout=full, code=2)


@pytest.mark.parametrize(
    ("arguments", "encoding"),
    [
        *((arguments, "ascii") for arguments in COMMANDS),
        (["status"], "latin-1"),
        (["check", "plan.yaml"], "cp437"),
    ],
)
def test_a_terminal_without_unicode_gets_what_it_can_show(
    finished: Scratch, arguments: list[str], encoding: str
) -> None:
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=finished.work,
        env=finished.env({"PYTHONIOENCODING": encoding, "LC_ALL": "C", "PYTHONUTF8": "0"}),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if arguments != ["schema"]:
        done.stdout.decode(encoding)


def test_json_is_utf_8_whatever_the_terminal_can_show(scratch: Scratch) -> None:
    title = 'title: "Ein Grüß\\u2028dich 😀"'
    lines = HELLO.read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(title + "\n" if line.startswith("title:") else line for line in lines)
    (scratch.work / "plan.yaml").write_text(text, encoding="utf-8")
    done = scratch(
        *("schedule", "plan.yaml", "--agents", "2", "--json"), env={"PYTHONIOENCODING": "utf-8"}
    )
    assert "Grüß\\u2028dich 😀" in done.out
    scratch("rehearse", "plan.yaml", "--pace", "10ms", "--into", "r")
    done = scratch("report", "--json", env={"PYTHONIOENCODING": "ascii"})
    assert "Grüß\\u2028dich 😀" in done.out


def test_a_plan_cannot_command_the_terminal_through_its_findings(scratch: Scratch) -> None:
    bad = scratch.work / "bad.yaml"
    bad.write_text('tasks: {"\\e[2Jx\\e]0;owned\\a\\u202e": 1}\n', encoding="utf-8")
    for done in (
        scratch("check", "bad.yaml", code=1),
        scratch("check", "bad.yaml", "--json", code=1),
    ):
        assert not {"\x1b", "\x07", "\u202e"} & set(done.out + done.err)
    assert scratch("check", "bad.yaml", "--json", code=1).json["ok"] is False


@pytest.mark.parametrize("name", ["[bold]x.yaml", "[/x].yaml", "a\x1b[2Jb.yaml", "two\nlines.yaml"])
def test_a_files_name_is_shown_as_it_is_and_is_no_markup(scratch: Scratch, name: str) -> None:
    (scratch.work / name).parent.mkdir(exist_ok=True)
    (scratch.work / name).write_text(HELLO.read_text(encoding="utf-8"), encoding="utf-8")
    done = scratch("check", name)
    assert "\x1b" not in done.out
    assert done.words.startswith("✓ " + name.replace("\x1b[2J", "").replace("\n", " ") + ":")


def test_colours_are_left_out_where_they_are_not_wanted(finished: Scratch) -> None:
    assert "\x1b[" not in finished("report").out
    assert "\x1b[" in finished("report", env={"FORCE_COLOR": "1"}).out
    assert "\x1b[3" not in finished("report", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out
