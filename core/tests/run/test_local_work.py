"""Real runs with real git and real agents: what gets in, what does not, and what comes along."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from coditect.run import events as ev
from coditect.run.local import work
from coditect.run.local.context import Context
from coditect.run.state import Attempt, Stage
from support.outing import Outing, git

HEAD = """
schema: 1
name: outing
repositories: {app: {}, lib: {}}
agents: {ann: {adapter: command}, bob: {adapter: command}}
workstreams:
  one: {agents: ann, owns: "app:one/"}
  two: {agents: bob, owns: "lib:two/"}
tasks:
"""


def outing(tmp_path: Path, tasks: str, **settings: Any) -> Outing:
    return Outing.begin(tmp_path, HEAD + tasks, **settings)


def test_work_of_two_repositories_is_integrated_and_landed(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, deliverable: "app:one/a", run: "mkdir one; echo A > one/a"}
  b: {workstream: two, effort: 1h, needs: a, deliverable: "lib:two/b",
      run: "mkdir two; echo B > two/b"}
  c: {workstream: one, effort: 1h, needs: a, deliverable: "app:one/c",
      run: "cat one/a one/a > one/c"}
""",
    )
    assert trip.carry_on() == "succeeded"
    assert trip.files("app") == {"README": "hello", "one/a": "A", "one/c": "A\nA"}
    assert trip.files("lib") == {"README": "hello", "two/b": "B"}
    for name, place in trip.places.items():
        assert git(place, "rev-parse", "main") == trip.book.state.heads[name]
        assert git(place, "status", "--porcelain") == ""
        assert git(place, "fsck", "--no-dangling") == ""
    log = git(trip.places["app"], "log", "--first-parent", "--format=%B", "main")
    assert f"Coditect-Run: {trip.run}" in log
    assert "Coditect-Task: c" in log
    assert "Coditect-Attempt: 1" in log


def test_the_tree_on_the_ref_is_the_very_tree_that_was_verified(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, run: "mkdir one; echo A > one/a",
      verify: {kind: tool, run: "test -s one/a"}}
  b: {workstream: two, effort: 1h, run: "mkdir two; echo B > two/b",
      verify: {kind: tool, run: "test -s two/b"}}
""",
    )
    assert trip.carry_on() == "succeeded"
    verified = {event.commit: event for event in trip.events(ev.CandidateVerified)}
    for prepared in trip.events(ev.IntegrationPrepared):
        place = trip.places[prepared.repository]
        assert git(place, "rev-parse", f"{prepared.new}^{{tree}}") == prepared.tree
        assert verified[prepared.new].ok
        assert verified[prepared.new].heads == prepared.heads
        assert git(place, "rev-parse", f"{prepared.new}^1") == prepared.old


def test_a_task_that_changes_nothing_is_integrated_if_all_it_promised_is_there(
    tmp_path: Path,
) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, run: "true", verify: {kind: tool, run: "test -s README"}}
  b: {workstream: two, effort: 1h, run: "true", deliverable: "lib:two/b", retries: 0}
""",
    )
    assert trip.carry_on() == "failed"
    assert [event.task for event in trip.events(ev.Integrated)] == ["a"]
    [saved] = [event for event in trip.events(ev.WorkSaved) if event.task == "a"]
    assert (saved.changed, saved.ref) == (0, "")
    assert trip.files("app") == {"README": "hello"}
    assert trip.why("b") == "path lib:two/b is missing"


def test_nothing_that_a_task_does_not_own_gets_in_and_the_rest_of_its_work_neither(
    tmp_path: Path,
) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 1,
      run: "mkdir one; echo A > one/a; echo bad > README"}
""",
    )
    assert trip.carry_on() == "failed"
    assert trip.files("app") == {"README": "hello"}
    assert [failed.reason for failed in trip.failures("a")] == ["gate", "gate"]
    assert "README" in trip.why("a")
    saved = [event.ref for event in trip.events(ev.WorkSaved)]
    assert [trip.files("app", ref)["README"] for ref in saved] == ["bad", "bad"]


def test_a_file_name_that_is_no_text_is_refused_in_words_and_can_be_shown(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 0, run: "touch \\"$(printf 'bad\\\\377')\\""}
""",
    )
    assert trip.carry_on() == "failed"
    trip.why("a").encode("utf-8")
    assert "bad" in trip.why("a")


