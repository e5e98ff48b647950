from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coditect.agents import Exited, Reason, adapter_for, read_output
from coditect.agents.adapter import AgentUsage, Assignment, Command
from coditect.agents.rehearsal_content import placeholder
from coditect.agents.rehearsal_tricks import TRICKS
from coditect.findings import CoditectError
from coditect.plan.model import Deliverable, DeliverableKind
from support.workshop import Workshop

PATHS = (
    "docs/guide.md",
    "src/app.py",
    "config/settings.json",
    "deploy/service.yaml",
    "infra/main.tf",
    "Dockerfile",
    "run.sh",
    "LICENSE",
)


def test_the_reference_has_every_trick_and_every_setting() -> None:
    page = Path(__file__).parents[3] / "docs/reference/plan.md"
    part = page.read_text(encoding="utf-8").partition("## Settings of a stand-in")[2]
    rows = re.findall(r"^\| `([a-z-]+)` \|", part.partition("\n## ")[0], re.MULTILINE)
    assert rows == ["pace", "trick", "tricks-until", *TRICKS]
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", part, re.DOTALL)[0])
    settings = example["agents"]["coder"]["settings"]
    assert {name.partition(".")[0] for name in settings} == {"trick", "tricks-until"}


def paths(*values: str) -> tuple[Deliverable, ...]:
    return tuple(Deliverable(DeliverableKind.PATH, value) for value in values)


def prepare(workshop: Workshop, folder: str = "job", **options: Any) -> Command:
    place = workshop.home / folder
    place.mkdir(exist_ok=True)
    fields: dict[str, Any] = {
        "run": "run",
        "task": "api",
        "title": "The API",
        "workstream": "backend",
        "owns": ("**",),
        "deliverables": paths(*PATHS),
        "number": 1,
        "agent": "ada",
        "lane": workshop.lane,
        "folder": place,
    }
    return adapter_for("rehearsal").prepare(Assignment(**(fields | options)))


def rehearse(workshop: Workshop, limits: dict[str, Any] | None = None, **options: Any) -> Exited:
    command = prepare(workshop, **options)
    return workshop.run("", argv=command.argv, env=command.env, **(limits or {}))


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


def test_what_is_declared_gets_written_and_progress_is_told(plain_workshop: Workshop) -> None:
    ended = rehearse(plain_workshop)
    assert ended.ok, read_output(ended.folder)
    assert set(tree(plain_workshop.lane)) == set(PATHS)
    assert os.access(plain_workshop.lane / "run.sh", os.X_OK)
    lines = read_output(ended.folder).decode().splitlines()
    assert lines[0] == "step 1/10 reading the brief of api"
    assert lines[1] == "step 2/10 writing docs/guide.md"
    assert lines[-1] == "step 10/10 looking it over"
    assert adapter_for("rehearsal").usage(ended.folder) == AgentUsage(0, 0, 0.0)


def test_a_retry_by_another_agent_writes_the_very_same(plain_workshop: Workshop) -> None:
    assert rehearse(plain_workshop).ok
    first = tree(plain_workshop.lane)
    for name in first:
        (plain_workshop.lane / name).unlink()
    (plain_workshop.lane / "docs/guide.md").write_text("half a fi")
    ended = rehearse(plain_workshop, number=7, agent="bob", run="another")
    assert ended.ok
    assert tree(plain_workshop.lane) == first


def test_the_effort_becomes_time_at_the_pace(plain_workshop: Workshop) -> None:
    options: dict[str, Any] = {"effort": 7200, "deliverables": paths("a.md")}
    slow = rehearse(plain_workshop, settings={"pace": "0.4"}, **options)
    assert 0.8 <= slow.usage.wall < 20
    fast = rehearse(plain_workshop, settings={"pace": "9999", "pace.api": "0"}, **options)
    assert fast.usage.wall < 20


def test_secrets_are_handed_over_outside_the_checkout(plain_workshop: Workshop) -> None:
    secrets = plain_workshop.home / "secrets"
    secrets.mkdir()
    ended = rehearse(
        plain_workshop,
        secrets=secrets,
        deliverables=(
            Deliverable(DeliverableKind.SECRET, "signing-key"),
            Deliverable(DeliverableKind.TAG, "v1", "app"),
            Deliverable(DeliverableKind.COMMAND, "true"),
            Deliverable(DeliverableKind.PATH, "elsewhere.md", "other"),
            Deliverable(DeliverableKind.PATH, "here.md", "app"),
        ),
        repository="app",
    )
    assert ended.ok, read_output(ended.folder)
    assert list(tree(plain_workshop.lane)) == ["here.md"]
    assert (secrets / "signing-key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("owns", "excepts", "name"),
    [
        (("src/",), (), "README.md"),
        (("src/**/*.py",), (), "__init__.py"),
        (("src/*.rs",), (), "placeholder.rs"),
        (("src/**",), ("**/README.md",), "__init__.py"),
        (("src/only-this",), (), "README.md"),
    ],
)
def test_a_folder_gets_a_file_that_its_task_owns(
    plain_workshop: Workshop, owns: tuple[str, ...], excepts: tuple[str, ...], name: str
) -> None:
    ended = rehearse(plain_workshop, owns=owns, excepts=excepts, deliverables=paths("src/"))
    assert ended.ok
    assert list(tree(plain_workshop.lane)) == [f"src/{name}"]


