"""Machines that are not like this one: without namespaces, with a covered /proc, full, not root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import coditect

PROGRAM = """
import json, os, sys
from pathlib import Path
source, home, options, command = sys.argv[1:]
# As the supervisor does: without what the packages import on the way.
for name in ("coditect", "coditect.agents"):
    package = type(sys)(name)
    package.__path__ = [os.path.join(source, *name.split("."))]
    sys.modules[name] = package
from coditect.agents.attempts import launch, recover, wait
from coditect.agents.launcher import Launcher
from coditect.agents.spec import AttemptSpec
from coditect.agents.status import Exited, read_output
home = Path(home)
results = []
with Launcher() as launcher:
    for number, way in enumerate((launcher, None)):
        spec = AttemptSpec(run="r", task="t", number=number, argv=("/bin/sh", "-c", command),
            cwd=str(home), env={"PATH": os.environ["PATH"]}, beat=0.05, grace=1.0,
            **json.loads(options))
        folder = home / spec.marker
        ended = wait(launch(folder, spec, way), timeout=60)
        assert isinstance(ended, Exited), ended
        results.append({
            "code": ended.code, "signal": ended.signal, "reason": ended.reason,
            "isolation": ended.isolation, "note": ended.note, "left": ended.left_processes,
            "trouble": ended.trouble, "output": ended.output, "dropped": ended.dropped,
            "said": read_output(folder)[:2000].decode(errors="replace"), "uid": os.getuid(),
        })
        (folder / "output.log").unlink()
print(json.dumps(results))
"""


def carry_out(
    home: Path, command: str, *, inside: tuple[str, ...] = (), **options: Any
) -> list[dict[str, Any]]:
    """Carry an attempt out in both ways, within the place that `inside` makes."""
    python = options.pop("python", sys.executable)
    source = str(Path(coditect.__file__).parent.parent)
    argv = [*inside, python, "-I", "-S", "-c", PROGRAM]
    done = subprocess.run(
        [*argv, source, str(home), json.dumps(options), command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def place(setup: str, *flags: str) -> tuple[str, ...]:
    """Make namespaces of one's own, change something there, and go on with the rest."""
    start = ("unshare", *flags)
    if shutil.which("unshare") is None:
        pytest.skip("this machine has no unshare(1)")
    tried = subprocess.run(
        [*start, "sh", "-ec", setup], capture_output=True, text=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip(f"this machine does not allow such a place: {tried.stderr.strip()}")
    return (*start, "sh", "-ec", f'{setup}; exec "$@"', "sh")


DAEMON = "setsid sh -c 'setsid sleep 1000 & sleep 1001' >/dev/null 2>&1 & sleep 0.05; echo ok"


def test_where_namespaces_are_used_up_the_group_does_and_the_status_says_so(
    tmp_path: Path,
) -> None:
    inside = place("echo 0 > /proc/sys/user/max_pid_namespaces", "-Ur")
    for result in carry_out(tmp_path, DAEMON, inside=inside):
        assert result["isolation"] == "process-group"
        assert "unshare" in result["note"]
        assert (result["code"], result["said"], result["left"] > 0) == (0, "ok\n", True)


def test_where_proc_is_covered_the_namespace_does_without_its_own(tmp_path: Path) -> None:
    # Only what covers it in a namespace above cannot be taken away.
    inside = (*place("mount -t tmpfs none /proc/sys", "-Urm"), "unshare", "-Urm")
    for result in carry_out(tmp_path, DAEMON, inside=inside):
        assert result["isolation"] == "pid-namespace-without-proc"
        assert result["note"]
        assert (result["code"], result["said"], result["left"] > 0) == (0, "ok\n", True)


@pytest.mark.parametrize("namespace", [True, False])
def test_on_a_full_disk_the_agent_is_carried_to_its_end_and_the_trouble_told(
    tmp_path: Path, namespace: bool
) -> None:
    inside = place(f"mount -t tmpfs -o size=512k none {tmp_path}", "-Urm")
    command = "head -c 3000000 /dev/zero; sleep 0.2; head -c 1000 /dev/zero"
    for result in carry_out(
        tmp_path, command, inside=inside, namespace=namespace, output_limit=1_000_000
    ):
        assert (result["code"], result["reason"]) == (0, "exit")
        assert result["output"] == 3_001_000
        assert 3_001_000 - 512_000 <= result["dropped"] <= 3_001_000
        assert "output could not be kept: No space left on device" in result["trouble"]


def _python_for(inside: tuple[str, ...]) -> str:
    """Find an interpreter that another user can start too."""
    test = (
        "import os, sys; assert sys.version_info >= (3, 11)\n"
        "os.execv(sys.executable, [sys.executable, '-I', '-S', '-c', 'pass'])"
    )
    for name in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        argv = [*inside, name, "-I", "-S", "-c", test]
        if subprocess.run(argv, check=False, capture_output=True, cwd="/").returncode == 0:
            return name
    pytest.skip("no interpreter that an ordinary user could start")


@pytest.mark.system
@pytest.mark.parametrize("namespace", [True, False])
def test_an_ordinary_user_gets_the_same(tmp_path: Path, namespace: bool) -> None:
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.fail("needs root and setpriv(1) (on Debian: util-linux)")
    source = Path(coditect.__file__).parent
    inside = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--")
    python = _python_for(inside)
    if subprocess.run([*inside, "test", "-r", source / "findings.py"], check=False).returncode:
        pytest.skip("an ordinary user cannot read the sources here")
    home = Path("/tmp") / f"coditect-test-{os.getpid()}-{namespace}"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    try:
        for result in carry_out(
            home,
            f"id -u; cat /proc/$PPID/environ; {DAEMON}",
            inside=inside,
            python=python,
            namespace=namespace,
        ):
            assert result["uid"] == 65534
            assert (result["code"], result["left"] > 0) == (0, True)
            said = result["said"].splitlines()
            assert (said[0], said[-1]) == ("65534", "ok")
            # The guardian has the user's whole environment, which the agent must not see.
            assert "Permission denied" in said[1]
            if not namespace:
                assert result["isolation"] == "process-group"
            elif result["isolation"] != "pid-namespace":
                pytest.skip(f"users get {result['isolation']} here: {result['note']}")
        assert _of(home) == []
    finally:
        shutil.rmtree(home)


def _of(home: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                variables = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"CODITECT_FOLDER={home}".encode() in variables:
                found.append(entry.name)
    return found