def test_a_conflict_is_told_with_paths_that_can_be_shown(tmp_path: Path) -> None:
    """Tasks that live together own no common path; a merge that conflicts all the same is told."""
    trip = outing(tmp_path, '  a: {workstream: one, effort: 1h, run: "true"}\n')
    place = trip.places["app"]
    base = git(place, "rev-parse", "HEAD")
    file = os.fsencode(place) + b"/one\xff"
    commits = []
    for content in (b"one", b"other"):
        with open(file, "wb") as opened:  # noqa: PTH123 - the name is no text
            opened.write(content)
        git(place, "add", "-A")
        git(place, "commit", "-q", "-m", "work")
        commits.append(git(place, "rev-parse", "HEAD"))
        git(place, "reset", "-q", "--hard", base)
    attempt = Attempt("a", 1, Stage.QUEUED, 0, "ann", base, {}, False, 0, 0, commit=commits[0])
    context = Context.open(trip.book, None)
    [built] = work.build(context, attempt, commits[1])
    assert isinstance(built, ev.CandidateBuilt)
    assert built.commit is None
    assert built.conflicts == ("one\\udcff",)


def test_what_only_deserves_a_warning_does_not_refuse_the_work(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 0,
      run: "mkdir one; git init -q one/nested; echo A > one/nested/a"}
""",
    )
    assert trip.carry_on() == "succeeded"
    assert trip.files("app")["one/nested/a"] == "A"
    [checked] = trip.events(ev.DiffChecked)
    assert [finding["code"] for finding in checked.findings] == ["nested-repository"]
    assert checked.findings[0]["severity"] == "warning"


def test_what_cannot_be_saved_refuses_the_work_and_is_kept_aside(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 0, run: "mkdir one; mkfifo one/pipe; echo A > one/a"}
""",
    )
    assert trip.carry_on() == "failed"
    assert "one/pipe" in trip.why("a")
    kept = trip.attempt("a") / "lane" / "tree" / "one"
    assert sorted(path.name for path in kept.iterdir()) == ["a", "pipe"]


# --- other repositories, secrets, tags, commands --------------------------------------------------


def test_a_task_reads_another_repository_as_it_is_at_its_base(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, run: "mkdir one; echo A > one/a"}
  b: {workstream: two, effort: 1h, needs: a, reads: app, deliverable: "lib:two/b",
      run: "mkdir two; cd $CODITECT_READ_APP; cat one/a > $CODITECT_LANE/two/b; echo bad > one/a"}
  c: {workstream: two, effort: 1h, needs: b, reads: app, deliverable: "lib:two/c",
      run: "cat $CODITECT_READ_APP/one/a > two/c"}
""",
    )
    assert trip.carry_on() == "succeeded"
    assert trip.files("lib") == {"README": "hello", "two/b": "A", "two/c": "A"}
    assert trip.files("app")["one/a"] == "A"


SECRETS = """
  make: {workstream: one, effort: 1h, deliverable: {secret: key}, retries: 1,
         run: "umask 0; (printf open; printf -- -sesame) > $CODITECT_SECRETS/key"}
  use: {workstream: two, effort: 1h, needs: make, secrets: key, deliverable: "lib:two/length",
        run: "mkdir two; wc -c < $CODITECT_SECRETS/key > two/length"}
