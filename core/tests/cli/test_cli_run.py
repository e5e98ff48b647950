"""`run` and what is said to a run, with real agents in a real repository."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from cli.scratch import Scratch, plan

DONE = ["greeting", "imprint", "polite", "show", "welcome"]


def integrated(scratch: Scratch) -> list[str]:
    tasks = scratch.status()["tasks"]
    return sorted(task["id"] for task in tasks if task["phase"] == "integrated")


def test_a_run_waits_for_a_person_who_decides_in_another_terminal(hello: Scratch) -> None:
    going = hello.start("run", "plan.yaml")
    hello.wait_for_door("waiting")
    said = hello("approve", "wording", "-m", "both read")
    assert said.out.startswith("Recorded: approve wording both read (hello-")
    done = hello.end(going, 0)
    assert "waits for approval: coditect approve hello-" in done.out
    assert "both read" in done.out
    assert "succeeded. See: coditect report hello-" in done.out
    assert integrated(hello) == DONE


def test_yes_asks_nobody_and_json_is_one_event_a_line(hello: Scratch) -> None:
    done = hello("run", "plan.yaml", "--yes", "--json")
    events = done.lines
    assert [event["seq"] for event in events] == list(
        range(events[0]["seq"], events[-1]["seq"] + 1)
    )
    assert {event["task"] for event in events if event["kind"] == "integrated"} == set(DONE)
    assert events[-1]["kind"] == "run_finished"
    assert events[-1]["outcome"] == "succeeded"
    assert "succeeded. See:" in done.err


def test_a_rejected_checkpoint_ends_the_run_and_says_how_to_go_on(hello: Scratch) -> None:
    going = hello.start("run", "plan.yaml")
    hello.wait_for_door("waiting")
    hello("reject", "wording", "-m", "too short")
    done = hello.end(going, 1)
    run = hello.status()["run"]
    assert f"wording is rejected. To let it pass: coditect approve {run} wording" in done.out
    assert "too short" in hello("status").out
    said = hello("approve", "wording")
    assert f"go on with: coditect resume {run}" in said.out
    assert "succeeded" in hello("resume").out
    assert integrated(hello) == DONE


def test_cancelling_a_run_is_final(hello: Scratch) -> None:
    going = hello.start("run", "plan.yaml")
    hello.wait_for_door("waiting")
    assert hello("cancel", "--json").json["recorded_by"] == "the running coordinator"
    assert "cancelled" in hello.end(going, 1).out
    assert "cancelled" in hello("resume", code=1).out
    for arguments in (["approve", "wording"], ["retry", "show"], ["cancel"]):
        assert "was cancelled; it does not go on" in hello(*arguments, code=2).err


def test_a_parked_task_is_looked_into_mended_and_retried(scratch: Scratch) -> None:
    mended = scratch.root / "mended"
    look = f"echo looking for {mended}; test -e {mended}"
    text = plan(("first", "echo 1 > out/first.txt", look), ("second", "echo 2 > out/second.txt"))
    (scratch.work / "plan.yaml").write_text(text, encoding="utf-8")
    done = scratch("run", "plan.yaml", code=1)
    run = scratch.status()["run"]
    assert f"first is parked. Look: coditect logs {run} first --verify" in done.out
    assert f"coditect retry {run} first" in done.out
    assert f"Then go on with: coditect resume {run}" in done.out
    assert integrated(scratch) == ["second"]
    verified = scratch("logs", "first", "--verify").out
    assert verified == f"--- verification 1\nlooking for {mended}\n"
    assert "+1" in scratch("diff", "first").out

    mended.touch()
    assert scratch("retry", "first", "--json").json == {
        "run": run,
        "what": "retry",
        "subject": "first",
        "recorded_by": "this command",
    }
    assert "succeeded" in scratch("resume", run).out
    assert integrated(scratch) == ["first", "second"]
    assert "only a parked task is retried" in scratch("retry", "first", code=2).err


def test_cancelling_what_nobody_carries_on_ends_its_agents_at_once(scratch: Scratch) -> None:
    text = plan(("slow", f"echo > {scratch.root}/begun; sleep 600"), ("quick", "true"))
    (scratch.work / "plan.yaml").write_text(text, encoding="utf-8")
    going = scratch.start("run", "plan.yaml")
    scratch.wait_for(lambda status: status["tasks"][0]["stage"] == "running")
    going.kill()
    going.communicate()
    said = scratch("cancel").out
    assert "Recorded: cancel" in said
    assert "resume" not in said
    assert scratch("runs", "--json").json["runs"][0]["state"] == "cancelled"
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(scratch.home) in str(p.info)]


def test_a_failure_says_where_its_cause_is_to_be_seen(scratch: Scratch) -> None:
    text = plan(("bad", "echo why not; exit 3"), ("astray", "echo > foreign.txt"))
    (scratch.work / "plan.yaml").write_text(text, encoding="utf-8")
    said = scratch("run", "plan.yaml", code=1).out
    run = scratch.status()["run"]
    assert f"bad is parked. Look: coditect logs {run} bad\n" in said
    assert f"astray is parked. Look: coditect diff {run} astray\n" in said
    assert "why not" in scratch("logs", "bad").out
    hint = scratch("logs", "bad", "--verify", code=2).words
    assert "It failed before that: " in hint
    assert f"Look: coditect logs {run} bad" in hint

    again = scratch("run", "plan.yaml", code=1).words
    assert f"{run} failed with 0/2 tasks integrated. This is a new run" in again


def test_agents_are_said_not_to_see_what_no_commit_has(scratch: Scratch) -> None:
    (scratch.work / "plan.yaml").write_text(plan(("one", "echo > out/one.txt")), encoding="utf-8")
    (scratch.work / "tool.sh").write_text("true\n", encoding="utf-8")
    base = scratch.git("rev-parse", "HEAD")[:10]
    said = scratch("run", "plan.yaml").err
    assert f"app has 2 files that no commit has (git status); agents see main at {base}" in said
    scratch.git("add", "-A")
    scratch.git("commit", "-q", "-m", "All")
    assert "no commit has" not in scratch("run", "plan.yaml", "--new").err


def test_a_landing_that_is_held_is_told_once(hello: Scratch) -> None:
    assert hello("run", "plan.yaml", "--yes").out.count("main was not moved") == 1


@pytest.mark.parametrize(
    ("option", "why"),
    [
        (["--yes"], "its checkpoints wait for coditect approve"),
        (["--landing", "end"], "it lands continuous"),
        (["--push", "away"], "it pushes to nobody"),
        (["--update-checkout"], "it was not allowed to touch checkouts"),
    ],
)
def test_an_option_that_comes_too_late_is_refused(
    hello: Scratch, option: list[str], why: str
) -> None:
    going = hello.start("run", "plan.yaml")
    hello.wait_for_door("waiting")
    going.send_signal(signal.SIGINT)
    hello.end(going, 130)
    error = hello("run", "plan.yaml", *option, code=2).words
    assert "error [option-too-late]" in error
    assert why in error


def test_a_rehearsal_whose_folder_was_removed_begins_anew(hello: Scratch) -> None:
    going = hello.start("rehearse", "plan.yaml", "--ask", "--pace", "10ms")
    hello.wait_for_door("waiting")
    going.send_signal(signal.SIGINT)
    hello.end(going, 130)
    late = hello("rehearse", "plan.yaml", "--pace", "20ms", code=2).words
    assert "a planned hour takes 10 ms there" in late
    shutil.rmtree(hello.work / "rehearsal")
    page = hello.work / "page.html"
    done = hello("rehearse", "plan.yaml", "--pace", "10ms", "--html", str(page))
    assert "Going on" not in done.out
    assert "REHEARSED" in done.out.upper()
    assert hello.status()["run"] in page.read_text(encoding="utf-8")
    assert "rehearsal" not in hello.git("status", "--porcelain")
    hello("rehearse", "plan.yaml", "--pace", "10ms", "--into", ".", "--new")
    assert not (hello.work / ".gitignore").exists()


def test_one_task_is_cancelled_and_the_rest_goes_on(scratch: Scratch) -> None:
    text = plan(("slow", "sleep 600"), ("quick", "echo > out/quick.txt"))
    (scratch.work / "plan.yaml").write_text(text, encoding="utf-8")
    going = scratch.start("run", "plan.yaml")
    scratch.wait_for(lambda status: status["tasks"][0]["stage"] == "running")
    assert "Recorded: cancel slow" in scratch("cancel", "--task", "slow").out
    said = scratch.end(going, 1).out
    run = scratch.status()["run"]
    assert f"slow is parked. Look: coditect logs {run} slow\n" in said
    phases = {task["id"]: task["phase"] for task in scratch.status()["tasks"]}
    assert phases == {"slow": "parked", "quick": "integrated"}
    assert "nothing to stop" in scratch("cancel", "--task", "slow", code=2).err


def test_the_next_of_a_checkpoint_that_is_open_says_so(finished: Scratch) -> None:
    assert "is open already" in finished("approve", "wording", code=2).err
    error = finished("reject", "wording", "--json", code=2).json["findings"][0]
    assert error["code"] == "nothing-to-do"
    assert "has ended already: succeeded" in finished("cancel", code=2).err


# --- leaving and coming back ----------------------------------------------------------------------


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_left_goes_on_with_the_same_command(
    hello: Scratch, way: signal.Signals
) -> None:
    going = hello.start("run", "plan.yaml")
    run = hello.wait_for_door("waiting")["run"]
    going.send_signal(way)
    left = hello.end(going, 130)
    assert f"Left {run}; its agents go on.\nGo on with: coditect resume {run}\n" in left.out
    assert hello("runs", "--json").json["runs"][0]["state"] == "left"
    assert "Nobody carries it on" in hello("status").out
    hello("approve", "wording")
    done = hello("run", "plan.yaml")
    assert done.out.startswith(f"Going on with {run}, which is not finished")
    assert integrated(hello) == DONE


def test_a_killed_run_goes_on_and_starts_nothing_again(hello: Scratch) -> None:
    going = hello.start("run", "plan.yaml")
    run = hello.wait_for_door("waiting")["run"]
    going.kill()
    hello.end(going, -signal.SIGKILL)
    assert hello("approve", "wording", "--json").json["recorded_by"] == "this command"
    done = hello("resume", "--json")
    kinds = [event["kind"] for event in done.lines]
    assert kinds.count("attempt_started") == 1  # the task behind the checkpoint
    assert hello.status()["run"] == run
    assert integrated(hello) == DONE


def test_only_one_coordinator_carries_a_run_on(hello: Scratch) -> None:
    going = hello.start("run", "plan.yaml")
    run = hello.wait_for_door("waiting")["run"]
    for arguments in (["run", "plan.yaml"], ["resume"], ["land"]):
        refused = hello(*arguments, code=2)
        assert f"error [run-locked] Run {run} is being carried out by process" in refused.err
    error = hello("resume", "--json", code=2).json["findings"][0]
    assert error["code"] == "run-locked"
    assert going.poll() is None


def test_new_starts_afresh(hello: Scratch) -> None:
    going = hello.start("run", "plan.yaml")
    first = hello.wait_for_door("waiting")["run"]
    going.send_signal(signal.SIGINT)
    hello.end(going, 130)
    hello("run", "plan.yaml", "--new", "--yes")
    rows = {row["run"]: row["state"] for row in hello("runs", "--json").json["runs"]}
    assert rows.pop(first) == "left"
    assert list(rows.values()) == ["succeeded"]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_run_whose_reader_leaves_goes_on(hello: Scratch, more: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        hello("run", "plan.yaml", "--yes", *more, stdout=writing)
    finally:
        os.close(writing)
    assert integrated(hello) == DONE


# --- where the result goes ------------------------------------------------------------------------


def branch(scratch: Scratch) -> str:
    return scratch.git("rev-parse", "main").strip()


def head(scratch: Scratch) -> str:
    return str(scratch.status()["heads"]["hello"])


def test_a_branch_that_is_checked_out_is_left_alone_until_somebody_allows_it(
    hello: Scratch,
) -> None:
    before = branch(hello)
    done = hello("run", "plan.yaml", "--yes")
    assert "Not landed in hello: main is checked out" in done.out
    run = hello.status()["run"]
    assert f"coditect land {run} --update-checkout" in done.out
    assert branch(hello) == before
    refused = hello("land", "--json", code=1).json
    assert refused["run"] == run
    assert [row["kind"] for row in refused["branches"]] == ["landing_held"]
    assert "hello: main is not moved." in hello("land", code=1).out

    assert "hello: main has all of integration" in hello("land", "--update-checkout").out
    assert branch(hello) == head(hello)
    assert (hello.work / "pages" / "greeting.md").exists()
    again = hello("land", "--json").json["branches"]
    assert [row["kind"] for row in again] == ["landed"]
    assert hello.git("status", "--short", "--untracked-files=no") == ""


def test_a_branch_that_nobody_has_checked_out_moves_along(hello: Scratch) -> None:
    hello.git("checkout", "-q", "-b", "elsewhere")
    done = hello("run", "plan.yaml", "--yes")
    assert "Not landed" not in done.out
    assert branch(hello) == head(hello)
    assert not (hello.work / "pages").exists()


def test_a_clean_checkout_moves_along_if_that_is_asked_for(hello: Scratch) -> None:
    hello("run", "plan.yaml", "--yes", "--update-checkout")
    assert branch(hello) == head(hello)
    assert (hello.work / "pages" / "greeting.md").exists()


def test_a_checkout_with_changes_is_never_touched(hello: Scratch) -> None:
    readme = hello.work / "readme.md"
    readme.write_text("mine\n", encoding="utf-8")
    before = branch(hello)
    done = hello("run", "plan.yaml", "--yes", "--update-checkout")
    assert "changes that are not committed" in done.out
    assert "changes that are not committed" in hello("land", "--update-checkout", code=1).out
    assert readme.read_text(encoding="utf-8") == "mine\n"
    assert branch(hello) == before
    readme.write_text("Words.\n", encoding="utf-8")
    hello("land", "--update-checkout")
    assert branch(hello) == head(hello)


def test_landing_pushes_where_the_run_was_told_to(hello: Scratch) -> None:
    remote = hello.root / "remote.git"
    hello.git("init", "-q", "--bare", "-b", "main", str(remote))
    hello.git("remote", "add", "origin", str(remote))
    hello("run", "plan.yaml", "--yes", "--push", "origin")
    hello("land", "--update-checkout")
    assert hello.git("rev-parse", "main", cwd=remote).strip() == head(hello)


def test_a_branch_that_landed_and_was_not_pushed_is_told_as_that(hello: Scratch) -> None:
    hello("run", "plan.yaml", "--yes", "--push", "nowhere")
    refused = hello("land", "--update-checkout", code=1)
    where = f"hello: main is at {head(hello)[:12]}, with all of integration; not pushed: "
    assert refused.out.startswith(f"{where}The push to nowhere failed")
    assert "is not moved" not in refused.out
    assert "--update-checkout" not in refused.out
    [landing] = hello("report", "--json").json["landings"]
    assert landing["landed"] == landing["integration"] == hello.git("rev-parse", "main").strip()
    assert (landing["complete"], landing["pushed"]) == (True, False)
    remote = hello.root / "remote.git"
    hello.git("init", "-q", "--bare", "-b", "main", str(remote))
    hello.git("remote", "add", "nowhere", str(remote))
    assert "has all of integration" in hello("land").out
    [landing] = hello("report", "--json").json["landings"]
    assert (landing["held"], landing["pushed"]) == (None, True)


def test_repositories_are_found_where_they_are_said_to_be(hello: Scratch) -> None:
    elsewhere = hello.root / "elsewhere"
    plan_file = str(hello.work / "plan.yaml")
    hello("run", plan_file, "--yes", "-C", str(elsewhere), "--create", cwd=hello.root)
    assert hello.git(
        "rev-parse", "refs/coditect/" + hello.status()["run"] + "/integration", cwd=elsewhere
    )
    other = hello.repository(hello.root / "other")
    hello("run", plan_file, "--yes", "-r", f"hello={other}", cwd=hello.root)
    assert hello.git("for-each-ref", "refs/coditect", cwd=other)


@pytest.mark.parametrize("wrong", ["hello", "=x", "hello=", "nobody=."])
def test_a_repository_that_the_plan_does_not_have_is_refused(hello: Scratch, wrong: str) -> None:
    assert "error [" in hello("run", "plan.yaml", "-r", wrong, code=2).err


def test_a_folder_that_is_no_repository_is_refused_with_a_mend(hello: Scratch) -> None:
    nowhere = hello.root / "nowhere"
    nowhere.mkdir()
    refused = hello("run", str(hello.work / "plan.yaml"), cwd=nowhere, code=2)
    assert "error [git-not-a-repository]" in refused.err
    assert f"git -C {nowhere} init" in refused.err


# --- rehearsals -----------------------------------------------------------------------------------


def test_a_rehearsal_has_repositories_of_its_own_and_goes_on_after_a_kill(hello: Scratch) -> None:
    before = hello.git("for-each-ref")
    arguments = ("rehearse", "plan.yaml", "--pace", "500ms")
    going = hello.start(*arguments)
    seen = hello.wait_for(lambda status: status["tasks"][0]["phase"] == "integrated")
    going.kill()
    going.communicate()
    done = hello(*arguments)
    assert done.out.startswith(f"Going on with {seen['run']}, which is not finished")
    result = hello.work / "rehearsal" / seen["run"]
    assert (result / "pages" / "greeting.md").exists()
    assert hello.git("for-each-ref") == before
    data = hello("report", "--json").json
    assert (data["evidence"], data["outcome"]) == ("rehearsed", "succeeded")
    again = hello(*arguments, "--json")
    assert "Rehearsing plan.yaml" in again.err
    assert again.lines[-1]["kind"] == "run_finished"


def test_a_rehearsal_waits_for_a_person_if_asked_to(hello: Scratch) -> None:
    going = hello.start("rehearse", "plan.yaml", "--ask", "--pace", "10ms")
    hello.wait_for_door("waiting")
    hello("approve", "wording")
    hello.end(going, 0)


@pytest.mark.parametrize("pace", ["fast", "0ms", "0s", "5x", ""])
def test_a_pace_that_is_none_is_refused(hello: Scratch, pace: str) -> None:
    refused = hello("rehearse", "plan.yaml", "--pace", pace, code=2)
    assert "error [bad-option]" in refused.err
    assert ".." not in refused.err


def test_rehearsals_elsewhere_are_no_concern(hello: Scratch) -> None:
    hello("rehearse", "plan.yaml", "--pace", "10ms", "--into", str(hello.root / "one"))
    hello("rehearse", "plan.yaml", "--pace", "10ms", "--into", str(hello.root / "two"))
    assert len(hello("runs", "--json").json["runs"]) == 2
    assert Path(hello.root / "one").is_dir()
