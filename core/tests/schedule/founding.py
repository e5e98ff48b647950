"""The founding plan straight from the document's figures, without the plan's loader."""

import json
from pathlib import Path
from typing import Any

from coditect.schedule.problem import Activity, Kind, Problem

HOUR = 3600
DATA: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "founding-plan.json").read_text(encoding="utf-8")
)
STREAMS = ("infrastructure", "backend", "deployment", "security", "documentation")


def founding_problem() -> Problem:
    needs: dict[str, list[str]] = {task["id"]: list(task["needs"]) for task in DATA["tasks"]}
    attending: dict[str, list[str]] = {}
    apart = []
    for checkpoint in DATA["checkpoints"]:
        task = checkpoint.get("held_during_task")
        if task:
            attending[task] = checkpoint["participants"]
            continue
        for later in checkpoint["before"]:
            needs[later].append(checkpoint["id"])
        apart.append(checkpoint)
    activities = {
        task["id"]: Activity(
            id=task["id"],
            kind=Kind.TASK,
            duration=task["hours"] * HOUR,
            demands=tuple(dict.fromkeys([task["stream"], *attending.get(task["id"], [])])),
            predecessors=tuple(needs[task["id"]]),
            title=task["title"],
        )
        for task in DATA["tasks"]
    }
    for checkpoint in apart:
        activities[checkpoint["id"]] = Activity(
            id=checkpoint["id"],
            kind=Kind.CHECKPOINT,
            duration=checkpoint["hours"] * HOUR,
            demands=tuple(checkpoint["participants"]),
            predecessors=tuple(checkpoint["after"]),
        )
    agents = list(DATA["agents"])
    return Problem(
        activities,
        {stream: (agent,) for stream, agent in zip(STREAMS, agents, strict=True)},
        dict.fromkeys(STREAMS, 1),
    )
