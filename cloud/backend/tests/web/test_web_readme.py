"""The README's commands are run as they stand, against a server that was started as it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cloud_support.web_server import serving

pytestmark = pytest.mark.timeout(300)
README = Path(__file__).resolve().parents[2] / "README.md"


def commands() -> str:
    """Take the fenced commands out of the README."""
    found = re.findall(r"```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return "\n".join(found)


def without_jq(folder: Path) -> Path:
    """Stand in for jq where it is not installed: the two forms that the README uses."""
    script = folder / "jq"
    script.write_text(
        f"#!{sys.executable}\n"
        "import functools, json, sys\n"
        "names = sys.argv[2].strip('.').split('.')\n"
        "print(functools.reduce(lambda value, name: value[name], names, json.load(sys.stdin)))\n"
    )
    script.chmod(0o755)
    return folder


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_commands_of_the_readme_go_from_license_to_release(tmp_path: Path) -> None:
    tools = os.environ["PATH"]
    if not shutil.which("jq"):
        tools = f"{without_jq(tmp_path)}:{tools}"
    with serving(tmp_path) as (url, key, log):
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands()],
            env={"PATH": tools, "URL": url, "KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert '"in_use":0' in ran.stdout.splitlines()[-1].replace("}{", "}\n{").splitlines()[-1]
    told = log.read_text()
    assert told.count(key) == 1, "the key is shown once, and never logged"
    assert "CCL-" not in told
    assert "Traceback" not in told


def test_the_readme_has_no_more_than_ten_lines_of_commands() -> None:
    assert len(commands().strip().splitlines()) <= 10


def test_several_workers_share_one_database_and_end_together(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as (url, key, _):
        owner = {"Authorization": f"ApiKey {key}"}
        with httpx.Client(base_url=url, headers=owner) as client:
            assert client.post("/v1/products", json={"slug": "a", "name": "A"}).status_code == 201
        for _ in range(8):  # other connections, so other workers
            assert httpx.get(f"{url}/v1/products/a", headers=owner).status_code == 200
