"""The brief: what an agent is told about its task, as a file that any agent can read."""

from __future__ import annotations

from coditect.agents.adapter import Assignment
from coditect.agents.spec import BRIEF
from coditect.agents.supervisor import files


def write_brief(assignment: Assignment) -> None:
    """Put the brief into the attempt folder."""
    files.write_bytes(str(assignment.folder / BRIEF), brief(assignment).encode(), sync=False)


def brief(assignment: Assignment) -> str:
    """Word the brief. It is the same for each attempt."""
    parts = [f"# {assignment.title}", f"Task `{assignment.task}` of run `{assignment.run}`."]
    if assignment.brief:
        parts.append(assignment.brief.strip())
    parts.append(
        _section(
            "What you may change",
            assignment.owns,
            "Work in the current folder, a git checkout. A change to any other path is refused as"
            " a whole, whatever its quality.",
        )
    )
    if assignment.excepts:
        parts.append(_section("Taken away from that", assignment.excepts))
    if assignment.deliverables:
        parts.append(
            _section(
                "What has to be there when you are done",
                tuple(map(str, assignment.deliverables)),
                "Commands decide whether it is; what you say about it is not considered.",
            )
        )
    if assignment.secrets is not None:
        parts.append(
            "## Secrets\n\nThey are files in the folder that `$CODITECT_SECRETS` names, and those"
            " you hand over go there. Never put one into the checkout."
        )
    if assignment.reads:
        parts.append(
            _section(
                "What you may read",
                tuple(f"{name}: {path}" for name, path in sorted(assignment.reads.items())),
            )
        )
    return "\n\n".join(parts) + "\n"


def _section(title: str, entries: tuple[str, ...], words: str = "") -> str:
    listed = "\n".join(f"- `{entry}`" for entry in entries) or "- nothing"
    return "\n\n".join(filter(None, (f"## {title}", words, listed)))
