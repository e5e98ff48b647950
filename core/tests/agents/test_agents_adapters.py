from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coditect.agents import (
    ADAPTERS,
    AgentUsage,
    Assignment,
    adapter_for,
    agent_environment,
    passed_on,
    read_output,
)
from coditect.agents.briefing import brief
from coditect.findings import CoditectError
from coditect.plan.model import Deliverable, DeliverableKind
from support.workshop import Workshop


def assignment(tmp_path: Path, **options: Any) -> Assignment:
    fields: dict[str, Any] = {
        "run": "run-1",
        "task": "api",
        "title": "The API",
        "workstream": "backend",
        "number": 2,
        "agent": "ada",
        "lane": tmp_path / "lane",
        "folder": tmp_path,
    }
    return Assignment(**(fields | options))


def code_of(caught: pytest.ExceptionInfo[CoditectError]) -> str:
    [finding] = caught.value.findings
    assert finding.hint
    return finding.code


def test_an_unknown_adapter_is_refused_with_those_that_exist() -> None:
    with pytest.raises(CoditectError) as caught:
        adapter_for("telepathy")
    assert code_of(caught) == "unknown-adapter"
    assert "command, rehearsal" in caught.value.findings[0].hint
    assert {name: adapter_for(name) for name in ADAPTERS} == ADAPTERS


def test_an_agent_is_told_about_its_task_and_little_about_the_user(tmp_path: Path) -> None:
    user = {
        "PATH": "/bin",
        "HOME": "/home/u",
        "LANG": "C.UTF-8",
        "GIT_DIR": "/home/u/project/.git",
        "GIT_AUTHOR_NAME": "U",
        "AWS_SECRET_ACCESS_KEY": "s",
        "CODITECT_RUN": "another",
    }
    env = agent_environment(
        assignment(
            tmp_path,
            owns=("src/**", "docs/"),
            secrets=tmp_path / "secrets",
            reads={"other-repo": Path("/r/other"), "third": Path("/r/third")},
        ),
        user,
    )
    assert env["GIT_AUTHOR_NAME"] == env["GIT_COMMITTER_NAME"] == "ada"
    assert {key: value for key, value in env.items() if not key.startswith("GIT_")} == {
        "PATH": "/bin",
        "HOME": "/home/u",
        "LANG": "C.UTF-8",
        "CODITECT_RUN": "run-1",
        "CODITECT_TASK": "api",
        "CODITECT_ATTEMPT": "run-1/api/2",
        "CODITECT_AGENT": "ada",
        "CODITECT_LANE": str(tmp_path / "lane"),
        "CODITECT_PROMPT": str(tmp_path / "brief.md"),
        "CODITECT_OWNS": "src/**\ndocs/",
        "CODITECT_SECRETS": str(tmp_path / "secrets"),
        "CODITECT_READ_OTHER_REPO": "/r/other",
        "CODITECT_READ_THIRD": "/r/third",
    }


def test_a_user_without_a_path_gets_the_systems(tmp_path: Path) -> None:
    assert agent_environment(assignment(tmp_path), {})["PATH"]


def test_repositories_that_would_get_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CoditectError) as caught:
        agent_environment(assignment(tmp_path, reads={"a-b": tmp_path, "a_b": tmp_path}), {})
    assert code_of(caught) == "ambiguous-repository"


def test_keys_are_passed_on_by_name_only() -> None:
    user = {"ANTHROPIC_API_KEY": "k", "OTHER": "o"}
    assert passed_on({"env": "ANTHROPIC_API_KEY, OTHER OTHER"}, user) == (
        "ANTHROPIC_API_KEY",
        "OTHER",
    )
    assert passed_on({}, user) == ()


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ("GIT_SSH_COMMAND", "agent-env-name"),
        ("CODITECT_RUN", "agent-env-name"),
        ("A=b", "agent-env-name"),
        ("MISSING_KEY", "agent-env-unset"),
    ],
)
def test_a_variable_that_cannot_be_passed_on_is_refused(names: str, code: str) -> None:
    with pytest.raises(CoditectError) as caught:
        passed_on({"env": names}, {"GIT_SSH_COMMAND": "x", "CODITECT_RUN": "x"})
    assert code_of(caught) == code


def test_a_command_runs_in_the_lane_with_what_it_needs(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODITECT_SOME_KEY_IS_NOT_OURS", "x")
    monkeypatch.setenv("SOME_KEY", "the key")
    job = assignment(
        workshop.home,
        lane=workshop.lane,
        settings={"env": "SOME_KEY"},
        command='pwd; echo "$SOME_KEY"; head -1 "$CODITECT_PROMPT"; git config user.nothing;'
        " git init -q x && git -C x commit -q --allow-empty -m m &&"
        ' git -C x log --format="%an %ae"',
        brief="Make it.",
    )
    command = adapter_for("command").prepare(job)
    workshop.launcher = None
    ended = workshop.run("", argv=command.argv, env=command.env, inherit=command.inherit)
    assert ended.ok, read_output(ended.folder)
    assert read_output(ended.folder).decode().splitlines() == [
        str(workshop.lane),
        "the key",
        "# The API",
        "ada ada@agents.coditect.invalid",
    ]
    assert adapter_for("command").usage(ended.folder) == AgentUsage()
    assert "the key" not in (ended.folder / "spec.json").read_text()


def test_a_task_without_a_command_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CoditectError) as caught:
        adapter_for("command").prepare(assignment(tmp_path))
    assert code_of(caught) == "no-command"


def test_the_brief_says_what_matters_and_is_the_same_for_each_attempt(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "brief": "Serve it.\n",
        "owns": ("src/**",),
        "excepts": ("src/gen/**",),
        "deliverables": (Deliverable(DeliverableKind.PATH, "src/api.py"),),
        "secrets": tmp_path,
        "reads": {"web": Path("/r/web")},
    }
    text = brief(assignment(tmp_path, **options))
    for part in ("# The API", "Serve it.", "`src/**`", "src/gen", "src/api.py", "web", "SECRETS"):
        assert part in text
    assert text == brief(assignment(tmp_path, **options | {"number": 3, "agent": "bob"}))
    assert "Secrets" not in brief(assignment(tmp_path))
    assert "- nothing" in brief(assignment(tmp_path))
