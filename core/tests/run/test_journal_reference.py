"""docs/reference/journal.md says what the code does: every kind, every field, every type."""

from __future__ import annotations

import json
import re
import sqlite3
import typing
from collections import abc
from contextlib import closing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from coditect.agents.supervisor import tree
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.home import Home
from coditect.run.journal import SCHEMA_VERSION, Writer

TEXT = (Path(__file__).parents[3] / "docs/reference/journal.md").read_text(encoding="utf-8")
STORED = Path(__file__).parent / "journals"


def rows(heading: str, columns: int) -> list[list[str]]:
    part = TEXT.partition(heading)[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert all(len(row) == columns for row in found)
    return found


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_kind_is_told_with_its_very_fields_in_order() -> None:
    told = {names(kind)[0]: names(body) for kind, body, _ in rows("## The kinds", 3)}
    real = {
        kind: [
            item.name
            + ("?" if item.default is not MISSING or item.default_factory is not MISSING else "")
            for item in fields(cls)
        ]
        for kind, cls in ev.KINDS.items()
    }
    assert told == real


def test_every_way_to_hold_processes_together_is_told() -> None:
    told = {names(name)[0]: names(meaning) for name, _, meaning in rows("## The fields", 3)}
    assert {tree.GROUP, tree.PRIVATE, tree.SHARED_PROC} <= set(told["isolation"])


def word(hint: Any) -> str:
    """Name a field's type as the reference does."""
    options = [each for each in typing.get_args(hint) if each is not type(None)]
    if len(options) < len(typing.get_args(hint)):
        return word(options[0])
    origin = typing.get_origin(hint) or hint
    words = {str: "text", bool: "flag", int: "number", tuple: "list", abc.Mapping: "object"}
    return words[origin]


def test_every_field_is_told_with_its_type() -> None:
    told = {names(name)[0]: kind for name, kind, _ in rows("## The fields", 3)}
    assert list(told) == sorted(told)
    real: dict[str, str] = {}
    for cls in ev.KINDS.values():
        for name, hint in typing.get_type_hints(cls).items():
            if name != "kind":
                assert real.setdefault(name, word(hint)) == word(hint)
    assert told == real


def test_the_table_and_the_versions_are_the_real_ones(tmp_path: Path) -> None:
    home = Home(tmp_path)
    Writer(home.journal_file, "r").close()
    with closing(sqlite3.connect(home.journal_file)) as connection:
        [[schema]] = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'event'")
        [[mode]] = connection.execute("PRAGMA journal_mode")
        [[version]] = connection.execute("PRAGMA user_version")
    told = re.search(r"event\((.*)\)\n", TEXT)
    assert told
    columns = re.findall(r"(\w+) (TEXT|INTEGER)", told[1])
    assert columns == re.findall(r"(\w+) (TEXT|INTEGER)", schema)
    assert (mode, version) == ("wal", 1)
    assert (SCHEMA_VERSION, ev.EVENT_VERSION) == (1, 1)


def test_the_command_that_stores_a_journal_gives_lines_like_the_stored_ones(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path)
    writer = Writer(home.journal_file, "hello-k3f9x")
    writer.append([ev.TimerFired("x"), ev.CancelRequested("ann")])
    writer.close()
    told = re.search(r'journal\.db" "(SELECT json_object.*?ORDER BY seq)"', TEXT, re.DOTALL)
    assert told
    with closing(sqlite3.connect(home.journal_file)) as connection:
        lines = [row[0] for row in connection.execute(told[1].replace("\\\n", " "))]
    stored = json.loads((STORED / "v1/calm.jsonl").read_text().splitlines()[0])
    assert [list(json.loads(line)) for line in lines] == [list(stored)] * 2


def test_the_words_of_reasons_effects_and_outcomes_are_all_told() -> None:
    words = {"succeeded", "failed", "cancelled"}
    words |= {"exit", "timeout", "stopped", "orphaned", "lost", "failed"}
    words |= {"gate", "conflict", "verification", "engine"}
    effects = {kind.__name__.lower() for kind in typing.get_args(act.Effect)}
    words |= effects - {"swap", "land", "confirm"}
    for said in words:
        assert f"`{said}`" in TEXT
