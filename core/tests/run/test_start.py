"""Beginning a run: all is looked at before anything is written; and reading a run back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coditect.findings import CoditectError
from coditect.plan import load_plan
from coditect.run import events as ev
from coditect.run import start as starts
from coditect.run.book import Book
from coditect.run.home import Home
from coditect.run.journal import Writer
from coditect.run.program import Settings
from coditect.run.start import Workspace, begin, unfinished
from support.outing import git, repository

PLAN = """
schema: 1
name: hello
repositories: {app: {}, lib: {}}
agents: {ann: {adapter: command, run: "true"}}
workstreams:
  one: {agents: ann, owns: "app:one/"}
  two: {agents: ann, owns: "lib:two/"}
tasks:
  a: {workstream: one, effort: 2h, deliverable: ["app:one/a", {tag: "app:v1"}]}
  b: {workstream: two, effort: 1h, needs: a, deliverable: "lib:two/b"}
checkpoints:
  gate: {participants: [one, two], after: b, deliverable: {tag: "lib:v2"}}
"""


class Place:
    """A folder with the plan's repositories and a home."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.home = Home(top / "home")
        self.before: dict[str, bytes] = {}

    def repositories(self) -> None:
        repository(self.top / "work/app")
        repository(self.top / "work/lib")

    def begin(
        self,
        text: str = PLAN,
        *,
        create: bool = False,
        run: str | None = None,
        overrides: dict[str, Path] | None = None,
        **settings: Any,
    ) -> str:
        plan = load_plan(self.top / "plan.yaml", text=text)
        place = Workspace(self.top / "work", overrides or {}, create)
        chosen = Settings(**settings)
        return begin(self.home, plan, self.top / "plan.yaml", text, chosen, place, run)

    def look(self) -> dict[str, bytes]:
        """Everything on disk but git objects, which a discovery may have added."""
        return {
            str(path.relative_to(self.top)): path.read_bytes() if path.is_file() else b""
            for path in sorted(self.top.rglob("*"))
            if "/objects/" not in str(path) and not str(path).endswith(("index", "refs/coditect"))
        }

    def refused(self, attempt: Callable[[], object]) -> list[str]:
        """Try what must be refused, see that nothing was written, and give the findings' codes."""
        before = self.look()
        with pytest.raises(CoditectError) as caught:
            attempt()
        after = self.look()
        after.pop("home", None)
        after.pop("home/runs", None)
        before.pop("home", None)
        before.pop("home/runs", None)
        journal = {name: content for name, content in after.items() if "journal.db" in name}
        if not any("journal.db" in name for name in before):
            assert not self.home.journal.runs()
            after = {name: content for name, content in after.items() if name not in journal}
        assert after == before
        for finding in caught.value.findings:
            assert finding.message
            assert finding.hint
        return [finding.code for finding in caught.value.findings]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_run_begins_with_all_that_it_needs_to_go_on(place: Place) -> None:
    place.repositories()
    run = place.begin(landing="end", backoff=7)
    book = Book.open(place.home, run)
    assert book.plan.digest == load_plan(place.top / "plan.yaml", text=PLAN).digest
    assert book.settings == Settings(landing="end", backoff=7)
    assert book.started.bases == {
        name: git(place.top / "work" / name, "rev-parse", "main") for name in ("app", "lib")
    }
    assert book.started.repositories["app"] == str(place.top / "work/app")
    assert set(book.started.order) == {"a", "b", "gate"}
    assert book.started.planned["a"][1] - book.started.planned["a"][0] == 2 * 3600
    assert book.state.heads == book.started.bases
    assert book.state.ready == {"a"}


def test_a_repository_gets_two_refs_and_nothing_else(place: Place) -> None:
    place.repositories()
    app = place.top / "work/app"
    head = git(app, "rev-parse", "HEAD")
    before = {str(path) for path in app.rglob("*")}
    run = place.begin()
    refs = git(app, "for-each-ref", "--format=%(refname) %(objectname)", "refs/coditect")
    assert refs.splitlines() == [
        f"refs/coditect/{run}/base {head}",
        f"refs/coditect/{run}/integration {head}",
    ]
    added = {str(path) for path in app.rglob("*")} - before
    assert all("/refs/coditect" in path for path in added)
    assert git(app, "status", "--porcelain") == ""


