"""A search through the states of an automaton, nearest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from coditect.paths.admissible import BARE, advance, is_name
from coditect.paths.automaton import Automaton

State = tuple[int, str]
"""Where an automaton is, and what is known of the segment at hand (see `admissible`)."""
Move = tuple[str, State]
"""A text, and where reading it leads."""


def steps(machine: Automaton, letters: Sequence[str], state: State) -> Iterator[Move]:
    """Give all single steps that what is to be a path can take."""
    bits, name = state
    for char in letters:
        yield char, (machine.step(bits, char), advance(name, char))
    if is_name(name):
        yield "/", (machine.step(bits, "/"), BARE)


class Walk:
    """All states that moves lead to, with a shortest way to each."""

    def __init__(
        self, start: State, moves: Callable[[State], Iterator[Move]], max_states: int
    ) -> None:
        self._came: dict[State, tuple[State, str] | None] = {start: None}
        self._moves = moves
        self._max_states = max_states
        self.gave_up = False
        """Whether the walk ended since it met more states than it may."""

    def __iter__(self) -> Iterator[State]:
        queue = list(self._came)
        for state in queue:
            yield state
            for text, after in self._moves(state):
                if after in self._came:
                    continue
                if len(queue) == self._max_states:
                    self.gave_up = True
                    return
                self._came[after] = state, text
                queue.append(after)

    def text(self, state: State) -> str:
        """Give the text that leads to a state."""
        texts: list[str] = []
        while (came := self._came[state]) is not None:
            state, text = came
            texts.append(text)
        return "".join(reversed(texts))
