"""The Lua scripts: each a file of its own, behind a prelude that they share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Script:
    """One script; the server knows it by the SHA-1 of its text."""

    name: str
    text: bytes = field(repr=False)

    @property
    def sha(self) -> str:
        """What EVALSHA names it by."""
        return _sha(self.text)


@cache
def _sha(text: bytes) -> str:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()


@cache
def script(name: str) -> Script:
    """Load a script of this package."""
    folder = resources.files(__package__) / "lua"
    prelude = (folder / "prelude.lua").read_bytes()
    return Script(name, prelude + b"\n" + (folder / f"{name}.lua").read_bytes())
