"""Commands decide: on the very tree, judged by the base, whatever they do to their checkout."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from coditect.agents.supervisor import files as supervised
from coditect.run import events as ev
from support.outing import Outing, git
from support.workshop import until

HEAD = """
schema: 1
name: judged
repositories: {app: {}, lib: {}}
agents: {ann: {adapter: command}, bob: {adapter: command}}
workstreams:
  one: {agents: ann, owns: "app:one/"}
  two: {agents: bob, owns: "lib:two/"}
tasks:
"""


def outing(tmp_path: Path, tasks: str, **options: Any) -> Outing:
    return Outing.begin(tmp_path, HEAD + tasks, **options)


def results(trip: Outing, task: str) -> list[dict[str, Any]]:
    return [
        dict(result)
        for event in trip.events(ev.CandidateVerified)
        if event.task == task
        for result in event.results
    ]


def processes(trip: Outing) -> list[psutil.Process]:
    """All that lives of a run: supervisors, agents, verifications."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(trip.folder) in word for word in words):
            found.append(process)
    return found


@pytest.fixture(autouse=True)
def nobody_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    for run in (tmp_path / "home/runs").glob("*"):
        until(lambda run=run: not processes(Outing(tmp_path, None, {}, run.name)))  # type: ignore[arg-type, misc]


# --- the judge ------------------------------------------------------------------------------------


def test_a_command_is_told_with_its_kind_and_what_it_said_stays_in_its_folder(
    tmp_path: Path,
) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 0, run: "mkdir one; echo A > one/a",
      verify: [{kind: tool, run: "grep A one/a"}, {kind: e2e, run: "echo TALKATIVE; exit 7"},
               {kind: tool, run: "touch never"}]}
""",
    )
    assert trip.carry_on() == "failed"
    first, second = results(trip, "a")
    assert (first["kind"], first["ok"]) == ("tool", True)
    assert (second["kind"], second["ok"]) == ("e2e", False)
    assert "ended with exit status 7" in second["message"]
    assert first["seconds"] > 0
    folder = Path(second["message"].rpartition(" ")[2])
    assert (folder / "output.log").read_text() == "TALKATIVE\n"
    assert "TALKATIVE\\n" not in str([entry.event for entry in trip.book.entries])


def test_the_files_that_decide_come_from_the_base(tmp_path: Path) -> None:
    """The lane may change its own judge; that change is integrated, and does not judge itself."""
    trip = outing(
        tmp_path,
        """
  honest: {workstream: one, effort: 1h, deliverable: "app:one/good", run: "echo yes > one/good",
      verify: {kind: tool, run: "sh one/judge", judges: "app:one/judge"}}
  sly: {workstream: one, effort: 1h, needs: honest, retries: 0,
      run: "echo no > one/good; echo 'exit 0' > one/judge",
      verify: {kind: tool, run: "sh one/judge", judges: "app:one/judge"}}
""",
        files={"app": {"one/judge": "grep -q yes one/good\n"}},
    )
    assert trip.carry_on() == "failed"
    assert [event.task for event in trip.events(ev.Integrated)] == ["honest"]
    assert "`sh one/judge` ended with exit status 1" in trip.why("sly")


@pytest.mark.parametrize(
    "deed",
    [
        "rm one/tests/judge",
        "rm -r one/tests",
        "rm -r one/tests; mkdir one/other; echo 'exit 0' > one/other/judge; ln -s other one/tests",
        "rm -r one/tests; echo 'exit 0' > one/tests",
        "mv one/tests one/elsewhere; mkdir one/tests; echo 'exit 0' > one/tests/judge",
        "echo 'exit 0' > one/tests/conftest",
        "echo 'exit 0' > one/fine; rm one/tests/judge; ln -s ../fine one/tests/judge",
    ],
)
def test_no_trick_with_the_judges_folder_makes_the_lane_its_own_judge(
    tmp_path: Path, deed: str
) -> None:
    trip = outing(
        tmp_path,
        f"""
  sly: {{workstream: one, effort: 1h, retries: 0, run: "{deed}",
      verify: {{kind: tool, run: "[ ! -e one/tests/conftest ] || exit 0; sh one/tests/judge",
               judges: "app:one/tests/"}}}}
""",
        files={"app": {"one/tests/judge": "exit 1\n"}},
    )
    assert trip.carry_on() == "failed"
    assert not trip.events(ev.Integrated)
    assert trip.failures("sly")[0].reason == "verification"


def test_a_judge_in_another_repository_is_that_of_its_head(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  contract: {workstream: two, effort: 1h, run: "mkdir two; echo 'exit 1' > two/judge"}
  a: {workstream: one, effort: 1h, needs: contract, retries: 0, run: "mkdir one; echo A > one/a",
      verify: {kind: contract, run: "sh two/judge", repository: lib, judges: "lib:two/judge"}}
""",
    )
    assert trip.carry_on() == "failed"
    assert "`sh two/judge` ended with exit status 1" in trip.why("a")
    prepared = {event.task for event in trip.events(ev.IntegrationPrepared)}
    assert prepared == {"contract"}


def test_an_agents_claim_is_no_evidence(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 0, run: "echo all tests pass; exit 0",
      verify: {kind: tool, run: "test -e one/a"}}
""",
    )
    assert trip.carry_on() == "failed"
    assert not trip.events(ev.Integrated)


def test_commands_are_not_run_where_something_that_was_promised_is_missing(
    tmp_path: Path,
) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 0, run: "true", deliverable: "app:one/a",
      verify: {kind: e2e, run: "sleep 60"}}
""",
    )
    began = time.monotonic()
    assert trip.carry_on() == "failed"
    assert time.monotonic() - began < 30
    assert [result["run"] for result in results(trip, "a")] == ["path app:one/a"]


