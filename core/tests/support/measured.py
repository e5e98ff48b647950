"""Programs that run without site packages, wrapped so that their coverage is measured too."""

from __future__ import annotations

import sys
from pathlib import Path

import coditect

_WRAPPER = """
import os, runpy, sys
sys.path += [{site!r}]
import coverage
measured = coverage.Coverage(
    data_file={partial!r}, data_suffix=True, branch=True, source=[{sources!r}], config_file=False
)
measured.start()
leave = os._exit
def save_and_leave(status):
    # The init of a namespace has no time for it: its end is everybody's.
    if os.getpid() != 1:
        measured.stop()
        measured.save()
        # Whoever is killed meanwhile leaves half a file, which must not be found.
        written = measured.get_data().data_filename()
        os.rename(written, {data!r} + os.path.basename(written))
    leave(status)
os._exit = save_and_leave
status = 0
try:
    runpy.run_path({program!r}, run_name="__main__")
except SystemExit as end:
    status = end.code
save_and_leave(status)
"""


def is_measured() -> bool:
    """Whether this process measures its coverage."""
    coverage = sys.modules.get("coverage")
    return coverage is not None and coverage.Coverage.current() is not None


def measured(program: str, folder: Path) -> str:
    """Write a program that does what another one does, and measures it."""
    import coverage  # noqa: PLC0415 - not there where nothing is measured

    current = coverage.Coverage.current()
    assert current is not None
    path = folder / Path(program).name
    text = _WRAPPER.format(
        site=str(Path(coverage.__file__).parents[1]),
        sources=str(Path(coditect.__file__).parent),
        partial=str(folder / "part"),
        data=str(Path(str(current.get_option("run:data_file"))).absolute()) + ".",
        program=program,
    )
    path.write_text(text)
    return str(path)