def test_repositories_are_made_when_that_is_wanted(place: Place) -> None:
    repository(place.top / "work/app")
    run = place.begin(create=True)
    assert git(place.top / "work/lib", "log", "--format=%s", "main") == "Start"
    assert set(Book.open(place.home, run).started.bases) == {"app", "lib"}


def test_a_repository_may_be_elsewhere(place: Place) -> None:
    place.repositories()
    (place.top / "work/lib").rename(place.top / "elsewhere")
    run = place.begin(overrides={"lib": place.top / "elsewhere"})
    assert Book.open(place.home, run).started.repositories["lib"] == str(place.top / "elsewhere")


# --- refusals: nothing is written -----------------------------------------------------------------


def test_a_bad_plan_is_refused(place: Place) -> None:
    place.repositories()
    text = PLAN.replace("needs: a", "needs: nobody")
    assert "unknown-task" in place.refused(lambda: place.begin(text))


def test_an_unknown_adapter_is_refused_where_the_plan_says_it(place: Place) -> None:
    place.repositories()
    text = PLAN.replace("adapter: command", "adapter: telepathy")
    before = place.look()
    with pytest.raises(CoditectError) as caught:
        place.begin(text)
    [finding] = caught.value.findings
    assert finding.code == "unknown-adapter"
    assert "ann" in finding.message
    assert "command" in finding.hint
    assert finding.place
    assert finding.place.line == 5
    assert place.look() == before


def test_a_rehearsal_needs_no_adapter(place: Place) -> None:
    place.repositories()
    text = PLAN.replace("adapter: command", "adapter: telepathy")
    assert place.begin(text, rehearse=True, pace=10)


def test_a_missing_repository_is_refused(place: Place) -> None:
    assert place.refused(place.begin) == ["git-no-folder", "git-no-folder"]


def test_no_repository_is_made_while_another_is_wrong(place: Place) -> None:
    (place.top / "work/lib").mkdir(parents=True)
    assert place.refused(lambda: place.begin(create=True)) == ["git-not-a-repository"]


def test_a_repository_without_the_branch_or_without_commits_is_refused(place: Place) -> None:
    place.repositories()
    git(place.top / "work/lib", "branch", "-m", "main", "trunk")
    assert place.refused(place.begin) == ["git-no-branch"]
    (place.top / "work/app").rename(place.top / "aside")
    (place.top / "work/app").mkdir()
    git(place.top / "work/app", "init", "-q", "-b", "main")
    assert place.refused(place.begin) == ["git-unborn-branch"]


def test_one_repository_under_two_names_is_refused(place: Place) -> None:
    place.repositories()
    app = place.top / "work/app"
    assert place.refused(lambda: place.begin(overrides={"lib": app})) == ["same-repository"]
    (place.top / "link").symlink_to(app)
    there = {"lib": place.top / "link"}
    assert place.refused(lambda: place.begin(overrides=there)) == ["same-repository"]
    git(app, "worktree", "add", "-q", "--detach", str(place.top / "tree"))
    there = {"lib": place.top / "tree"}
    assert place.refused(lambda: place.begin(overrides=there)) == ["same-repository"]


def test_one_missing_repository_under_two_names_is_not_made(place: Place) -> None:
    there = {"app": place.top / "new", "lib": place.top / "new"}
    assert place.refused(lambda: place.begin(create=True, overrides=there)) == ["same-repository"]


def test_a_tag_that_is_there_already_is_refused_before_anything_is_done(place: Place) -> None:
    place.repositories()
    git(place.top / "work/app", "tag", "v1")
    git(place.top / "work/lib", "tag", "-a", "-m", "two", "v2")
    assert place.refused(place.begin) == ["tag-exists", "tag-exists"]
    git(place.top / "work/app", "tag", "-d", "v1")
    git(place.top / "work/lib", "tag", "-d", "v2")
    assert place.begin()


def test_a_repository_that_the_plan_does_not_have_is_refused(place: Place) -> None:
    place.repositories()
    there = {"other": place.top / "work/app"}
    assert place.refused(lambda: place.begin(overrides=there)) == ["unknown-repository"]


def test_a_run_that_exists_is_not_begun_again(place: Place) -> None:
    place.repositories()
    run = place.begin()
    assert place.refused(lambda: place.begin(run=run)) == ["run-exists"]
    assert len(Book.open(place.home, run).entries) == 1


