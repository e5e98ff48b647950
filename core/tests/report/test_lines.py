from __future__ import annotations

import io
import typing

import pytest
from rich.console import Console

from coditect.report.event_words import command, describe
from coditect.report.lines import Lines
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.kernel import replay
from coditect.run.program import Settings
from support.journey import Journey
from support.small import small_journey, small_plan

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\r\nnext"

EVENTS: tuple[ev.Event, ...] = (
    ev.AttemptStarted("a", 2, 0, "ann", "base", {}, {"text": "bob"}, rescue=True),
    ev.AttemptAttached("a", 1, 42),
    ev.AttemptAttached("a", 1, 42, again=True),
    ev.AttemptExited("a", 1, "exit", 0),
    ev.AttemptExited("a", 1, "exit", 3),
    ev.AttemptExited("a", 1, "timeout"),
    ev.WorkSaved("a", 1, "c", "t", "r", 1),
    ev.DiffChecked("a", 1, True),
    ev.DiffChecked("a", 1, False, ({"message": "m1"}, {"message": "m2"}, {"message": "m3"})),
    ev.CandidateBuilt("a", 1, "o", "commit", "tree"),
    ev.CandidateBuilt("a", 1, "o", None, None, ("x", "y")),
    ev.CandidateVerified("a", 1, "c", True, ({"kind": "tool", "ok": True},)),
    ev.CandidateVerified("a", 1, "c", False, ({"kind": "tool", "ok": False, "run": "make"},)),
    ev.IntegrationPrepared("a", 1, "app", "new", "old", "t", {}),
    ev.Integrated("a", 1, "app", "commit"),
    ev.AttemptFailed("a", 1, "exit", "the agent ended", retry_at=5),
    ev.AttemptLost("a", 1, "orphaned"),
    ev.EffectFailed("a", 1, "save", "no space left"),
    ev.TaskParked("a", "exit"),
    ev.TaskSkipped("b", "a is parked"),
    ev.CheckpointHeld("gate", {"code": "ann", "text": "bob"}),
    ev.CheckpointVerified("gate", True, ({"kind": "presence", "ok": True, "skipped": True},)),
    ev.CheckpointVerified("gate", False, ({"ok": False, "message": "it is missing"},)),
    ev.CheckpointOpened("gate"),
    ev.ApprovalRecorded("gate", True, "Ada", "well done"),
    ev.ApprovalRecorded("gate", False, "Ada"),
    ev.ApprovalRecorded("gate", True, "--yes"),
    ev.RunStarted("p", "", {}, {}, (), {}),
    ev.Landed("app", "main", "commit"),
    ev.LandingHeld("app", "main", "commit", "It moved.", "Merge it."),
    ev.TimerFired("retry:a"),
    ev.RetryRequested("a", "Ada"),
    ev.RiskTriggered("slow", "b is late"),
    ev.CancelRequested("Ada"),
    ev.RunFinished("succeeded"),
)


def printed(
    journey: Journey, *, run: str = "", everything: bool = False, console: Console | None = None
) -> str:
    out = io.StringIO()
    lines = Lines(
        console or Console(file=out, width=80), journey.plan, run=run, everything=everything
    )
    state = replay(journey.program, ())
    for entry in journey.journal:
        state = replay(journey.program, (entry,), state)
        lines(entry, state)
    return out.getvalue()


def test_every_kind_of_event_has_words_of_its_own() -> None:
    assert {type(event) for event in EVENTS} == set(typing.get_args(ev.Event))
    plan = small_plan()
    said = [describe(event, plan) for event in EVENTS]
    assert len({(each.subject, each.text) for each in said}) == len(EVENTS)
    assert all(each.text and "_" not in each.text for each in said)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (EVENTS[0], "ann tries the fallback (attempt 2), attended by bob"),
        (EVENTS[4], "its agent ended with status 3"),
        (EVENTS[8], "the gate refused it: m1; m2 and 1 more"),
        (EVENTS[12], "was not accepted: make"),
        (EVENTS[18], "parked: exit. Again: coditect retry a"),
        (EVENTS[21], "verified: 1 presence NOT RUN"),
        (EVENTS[22], "cannot open: it is missing. Again: coditect retry gate"),
        (EVENTS[26], "passed by --yes; nobody looked"),
        (EVENTS[32], "this risk struck: b is late. Planned answer: Ask Ann"),
    ],
)
def test_an_event_says_what_happened_and_what_to_do(event: ev.Event, text: str) -> None:
    assert describe(event, small_plan()).text == text


def test_an_event_takes_one_line_however_long_or_hostile_it_is() -> None:
    events = (
        ev.AttemptFailed("a", 1, "gate", HOSTILE * 50),
        ev.RetryRequested(HOSTILE, HOSTILE),
        ev.LandingHeld(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        ev.ApprovalRecorded("gate", True, HOSTILE, HOSTILE),
    )
    for event in events:
        said = describe(event, small_plan())
        assert (said.subject + said.text).isprintable()
        assert len(said.text) <= 300


def test_a_quiet_run_prints_what_a_person_wants_to_know() -> None:
    journey = small_journey(settings=Settings(pace=1000, approve_all=True))
    journey.run()
    lines = printed(journey).splitlines()
    assert lines[0].endswith("the run starts: 5 tasks, 1 checkpoint")
    assert lines[-1].endswith("the run succeeded")
    assert [line for line in lines if "integrated as" in line and line.endswith("[5/5]")]
    assert "    0:02  a     integrated as" in "\n".join(lines)
    assert not [line for line in lines if "passed the gate" in line or "approve gate" in line]


def test_everything_is_a_line_an_event() -> None:
    journey = small_journey(settings=Settings(pace=1000, approve_all=True))
    journey.run()
    assert len(printed(journey, everything=True).splitlines()) == len(journey.journal)


def test_a_checkpoint_that_waits_for_a_person_says_what_to_type() -> None:
    journey = small_journey()
    journey.run()
    assert "verified; waits for approval: coditect approve gate" in printed(journey)
    assert "waits for approval: coditect approve small-x gate" in printed(journey, run="small-x")


def test_a_checkpoint_that_was_approved_before_does_not_ask() -> None:
    journey = small_journey()
    journey.at(100, ev.ApprovalRecorded("gate", True, "Ada", request="r"))
    journey.run()
    assert "coditect approve" not in printed(journey)


def test_no_color_and_no_terminal_leave_colours_out(monkeypatch: pytest.MonkeyPatch) -> None:
    journey = small_journey(settings=Settings(pace=1000, approve_all=True))
    journey.run(until=2500)

    def on_a_terminal() -> str:
        out = io.StringIO()
        console = Console(file=out, width=80, force_terminal=True, color_system="standard")
        printed(journey, console=console)
        return out.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m" in on_a_terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in on_a_terminal()
    assert "\x1b" not in printed(journey)


def test_an_agents_own_words_never_reach_the_terminal_as_commands() -> None:
    def fail(effect: act.Effect, journey: Journey) -> tuple[ev.Event, ...] | None:
        if isinstance(effect, act.Save):
            return (ev.EffectFailed(effect.attempt.task, effect.attempt.number, "save", HOSTILE),)
        return None

    journey = small_journey(twist=fail)
    journey.run()
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    printed(journey, console=console, everything=True)
    assert "evil" in out.getvalue()
    assert all(character.isprintable() or character == "\n" for character in out.getvalue())


def test_a_command_is_quoted_for_the_shell() -> None:
    assert command("retry", "a b") == "coditect retry 'a b'"
    assert command("retry", "a") == "coditect retry a"
    assert command("retry", "a", "run-1") == "coditect retry run-1 a"
