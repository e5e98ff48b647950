"""The values that stand in a plan, each with how it is read, refused and described.

Every reader takes what the YAML tree holds (text, lists, dicts) and raises a *slip*: an error that
carries a finding's code, message and hint. Nothing here relates one value to another.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from coditect.paths import PatternError, parse_pattern
from coditect.plan.durations import DurationError, parse_duration, parse_effort
from coditect.plan.model import Effort, OwnedPath

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
MAX_DAY = 3650
"""Ten years of working days."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_MONEY = re.compile(r"[$€£]?\s?([0-9][0-9,_]{0,14}(?:\.[0-9]{1,4})?)(?:\s?/\s?day)?", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,9})(?:\s?(?:-|\.\.)\s?([0-9]{1,9}))?", re.ASCII)
_GLOB_CHARACTERS = frozenset("*?[]{}")


def slip(
    code: str, message: str, hint: str = "", *, offset: int = 0, item: int | None = None
) -> PydanticCustomError:
    """Make the error that becomes a finding; `offset` counts characters into the scalar."""
    facts = {"code": code, "message": message, "hint": hint, "offset": offset, "item": item}
    return PydanticCustomError("coditect", "{message}", facts)


def kind_of(value: Any) -> str:
    """Name what stands there, for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else f"`{shorten(str(value))}`"


def shorten(text: str, limit: int = 60) -> str:
    """Give text on one line, cut where it gets long."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def read_text(value: Any) -> str:
    """Read any text that is not blank."""
    if isinstance(value, str) and value.strip():
        return value
    if value is None or isinstance(value, str):
        raise slip("empty-value", "Nothing is written here.", "Write a value or remove the key.")
    raise slip("wrong-type", f"This should be text, and is {kind_of(value)}.", "Write plain text.")


def read_id(value: Any) -> str:
    """Read an identifier: lower-case words and digits joined by hyphens, at most 64 characters."""
    text = read_text(value)
    if ID.fullmatch(text):
        return text
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    proposal = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-")
    hint = f"Write `{proposal}`." if proposal else "Write something like `api-contract`."
    raise slip(
        "bad-id",
        f"`{shorten(text)}` cannot be an id: ids are lower-case letters, digits and hyphens,"
        " begin with a letter or digit and have at most 64 characters.",
        hint,
    )


def read_integer(value: Any) -> int:
    """Read a whole number."""
    text = read_text(value)
    if _INTEGER.fullmatch(text):
        return int(text)
    raise slip("bad-number", f"`{shorten(text)}` is not a whole number.", "Write digits: `2`.")


def read_count(value: Any) -> int:
    """Read a whole number that is not negative."""
    number = read_integer(value)
    if number < 0:
        raise slip("bad-number", f"`{number}` is negative.", "Write zero or more.")
    return number


def read_hours(value: Any) -> int:
    """Read how many hours a day has."""
    text = read_text(value)
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= 24:
        raise slip(
            "bad-number",
            f"`{shorten(text)}` is no number of hours in a day.",
            "Write a whole number from 1 to 24; 8 is usual.",
        )
    return int(text)


def read_flag(value: Any) -> bool:
    """Read `true` or `false`; `yes` and `on` mean different things to different YAML readers."""
    text = read_text(value)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    meant = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
    hint = f"Write `{meant.get(text.lower(), 'true` or `false')}`."
    raise slip("bad-flag", f"`{shorten(text)}` is neither `true` nor `false`.", hint)


def read_schema(value: Any) -> int:
    """Read the version of the format; only 1 exists."""
    text = read_text(value)
    if text != "1":
        raise slip(
            "unsupported-schema",
            f"This plan says schema `{shorten(text)}`, and this version reads schema 1.",
            "Write `schema: 1`, or use the version of coditect that the plan was made for.",
        )
    return 1


def read_money(value: Any) -> float:
    """Read what a day costs: `1000` or `$1,000/day`."""
    text = read_text(value)
    found = _MONEY.fullmatch(text.strip())
    if found is None:
        raise slip("bad-cost", f"`{shorten(text)}` is not a cost per day.", "Write `$1000/day`.")
    return float(found[1].replace(",", "").replace("_", ""))


def read_date(value: Any) -> str:
    """Read an ISO date."""
    text = read_text(value)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise slip(
            "bad-date", f"`{shorten(text)}` is not a date.", "Write it as `2026-01-31`."
        ) from None


def read_duration(value: Any, info: ValidationInfo) -> int:
    """Read seconds of work; days have the hours of the plan's calendar."""
    return _duration(value, _hours(info))


def read_duration_or_none(value: Any, info: ValidationInfo) -> int:
    """Read seconds of work, of which there may be none (`0h`)."""
    return _duration(value, _hours(info), zero=True)


