"""Reading a plan's text: whatever cannot be a plan is refused before anybody parses it."""

from __future__ import annotations

from pathlib import Path

from coditect.findings import CoditectError, Place

MAX_BYTES = 4 * 1024 * 1024
"""The largest plan that is read; 10,000 tasks with their briefs need less."""

_BOM = "\ufeff"


def read_source(path: Path) -> str:
    """Give the text of a plan file, without a byte order mark.

    Raises CoditectError if there is no such file, if it is no regular file, cannot be read, is
    larger than `MAX_BYTES` or is not UTF-8.
    """
    try:
        if not path.exists():
            raise CoditectError.of(
                "plan-not-found",
                f"There is no plan at {path}.",
                "Check the path; `plans/hello.yaml` is a small plan to start from.",
            )
        if not path.is_file():
            raise CoditectError.of(
                "plan-unreadable",
                f"{path} is not a file.",
                "Give the path of the plan's YAML file itself.",
            )
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as trouble:
        reason = trouble.strerror if isinstance(trouble, OSError) else str(trouble)
        raise CoditectError.of(
            "plan-unreadable",
            f"The plan {path} cannot be read: {reason}.",
            "Check the path and that you may read the file.",
        ) from None
    return decode_source(str(path), raw)


def decode_source(name: str, raw: bytes) -> str:
    """Decode the bytes of the plan called `name`; raises CoditectError as `read_source` does."""
    if len(raw) > MAX_BYTES:
        raise CoditectError.of(
            "plan-too-large",
            f"{name} is larger than {MAX_BYTES // 1024 // 1024} MiB, more than any plan needs.",
            "Is it the right file? If so, move long briefs into files that the agents read.",
            Place(name, 1, 1),
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as trouble:
        before = raw[: trouble.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise CoditectError.of(
            "plan-not-utf8",
            f"{name} is not UTF-8 text: byte {raw[trouble.start]:#04x} does not belong there.",
            "Save the file as UTF-8.",
            Place(name, line, column),
        ) from None
    return text.removeprefix(_BOM)
