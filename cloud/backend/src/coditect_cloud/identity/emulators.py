"""Emulators accept tokens that nobody signed; production starts with none in its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

_EMULATOR = re.compile(r"[A-Z0-9_]*_EMULATOR(_HOST|_HUB|_HOST_PATH)?", re.IGNORECASE)


class UnsafeSettings(ValueError):
    """Settings that a production profile refuses to start with; says which and what to do."""


def refuse_emulators(environ: Mapping[str, str], profile: str) -> None:
    """Refuse `FIREBASE_AUTH_EMULATOR_HOST` and its like outside of development.

    Libraries of the vendors read these variables on their own, and then accept unsigned tokens or
    write elsewhere. Any profile but exactly `development` counts as production. Raises
    UnsafeSettings; values are not repeated.
    """
    if profile == "development":
        return
    found = sorted(name for name in environ if _EMULATOR.fullmatch(name) and environ[name].strip())
    if found:
        raise UnsafeSettings(
            f"the {profile} profile does not start with {', '.join(found)} set: emulators accept "
            "tokens that nobody signed. Unset it, or use the development profile."
        )
