"""What a process of its own cannot show: a bug of ours, an account without a name, a deaf run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from cli.scratch import HELLO
from coditect.cli import app, ask, carry
from coditect.cli.commands import app as commands
from coditect.findings import CoditectError
from coditect.plan import load_plan
from coditect.run.home import Home, RunLock
from coditect.run.program import Settings
from coditect.run.start import Workspace, begin


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run that has begun and that nobody carries on."""
    monkeypatch.setenv("CODITECT_HOME", str(tmp_path / "home"))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Nina")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "nina@example.com")
    text = HELLO.read_text(encoding="utf-8")
    place = Workspace(tmp_path / "work", {}, create=True)
    return begin(Home(), load_plan(HELLO, text=text), HELLO, text, Settings(), place)


def leave(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["coditect", *arguments])
    with pytest.raises(SystemExit) as left:
        app.main()
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize("machine", [False, True])
def test_a_bug_is_told_in_words_with_its_trace_in_a_file(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    machine: bool,
) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("division\x1b[2J by zero")

    monkeypatch.setattr(app, "app", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert leave(monkeypatch, "status", *(["--json"] if machine else [])) == 2
    said = capsys.readouterr()
    (trace,) = tmp_path.glob("coditect-*.trace")
    assert "ZeroDivisionError" in trace.read_text(encoding="utf-8")
    assert "Traceback" not in said.out + said.err
    assert "\x1b" not in said.out + said.err
    if machine:
        assert json.loads(said.out)["findings"][0]["code"] == "internal-error"
    else:
        assert "error [internal-error] This is a bug in coditect: ZeroDivisionError" in said.err
        assert str(trace) in said.err


def test_ctrl_c_at_any_other_moment_leaves_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "app", interrupted)
    assert leave(monkeypatch, "status") == 130
    said = capsys.readouterr()
    assert said.out + said.err == ""


def test_a_broken_pipe_of_the_engines_is_no_reader_who_left(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def torn(**_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(app, "app", torn)
    monkeypatch.setattr("coditect.cli.output.reader_gone", lambda: False)
    assert leave(monkeypatch, "status") == 2
    assert "error [system-refuses] The system refuses: Broken pipe." in capfd.readouterr().err


def test_whoever_asks_is_recorded_even_without_a_name(
    run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**30 + 7)
    commands(["approve", run, "wording"], standalone_mode=False)
    event = Home().journal.entries(run)[-1].event
    assert getattr(event, "by", "") == f"user {2**30 + 7}"


def test_a_coordinator_that_hears_nothing_is_told_after_a_while(
    run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "_PATIENCE", 0.2)
    folder = Home().folder(run)
    with RunLock(folder), pytest.raises(CoditectError) as refused:
        commands(["approve", run, "wording"], standalone_mode=False)
    assert refused.value.findings[0].code == "coordinator-silent"
    assert len(list(folder.inbox.glob("*.json"))) == 1
    commands(["reject", run, "wording", "-m", "no"], standalone_mode=False)
    kinds = [entry.event.kind for entry in Home().journal.entries(run)]
    assert kinds == ["run_started", "approval_recorded", "approval_recorded"]


def test_a_home_is_tried_and_nothing_is_left_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODITECT_HOME", str(tmp_path / "one" / "two"))
    assert list(carry.home_to_write().path.iterdir()) == []
