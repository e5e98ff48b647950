"""The reference says what the program does: every command, option and key of `--json`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.scratch import ROOT, Scratch, plan
from coditect.cli.commands import COMMANDS, load

REFERENCE = ROOT / "docs" / "reference"
FOUNDING = str(ROOT / "plans" / "coditect-cloud.yaml")


def sections(file: str, level: str) -> dict[str, str]:
    """The text below each heading of a level, by the command that the heading names."""
    text = (REFERENCE / file).read_text(encoding="utf-8")
    parts = re.split(rf"^{level} `coditect ([^`]+)`$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def first_cells(section: str) -> Iterator[str]:
    for line in section.splitlines():
        if line.startswith("| `"):
            yield line.split("|")[1]


# --- commands -------------------------------------------------------------------------------------


def test_every_command_has_a_section_under_its_panel() -> None:
    found = [heading.split()[0] for heading in sections("cli.md", "###")]
    assert found == sorted(found, key=list(COMMANDS).index)
    assert set(found) == set(COMMANDS)
    text = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    for panel in {entry.panel for entry in COMMANDS.values()}:
        assert f"\n## {panel}\n" in text


@pytest.mark.parametrize("heading", sections("cli.md", "###"))
def test_a_section_has_the_commands_arguments_and_options(heading: str) -> None:
    name, _, usage = heading.partition(" ")
    command = load(name)
    options = [param for param in command.params if param.opts[0].startswith("-")]
    arguments = [param for param in command.params if not param.opts[0].startswith("-")]
    assert usage == " ".join(str(param.metavar or param.name.upper()) for param in arguments)
    documented = [
        re.findall(r"`([^`]+)`", cell) for cell in first_cells(sections("cli.md", "###")[heading])
    ]
    assert sorted(documented) == sorted(param.opts for param in options)
    for param in options:
        if isinstance(param.default, str) and param.default:
            assert f"`{param.default}`" in sections("cli.md", "###")[heading]


# --- keys -----------------------------------------------------------------------------------------

SHAPES = (
    {"value", "unit", "evidence", "basis"},
    {"start_h", "finish_h"},
    {"kind", "run", "ok", "what", "message", "seconds"},
    {"amount", "whole_days", "currency"},
)


def keys(value: Any, at: str = "") -> Iterator[str]:
    """The paths of all that is no container; what has a shape of its own counts as a whole."""
    if isinstance(value, dict) and value and value.keys() not in SHAPES:
        for key, each in value.items():
            yield from keys(each, f"{at}.{key}" if at else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for each in value:
            yield from [at] if each.keys() in SHAPES else keys(each, f"{at}[]")
    else:
        yield at


def documented(command: str) -> list[str]:
    section = sections("report.md", "##")[f"{command} --json"]
    found = [key for cell in first_cells(section) for key in re.findall(r"`([^`]+)`", cell)]
    assert len(found) == len(set(found))
    return found


def pattern(key: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<[a-z]+>", "[^.]+", re.escape(key)))


def compare(command: str, *documents: Any) -> None:
    known = {key: pattern(key) for key in documented(command)}
    # A list or mapping that is empty, or an object that is unknown, stands for its keys.
    parts = [re.split(r"(?=\.|\[\])", key) for key in known]
    parents = {pattern("".join(one[:end])) for one in parts for end in range(1, len(one))}
    seen = {key for document in documents for key in keys(document)}
    told = {key for key in seen if any(one.fullmatch(key) for one in known.values())}
    empty = {key for key in seen - told if any(one.fullmatch(key) for one in parents)}
    assert seen - told - empty == set()
    assert {key for key, one in known.items() if not any(map(one.fullmatch, seen))} == set()


RISKY = """\
risks:
  late: {title: Something fails, mitigation: look, fallback: stop, trigger: {task: bad}}
"""


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """A run with a refusal, a risk that struck, a second change of a path, and an approval."""
    made = Scratch(tmp_path_factory.mktemp("troubled"))
    made.repository()
    text = plan(
        ("one", "echo 1 > out/one.txt"),
        ("two", "echo 2 > out/two.txt; echo 2 > out/one.txt"),
        ("bad", "echo > out/bad.txt; echo > elsewhere"),
        checkpoint=True,
    )
    (made.work / "plan.yaml").write_text(text + RISKY, encoding="utf-8")
    made("run", "plan.yaml", "--yes", code=1)
    return made


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """The founding plan, rehearsed in a hurry."""
    made = Scratch(tmp_path_factory.mktemp("rehearsed"))
    made.work.mkdir()
    made("rehearse", FOUNDING, "--pace", "10ms")
    return made


def test_the_keys_of_a_report(troubled: Scratch, rehearsed: Scratch) -> None:
    one, other = (made("report", "--json").json for made in (troubled, rehearsed))
    assert one["refusals"]
    assert one["risks"]
    compare("report", one, other)


def test_the_keys_of_a_status(troubled: Scratch, rehearsed: Scratch) -> None:
    compare("status", troubled.status(), rehearsed.status())


def test_the_keys_of_a_schedule(rehearsed: Scratch) -> None:
    compare("schedule", rehearsed("schedule", FOUNDING, "--agents", "4..5", "--json").json)


def test_the_reference_is_linked_to_where_it_speaks_of_files() -> None:
    for file in [*REFERENCE.glob("*.md"), *REFERENCE.parent.glob("*.md"), ROOT / "README.md"]:
        text = file.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (file.parent / target).exists(), (file.name, target)
            assert Path(target).suffix
