"""What follows from a fact for the rest of the graph: who becomes ready, who waits again."""

from __future__ import annotations

from dataclasses import replace

from coditect.run.program import Program
from coditect.run.state import Door, Phase, State


class Consequences:
    """Carries changes on through one state, in place."""

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        self.state = state

    def done(self, name: str) -> None:
        """Tell those who need a task or checkpoint that it is done."""
        for other in self.program.dependents.get(name, ()):
            self.state.unmet[other] -= 1
            if self.state.unmet[other] == 0:
                self.met(other)

    def met(self, name: str) -> None:
        """All that a task or checkpoint needs is done."""
        if name in self.state.gates:
            gate = self.state.gates[name]
            # The work of a `during` checkpoint was attended while its task ran.
            door = Door.CONFIRMING if self.program.gates[name].during else Door.DUE
            self.state.gates[name] = replace(gate, door=door, since=self.state.now)
        elif self.state.tasks[name].phase is Phase.PENDING:
            self.state.tasks[name] = replace(self.state.tasks[name], phase=Phase.READY)
            self.state.ready |= {name}

    def reopen(self) -> None:
        """Let skipped tasks wait again: what kept them from running is being tried once more."""
        self.state.finished = None
        for name, task in self.state.tasks.items():
            if task.phase is Phase.SKIPPED:
                if self.state.unmet[name]:
                    self.state.tasks[name] = replace(task, phase=Phase.PENDING, why="")
                else:
                    self.state.tasks[name] = replace(task, phase=Phase.READY, why="")
                    self.state.ready |= {name}

    def all_landed(self) -> bool:
        """Whether no repository has a head that might be landed now."""
        return all(
            head in (self.state.landed[name], self.state.held.get(name))
            for name, head in self.state.heads.items()
        )

    def settle_landing(self) -> None:
        """A landing that is due is over once nothing is left to land."""
        if self.all_landed():
            self.state.land_due = False

    def first(self, request: str) -> bool:
        """Whether this request was not recorded before; requests without an id always count."""
        if not request:
            return True
        if request in self.state.requests:
            return False
        self.state.requests |= {request}
        return True
