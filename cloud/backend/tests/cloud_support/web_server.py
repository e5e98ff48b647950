"""Starts the real server as an operator does, and ends it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

COMMAND = [sys.executable, "-c", "from coditect_cloud.cli import main; main()"]


@contextmanager
def serving(folder: Path, *arguments: str, **settings: str) -> Iterator[tuple[str, str, Path]]:
    """Start `coditect-cloud serve`; gives its URL, the owner's key, and the file of its output."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "server.log"
    environment = {**os.environ, "CODITECT_CLOUD_DATA": str(folder / "data")}
    environment |= {f"CODITECT_CLOUD_{name.upper()}": value for name, value in settings.items()}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port), *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 110
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                if httpx.get(f"{url}/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        key = re.search(r"cck_\S+", log.read_text())
        assert key is not None, "the first start prints a key"
        yield url, key[0], log
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
