"""Durations as people write them: `45m`, `1h30m`, `2d`, and efforts such as `2h..3h..6h`.

A day is a working day of the plan's calendar, so every reading needs its hours.
"""

from __future__ import annotations

import re
from fractions import Fraction

from coditect.plan.model import HOUR, Effort

MAX_HOURS = 100_000
"""More than ten years of one person's work: nobody means that."""

_MINUTE = 60
_UNITS = "dhms"
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s?([a-zA-Z]+)\s?", re.ASCII)
_SPELLINGS = {
    "d": {"d", "day", "days"},
    "h": {"h", "hr", "hrs", "hour", "hours"},
    "m": {"m", "min", "mins", "minute", "minutes"},
    "s": {"s", "sec", "secs", "second", "seconds"},
}
_EXAMPLES = "Write for example `45m`, `3h`, `1h30m` or `2d`."


class DurationError(ValueError):
    """A duration that cannot be read: what is wrong, and how it is written."""

    def __init__(self, message: str, hint: str = _EXAMPLES, offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.offset = offset
        """Characters before the part that is wrong."""


def parse_duration(text: str, hours_per_day: int = 8, *, zero: bool = False) -> int:
    """Read a duration and give its seconds of work.

    Units are `d` (a day of `hours_per_day` hours), `h`, `m` and `s`, largest first, each at most
    once. Raises DurationError for anything else, for parts of a second, for more than `MAX_HOURS`
    hours, and for nothing at all unless `zero` allows it.
    """
    seconds = Fraction(0)
    position, last = 0, -1
    if text.strip().startswith("-"):
        raise DurationError(f"`{text}` is negative, and work takes time.")
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise DurationError(_not_a_duration(text), offset=position)
        rank = _UNITS.find(part[2]) if len(part[2]) == 1 else -1
        if rank < 0:
            raise DurationError(_unknown_unit(text, part[2]), offset=part.start(2))
        if rank <= last:
            raise DurationError(
                f"`{text}` does not go from larger to smaller units.",
                "Write days, hours, minutes and seconds in this order, each once: `1d2h30m`.",
                offset=part.start(2),
            )
        last = rank
        seconds += Fraction(part[1]) * _seconds_of(part[2], hours_per_day)
        position = part.end()
    if last < 0:
        raise DurationError("A duration is missing here.")
    if seconds.denominator != 1:
        raise DurationError(f"`{text}` is not a whole number of seconds.")
    if seconds == 0 and not zero:
        raise DurationError(f"`{text}` is no time at all, and work takes time.")
    if seconds > MAX_HOURS * HOUR:
        raise DurationError(f"`{text}` is more than {MAX_HOURS:,} hours of work.")
    return int(seconds)


def parse_effort(text: str, hours_per_day: int = 8) -> Effort:
    """Read `3h`, or an estimate `optimistic..likely..pessimistic` such as `2h..3h..6h`.

    Raises DurationError for anything else and for estimates that are not in this order.
    """
    parts = text.split("..")
    if len(parts) not in (1, 3):
        raise DurationError(
            f"`{text}` has {len(parts)} figures; an estimate has one or three.",
            "Write `3h`, or `optimistic..likely..pessimistic` as in `2h..3h..6h`.",
        )
    figures, offset = [], 0
    for part in parts:
        lead = len(part) - len(part.lstrip())
        try:
            figures.append(parse_duration(part.strip(), hours_per_day))
        except DurationError as trouble:
            raise DurationError(
                trouble.message, trouble.hint, offset + lead + trouble.offset
            ) from None
        offset += len(part) + 2
    if len(figures) == 1:
        return Effort(figures[0], figures[0], figures[0])
    low, likely, high = figures
    if not low <= likely <= high:
        raise DurationError(
            f"`{text}` is not in order.",
            "Write the optimistic figure first, then the likely, then the pessimistic one.",
        )
    return Effort(low, likely, high)


def format_duration(seconds: int, hours_per_day: int | None = None) -> str:
    """Write seconds of work as `parse_duration` reads them; days only if their hours are given."""
    if seconds == 0:
        return "0s"
    rest, said = seconds, []
    units = "dhms" if hours_per_day else "hms"
    for unit in units:
        count, rest = divmod(rest, _seconds_of(unit, hours_per_day or 0))
        if count:
            said.append(f"{count}{unit}")
    return "".join(said)


def format_effort(effort: Effort, hours_per_day: int | None = None) -> str:
    """Write an effort as `parse_effort` reads it."""
    figures = (effort.optimistic, effort.likely, effort.pessimistic)
    if len(set(figures)) == 1:
        return format_duration(effort.likely, hours_per_day)
    return "..".join(format_duration(figure, hours_per_day) for figure in figures)


def _seconds_of(unit: str, hours_per_day: int) -> int:
    return {"d": hours_per_day * HOUR, "h": HOUR, "m": _MINUTE, "s": 1}[unit]


def _not_a_duration(text: str) -> str:
    if text.strip().replace(".", "", 1).isdigit():
        return f"`{text}` has no unit."
    return f"`{text}` is not a duration."


def _unknown_unit(text: str, unit: str) -> str:
    if unit.lower() in ("w", "week", "weeks"):
        return f"`{text}` counts weeks, and weeks differ in their working days; write days."
    for short, names in _SPELLINGS.items():
        if unit.lower() in names:
            return f"`{text}` has the unit `{unit}`; it is written `{short}`."
    return f"`{text}` has the unit `{unit}`, which is not one of d, h, m and s."