def read_time_limit(value: Any) -> int:
    """Read seconds of real time; a working day is no unit of real time."""
    text = read_text(value)
    if re.search(r"\dd", text):
        raise slip(
            "bad-duration",
            f"`{shorten(text)}` counts working days, and a time limit is real time.",
            "Write hours, minutes or seconds: `90m`.",
        )
    return _duration(text, 24)


def read_effort(value: Any, info: ValidationInfo) -> Effort:
    """Read `3h` or `2h..3h..6h`."""
    text = read_text(value)
    try:
        return parse_effort(text.strip(), _hours(info))
    except DurationError as trouble:
        offset = trouble.offset + len(text) - len(text.lstrip())
        raise slip("bad-duration", trouble.message, trouble.hint, offset=offset) from None


def read_span(value: Any) -> tuple[int, int]:
    """Read a working day or a range of them: `7`, `2-3`."""
    text = read_text(value)
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise slip("bad-days", f"`{shorten(text)}` is not a day.", "Write `7` or `1-3`.")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= MAX_DAY:
        raise slip(
            "bad-days",
            f"`{shorten(text)}` are no working days: they count from 1, the first before the last,"
            f" up to {MAX_DAY:,}.",
            "Write `7` or `1-3`.",
        )
    return first, last


def read_availability(value: Any) -> frozenset[int] | None:
    """Read `always` (None), or a list of days and ranges: `[1-3, 7]`."""
    if isinstance(value, str) and value.strip() == "always":
        return None
    days: set[int] = set()
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        try:
            first, last = read_span(item)
        except PydanticCustomError as trouble:
            facts = trouble.context or {}
            hint = "Write `always`, or days such as `[1-3, 7]`."
            raise slip(facts["code"], facts["message"], hint, item=index) from None
        days.update(range(first, last + 1))
    return frozenset(days)


def read_owned_path(value: Any) -> OwnedPath:
    """Read `repository:glob`."""
    text = read_text(value)
    repository, colon, glob = text.partition(":")
    if not colon or not ID.fullmatch(repository):
        raise slip(
            "bad-path",
            f"`{shorten(text)}` does not say in which repository; paths are `repository:glob`.",
            f"Write `name-of-the-repository:{shorten(text.lstrip('/.'))}`.",
        )
    try:
        pattern = parse_pattern(glob)
    except PatternError as trouble:
        offset = len(repository) + 1 + max(trouble.column - 1, 0)
        raise slip("bad-path", trouble.message, trouble.hint, offset=offset) from None
    return OwnedPath(repository, pattern)


def read_place_in_repository(value: Any) -> tuple[str | None, str]:
    """Read one path, `repository:path` or only `path`; a trailing `/` means a folder."""
    text = read_text(value)
    head, colon, tail = text.partition(":")
    repository, path = (head, tail) if colon and ID.fullmatch(head) else (None, text)
    start = len(text) - len(path)
    special = next((i for i, char in enumerate(path) if char in _GLOB_CHARACTERS), None)
    if special is not None:
        raise slip(
            "bad-path",
            f"A deliverable is one path, and `{path[special]}` stands for many.",
            "Name the file, or the folder with a trailing `/`.",
            offset=start + special,
        )
    try:
        parse_pattern(path)
    except PatternError as trouble:
        offset = start + max(trouble.column - 1, 0)
        raise slip("bad-path", trouble.message, trouble.hint, offset=offset) from None
    return repository, path


def read_ref_name(value: Any) -> str:
    """Read the name of a branch or tag, as git allows it."""
    text = read_text(value)
    parts = text.split("/")
    wrong = (
        not all(parts)
        or any(part.startswith(".") or part.endswith(".lock") for part in parts)
        or text.startswith("-")
        or text.endswith(".")
        or ".." in text
        or "@{" in text
        or text == "@"
        or any(char in " ~^:?*[\\" or ord(char) < 0x20 or ord(char) == 0x7F for char in text)
    )
    if wrong or len(text) > 200:
        raise slip(
            "bad-ref",
            f"`{shorten(text)}` cannot name a branch or tag in git.",
            "Use letters, digits, `-`, `.` and `/`, as in `v1.0.0` or `release/1.0`.",
        )
    return text


def read_tag(value: Any) -> tuple[str | None, str]:
    """Read `repository:tag` or only `tag`; git lets no tag have a colon."""
    text = read_text(value)
    head, colon, tail = text.partition(":")
    return (head, read_ref_name(tail)) if colon else (None, read_ref_name(text))


