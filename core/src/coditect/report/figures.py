"""How figures are written for people."""

from __future__ import annotations

HOUR = 3600


def figure(number: float, digits: int = 2) -> str:
    """A number without needless zeros: `62`, `7.75`."""
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def hours(seconds: float) -> str:
    """Seconds of work as hours: `62 h`."""
    return f"{figure(seconds / HOUR)} h"


def days(seconds: float, hours_per_day: int) -> str:
    """Seconds of work as working days: `7.8 days`."""
    text = figure(seconds / HOUR / hours_per_day, 1)
    return f"{text} day" if text == "1" else f"{text} days"


def percent(share: float) -> str:
    """A share: `45 %`, and one digit more where it is small."""
    return f"{figure(100 * share, 1 if 0 < share < 0.1 else 0)} %"


def money(amount: float, currency: str) -> str:
    """An amount: `USD 7,750`."""
    return f"{currency} {amount:,.0f}"


def counted(number: int, one: str, many: str = "") -> str:
    """A number and its thing: `1 task`, `3 tasks`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