# --- commands that misbehave ----------------------------------------------------------------------


def test_what_a_command_does_to_its_checkout_is_gone_for_the_next_and_never_integrated(
    tmp_path: Path,
) -> None:
    spoil = "echo spoilt > one/a; rm README; mkdir junk; touch junk/x; git init -q . || true"
    trip = outing(
        tmp_path,
        f"""
  a: {{workstream: one, effort: 1h, run: "mkdir one; echo A > one/a",
      verify: [{{kind: tool, run: "{spoil}"}},
               {{kind: tool, run: "grep A one/a && test -e README && test ! -e junk"}}]}}
""",
    )
    assert trip.carry_on() == "succeeded"
    assert trip.files("app") == {"README": "hello", "one/a": "A"}
    [prepared] = trip.events(ev.IntegrationPrepared)
    assert git(trip.places["app"], "rev-parse", f"{prepared.new}^{{tree}}") == prepared.tree


def test_a_command_that_hangs_is_ended_and_told(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 0, run: "mkdir one; echo A > one/a",
      verify: {kind: tool, run: "trap '' TERM; sleep 300 & sleep 300", timeout: 1s}}
""",
    )
    assert trip.carry_on() == "failed"
    assert "took longer than 1 s" in trip.why("a")


def test_a_command_that_is_killed_is_told(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 0, run: "mkdir one; echo A > one/a",
      verify: {kind: tool, run: "kill -9 $$"}}
""",
    )
    assert trip.carry_on() == "failed"
    assert "was ended by signal 9" in trip.why("a")


def test_a_command_that_forks_away_leaves_nobody(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, run: "mkdir one; echo A > one/a",
      verify: {kind: tool, run: "setsid sh -c 'sleep 300 & exec sleep 300' > /dev/null 2>&1 &"}}
""",
    )
    assert trip.carry_on() == "succeeded"
    until(lambda: not processes(trip))


def test_a_command_that_floods_its_output_is_cut(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, run: "mkdir one; echo A > one/a",
      verify: {kind: tool, run: "head -c 30000000 /dev/zero"}}
""",
    )
    assert trip.carry_on() == "succeeded"
    [log] = trip.top.glob("attempts/a/1/verify/*/1/output.log")
    assert log.stat().st_size <= 9 << 20


def test_a_command_gets_little_of_the_users_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "secret")
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, run: "mkdir one; echo A > one/a",
      verify: {kind: tool, run: "test -z \\"$MY_TOKEN\\" && test \\"$CODITECT_VERIFIES\\" = a"}}
""",
    )
    assert trip.carry_on() == "succeeded"


# --- a supervisor that is killed, a run that is left or cancelled ---------------------------------

SLOW = """
  a: {workstream: one, effort: 1h, retries: 0, run: "mkdir one; echo A > one/a",
      verify: {kind: tool, run: "touch $HOME/began; until [ -e $HOME/go ]; do sleep 0.02; done"}}
"""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outing:
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    return outing(tmp_path, SLOW)


def began(trip: Outing) -> bool:
    return (trip.folder / "user/began").exists()


def verifier(trip: Outing) -> int:
    """The number of the verification's supervisor."""
    [owner] = trip.top.glob("attempts/a/1/verify/*/1/owner")
    said = supervised.read_json(str(owner))
    assert said
    return int(said["pid"])


def aside(deed: Any) -> threading.Thread:
    thread = threading.Thread(target=deed)
    thread.start()
    return thread


def test_a_verification_whose_supervisor_is_killed_is_made_again_and_costs_nothing(
    slow: Outing,
) -> None:
    def meddle() -> None:
        until(lambda: began(slow))
        (slow.folder / "user/began").unlink()
        os.kill(verifier(slow), signal.SIGKILL)
        until(lambda: began(slow))
        (slow.folder / "user/go").touch()

    thread = aside(meddle)
    assert slow.carry_on() == "succeeded"
    thread.join()
    assert not slow.events(ev.AttemptFailed)
    assert [event.ok for event in slow.events(ev.CandidateVerified)] == [True]


def test_a_verification_whose_supervisors_are_all_killed_is_the_engines_trouble(
    slow: Outing,
) -> None:
    def meddle() -> None:
        for _ in range(3):
            until(lambda: began(slow))
            (slow.folder / "user/began").unlink()
            os.kill(verifier(slow), signal.SIGKILL)

    thread = aside(meddle)
    assert slow.carry_on() == "failed"
    thread.join()
    [failed] = slow.failures("a")
    assert failed.reason == "engine"
    assert "was killed 3 times" in failed.message


def test_a_cancelled_verification_ends_promptly_with_all_its_processes(slow: Outing) -> None:
    from coditect.run.home import ask  # noqa: PLC0415

    moments: list[float] = []

    def meddle() -> None:
        until(lambda: began(slow))
        moments.append(time.monotonic())
        ask(slow.home.folder(slow.run), "cancel", by="ann", task="a")

    thread = aside(meddle)
    assert slow.carry_on() == "failed"
    thread.join()
    assert time.monotonic() - moments[0] < 5
    assert not slow.events(ev.CandidateVerified)
    assert slow.failures("a")[0].reason == "cancelled"


def test_a_verification_that_was_left_is_made_again_by_the_next_coordinator(slow: Outing) -> None:
    def leave() -> None:
        until(lambda: began(slow))
        os.kill(os.getpid(), signal.SIGINT)

    thread = aside(leave)
    assert slow.carry_on() is None
    thread.join()
    until(lambda: not processes(slow))
    assert not slow.events(ev.CandidateVerified)
    (slow.folder / "user/go").touch()
    assert slow.carry_on() == "succeeded"
    assert len(slow.events(ev.AttemptStarted)) == 1
