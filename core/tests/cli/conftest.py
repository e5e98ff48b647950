"""Folders of their own for every test of the command line."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.scratch import HELLO, Scratch


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    """A repository with one commit, a home, and the program."""
    made = Scratch(tmp_path)
    made.repository()
    yield made
    made.close()


@pytest.fixture
def hello(scratch: Scratch) -> Scratch:
    """The same, with the first plan in it."""
    shutil.copy(HELLO, scratch.work / "plan.yaml")
    return scratch


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    """A run of the first plan that has succeeded; tests only look at it."""
    made = Scratch(tmp_path_factory.mktemp("finished"))
    made.repository()
    shutil.copy(HELLO, made.work / "plan.yaml")
    made("run", "plan.yaml", "--yes")
    yield made
    made.close()
