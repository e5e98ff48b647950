"""What leaves the program: nothing it prints can fail for its reader, or command a terminal."""

from __future__ import annotations

import io
import json
import os
import select
import sys
from typing import Any

import typer

from coditect.report.plain import escaped

OK, NO, TROUBLE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; the answer is no (bad plan in `check`, failed run); cannot; left by Ctrl-C."""


def prepare() -> None:
    """Make the standard streams fit for use, whoever started the program in whatever way.

    A closed one is replaced by nothing, so that no file of ours gets its number; a character that
    the terminal's encoding lacks is shown as `?`.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # The lowest free number: the closed one.
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_json(data: Any, *, line: bool = False) -> None:
    """Print a JSON document, on one line if asked: always UTF-8, and harmless for a terminal."""
    text = json.dumps(data, indent=None if line else 2, ensure_ascii=False)
    typer.echo(escaped(text).encode("utf-8"))


def reader_gone() -> bool:
    """Let what is still to be printed vanish where nobody reads it any more; whether that is so."""
    gone = False
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        number = stream.fileno()
        if _has_lost_its_reader(number):
            os.dup2(nothing, number)
            gone = True
        gone = gone or os.path.samestat(os.fstat(number), os.fstat(nothing))
    os.close(nothing)
    return gone


def _has_lost_its_reader(descriptor: int) -> bool:
    watch = select.poll()
    watch.register(descriptor, select.POLLOUT)
    return any(what & select.POLLERR for _, what in watch.poll(0))


def counted(number: int, noun: str) -> str:
    """Say how many: `1 task`, `2 tasks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