def read_folder(value: Any) -> str:
    """Read the path of a repository: relative to the workspace and within it."""
    text = read_text(value)
    parts = text.split("/")
    if text.startswith(("/", "~")) or ".." in parts or "\\" in text or "\0" in text:
        raise slip(
            "bad-path",
            f"`{shorten(text)}` leaves the workspace; repositories lie within it.",
            "Write a path below the workspace's folder, or `.` for that folder itself.",
        )
    return "/".join(part for part in parts if part not in ("", ".")) or "."


def one_or_many(value: Any) -> list[Any]:
    """Let a single value stand for a list of one; an empty list says nothing."""
    if value is None:
        raise slip("empty-value", "Nothing is written here.", "Write a value or remove the key.")
    items = value if isinstance(value, list) else [value]
    if not items:
        raise slip("empty-list", "This list is empty.", "Fill it, or remove the key.")
    return items


def _duration(value: Any, hours: int, *, zero: bool = False) -> int:
    text = read_text(value)
    try:
        return parse_duration(text.strip(), hours, zero=zero)
    except DurationError as trouble:
        offset = trouble.offset + len(text) - len(text.lstrip())
        raise slip("bad-duration", trouble.message, trouble.hint, offset=offset) from None


def _hours(info: ValidationInfo) -> int:
    hours = (info.context or {}).get("hours_per_day", 8)
    return hours if isinstance(hours, int) else 8


def _shape(kind: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


_DURATION_SHAPE = r"^[0-9]+(\.[0-9]+)?\s?[dhms](\s?[0-9]+(\.[0-9]+)?\s?[hms])*$"
_EFFORT_SHAPE = _DURATION_SHAPE[:-1] + r"(\s*\.\.\s*[0-9][0-9dhms. ]*){0,2}$"
_DAYS = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": MAX_DAY},
        {"type": "string", "pattern": r"^[0-9]+\s?(-|\.\.)\s?[0-9]+$"},
    ]
}

Text = Annotated[str, PlainValidator(read_text), _shape("string", minLength=1)]
Id = Annotated[str, PlainValidator(read_id), _shape("string", pattern=f"^{ID.pattern}$")]
Integer = Annotated[int, PlainValidator(read_integer), _shape("integer")]
Count = Annotated[int, PlainValidator(read_count), _shape("integer", minimum=0)]
Hours = Annotated[int, PlainValidator(read_hours), _shape("integer", minimum=1, maximum=24)]
Scalar = Annotated[
    str, PlainValidator(read_text), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
Flag = Annotated[bool, PlainValidator(read_flag), _shape("boolean")]
SchemaVersion = Annotated[int, PlainValidator(read_schema), WithJsonSchema({"const": 1})]
Money = Annotated[
    float,
    PlainValidator(read_money),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}),
]
IsoDate = Annotated[
    str, PlainValidator(read_date), _shape("string", pattern=r"^\d{4}-\d{2}-\d{2}$")
]
Duration = Annotated[int, PlainValidator(read_duration), _shape("string", pattern=_DURATION_SHAPE)]
DurationOrNone = Annotated[
    int, PlainValidator(read_duration_or_none), _shape("string", pattern=_DURATION_SHAPE)
]
TimeLimit = Annotated[
    int, PlainValidator(read_time_limit), _shape("string", pattern=_DURATION_SHAPE)
]
EffortText = Annotated[Effort, PlainValidator(read_effort), _shape("string", pattern=_EFFORT_SHAPE)]
Span = Annotated[tuple[int, int], PlainValidator(read_span), WithJsonSchema(_DAYS)]
Availability = Annotated[
    frozenset[int] | None,
    PlainValidator(read_availability),
    WithJsonSchema({"anyOf": [{"const": "always"}, _DAYS, {"type": "array", "items": _DAYS}]}),
]
OwnedPathText = Annotated[
    OwnedPath, PlainValidator(read_owned_path), _shape("string", pattern=f"^{ID.pattern}:.+$")
]
PathText = Annotated[
    tuple[str | None, str], PlainValidator(read_place_in_repository), _shape("string", minLength=1)
]
TagText = Annotated[tuple[str | None, str], PlainValidator(read_tag), _shape("string", minLength=1)]
RefName = Annotated[str, PlainValidator(read_ref_name), _shape("string", minLength=1)]
Folder = Annotated[str, PlainValidator(read_folder), _shape("string", minLength=1)]
Texts = Annotated[
    list[Text],
    BeforeValidator(
        one_or_many, json_schema_input_type=Text | Annotated[list[Text], Field(min_length=1)]
    ),
]
OwnedPaths = Annotated[
    list[OwnedPathText],
    BeforeValidator(
        one_or_many,
        json_schema_input_type=OwnedPathText | Annotated[list[OwnedPathText], Field(min_length=1)],
    ),
]
