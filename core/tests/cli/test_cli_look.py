"""What shows a run: each command for people and for machines, and what it cannot show."""

from __future__ import annotations

import signal
import sqlite3
from dataclasses import replace

import pytest

from cli.scratch import HELLO, Scratch, plan
from coditect.agents import Attached, Exited, wait
from coditect.cli import doctor

NOISE = r"printf '\033[2Jover\rwrite \033]0;title\007\377\n'; printf 'last, without a newline'"


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """A run whose agent and verification print what no terminal should obey."""
    made = Scratch(tmp_path_factory.mktemp("noisy"))
    made.repository()
    loud = rf"{NOISE}; printf 'a\tb\033[2J\n' > out/loud.txt; printf '\000\001' > out/bin"
    text = plan(("loud", loud, NOISE), ("idle", "true"))
    (made.work / "plan.yaml").write_text(text, encoding="utf-8")
    made("run", "plan.yaml", code=1)
    return made


def test_what_an_agent_printed_is_shown_and_not_obeyed(noisy: Scratch) -> None:
    expected = "over write \ufffd\nlast, without a newline\n"
    assert noisy("logs", "loud").out == expected
    assert noisy("logs", "loud", "--follow").out == expected
    assert noisy("logs", "loud", "--verify").out == "--- verification 1\n" + expected
    text = noisy("logs", "loud", "--json").json
    assert text["output"].startswith("\x1b[2J")
    assert "\x1b" not in noisy("logs", "loud", "--json").out
    assert noisy("logs", "loud", "--verify", "--json").json["verifications"] == [text["output"]]


def test_the_very_bytes_are_there_for_who_wants_them(noisy: Scratch) -> None:
    with (noisy.root / "raw").open("wb") as file:
        noisy("logs", "loud", "--raw", stdout=file)
    wanted = b"\x1b[2Jover\rwrite \x1b]0;title\x07\xff\nlast, without a newline"
    assert (noisy.root / "raw").read_bytes() == wanted
    with (noisy.root / "raw").open("wb") as file:
        noisy("logs", "loud", "--raw", "--follow", stdout=file)
    assert (noisy.root / "raw").read_bytes() == wanted


def test_a_log_is_followed_while_it_grows_and_to_its_end(scratch: Scratch) -> None:
    gate = scratch.root / "gate"
    slow = f"echo begun; until test -e {gate}; do sleep 0.02; done; echo > out/slow.txt; printf end"
    (scratch.work / "plan.yaml").write_text(plan(("slow", slow)), encoding="utf-8")
    going = scratch.start("run", "plan.yaml")
    scratch.wait_for(lambda status: status["tasks"][0]["stage"] == "running")
    following = scratch.start("logs", "slow", "--follow")
    assert following.stdout is not None
    assert following.stdout.readline() == "begun\n"
    gate.touch()
    assert scratch.end(following, 0).out == "end\n"
    scratch.end(going, 0)


def test_a_diff_for_people_for_git_and_for_machines(noisy: Scratch) -> None:
    shown = noisy("diff", "loud").out
    assert "\n+a    b\n" in shown
    assert noisy("diff", "loud", "--stat").out == (
        "loud, attempt 1: 2 paths in app\n  A out/bin\n  A out/loud.txt\n"
    )
    data = noisy("diff", "loud", "--json").json
    assert data["paths"] == ["out/bin", "out/loud.txt"]
    assert data.keys() == {"run", "task", "attempt", "repository", "base", "work", "paths"}
    patch = noisy.root / "patch"
    with patch.open("wb") as file:
        noisy("diff", "loud", "--raw", stdout=file)
    noisy.git("apply", "--check", str(patch))
    noisy.git("diff", "--no-index", "--quiet", "/dev/null", "/dev/null")


def test_a_diff_of_nothing_says_so(noisy: Scratch) -> None:
    assert noisy("diff", "idle").out == "idle, attempt 1: 0 paths in app\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["logs", "greetin"], "Did you mean `greeting`?"),
        (["logs", "greeting", "-n", "7"], "Attempt 7 of greeting has not begun yet."),
        (["logs", "wording"], "No verification of wording has been run yet."),
        (["diff", "greetin"], "Did you mean `greeting`?"),
        (["diff", "wording"], "no task `wording`"),
        (["diff", "greeting", "-n", "7"], "Attempt 7 of greeting saved nothing."),
        (["approve", "wordin"], "Did you mean `wording`?"),
        (["approve", "greeting"], "nothing called `greeting` to approve"),
        (["retry", "nothing-like-it"], "There are: `greeting`"),
        (["cancel", "--task", "wording"], "nothing called `wording` to cancel"),
        (["status", "nope"], "`nope` names no run"),
        (["diff", "nope", "greeting"], "Runs here: hello-"),
        (["report", "--html", "/nowhere/at/all.html"], "cannot be written: No such file"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    finished: Scratch, arguments: list[str], said: str
) -> None:
    assert said in finished(*arguments, code=2).words
    assert finished(*arguments, "--json", code=2).json["ok"] is False