def test_a_folder_that_is_there_counts_as_one_without_its_slash(plain_workshop: Workshop) -> None:
    (plain_workshop.lane / "src").mkdir()
    assert rehearse(plain_workshop, deliverables=paths("src")).ok
    assert list(tree(plain_workshop.lane)) == ["src/README.md"]


WORDS = st.text(max_size=40)
NASTY = st.sampled_from(
    [
        '"""',
        "*/",
        "-->",
        "--",
        "\\",
        "\n",
        "#!",
        "'",
        "{{",
        "</title>",
        "\u2028",
        "🎉",
        "\ud83c",
        ":",
    ]
)
TITLES = st.lists(WORDS | NASTY, max_size=6).map("".join)


@given(title=TITLES, suffix=st.sampled_from(["py", "json", "yaml", "xml", "svg", "ipynb", "jsonl"]))
def test_files_are_valid_whatever_the_title(title: str, suffix: str) -> None:
    text = placeholder(f"some/where.{suffix}", "task", title, "owner")
    if suffix == "py":
        ast.parse(text)
    elif suffix in ("json", "ipynb", "jsonl"):
        assert isinstance(json.loads(text), dict)
    elif suffix == "yaml":
        assert yaml.safe_load(text)["task"] == "task"
    else:
        ET.fromstring(text)
    text.encode()


@pytest.mark.parametrize(
    ("path", "begins", "ends"),
    [
        ("a/Dockerfile", "# Rehearsal placeholder", "FROM scratch\n"),
        ("Dockerfile.dev", "# Rehearsal placeholder", "FROM scratch\n"),
        ("Makefile", "# Rehearsal", "Makefile\n"),
        ("x/.env.example", "# Rehearsal", ".env.example\n"),
        ("main.go", "// Rehearsal", "package placeholder\n"),
        ("q.sql", "-- Rehearsal", "q.sql\n"),
        ("s.css", "/*\n", "*/\n"),
        ("s.sh", "#!/bin/sh\n", "s.sh\n"),
        ("v.tf", "# Rehearsal", "v.tf\n"),
        ("i.html", "<!--\n", "</title>\n"),
        ("README.md", "# A title\n", "README.md\n"),
        ("NOTICE", "Rehearsal placeholder", "NOTICE\n"),
    ],
)
def test_a_placeholder_looks_like_its_kind(path: str, begins: str, ends: str) -> None:
    text = placeholder(path, "task-7", "A title", "team")
    assert text.startswith(begins)
    assert text.endswith(ends)
    for fact in ("ehearsal placeholder", "task-7", "A title", "team"):
        assert fact in text


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"trick": "levitate"}, "rehearsal-trick"),
        ({"pace": "quick"}, "rehearsal-setting"),
        ({"pace": "-1"}, "rehearsal-setting"),
        ({"pace": "nan"}, "rehearsal-setting"),
        ({"tricks-until": "x"}, "rehearsal-setting"),
    ],
)
def test_settings_without_sense_are_refused(
    plain_workshop: Workshop, settings: dict[str, str], code: str
) -> None:
    with pytest.raises(CoditectError) as caught:
        prepare(plain_workshop, settings=settings)
    [finding] = caught.value.findings
    assert finding.code == code
    assert finding.hint


def test_tricks_end_with_the_attempt_that_they_are_meant_for(plain_workshop: Workshop) -> None:
    settings = {"trick": "lie", "tricks-until": "2", "env": "what another adapter understands"}
    assert rehearse(plain_workshop, settings=settings, number=2).ok
    assert tree(plain_workshop.lane) == {}
    assert rehearse(plain_workshop, settings=settings, number=3).ok
    assert set(tree(plain_workshop.lane)) == set(PATHS)


def test_a_trick_can_be_for_one_task_only(plain_workshop: Workshop) -> None:
    settings = {"trick.other": "fail", "trick.api": "stray"}
    assert rehearse(plain_workshop, settings=settings).ok
    assert set(tree(plain_workshop.lane)) == {*PATHS, "stray-by-api.txt"}


