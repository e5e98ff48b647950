"""The kernel of a run: `(state, event) -> (state, actions)`, without clock, chance or I/O.

What it keeps, whatever order events come in and however often they are repeated (the letters are
those of the design):

- E1: an attempt starts only when its needs are integrated and its checkpoints open, in a free slot
  of its workstream; a slot is free only when the life before it has ended.
- E2, E4: an attempt is integrated only after the gate accepted its diff and the very commit that
  is put on the ref passed verification on the head it replaces.
- E3: a task is integrated at most once; a fact about a dead attempt changes nothing.
- E8: nothing behind a checkpoint starts before it is open.
"""

from __future__ import annotations

from collections.abc import Iterable

from coditect.run.actions import Action
from coditect.run.decide import wanted
from coditect.run.events import Entry
from coditect.run.fold import Fold
from coditect.run.program import Program
from coditect.run.state import State, initial


def step(program: Program, state: State, entry: Entry) -> tuple[State, tuple[Action, ...]]:
    """Take in one journalled event; give the next state and all that is now wanted."""
    after = replay(program, (entry,), state)
    return after, wanted(program, after)


def replay(program: Program, entries: Iterable[Entry], state: State | None = None) -> State:
    """Take in many events at once, as `step` would one by one; `state` itself is not changed."""
    after = initial(program) if state is None else state.copy()
    fold = Fold(program, after)
    for entry in entries:
        fold.enter(entry)
    return after
