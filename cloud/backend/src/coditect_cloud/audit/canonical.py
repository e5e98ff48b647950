"""One way to write a value as bytes: JSON as RFC 8785 has it, without fractions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

MOST = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""


class NotCanonical(ValueError):
    """A value that has no canonical form: a fraction, a huge integer, half a character."""


def canonical(value: Any) -> bytes:
    """Write JSON values (no floats) as the only bytes that stand for them. NotCanonical."""
    try:
        return _written(value).encode("utf-8")
    except UnicodeEncodeError as fault:
        raise NotCanonical("text with half a surrogate pair") from fault
    except RecursionError as fault:
        raise NotCanonical("nested too deeply") from fault


def plain(value: Any) -> Any:
    """Make anything that a change may tell into values that `canonical` takes.

    An entry must never be refused for its form, since everything behind it would wait: what has
    no form of its own becomes text.
    """
    match value:
        case None | bool():
            return value
        case Enum():
            return plain(value.value)
        case int():
            return int(value) if abs(value) <= MOST else str(value)
        case float():
            return int(value) if value.is_integer() and abs(value) <= MOST else repr(value)
        case str():
            return text(value)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {text(str(key)): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case set() | frozenset():
            return sorted((plain(item) for item in value), key=str)
        case _:
            return text(str(value))


def text(value: str) -> str:
    """Replace what UTF-8 cannot write."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _written(value: Any) -> str:
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > MOST:
            raise NotCanonical(f"an integer beyond ±{MOST}")
        return str(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise NotCanonical("a key that is no text")
        # By UTF-16 units, as the standard orders them, not by code points.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_written(key)}:{_written(value[key])}" for key in keys) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_written(item) for item in value) + "]"
    raise NotCanonical(f"a {type(value).__name__}")
