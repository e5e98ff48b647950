"""The published JSON Schema and the loader agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from coditect.plan import json_schema, load_plan

PLANS = sorted((Path(__file__).parents[3] / "plans").glob("*.yaml"))
Validator = jsonschema.Draft202012Validator


def test_the_schema_is_a_schema() -> None:
    Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_shipped_plan_satisfies_the_schema_and_loads(path: Path) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [error.message for error in Validator(json_schema()).iter_errors(data)] == []
    assert load_plan(path).tasks


def test_three_plans_are_shipped() -> None:
    assert sorted(path.stem for path in PLANS) == [
        "coditect-cloud",
        "coditect-cloud-literal",
        "hello",
    ]


def properties(part: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, list):
        for item in part:
            yield from properties(item, where)
    if isinstance(part, dict):
        for name, value in part.get("properties", {}).items():
            yield f"{where}.{name}", value
        for name, value in part.items():
            yield from properties(value, f"{where}.{name}")


def test_every_key_says_what_it_means() -> None:
    found = dict(properties(json_schema()))
    assert len(found) > 60
    assert [name for name, value in found.items() if not value.get("description")] == []


def minimal() -> dict[str, Any]:
    return {
        "schema": 1,
        "name": "small",
        "repositories": {"app": {}},
        "agents": {"ann": {"adapter": "rehearsal"}},
        "workstreams": {"work": {"agents": "ann", "owns": ["app:src/"]}},
        "tasks": {"first": {"workstream": "work", "effort": "1h"}},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"name": "No Id"},
        {"colour": "red"},
        {"repositories": None},
        {"tasks": {"First": {"workstream": "work", "effort": "1h"}}},
        {"tasks": {"first": {"effort": "1h"}}},
        {"tasks": {"first": {"workstream": "work", "effort": 3}}},
        {"tasks": {"first": {"workstream": "work", "effort": "soon"}}},
        {"tasks": {"first": {"workstream": "work", "effort": "1h", "owns": []}}},
        {"tasks": {"first": {"workstream": "work", "effort": "1h", "owns": "src/"}}},
        {"tasks": {"first": {"workstream": "work", "effort": "1h", "deliverable": {}}}},
        {"tasks": {"first": {"workstream": "work", "effort": "1h", "verify": {"run": "x"}}}},
        {"calendar": {"hours_per_day": 25}},
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(change: dict[str, Any]) -> None:
    plan = {**minimal(), **change}
    assert not Validator(json_schema()).is_valid(plan)
    with pytest.raises(Exception, match=r"\S") as caught:
        load_plan(Path("changed.yaml"), yaml.safe_dump(plan))
    assert type(caught.value).__name__ == "CoditectError"


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"checkpoints": {"gate": {"participants": "work", "approval": True, "duration": "0h"}}},
        {"agents": {"ann": {"adapter": "x", "availability": ["1-3", 7], "cost": 5}}},
        {"agents": {"ann": {"adapter": "x", "availability": "always", "settings": {"a": 1}}}},
        {"tasks": {"first": {"workstream": "work", "effort": "30m..1h..2h", "day": 2}}},
        {"calendar": {"hours_per_day": 6, "start": "2026-01-31"}},
    ],
)
def test_what_the_schema_allows_the_loader_reads(change: dict[str, Any]) -> None:
    plan = {**minimal(), **change}
    assert [error.message for error in Validator(json_schema()).iter_errors(plan)] == []
    assert load_plan(Path("changed.yaml"), yaml.safe_dump(plan)).name == "small"
