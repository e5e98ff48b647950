"""Pages by key: a cursor says behind which id the next page starts, whatever is written between."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from coditect_cloud.refusals import Code, Refusal

T = TypeVar("T")

MOST = 200
"""Items of one page at most."""
_MARK = b"1:"
"""The form of cursors; another one later is told apart by it."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order, and the way to those behind them."""

    items: tuple[T, ...]
    next: str | None
    """Cursor of the next page; None on the last one."""


def cursor(last: str) -> str:
    """Make the opaque cursor of the page behind this id."""
    return base64.urlsafe_b64encode(_MARK + last.encode()).decode().rstrip("=")


def after(text: str | None) -> str:
    """Read a cursor; "" for None. Refusal INVALID_REQUEST for what we never made."""
    if not text:
        return ""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if len(text) > 200 or not raw.startswith(_MARK):
            raise ValueError
        return raw.removeprefix(_MARK).decode("ascii")
    except (ValueError, binascii.Error) as fault:
        raise Refusal(
            Code.INVALID_REQUEST,
            "this is no cursor of ours",
            hint="Use the cursor of the page before as it came, or none for the first page.",
        ) from fault


def size(most: int) -> int:
    """Check how many items a page is asked for: 1 to `MOST`."""
    if not 1 <= most <= MOST:
        raise Refusal(Code.INVALID_REQUEST, f"a page has 1 to {MOST} items, not {most}")
    return most


def page(items: Sequence[T], most: int, ids: Sequence[str]) -> Page[T]:
    """Make a page of `most` items out of a query for one more; `ids` stand beside the items."""
    if len(items) <= most:
        return Page(tuple(items), None)
    return Page(tuple(items[:most]), cursor(ids[most - 1]))
