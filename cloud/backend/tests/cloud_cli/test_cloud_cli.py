"""The command line: what it prints, its exit codes, and that nobody sees a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from cloud_support.web_server import serving
from coditect_cloud.cli.app import app, run


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODITECT_CLOUD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CODITECT_CLOUD_ROOT", "mock:")
    return tmp_path


def told(capsys: Any, *arguments: str, code: int = 0) -> Any:
    assert run([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_from_an_empty_folder_to_a_license(capsys: Any) -> None:
    assert run(["migrate"]) == 0
    capsys.readouterr()
    org = told(capsys, "org", "create", "Nord")["id"]
    assert [o["name"] for o in told(capsys, "org", "list")] == ["Nord"]
    assert told(capsys, "product", "create", "render", "R", "--org", org)["slug"] == "render"
    made = told(
        capsys, "license", "create", "render", "Studio", "--seats", "5", "--org", org,
        "--feature", "export=3", "--feature", "ui", "--borrow-days", "2",
        "--expires", "2031-01-01T00:00:00Z",
    )  # fmt: skip
    assert made["key"].startswith("CCL-")
    license = made["license"]["id"]
    assert made["license"]["entitlements"] == {"export": 3, "ui": None}
    for verb, state in (("suspend", "suspended"), ("reinstate", "active"), ("revoke", "revoked")):
        assert told(capsys, "license", verb, license, "--org", org)["state"] == state
    assert told(capsys, "license", "show", license, "--org", org)["seats"] == 5
    assert len(told(capsys, "license", "list", "--org", org)) == 1
    assert len(told(capsys, "product", "list", "--org", org)) == 1


def test_keys_are_made_rotated_and_revoked(capsys: Any) -> None:
    run(["migrate"])
    capsys.readouterr()
    org = told(capsys, "org", "create", "Nord")["id"]
    made = told(capsys, "key", "create", "ci", "--role", "admin", "--org", org)
    id = made["api_key"]["id"]
    rotated = told(capsys, "key", "rotate", id, "--org", org)
    assert rotated["key"] != made["key"]
    assert told(capsys, "key", "revoke", id, "--org", org)["revoked_at"]
    assert run(["key", "list", "--org", org]) == 0
    assert "ci" in capsys.readouterr().out


def test_a_license_key_is_shown_to_people_too(capsys: Any) -> None:
    run(["migrate"])
    run(["org", "create", "Nord"])
    org = capsys.readouterr().out.split("id ")[1].split()[0]
    run(["product", "create", "render", "R", "--org", org])
    assert run(["license", "create", "render", "S", "--seats", "1", "--org", org]) == 0
    out = capsys.readouterr().out
    assert "CCL-" in out
    license = out.split("license")[1].split()[0]
    assert run(["license", "rotate-key", license, "--org", org]) == 0
    assert "CCL-" in capsys.readouterr().out
    assert run(["license", "list", "--org", org]) == 0
    assert license in capsys.readouterr().out


def test_a_no_is_told_with_its_code_and_exit_1(capsys: Any) -> None:
    run(["migrate"])
    assert run(["license", "show", "lic_none"]) == 1
    assert "license-not-found" in capsys.readouterr().err
    assert told(capsys, "license", "show", "lic_none", code=1)["code"] == "license-not-found"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["license", "show"],
        ["serve", "--port", "many"],
    ],
)
def test_wrong_usage_is_exit_2_and_says_where_help_is(arguments: list[str], capsys: Any) -> None:
    assert run(arguments) == 2
    assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["tomorrow", "2031-01-01T00:00:00"])
def test_a_moment_needs_a_zone(text: str, capsys: Any) -> None:
    arguments = ["license", "create", "render", "S", "--seats", "1", "--expires", text]
    assert run(arguments) == 1
    assert "zone" in capsys.readouterr().err


def test_a_feature_has_a_number(capsys: Any) -> None:
    arguments = ["license", "create", "render", "S", "--seats", "1", "--feature", "a=b"]
    assert run(arguments) == 1
    capsys.readouterr()


def test_a_database_that_was_never_migrated_is_told_without_a_trace(capsys: Any) -> None:
    assert run(["org", "list"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "doctor" in err


def test_doctor_looks_at_everything(capsys: Any) -> None:
    run(["migrate"])
    capsys.readouterr()
    rows = told(capsys, "doctor")
    assert {row["part"] for row in rows} >= {"store", "database", "signing", "root"}
    assert all(row["ok"] for row in rows)


def test_roots_are_listed_and_rotated(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("CODITECT_CLOUD_ROOT", "")
    run(["migrate"])
    capsys.readouterr()
    rows = told(capsys, "keys", "rotate", f"file:{data}/second.pem")
    assert len(rows) == 2
    assert [r["status"] for r in told(capsys, "keys", "list")].count("active") == 1
    assert told(capsys, "keys", "rotate", "nonsense", code=1)["code"] == "conflict"


def test_settings_are_printed(capsys: Any) -> None:
    assert run(["settings"]) == 0
    assert "CODITECT_CLOUD_STORE" in capsys.readouterr().out
    assert run(["settings", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Settings")


def test_every_command_has_help_with_an_example(capsys: Any) -> None:
    def each(group: Any, path: list[str]) -> list[tuple[list[str], Any]]:
        found = [([*path, c.name or c.callback.__name__], c) for c in group.registered_commands]
        for inner in group.registered_groups:
            found += each(inner.typer_instance, [*path, inner.name])
        return found

    commands = each(app, [])
    assert len(commands) > 20
    for path, command in commands:
        assert command.epilog.startswith("Example: coditect-cloud"), path
    assert run(["license", "create", "--help"]) == 0
    assert "Example:" in capsys.readouterr().out


def test_a_deployment_keeps_the_contract_or_is_told_where_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with serving(tmp_path, root="mock:") as (url, _, _log):
        run(["product", "create", "render", "R"])
        capsys.readouterr()
        key = told(capsys, "license", "create", "render", "S", "--seats", "1")["key"]
        file = tmp_path / "key"
        file.write_text(key)
        rows = told(capsys, "contract", "verify", url, "--key-file", str(file))
        assert [row["check"] for row in rows if not row["ok"]] == []
        wrong = told(capsys, "contract", "verify", url, "--key", "CCL-WRONG", code=1)
        assert not all(row["ok"] for row in wrong)
    gone = told(capsys, "contract", "verify", url, "--key", key, code=1)
    assert not any(row["ok"] for row in gone)
    monkeypatch.delenv("CODITECT_LICENSE_KEY", raising=False)
    assert run(["contract", "verify", url]) == 1
    assert run(["contract", "verify", "ftp://x", "--key", "k"]) == 1
    capsys.readouterr()


def test_an_audit_is_exported_and_verified_offline(
    capfdbinary: pytest.CaptureFixture[bytes], data: Path
) -> None:
    assert run(["migrate"]) == 0
    assert run(["org", "create", "Nord", "--json"]) == 0
    org = json.loads(capfdbinary.readouterr().out.splitlines()[-1])["id"]
    assert run(["product", "create", "render", "R", "--org", org]) == 0
    capfdbinary.readouterr()
    assert run(["audit", "export", "--org", org]) == 0
    lines = capfdbinary.readouterr().out
    assert b'"product.' in lines
    file = data / "audit.jsonl"
    file.write_bytes(lines)

    def verdict(*more: str, code: int) -> dict[str, Any]:
        assert run(["audit", "verify", str(file), "--org", org, "--json", *more]) == code
        found: dict[str, Any] = json.loads(capfdbinary.readouterr().out)
        return found

    sound = verdict(code=0)
    assert (sound["holds"], sound["closed by a checkpoint"]) == (True, True)
    assert sound["signature verified"] is False
    assert verdict("--root", str(file), code=1)["code"] == "invalid-request"
    file.write_bytes(lines.replace(b"render", b"rander"))
    assert "line " in verdict(code=1)["fault"]
    file.write_bytes(b"")
    assert verdict(code=1)["fault"] == "line 0: there are no lines"


def test_the_checkpoint_of_an_export_is_verified_from_the_pinned_root(
    capfdbinary: pytest.CaptureFixture[bytes], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODITECT_CLOUD_ROOT", f"file:{data}/root.pem")
    monkeypatch.setenv("CODITECT_CLOUD_ROOT_PASSPHRASE", "a phrase of a test")
    monkeypatch.setenv("CODITECT_CLOUD_PUBLIC_URL", "https://licenses.test")
    assert run(["migrate"]) == 0
    capfdbinary.readouterr()
    assert run(["audit", "export", "--org", "org_root"]) == 0
    file = data / "audit.jsonl"
    file.write_bytes(capfdbinary.readouterr().out)
    root = load_pem_private_key((data / "root.pem").read_bytes(), b"a phrase of a test")
    pinned = data / "public.pem"
    pinned.write_bytes(
        root.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    ours = ["--root", str(pinned), "--issuer", "https://licenses.test"]
    assert run(["audit", "verify", str(file), *ours, "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["signature verified"] is True
    other = ["--root", str(pinned), "--issuer", "https://elsewhere.test"]
    assert run(["audit", "verify", str(file), *other, "--json"]) == 1
    assert "signature does not hold" in json.loads(capfdbinary.readouterr().out)["fault"]