"""


def test_a_secret_is_handed_over_outside_git_and_journal_for_its_owner_alone(
    tmp_path: Path,
) -> None:
    trip = outing(tmp_path, SECRETS)
    assert trip.carry_on() == "succeeded"
    assert trip.files("lib")["two/length"] == "11"
    keep = trip.top / "secrets"
    assert stat.S_IMODE(keep.stat().st_mode) == 0o700
    assert stat.S_IMODE((keep / "key").stat().st_mode) == 0o600
    given = trip.attempt("use") / "secrets"
    assert stat.S_IMODE(given.stat().st_mode) == 0o700
    assert stat.S_IMODE((given / "key").stat().st_mode) == 0o600
    for attempt in ("make", "use"):
        assert stat.S_IMODE(trip.attempt(attempt).stat().st_mode) == 0o700
    for path in trip.folder.rglob("*"):
        if path.is_file() and path.parent.name != "secrets":
            assert b"open-sesame" not in path.read_bytes(), path
    for place in trip.places.values():
        objects = git(place, "cat-file", "--batch-all-objects", "--batch", "--unordered")
        assert "open-sesame" not in objects


def test_a_secret_is_handed_over_only_with_integrated_work(tmp_path: Path) -> None:
    tasks = SECRETS.replace("retries: 1,", "retries: 0, verify: {kind: tool, run: exit 1},")
    trip = outing(tmp_path, tasks)
    assert trip.carry_on() == "failed"
    assert not (trip.top / "secrets").exists()
    assert trip.book.state.tasks["use"].attempts == 0


@pytest.mark.parametrize(
    "deed", ["true", ": > $CODITECT_SECRETS/key", "ln -s /etc/hostname $CODITECT_SECRETS/key"]
)
def test_a_secret_that_is_missing_empty_or_a_link_is_none(tmp_path: Path, deed: str) -> None:
    tasks = SECRETS.replace(
        "umask 0; (printf open; printf -- -sesame) > $CODITECT_SECRETS/key", deed
    )
    trip = outing(tmp_path, tasks.replace("retries: 1", "retries: 0"))
    assert trip.carry_on() == "failed"
    assert trip.why("make") == "secret key is missing"


def test_a_secret_that_somebody_took_away_is_told_before_its_agent_starts(tmp_path: Path) -> None:
    trip = outing(tmp_path, SECRETS.replace("needs: make,", "needs: make, retries: 0,"))

    def steal(entry: ev.Entry, state: object) -> None:
        if isinstance(entry.event, ev.Integrated):
            (trip.top / "secrets" / "key").unlink()

    assert trip.carry_on(steal) == "failed"
    assert "is to be given the secret key" in trip.why("use")
    assert not (trip.attempt("use") / "spec.json").exists()


def test_a_tag_names_the_merge_that_delivered_it(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, deliverable: {tag: "app:v1"}, run: "mkdir one; echo A > one/a"}
""",
    )
    assert trip.carry_on() == "succeeded"
    [integrated] = trip.events(ev.Integrated)
    assert git(trip.places["app"], "rev-parse", "v1^{commit}") == integrated.commit


def test_a_tag_that_appeared_meanwhile_refuses_the_work_before_it_is_integrated(
    tmp_path: Path,
) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, retries: 0, deliverable: {tag: "app:v1"},
      run: "mkdir one; echo A > one/a"}
""",
    )
    git(trip.places["app"], "tag", "v1")
    assert trip.carry_on() == "failed"
    assert "there already" in trip.why("a")
    assert trip.files("app") == {"README": "hello"}


def test_a_command_that_is_delivered_decides_like_any_other(tmp_path: Path) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, deliverable: {command: "test -x one/tool"},
      run: "mkdir one; touch one/tool; chmod +x one/tool"}
  b: {workstream: two, effort: 1h, retries: 0, deliverable: {command: "test -x two/tool"},
      run: "mkdir two; touch two/tool"}
""",
    )
    assert trip.carry_on() == "failed"
    assert [event.task for event in trip.events(ev.Integrated)] == ["a"]
    assert "`test -x two/tool` ended with exit status 1" in trip.why("b")
    [verified] = [event for event in trip.events(ev.CandidateVerified) if event.task == "a"]
    assert [result["kind"] for result in verified.results] == ["presence"]


# --- slots, agents, fallbacks, retries ------------------------------------------------------------

SLOTS = """
schema: 1
name: slots
repositories: {app: {}}
agents: {ann: {adapter: command}, bob: {adapter: command}, eve: {adapter: command}}
workstreams: {many: {agents: [ann, bob], slots: 2, owns: "app:many/"}}
tasks:
"""


