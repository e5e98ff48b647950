"""Drains in processes that are killed: `python -m cloud_support.audit_victim URL LICENSE`.

For each line of its input, the name of a step, it forks a process that drains and ends itself with
SIGKILL at that step (`-`: it drains everything and exits), and writes how that process ended. It
imports once and has neither threads nor a loop of its own, so that forking is quick and safe.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback

from coditect_cloud.audit.drainer import Drainer
from coditect_cloud.audit.log import AuditLog
from coditect_cloud.database import Database
from coditect_cloud.leases.sql import SqlSeats


async def _nothing(after: str, most: int) -> list[str]:
    return []


async def drain(url: str, license: str, step: str) -> None:
    def die(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    database = Database.open(url)
    try:
        store = SqlSeats(database)
        work = Drainer(database, store, AuditLog(), licenses=_nothing, batch=3, step=die)
        await work.drain(license)
        await store.close()
    finally:
        await database.close()


def main(url: str, license: str) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(drain(url, license, line.strip()))
            except BaseException:  # noqa: BLE001 - the fork must never return into its parent
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
