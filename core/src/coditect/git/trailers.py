"""Who did what in which attempt, written at the end of a commit's message."""

from __future__ import annotations

from dataclasses import dataclass

from coditect.findings import CoditectError
from coditect.git.objects import read_objects
from coditect.git.repository import Repository

_RUN, _TASK, _ATTEMPT, _AGENT = (f"Coditect-{name}" for name in ("Run", "Task", "Attempt", "Agent"))


@dataclass(frozen=True, slots=True)
class Trailers:
    """What the engine writes under each of its commits."""

    run: str
    task: str
    attempt: int
    agent: str

    def under(self, message: str) -> bytes:
        """Give the message with the trailers as its last paragraph."""
        text = message.strip().replace("\0", "") or self.task
        lines = ((_RUN, self.run), (_TASK, self.task), (_ATTEMPT, self.attempt))
        shown = (*lines, (_AGENT, self.agent))
        block = "".join(f"{key}: {' '.join(str(value).split())}\n" for key, value in shown)
        return f"{text}\n\n{block}".encode("utf-8", "replace")


def parse_trailers(message: str) -> Trailers | None:
    """Read the trailers back from a message; None unless all are in its last paragraph."""
    last = message.strip().rpartition("\n\n")[2]
    pairs = dict(line.split(": ", 1) for line in last.split("\n") if ": " in line)
    try:
        attempt = int(pairs[_ATTEMPT])
        return Trailers(pairs[_RUN], pairs[_TASK], attempt, pairs[_AGENT])
    except (KeyError, ValueError):
        return None


def message_of(content: bytes) -> str:
    """Give the message of a commit object."""
    return content.partition(b"\n\n")[2].decode("utf-8", "replace")


def trailers(repository: Repository, commit: str) -> Trailers | None:
    """Read the trailers of a commit; None if the engine did not make it."""
    [(kind, content)] = read_objects(repository.git, [commit])
    if kind != "commit":
        raise CoditectError.of("git-no-commit", f"{commit} is no commit of {repository.path}.")
    return parse_trailers(message_of(content))
