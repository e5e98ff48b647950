"""The stand-in's program: `python -I -S rehearsal_agent.py <job>`, in the lane.

Standard library only. It says on standard output what it is at, as agents do, and that is no
evidence of anything.
"""

# ruff: noqa: PTH100, PTH103, PTH118, PTH120, PTH123

from __future__ import annotations

import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(path: str) -> int:
    """Do the job that a file describes; gives the exit code."""
    # After the path is set, which is not yet so when this file begins.
    from coditect.agents.rehearsal_content import placeholder  # noqa: PLC0415
    from coditect.agents.rehearsal_tricks import play  # noqa: PLC0415

    with open(path, encoding="utf-8") as file:
        job: dict[str, Any] = json.load(file)
    steps = len(job["files"]) + len(job["secrets"]) + 2
    done = 0

    def step(what: str) -> None:
        nonlocal done
        done += 1
        print(f"step {done}/{steps} {what}", flush=True)
        time.sleep(job["seconds"] / steps)

    step(f"reading the brief of {job['task']}")
    if not play(job, "before"):
        return 0
    for name in job["files"]:
        step(f"writing {name}")
        if folder := os.path.dirname(name):
            os.makedirs(folder, exist_ok=True)
        with open(name, "w", encoding="utf-8", newline="\n") as file:
            file.write(placeholder(name, job["task"], job["title"], job["owner"]))
        if name.endswith((".sh", ".bash")):
            os.chmod(name, 0o755)  # noqa: PTH101, S103 - a program for everybody
    for name in job["secrets"]:
        step(f"handing over {name}")
        _hand_over(name)
    play(job, "after")
    step("looking it over")
    return 0


def _hand_over(name: str) -> None:
    folder = os.environ["CODITECT_SECRETS"]
    fd = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(f"rehearsal placeholder of the secret {name}\n")


def _name_packages() -> None:
    """Make the packages above this file known without running them: they import too much."""
    folder = os.path.dirname(os.path.abspath(__file__))
    for name in ("coditect.agents", "coditect"):
        package = type(sys)(name)
        package.__path__ = [folder]
        sys.modules[name] = package
        folder = os.path.dirname(folder)


if __name__ == "__main__":
    _name_packages()
    sys.exit(main(sys.argv[1]))
