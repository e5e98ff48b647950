"""What names and slugs may be, and when a change is late: pure."""

from __future__ import annotations

import re

from coditect_cloud.refusals import Code, Refusal

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def check_name(name: str) -> str:
    """Give a name without its outer spaces: 1 to 200 printable characters, on one line."""
    name = name.strip()
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise Refusal(
            Code.INVALID_REQUEST, "a name has 1 to 200 printable characters and stands on one line"
        )
    return name


def check_slug(slug: str) -> str:
    """Give a slug as it is: it stands in tokens and in the code that checks them."""
    if not _SLUG.fullmatch(slug):
        raise Refusal(
            Code.INVALID_REQUEST,
            "a slug has 1 to 63 lower-case letters, digits and inner hyphens",
            hint="For example `render-farm`.",
        )
    return slug


def check_version(current: int, expected: int | None) -> None:
    """Refuse a change that was decided on an older state than the current one."""
    if expected is not None and expected != current:
        raise Refusal(
            Code.PRECONDITION_FAILED,
            f"this is version {current} now, not {expected}",
            hint="Read it again, look whether your change still makes sense, and repeat it.",
            data={"version": current},
        )
