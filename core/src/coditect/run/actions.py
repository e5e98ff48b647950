"""What the kernel asks of the shell.

Actions are *wanted states of affairs*: the kernel names them again until an event says they are
done, and the shell starts each once. So after a crash nothing has to be remembered but the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from coditect.run.events import Event
from coditect.run.state import Attempt, Candidate


@dataclass(frozen=True, slots=True)
class Record:
    """Append a decision to the journal."""

    event: Event


@dataclass(frozen=True, slots=True)
class Launch:
    """Prepare the lane and start the supervisor; answer attempt_attached or attempt_lost."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait for the supervisor's end; answer attempt_exited."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Stop:
    """End the attempt's process tree; the answer comes through Watch."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Save:
    """Snapshot the lane under a ref; answer work_saved."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Inspect:
    """Let the gate read the diff; answer diff_checked."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Build:
    """Merge the work onto this head; answer candidate_built."""

    attempt: Attempt
    onto: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Run the verifications on the candidate's tree; answer candidate_verified."""

    attempt: Attempt
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Swap:
    """Compare-and-swap the integration ref to the prepared commit; answer integrated."""

    attempt: Attempt
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Land:
    """Fast-forward the target branch to this commit; answer landed or landing_held."""

    repository: str
    commit: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """Look at a checkpoint's deliverable and verifications; answer checkpoint_verified."""

    checkpoint: str


Effect: TypeAlias = Launch | Watch | Stop | Save | Inspect | Build | Verify | Swap | Land | Confirm
"""An action that touches the world, in contrast to a Record."""

Action: TypeAlias = Record | Effect

Key: TypeAlias = tuple[str, ...]


def key(effect: Effect) -> Key:
    """Name an effect; two wants with one name are the same want."""
    name = type(effect).__name__
    match effect:
        case Land(repository, commit):
            return (name, repository, commit)
        case Confirm(checkpoint):
            return (name, checkpoint)
        case Build(attempt, onto):
            return (name, attempt.task, str(attempt.number), onto)
        case Verify(attempt, candidate) | Swap(attempt, candidate):
            return (name, attempt.task, str(attempt.number), candidate.commit)
        case _:
            return (name, effect.attempt.task, str(effect.attempt.number))
