"""Turns a journal's milliseconds into hours of the plan, and back."""

from __future__ import annotations

from dataclasses import dataclass

from coditect.plan.model import HOUR

_REAL_HOUR = HOUR * 1000


@dataclass(frozen=True, slots=True)
class Clock:
    """The time axis of one run."""

    zero: int
    """The start, milliseconds since the epoch."""
    pace: int
    """Milliseconds that a planned hour takes in a rehearsal; 0: real time."""

    @property
    def hour(self) -> int:
        """Real milliseconds of an hour."""
        return self.pace or _REAL_HOUR

    def hours(self, milliseconds: int) -> float:
        """Give a stretch of real time in hours."""
        return milliseconds / self.hour

    def at(self, moment: int) -> float:
        """Give a moment (milliseconds since the epoch) in hours since the start."""
        return self.hours(moment - self.zero)

    def moment(self, seconds: float) -> int:
        """Give the moment that lies so many seconds of work after the start."""
        return self.zero + round(seconds * self.hour / HOUR)


def real_time(milliseconds: float) -> str:
    """Say a stretch of real time as people do: `12:05`, `3:07:00`, `2 d 03:00:00`."""
    seconds = max(0, round(milliseconds / 1000))
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    if days:
        return f"{days} d {hours:02}:{minutes:02}:{seconds:02}"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