@pytest.fixture
def stage(workshop: Workshop) -> Workshop:
    """A lane that is a checkout with somebody else's files."""
    lane = workshop.lane
    git = ["git", "-C", str(lane), "-c", "user.name=u", "-c", "user.email=u@u.invalid"]
    subprocess.run([*git, "init", "-q"], check=True)
    (lane / "foreign").mkdir()
    (lane / "foreign/link").symlink_to("/nowhere")
    (lane / "foreign/theirs.txt").write_text("theirs\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "base"], check=True)
    return workshop


def test_every_trick_ends_and_leaves_no_process(stage: Workshop) -> None:
    ends = {}
    for number, trick in enumerate(sorted(TRICKS), start=1):
        ended = rehearse(
            stage,
            {"timeout": 3.0 if trick == "hang" else 60.0, "grace": 0.2, "output_limit": 1 << 20},
            folder=f"job-{trick}",
            settings={"trick": trick},
            task=f"t{number}",
            owns=(f"t{number}/**",),
            deliverables=paths(f"t{number}/work.md", f"t{number}/more.txt"),
        )
        assert not stage.alive(), trick
        ends[trick] = (str(ended.reason), ended.code, ended.signal)
    well = (str(Reason.EXIT), 0, None)
    assert ends == dict.fromkeys(TRICKS, well) | {
        "hang": (str(Reason.TIMEOUT), None, 9),
        "crash": (str(Reason.EXIT), None, 11),
        "fail": (str(Reason.EXIT), 3, None),
    }


def once(stage: Workshop, trick: str, **limits: Any) -> Exited:
    return rehearse(
        stage,
        limits,
        settings={"trick": trick},
        owns=("mine/**",),
        deliverables=paths("mine/work.md"),
    )


def test_tricks_with_the_files_of_others(stage: Workshop) -> None:
    theirs = stage.lane / "foreign/theirs.txt"
    once(stage, "overwrite-foreign")
    assert theirs.read_text() != "theirs\n"
    once(stage, "chmod")
    assert theirs.stat().st_mode & 0o111
    once(stage, "rename-foreign")
    assert not theirs.exists()
    assert (stage.lane / "mine/moved-theirs.txt").exists()
    theirs.touch()
    once(stage, "delete-foreign")
    assert not theirs.exists()


def test_a_trick_that_needs_a_foreign_file_does_without(plain_workshop: Workshop) -> None:
    for trick in ("overwrite-foreign", "delete-foreign", "rename-foreign", "chmod", "dot-git"):
        assert rehearse(plain_workshop, settings={"trick": trick}).ok
    assert set(tree(plain_workshop.lane)) == set(PATHS)


def test_tricks_that_break_off_leave_half_a_file(stage: Workshop) -> None:
    for trick in ("crash", "fail"):
        once(stage, trick)
        assert (stage.lane / "mine/work.md").read_text() == "half a fi"
        assert not list(stage.lane.glob("core*"))


def test_tricks_with_links_and_repositories(stage: Workshop) -> None:
    once(stage, "symlink")
    mine = stage.lane / "mine"
    assert (mine / "work.md").readlink() == Path("/etc/hostname")
    assert (mine / "escape-by-name").readlink() == Path("/etc/passwd")
    (mine / "work.md").unlink()
    once(stage, "gitlink")
    assert (mine / "nested/.git").is_dir()
    once(stage, "unreadable")
    assert (mine / "unreadable.txt").stat().st_mode & 0o777 == 0
    once(stage, "case")
    assert (mine / "WORK.MD").exists()


def test_tricks_with_the_lanes_own_git(stage: Workshop) -> None:
    ended = once(stage, "steal-lock")
    assert b"the lock of the attempt is held\n" in read_output(ended.folder)
    assert (stage.lane / ".git/index.lock").exists()
    (stage.lane / ".git/index.lock").unlink()
    once(stage, "dot-git")
    assert "fsmonitor" in (stage.lane / ".git/config").read_text()
    assert os.access(stage.lane / ".git/hooks/pre-commit", os.X_OK)


def test_tricks_with_processes(stage: Workshop) -> None:
    assert once(stage, "fork").left_processes == 1
    assert (stage.lane / "mine/daemon.txt").exists()
    assert once(stage, "hold-pipe").left_processes == 1
    ended = once(stage, "flood", output_limit=1 << 16)
    assert ended.output > 300_000_000
    assert ended.dropped == ended.output - (1 << 16)
    assert not stage.alive()
