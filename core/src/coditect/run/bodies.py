"""How the journal writes events: the body of each as JSON data, and back.

Unknown fields of a newer writer are refused by the journal's version; missing ones take their
defaults.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from coditect.run import events
from coditect.run.events import KINDS, Event, RunStarted


def to_body(event: Event) -> dict[str, Any]:
    """Give an event's fields as plain JSON data."""
    body: dict[str, Any] = {}
    cls: Any = type(event)
    for name in _field_names(cls):
        value = getattr(event, name)
        body[name] = dict(value) if isinstance(value, Mapping) else value
    return body


def from_body(kind: str, body: Mapping[str, Any]) -> Event:
    """Read an event back; raises KeyError for an unknown kind, TypeError for a wrong body."""
    cls: Any = KINDS[kind]
    tuples = _tuple_fields(cls)
    values: dict[str, Any] = {
        name: tuple(value) if name in tuples else value for name, value in body.items()
    }
    if cls is RunStarted:
        values["planned"] = {key: tuple(span) for key, span in values["planned"].items()}
    event: Event = cls(**values)
    return event


@cache
def _field_names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(cls))


@cache
def _tuple_fields(cls: type[Any]) -> frozenset[str]:
    hints = typing.get_type_hints(cls, vars(types) | vars(events))
    return frozenset(
        item.name for item in fields(cls) if typing.get_origin(hints[item.name]) is tuple
    )
