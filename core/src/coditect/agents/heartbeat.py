"""The coordinator's sign of life, which supervisors watch."""

from __future__ import annotations

import os
from pathlib import Path

from coditect.agents.supervisor import files, processes


class Heartbeat:
    """A file whose content changes with each beat.

    Supervisors compare what they read with what they read before, on their own clock, so neither
    the time of day nor the file's date matters. One process writes it: the holder of the run lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0
        # Another coordinator's beats are different ones, also where the count is the same.
        self._self = processes.identity(os.getpid())

    def beat(self) -> None:
        """Write the next beat; raises OSError if that cannot be done."""
        self._count += 1
        body = {"v": files.VERSION, **self._self, "count": self._count}
        files.write_json(str(self.path), body, sync=False)
