"""Which files a verification command executes."""

import pytest

from coditect.check.judges import scripts


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("sh tests/run.sh", ["tests/run.sh"]),
        ("./tests/run.sh --fast", ["tests/run.sh"]),
        ("tests/run.sh && other/check", ["tests/run.sh", "other/check"]),
        ("python3 -B tests/run.py out.json", ["tests/run.py"]),
        ("python3.12 tests/run.py", ["tests/run.py"]),
        ("/usr/bin/python3 tests/run.py", ["tests/run.py"]),
        ("pytest -q tests/test_a.py", ["tests/test_a.py"]),
        ("CI=1 timeout 5m bash tests/run.sh", ["tests/run.sh"]),
        ("cd src && python3 check.py", ["check.py"]),
        ("python3 -c 'import x' tests/run.py", []),
        ("python3 -m pytest tests", []),
        ("sh -n deploy/run.sh", []),
        ("test -s docs/a.md", []),
        ("make check", []),
        ("grep -q x docs/a.md; node web/check.js", ["web/check.js"]),
        ("sh 'unclosed", []),
        ("", []),
    ],
)
def test_the_files_that_a_command_executes_are_found(command: str, files: list[str]) -> None:
    assert list(scripts(command)) == files
