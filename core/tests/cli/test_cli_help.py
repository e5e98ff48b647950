"""Help, version, completion: quick, readable on 80 columns, and true."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from cli.scratch import Scratch
from coditect import __version__
from coditect.cli import commands
from coditect.cli.commands import COMMANDS, load

WIDTH = 80


def test_the_overview_lists_every_command_on_one_line_of_80_columns(scratch: Scratch) -> None:
    done = scratch("--help")
    lines = done.out.splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    for name, entry in COMMANDS.items():
        assert sum(line.startswith(f"│ {name} ") for line in lines) == 1
        assert any(entry.summary in line for line in lines), name


def test_without_a_command_the_overview_is_shown(scratch: Scratch) -> None:
    done = scratch(code=2)
    assert "check " in done.out
    assert done.err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_that_it_accepts(name: str) -> None:
    command = load(name)
    assert command.help is not None
    examples = re.findall(r"`(coditect [^`]+)`", command.help.partition("Examples:")[2])
    assert examples
    for example in examples:
        words = shlex.split(re.split(r" [|>] ", example)[0])
        assert words[1] == name
        command.make_context(name, words[2:])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_fits_80_columns_and_shows_how_to_call_it(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("NO_COLOR", "1")
    commands.app([name, "--help"], prog_name="coditect", standalone_mode=False)
    said = capsys.readouterr().out
    assert all(len(line) <= WIDTH for line in said.splitlines())
    (usage,) = re.findall(r"Usage: (.*)", said)
    arguments = r"( PLAN| \[RUN\])?( CHECKPOINT| TASK| NAME)?"
    assert re.fullmatch(rf"coditect {name}{arguments} \[OPTIONS\]", usage.strip())


def test_help_version_and_completion_import_nothing_heavy() -> None:
    """What takes long to import is only needed by commands themselves."""
    code = (
        "import sys\n"
        "from coditect.cli import main\n"
        "sys.argv = ['coditect', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as left:\n    assert left.code == 0, left.code\n"
        "heavy = {'pydantic', 'yaml', 'ortools', 'jinja2', 'coditect.run.shell'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_the_version_is_the_packages(scratch: Scratch) -> None:
    assert scratch("--version").out == f"coditect {__version__}\n"


def test_a_command_that_does_not_exist_is_told_with_the_one_that_may_be_meant(
    scratch: Scratch,
) -> None:
    assert "Did you mean 'check'?" in scratch("chekc", code=2).words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "Missing argument 'PLAN'"),
        (["check", "plan.yaml", "--jsn"], "--json"),
        (["run", "plan.yaml", "--landing", "sometimes"], "'continuous'"),
        (["schedule", "plan.yaml", "--seconds", "soon"], "--seconds"),
        (["logs", "x", "--attempt", "0"], "greater than or equal to 1"),
        (["diff", "one", "two", "three"], "[RUN] TASK"),
        (["runs", "extra"], "extra"),
    ],
)
def test_wrong_options_are_told_as_findings(
    scratch: Scratch, arguments: list[str], said: str
) -> None:
    done = scratch(*arguments, code=2)
    assert said in done.words
    assert done.out == ""
    if "--jsn" not in arguments:
        data = scratch(*arguments, "--json", code=2).json
        assert data["ok"] is False
        assert data["findings"][0]["code"] in {"bad-usage", "bad-option"}


# --- completion -----------------------------------------------------------------------------------


def complete(scratch: Scratch, *words: str) -> list[str]:
    """What bash would offer for the last word."""
    done = scratch(
        env={
            "_CODITECT_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(["coditect", *words]),
            "COMP_CWORD": str(len(words)),
        }
    )
    return done.out.split()


def test_the_shell_gets_a_script_for_completion(scratch: Scratch) -> None:
    done = scratch("--show-completion", "bash")
    assert "complete -o default -F _coditect_completion coditect" in done.out


def test_commands_options_and_values_are_completed(finished: Scratch) -> None:
    assert complete(finished, "re") == ["rehearse", "report", "resume", "reject", "retry"]
    assert "--update-checkout" in complete(finished, "run", "plan.yaml", "--")
    assert complete(finished, "run", "plan.yaml", "--landing", "c") == ["continuous", "checkpoint"]


def test_names_of_runs_tasks_and_checkpoints_are_completed(finished: Scratch) -> None:
    run = finished.status()["run"]
    assert complete(finished, "status", "hel") == [run]
    assert complete(finished, "approve", "") == ["wording", run]
    assert complete(finished, "logs", run, "w") == ["welcome", "wording"]
    assert complete(finished, "diff", "") == [
        *("greeting", "polite", "welcome", "imprint", "show"),
        run,
    ]


def test_completion_never_complains(scratch: Scratch) -> None:
    assert complete(scratch, "approve", "") == []
    scratch.home.mkdir()
    (scratch.home / "journal.db").write_bytes(b"no journal at all, whatever it is called")
    assert complete(scratch, "approve", "") == []
    assert complete(scratch, "status", "") == []
