"""The guide and the README do what they say: their commands are run, in order, as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cli.scratch import HELLO, PATIENCE, PROGRAM, ROOT, Scratch

GUIDE = ROOT / "docs" / "guide.md"
README = ROOT / "README.md"


@dataclass
class Command:
    """A command of a page, with what the page says of it."""

    line: str
    shown: list[str] = field(default_factory=list)
    """Lines of output; `…` stands for anything."""

    @property
    def code(self) -> int:
        said = re.search(r"# exit code (\d+)", self.line)
        return int(said[1]) if said else 0

    def check(self, output: str) -> None:
        """The lines that the page shows come in this order, broken anywhere."""
        words = " ".join(output.split())
        pattern = ".*".join(
            ".*".join(re.escape(part) for part in " ".join(line.split()).split("…"))
            for line in self.shown
        )
        assert re.search(pattern, words), (self.line, self.shown, output)


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Every fenced block: what stands behind the fence, and the text."""
    text = page.read_text(encoding="utf-8")
    yield from re.findall(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[Command]:
    found: list[Command] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line.removeprefix("$ ")))
        else:
            found[-1].shown.append(line)
    return found


@dataclass
class Reader:
    """Somebody who does what a page says, in a folder of his own."""

    scratch: Scratch
    here: Path
    first: subprocess.Popen[str] | None = None

    def type(self, command: Command) -> None:
        if command.line.startswith("cd "):
            self.here = self.here / command.line.removeprefix("cd ")
            return
        done = subprocess.run(
            ["/bin/sh", "-c", command.line],
            cwd=self.here,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == command.code, (command.line, done)
        command.check(done.stdout + done.stderr)

    def environment(self) -> dict[str, str]:
        """One in which `coditect` is the program of this very source."""
        folder = self.scratch.root / "bin"
        if not folder.exists():
            folder.mkdir()
            program = folder / "coditect"
            program.write_text(f'#!/bin/sh\nexec {" ".join(PROGRAM)} "$@"\n', encoding="utf-8")
            program.chmod(0o755)
        environment = self.scratch.env()
        return {**environment, "PATH": f"{folder}:{environment['PATH']}"}


def test_the_guide_works_from_its_first_to_its_last_command(scratch: Scratch) -> None:
    reader = Reader(scratch, scratch.root)
    ran = 0
    waiting: Command | None = None
    for info, text in blocks(GUIDE):
        match info.split(maxsplit=1):
            case ["yaml", name]:
                (reader.here / name).write_text(text, encoding="utf-8")
            case ["console", "first terminal"]:
                (waiting,) = commands(text)
                reader.first = scratch.start(*waiting.line.split()[1:], cwd=reader.here)
                scratch.wait_for_door("waiting")
                ran += 1
            case ["console", *second]:
                for command in commands(text):
                    reader.type(command)
                    ran += 1
                if second == ["second terminal"]:
                    assert reader.first is not None
                    assert waiting is not None
                    waiting.check(scratch.end(reader.first, 0).out)
            case ["sh" | "yaml"]:
                pass
            case _:
                pytest.fail(f"a block of a kind that is not known: {info}")
    assert ran >= 17
    assert not list(reader.here.glob("**/*.trace"))


def test_every_command_that_the_guide_names_exists() -> None:
    from coditect.cli.commands import COMMANDS, load  # noqa: PLC0415

    text = GUIDE.read_text(encoding="utf-8") + README.read_text(encoding="utf-8")
    named = re.findall(r"`coditect ([a-z]+)((?: --?[a-z-]+| [^`\s]+)*)`", text)
    assert len(named) > 10
    for name, rest in named:
        assert name in COMMANDS
        options = {opt for param in load(name).params for opt in param.opts}
        assert set(re.findall(r"--?[a-z][a-z-]*", rest)) <= options, (name, rest)


def test_the_commands_of_the_readme_work_in_order(scratch: Scratch) -> None:
    shutil.copy(HELLO, scratch.work / "plan.yaml")
    reader = Reader(scratch, scratch.work)
    lines = [
        line.partition("#")[0].strip()
        for _, text in blocks(README)
        for line in text.splitlines()
        if line.startswith("coditect ")
    ]
    assert [line.split()[1] for line in lines] == ["check", "rehearse", "run", "report"]
    for line in lines:
        if line.startswith("coditect run"):
            going = scratch.start(*line.split()[1:])
            scratch.wait_for_door("waiting")
            reader.type(Command("coditect approve wording"))
            scratch.end(going, 0)
        else:
            reader.type(Command(line))


def test_what_the_readme_says_of_plans_and_targets_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", text, flags=re.MULTILINE):
        assert f"\n{target}:" in makefile
    for path in re.findall(r"plans/[a-z.-]+", text):
        assert (ROOT / path).exists()