def test_a_task_that_has_not_begun_has_neither_log_nor_diff(scratch: Scratch) -> None:
    text = plan(("first", "echo > out/first.txt"), ("last", "true"), checkpoint=True)
    (scratch.work / "plan.yaml").write_text(text, encoding="utf-8")
    going = scratch.start("run", "plan.yaml")
    scratch.wait_for_door("waiting")
    assert "last has not begun yet." in scratch("logs", "last", code=2).err
    assert "Nothing of last is saved yet." in scratch("diff", "last", code=2).err
    assert "No verification of first" in scratch("logs", "first", "--verify", code=2).err
    going.send_signal(signal.SIGINT)
    scratch.end(going, 130)


def test_the_verification_of_a_checkpoint_has_a_log(scratch: Scratch) -> None:
    text = plan(("first", "echo > out/first.txt"), ("last", "true"), checkpoint=True)
    text += "    verify: {kind: e2e, run: 'echo no good; false'}\n"
    (scratch.work / "plan.yaml").write_text(text, encoding="utf-8")
    done = scratch("run", "plan.yaml", code=1)
    run = scratch.status()["run"]
    assert f"door is parked. Look: coditect logs {run} door --verify" in done.out
    assert scratch("logs", "door").out == "--- verification 1\nno good\n"
    assert scratch("logs", "door", "--json").json == {
        "run": run,
        "checkpoint": "door",
        "attempt": None,
        "verifications": ["no good\n"],
    }
    assert "door is parked" in scratch("approve", "door", code=2).err


def test_status_shows_a_run_once(finished: Scratch) -> None:
    shown = finished("status").out
    assert "5/5 tasks" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert finished("status", "hello").out.splitlines()[0] == shown.splitlines()[0]
    assert finished("status", "--json").json == finished.status()


def test_watch_without_a_terminal_prints_the_events_to_the_end(finished: Scratch) -> None:
    lines = finished("watch").out.splitlines()
    assert lines[-1].endswith("the run succeeded")
    assert sum(" integrated as " in line for line in lines) == 5
    events = finished("watch", "--json").lines
    assert events[0]["kind"] == "run_started"
    assert events[-1]["kind"] in {"run_finished", "landed", "landing_held"}


def test_watch_follows_a_run_that_goes_on_and_says_if_nobody_does(hello: Scratch) -> None:
    going = hello.start("run", "plan.yaml")
    run = hello.wait_for_door("waiting")["run"]
    watching = hello.start("watch", "--json")
    hello("approve", "wording")
    hello.end(going, 0)
    kinds = [event["kind"] for event in hello.end(watching, 0).lines]
    assert kinds[-1] == "run_finished"
    hello("run", "plan.yaml", "--new", "--yes")

    left = hello.start("run", "plan.yaml", "--new")
    hello.wait_for(lambda status: status["checkpoints"][0]["door"] == "waiting")
    left.send_signal(signal.SIGINT)
    hello.end(left, 130)
    watching = hello.start("watch")
    assert watching.stderr is not None
    assert "Nobody carries it on. Go on with: coditect resume hello-" in watching.stderr.readline()
    watching.send_signal(signal.SIGINT)
    hello.end(watching, 130)
    assert run != hello.status()["run"]


def test_a_report_is_text_a_page_and_a_document(finished: Scratch) -> None:
    page = finished.root / "report.html"
    text = finished("report", "--html", str(page)).out
    assert "succeeded, 5 of 5 tasks integrated" in text
    assert f"Page: {page}" in text
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(finished("report", "--brief").out) < len(text)
    assert finished("report", "--json").json["outcome"] == "succeeded"


def test_runs_lists_the_oldest_first(hello: Scratch) -> None:
    assert "No runs in" in hello("runs").out
    assert hello("runs", "--json").json == {"home": str(hello.home), "runs": []}
    hello("rehearse", "plan.yaml", "--pace", "10ms")
    hello("rehearse", "plan.yaml", "--pace", "10ms")
    rows = hello("runs", "--json").json["runs"]
    assert [row["state"] for row in rows] == ["succeeded", "succeeded"]
    assert rows[0]["started_ms"] <= rows[1]["started_ms"]
    assert rows[0]["run"] in hello("runs").out


def test_doctor_says_what_there_is_and_what_to_do(finished: Scratch) -> None:
    done = finished("doctor")
    assert "✓ git: " in done.out
    assert "✓ journal: 1 run" in done.out
    data = finished("doctor", "--json").json
    assert data["ok"] is True
    assert {look["what"] for look in data["looks"]} >= {"coditect", "git", "home", "journal"}
    assert all(look.keys() == {"what", "ok", "found", "mend", "needed"} for look in data["looks"])