def test_a_journal_that_cannot_be_written_leaves_no_run_and_no_refs(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.repositories()

    def full(self: Writer, events: object) -> list[ev.Entry]:
        raise CoditectError.of("journal-not-written", "disk full", "make room")

    monkeypatch.setattr(Writer, "append", full)
    assert place.refused(place.begin) == ["journal-not-written"]
    assert not git(place.top / "work/app", "for-each-ref", "refs/coditect")


def test_a_home_that_cannot_be_written_is_told_in_words(place: Place) -> None:
    place.repositories()
    place.home.path.write_text("a file")
    assert place.refused(place.begin) == ["run-not-begun"]


def test_a_repository_that_cannot_be_made_is_told_in_words(place: Place) -> None:
    place.repositories()
    there = {"lib": place.top / "work/app/README/new"}
    assert place.refused(lambda: place.begin(create=True, overrides=there)) == ["run-not-begun"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_repository_that_may_not_be_written_is_told_in_words(place: Place) -> None:
    place.repositories()
    (place.top / "work/app/.git/refs").chmod(0o500)
    try:
        assert place.refused(place.begin)
    finally:
        (place.top / "work/app/.git/refs").chmod(0o700)


# --- going on with a run --------------------------------------------------------------------------


def test_an_unfinished_run_of_the_same_plan_and_repositories_is_found(place: Place) -> None:
    place.repositories()
    plan = load_plan(place.top / "plan.yaml", text=PLAN)
    paths = [place.top / "work/app", place.top / "work/lib"]
    assert unfinished(place.home, plan, paths) is None
    first = place.begin()
    assert unfinished(place.home, plan, paths) == first
    assert unfinished(place.home, plan, paths[:1]) is None
    other = load_plan(place.top / "plan.yaml", text=PLAN + "# changed\n")
    assert unfinished(place.home, other, paths) is None
    second = place.begin()
    newest = unfinished(place.home, plan, paths)
    writer = Writer(place.home.journal_file, newest or "")
    writer.append([ev.RunFinished("succeeded")])
    writer.close()
    assert {newest, unfinished(place.home, plan, paths)} == {first, second}


def test_a_run_of_another_version_keeps_nobody_from_beginning_his(place: Place) -> None:
    place.repositories()
    run = place.begin()
    writer = Writer(place.home.journal_file, "newer")
    writer._at += 10**9
    writer._connection.execute(
        "INSERT INTO event VALUES ('newer', 1, ?, 'run_dreamt', 9, '{}')", (writer._at,)
    )
    writer.close()
    plan = load_plan(place.top / "plan.yaml", text=PLAN)
    paths = [place.top / "work/app", place.top / "work/lib"]
    assert unfinished(place.home, plan, paths) == run


# --- the book -------------------------------------------------------------------------------------


def book_of(place: Place, *events: ev.Event) -> Book:
    writer = Writer(place.home.journal_file, "r")
    writer.append(events)
    writer.close()
    return Book.open(place.home, "r")


def test_a_journal_that_does_not_begin_with_its_start_is_told_in_words(place: Place) -> None:
    book = book_of(place, ev.TimerFired("x"))
    with pytest.raises(CoditectError) as caught:
        _ = book.state
    assert caught.value.findings[0].code == "journal-broken"


def test_settings_of_a_newer_version_are_refused_in_words(place: Place) -> None:
    started = ev.RunStarted("plan.yaml", PLAN, {}, {}, (), {"telepathy": True})
    book = book_of(place, started)
    with pytest.raises(CoditectError) as caught:
        _ = book.settings
    assert caught.value.findings[0].code == "journal-too-new"
    assert "telepathy" in str(caught.value)


def test_settings_of_an_older_version_take_the_defaults_of_what_they_lack(place: Place) -> None:
    book = book_of(place, ev.RunStarted("plan.yaml", PLAN, {}, {}, (), {"landing": "end"}))
    assert book.settings == Settings(landing="end")


def test_a_plan_that_this_version_no_longer_reads_is_told_in_words(place: Place) -> None:
    book = book_of(place, ev.RunStarted("plan.yaml", "schema: 99\nname: x\n", {}, {}, (), {}))
    with pytest.raises(CoditectError):
        _ = book.plan


def test_the_plan_of_a_run_is_the_one_it_began_with(place: Place) -> None:
    place.repositories()
    (place.top / "plan.yaml").write_text(PLAN)
    run = place.begin()
    (place.top / "plan.yaml").write_text("nonsense")
    assert Book.open(place.home, run).plan.name == "hello"
    assert starts.engine_folder(place.home.folder(run), "app").is_dir()
