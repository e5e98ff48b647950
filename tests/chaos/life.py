"""One life of a coordinator, ended by SIGKILL right after a chosen fact is in the journal.

python -m chaos.life HOME RUN after N        die after the N-th fact of this life
python -m chaos.life HOME RUN kind KIND N    die after the N-th fact of a kind in this life
python -m chaos.life HOME RUN new FILE       die after the first fact of a kind that FILE lacks, and
                                             add it there
python -m chaos.life HOME RUN never          live until the run is finished
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from coditect.run.book import Book
from coditect.run.coordinator import carry_on
from coditect.run.events import Entry
from coditect.run.home import Home
from coditect.run.shell import Listener
from coditect.run.state import State


def main(home: str, run: str, when: str, *which: str) -> int:
    """Carry the run on until the end, or until the chosen fact."""
    left = int(which[-1]) if which and when != "new" else 0
    known = Path(which[0]) if when == "new" else None

    def watcher(book: Book) -> Listener:
        del book

        def listen(entry: Entry, state: State) -> None:
            nonlocal left
            del state
            if known and entry.event.kind not in known.read_text(encoding="utf-8").split():
                with known.open("a", encoding="utf-8") as file:
                    file.write(f"{entry.event.kind}\n")
                os.kill(os.getpid(), signal.SIGKILL)
            if when == "after" or (when == "kind" and entry.event.kind == which[0]):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        return listen

    outcome = carry_on(Home(Path(home)), run, watcher)
    return 0 if outcome == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