@pytest.mark.parametrize(("said", "ok"), [("process-group", False), ("pid-namespace", True)])
def test_doctor_tells_a_machine_without_isolation(
    monkeypatch: pytest.MonkeyPatch, said: str, ok: bool
) -> None:
    real = wait

    def found(held: Attached) -> Exited:
        ended = real(held)
        assert isinstance(ended, Exited)
        return replace(ended, isolation=said)

    monkeypatch.setattr(doctor, "wait", found)
    look = doctor._isolation()
    assert (look.ok, look.found) == (ok, said)


def test_doctor_finds_git_missing(scratch: Scratch) -> None:
    empty = scratch.root / "empty"
    empty.mkdir()
    done = scratch("doctor", code=1, env={"PATH": str(empty)})
    assert "✗ git: " in done.out


# --- homes and journals that are not as they should be --------------------------------------------

LOOKING = ("status", "watch", "report", "resume", "land", "cancel")
NAMING = ("logs", "diff", "approve", "reject", "retry")


@pytest.mark.parametrize("command", [*LOOKING, *NAMING])
def test_without_any_run_everybody_says_so(scratch: Scratch, command: str) -> None:
    arguments = [command, "x"] if command in NAMING else [command]
    assert "error [no-run] There is no run in" in scratch(*arguments, code=2).err
    assert scratch(*arguments, "--json", code=2).json["findings"][0]["code"] == "no-run"


@pytest.mark.parametrize(
    "content", [b"no journal at all, whatever it is called", b"SQLite format 3\0"]
)
def test_a_journal_that_is_none_is_told_in_words(hello: Scratch, content: bytes) -> None:
    hello.home.mkdir()
    (hello.home / "journal.db").write_bytes(content * 40)
    for arguments in (["status"], ["runs"], ["run", "plan.yaml"], ["rehearse", "plan.yaml"]):
        refused = hello(*arguments, code=2)
        assert "error [journal-" in refused.err
        assert refused.out == ""
    assert "✗ journal: " in hello("doctor", code=1).out


def test_a_journal_with_torn_pages_is_told_in_words(hello: Scratch) -> None:
    hello("rehearse", "plan.yaml", "--pace", "10ms")
    journal = hello.home / "journal.db"
    with sqlite3.connect(journal) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = journal.read_bytes()
    journal.write_bytes(content[:4096] + b"\x5a" * (len(content) - 4096))
    for command in ("status", "runs", "report"):
        assert "error [journal-" in hello(command, code=2).err


def test_a_run_of_another_version_hides_no_other(hello: Scratch) -> None:
    hello("rehearse", "plan.yaml", "--pace", "10ms")
    with sqlite3.connect(hello.home / "journal.db") as connection:
        connection.execute("INSERT INTO event VALUES ('future-1', 1, 1, 'prophecy_told', 99, '{}')")
    connection.close()
    states = {row["run"]: row["state"] for row in hello("runs", "--json").json["runs"]}
    assert states.pop("future-1") == "unreadable"
    assert list(states.values()) == ["succeeded"]
    assert "error [journal-too-new]" in hello("status", "future-1", code=2).err
    assert "unreadable: future-1" in hello("doctor").out
    hello("rehearse", "plan.yaml", "--pace", "10ms")


@pytest.mark.parametrize("command", ["run", "rehearse"])
def test_a_home_that_cannot_be_written_is_told_before_anything_is_done(
    hello: Scratch, command: str
) -> None:
    there = hello.root / "file"
    there.write_text("", encoding="utf-8")
    before = hello.git("for-each-ref")
    refused = hello(command, "plan.yaml", code=2, env={"CODITECT_HOME": str(there)})
    assert "error [home-unwritable]" in refused.err
    assert "Set CODITECT_HOME" in refused.err
    assert hello.git("for-each-ref") == before
    assert "✗ home: " in hello("doctor", code=1, env={"CODITECT_HOME": str(there)}).out


def test_a_run_whose_repository_is_gone_can_be_looked_at_and_not_carried_on(
    hello: Scratch,
) -> None:
    going = hello.start("run", "plan.yaml")
    hello.wait_for_door("waiting")
    going.send_signal(signal.SIGINT)
    hello.end(going, 130)
    moved = hello.work.rename(hello.root / "moved")
    for arguments in (["status"], ["report"], ["logs", "greeting"], ["approve", "wording"]):
        hello(*arguments, cwd=moved)
    for arguments in (["resume"], ["land"], ["diff", "greeting"]):
        assert "error [git-no-folder]" in hello(*arguments, cwd=moved, code=2).err
    moved.rename(hello.work)
    hello("resume")


def test_the_plan_may_change_while_a_run_goes_on(hello: Scratch) -> None:
    going = hello.start("run", "plan.yaml")
    first = hello.wait_for_door("waiting")["run"]
    going.send_signal(signal.SIGINT)
    hello.end(going, 130)
    text = HELLO.read_text(encoding="utf-8").replace("effort: 1h", "effort: 2h")
    (hello.work / "plan.yaml").write_text(text, encoding="utf-8")
    hello("run", "plan.yaml", "--yes")
    assert hello.status()["run"] != first
    hello("approve", first, "wording")
    hello("resume", first)
