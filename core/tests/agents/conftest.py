from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from coditect.agents import Launcher, launcher, rehearsal
from support.measured import is_measured, measured
from support.workshop import Workshop


@pytest.fixture(scope="session", autouse=True)
def measured_programs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Measure what runs in processes of its own, if anything is measured."""
    if is_measured():
        folder = tmp_path_factory.mktemp("measured")
        launcher._PROGRAM = measured(launcher._PROGRAM, folder)
        rehearsal._PROGRAM = measured(rehearsal._PROGRAM, folder)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


@pytest.fixture(params=["namespace", "group"])
def namespace(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "namespace")


@pytest.fixture
def workshop(tmp_path: Path, zygote: Launcher, namespace: bool) -> Iterator[Workshop]:
    shop = Workshop(tmp_path, zygote, namespace=namespace)
    yield shop
    shop.clean_up()


@pytest.fixture
def plain_workshop(tmp_path: Path, zygote: Launcher) -> Iterator[Workshop]:
    """Without namespaces, for what does not depend on them."""
    shop = Workshop(tmp_path, zygote, namespace=False)
    yield shop
    shop.clean_up()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that may be killed."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()
