"""What the YAML parser stumbles over, said for people."""

from __future__ import annotations

import re

import yaml

from coditect.findings import Finding, Place

_BEGINNINGS = re.compile("simple key|alias|anchor|a tag")
_QUOTE = 'Put the value in quotes: `key: "..."`.'

# What the parser's words contain (libyaml's and the Python parser's differ) -> message and hint.
_SAYINGS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("mapping values are not allowed",),
        "A `:` stands where the value before it has not ended: either this line is indented"
        " too far, or a text holds `: `.",
        "Align the key with its siblings, or put the text in quotes.",
    ),
    (
        ("sequence entries are not allowed", "block sequence entries"),
        "A list item (`- `) begins on the line of its key.",
        "Begin the list on the next line, or write `[a, b]`.",
    ),
    (
        ("expected ',' or ']'", "expected ',' or '}'", "expected the node content", "flow node"),
        "A list `[...]` or mapping `{...}` is not closed, or a comma is missing in it.",
        "Close the bracket, and put commas between the items.",
    ),
    (
        ("found unexpected end of stream", "unexpected document indicator"),
        "A quoted text begins here and never ends.",
        "Close the quote.",
    ),
    (
        ("could not find expected ':'", "expected ':'"),
        "This line has no `:` after its key.",
        "Write `key: value`; a text over several lines begins with `key: >`.",
    ),
    (
        ("unknown escape character", "expected escape sequence", "did not find expected hexdec"),
        'A `"..."` text has a backslash that means nothing to YAML.',
        "Write the text in single quotes, or double the backslash.",
    ),
    (
        ("expected key", "expected <block end>", "expected '-' indicator"),
        "This line's indentation matches none of the lines above it.",
        "Align it with its siblings; a list and a mapping cannot stand side by side.",
    ),
    (
        ("expected <document start>", "expected '<document start>'"),
        "Something stands after the end of the plan.",
        "Check the brackets and the indentation just before.",
    ),
    (
        ("cannot start any token",),
        "A value cannot begin with this character in YAML.",
        _QUOTE,
    ),
    (
        ("while parsing a tag", "tag uri", "tag handle", "undefined tag"),
        "A `!` begins a YAML tag, and this is none.",
        _QUOTE,
    ),
    (
        ("expected alphabetic or numeric", "anchor", "alias"),
        "A `*` or `&` begins a YAML alias or anchor, and this is none.",
        _QUOTE,
    ),
    (
        ("incompatible yaml document", "directive"),
        "A line that begins with `%` is a YAML directive, and this one is not understood.",
        "Remove the line.",
    ),
)


def syntax_finding(name: str, text: str, trouble: yaml.YAMLError) -> Finding:
    """Restate the parser's error; `text` is what it read."""
    if isinstance(trouble, yaml.reader.ReaderError):
        return _control_character(name, text)
    context = str(getattr(trouble, "context", None) or "")
    problem = str(getattr(trouble, "problem", None) or trouble)
    line, column = _position(text, context, trouble)
    place = Place(name, line + 1, column + 1)
    if _indented_by_tab(text, line, column):
        return Finding(
            "yaml-tab",
            "This line is indented with a tab; YAML takes only spaces.",
            "Replace the tab by spaces.",
            place=place,
        )
    if _character(text, line, column) in ("]", "}"):
        return Finding(
            "yaml-syntax",
            "This bracket closes nothing.",
            "Remove it, or put the text in quotes.",
            place=place,
        )
    said = f"{context} {problem}".lower()
    for needles, message, hint in _SAYINGS:
        if any(needle in said for needle in needles):
            return Finding("yaml-syntax", message, hint, place=place)
    return Finding(
        "yaml-syntax",
        f"This is not YAML: {problem}.",
        "Compare the line with plans/hello.yaml.",
        place=place,
    )


def _position(text: str, context: str, trouble: yaml.YAMLError) -> tuple[int, int]:
    """Choose the line and column to show: where a thing began, if it never ended."""
    mark = getattr(trouble, "problem_mark", None)
    began = getattr(trouble, "context_mark", None)
    if began is not None and (
        mark is None or _BEGINNINGS.search(context) or not _rest(text, mark.line, mark.column)
    ):
        mark = began
    return (mark.line, mark.column) if mark is not None else (0, 0)


def _line(text: str, line: int) -> str:
    lines = text.split("\n", line + 1)
    return lines[line] if line < len(lines) else ""


def _character(text: str, line: int, column: int) -> str:
    return _line(text, line)[column : column + 1]


def _rest(text: str, line: int, column: int) -> bool:
    """Say whether anything but blanks stands at the position or behind it."""
    lines = text.split("\n", line)
    return len(lines) > line and lines[line][column:].strip() != ""


def _indented_by_tab(text: str, line: int, column: int) -> bool:
    here = _line(text, line)
    indent = here[: len(here) - len(here.lstrip())]
    return "\t" in indent or _character(text, line, column) == "\t"


def _control_character(name: str, text: str) -> Finding:
    for number, line in enumerate(text.split("\n"), start=1):
        for index, char in enumerate(line):
            if not _printable(char):
                return Finding(
                    "yaml-control-character",
                    f"The character U+{ord(char):04X} cannot stand in YAML.",
                    "Remove it; it is often invisible in an editor.",
                    place=Place(name, number, index + 1),
                )
    return Finding(
        "yaml-control-character",
        "A character in this file cannot stand in YAML.",
        "Save the file as plain UTF-8 text.",
        place=Place(name, 1, 1),
    )


def _printable(char: str) -> bool:
    """Say whether YAML 1.1 lets the character stand in a document."""
    point = ord(char)
    return (
        char in "\t\n\r\x85"
        or 0x20 <= point <= 0x7E
        or 0xA0 <= point <= 0xD7FF
        or (0xE000 <= point <= 0xFFFD and point != 0xFEFF)
        or point >= 0x10000
    )
