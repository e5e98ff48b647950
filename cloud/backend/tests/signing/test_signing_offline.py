"""What verifies offline can be taken out of the service: `cryptography` is all that it needs."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from coditect_cloud.signing import verify

FOLDER = Path(verify.__file__).parent
OFFLINE = ("verify", "responses", "delegation", "jws", "encoding", "artefacts", "untrusted")


def imported(module: str) -> set[str]:
    tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("module", OFFLINE)
def test_the_verifier_needs_cryptography_and_itself_only(module: str) -> None:
    own = {f"coditect_cloud.signing.{name}" for name in OFFLINE}
    for name in imported(module) - own:
        assert name.split(".")[0] in {*sys.stdlib_module_names, "cryptography"}, name
