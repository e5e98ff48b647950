"""Text from elsewhere, made harmless: agents, plans and commands never command a terminal.

An agent's output, a task's title or a verification's message may hold escape sequences that move
the cursor, rename the window, fill the clipboard or answer questions nobody asked. Everything the
report shows passes through here first. What is left has no control and no invisible characters.
"""

from __future__ import annotations

import json
import re
import unicodedata

# The sequences of ECMA-48, with both introducers: ESC and its one-byte (C1) form.
_STRING = r"(?:\x1b[PX\]^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|(?=\x1b)|\Z)"
_CONTROL = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
_SHORT = r"\x1b[ -/]*[0-~]?"
_SEQUENCE = re.compile(f"{_STRING}|{_CONTROL}|{_SHORT}")

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format (bidirectional overrides, zero width), lone surrogate, line separators."""

_TAIL = 4096
"""How many bytes at the end of an output are looked at for its last line."""


def plain(text: str, limit: int | None = None) -> str:
    """Give a text as one line of printable characters, without escape sequences.

    Breaks, tabs and odd spaces become spaces, unseen characters vanish, and those without a
    meaning that all agree on (private or unassigned) become a replacement character. With a
    `limit`, a longer text is cut to that many characters, the last one an ellipsis.
    """
    if not text.isprintable():
        text = _SEQUENCE.sub("", text)
        text = "".join(_seen(character) for character in text)
    if limit is not None and len(text) > limit:
        return text[: max(limit - 1, 0)] + "…"
    return text


def _seen(character: str) -> str:
    if character.isprintable():
        return character
    category = unicodedata.category(character)
    if character in "\t\n\v\f\r\x85" or category.startswith("Z"):
        return " "
    return "" if category in _UNSEEN else "\ufffd"


def last_line(output: bytes, limit: int = 200) -> str:
    """Give the last line that says something in the end of a process's output.

    A carriage return starts its line anew, as on a terminal, so that a progress bar shows only
    its latest state.
    """
    text = output[-_TAIL:].decode("utf-8", errors="replace")
    for line in reversed(text.split("\n")):
        for part in reversed(line.split("\r")):
            said = plain(part).strip()
            if said:
                return plain(said, limit)
    return ""


def escaped(document: str) -> str:
    """Escape, in a JSON document, what could still reach a terminal as a command.

    JSON escapes only the first 32 controls; these characters can stand nowhere but in strings, so
    that the document's meaning stays.
    """
    if document.isascii() and "\x7f" not in document:
        return document
    return "".join(
        json.dumps(character)[1:-1]
        if character != "\n" and unicodedata.category(character) in _UNSEEN
        else character
        for character in document
    )