def test_two_slots_have_two_agents_at_work_in_lanes_of_their_own(tmp_path: Path) -> None:
    meet = "mkdir -p many/{0} && touch ../../../../{0}.here && until [ -e ../../../../{1}.here ];"
    meet += " do sleep 0.02; done; echo {0} > many/{0}/file"
    tasks = "".join(
        f'  {one}: {{workstream: many, effort: 1h, owns: "app:many/{one}/",'
        f' run: "{meet.format(one, other)}"}}\n'
        for one, other in (("a", "b"), ("b", "a"))
    )
    trip = Outing.begin(tmp_path, SLOTS + tasks)
    assert trip.carry_on() == "succeeded"
    started = trip.events(ev.AttemptStarted)
    assert {event.slot for event in started} == {0, 1}
    assert {event.agent for event in started} == {"ann", "bob"}
    assert sorted(trip.files("app")) == ["README", "many/a/file", "many/b/file"]


def test_a_task_is_tried_again_from_a_clean_lane_and_then_goes_to_its_fallback(
    tmp_path: Path,
) -> None:
    trip = Outing.begin(
        tmp_path,
        SLOTS
        + """
  a: {workstream: many, effort: 1h, retries: 1, deliverable: "app:many/a",
      run: "mkdir many && touch many/half && exit 3",
      fallback: {agent: eve, run: "mkdir many && echo $CODITECT_AGENT > many/a"}}
""",
    )
    assert trip.carry_on() == "succeeded"
    assert trip.files("app") == {"README": "hello", "many/a": "eve"}
    assert [failed.message for failed in trip.failures("a")] == [
        "the agent ended with exit status 3"
    ] * 2
    assert [event.agent == "eve" for event in trip.events(ev.AttemptStarted)] == [
        False,
        False,
        True,
    ]
    refs = git(trip.places["app"], "for-each-ref", "--format=%(refname:lstrip=4)", "refs/coditect")
    assert "a/1" in refs
    assert "a/2" in refs


def test_retries_wait_longer_each_time(tmp_path: Path) -> None:
    trip = Outing.begin(
        tmp_path,
        SLOTS + '  a: {workstream: many, effort: 1h, retries: 3, run: "exit 1"}\n',
        backoff=20,
        backoff_limit=50,
    )
    assert trip.carry_on() == "failed"
    book = trip.book
    pauses = [
        entry.event.retry_at - entry.at
        for entry in book.entries
        if isinstance(entry.event, ev.AttemptFailed) and entry.event.retry_at
    ]
    # The moment of the failure's record is that of the decision or a little later.
    for pause, most in zip(pauses, (20, 40, 50), strict=True):
        assert most - 20 < pause <= most


@pytest.mark.parametrize(
    ("run", "timeout", "words"),
    [
        ("kill -9 $$", "60s", "exit status None"),
        ("sleep 30", "1s", "timeout"),
        ("no-such-program", "60s", "exit status 127"),
    ],
)
def test_how_an_agent_ended_is_told(tmp_path: Path, run: str, timeout: str, words: str) -> None:
    trip = Outing.begin(
        tmp_path,
        SLOTS
        + f'  a: {{workstream: many, effort: 1h, retries: 0, timeout: {timeout}, run: "{run}"}}\n',
    )
    assert trip.carry_on() == "failed"
    assert words in trip.why("a")


def test_a_rehearsal_needs_no_commands_and_looks_only_for_what_was_promised(
    tmp_path: Path,
) -> None:
    trip = outing(
        tmp_path,
        """
  a: {workstream: one, effort: 1h, run: "exit 1", deliverable: "app:one/a",
      verify: [{kind: tool, run: "exit 1"}, {kind: presence, run: "test -s one/a"}]}
  b: {workstream: two, effort: 1h, run: "exit 1", needs: a,
      deliverable: [{secret: key}, {command: "exit 1"}]}
checkpoints:
  gate: {participants: [one, two], after: b, duration: 1h, deliverable: {tag: "app:v1"},
         verify: {kind: e2e, run: "exit 1", repository: lib}}
""",
        rehearse=True,
        pace=10,
    )
    assert trip.carry_on() == "succeeded"
    skipped = {
        (event.task, result["run"])
        for event in trip.events(ev.CandidateVerified)
        for result in event.results
        if result.get("skipped")
    }
    assert skipped == {("a", "exit 1"), ("b", "exit 1")}
    assert git(trip.places["app"], "tag") == "v1"
