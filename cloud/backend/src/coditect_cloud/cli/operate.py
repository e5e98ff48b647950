"""What operators do: look whether all is well, rotate keys, check a deployment's contract."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from coditect_cloud import contract, settings_table
from coditect_cloud.cli.output import OK, REFUSED, Json, show_table
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.settings import Settings, load
from coditect_cloud.signing import KeyringError, RootRefused, RootSettings, RootUnavailable
from coditect_cloud.signing import rotate as rotate_root
from coditect_cloud.signing.roots import opener
from coditect_cloud.web.serve import readiness
from coditect_cloud.web.services import root_options, services


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: coditect-cloud doctor --json")(doctor)
    app.command("settings", epilog="Example: coditect-cloud settings")(show_settings)
    keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    keys.command(
        "rotate",
        epilog="Example: coditect-cloud keys rotate file:/var/lib/coditect-cloud/root-2.pem",
    )(rotate)
    keys.command("list", epilog="Example: coditect-cloud keys list")(list_roots)
    app.add_typer(keys, name="keys", help="Roots that sign.")
    checks = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    checks.callback()(_no_op)
    checks.command(
        "verify",
        epilog="Example: coditect-cloud contract verify https://licenses.example.org "
        "--key-file key.txt",
    )(verify)
    app.add_typer(checks, name="contract", help="Whether a deployment keeps the contract.")


def doctor(json_wanted: Json = False) -> int:
    """Look at everything that the settings name: database, store, root."""
    settings = load()
    rows = asyncio.run(_look(settings))
    show_table(rows, json_wanted=json_wanted)
    return OK if all(row["ok"] for row in rows) else REFUSED


def show_settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs have it.")] = False,
    json_wanted: Json = False,
) -> None:
    """Print the table of settings."""
    if markdown:
        print(settings_table.markdown(), end="")
        return
    rows = [
        {"variable": name, "default": default.strip("`"), "what it does": text}
        for name, default, text in settings_table.rows()
    ]
    show_table(rows, json_wanted=json_wanted)


def rotate(
    address: Annotated[str, typer.Argument(help="Where the new root is; see ROOT in `settings`.")],
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=8760, help="How long the old root may sign on.")
    ] = 24,
    json_wanted: Json = False,
) -> None:
    """Let a new root sign from now on; running services follow within seconds."""
    settings = load()
    rows = asyncio.run(_rotate(settings, address, overlap_hours * 3600))
    show_table(rows, json_wanted=json_wanted)


def list_roots(json_wanted: Json = False) -> None:
    """List the roots, and what each may do."""

    async def work() -> list[dict[str, Any]]:
        async with services(load()) as opened:
            return _roots(await opened.keyring.load())

    show_table(asyncio.run(work()), json_wanted=json_wanted)


def verify(
    url: Annotated[str, typer.Argument(help="Where the deployment is.")],
    key: Annotated[
        str, typer.Option(help="A license key with a free seat.", envvar="CODITECT_LICENSE_KEY")
    ] = "",
    key_file: Annotated[Path | None, typer.Option(help="A file that holds the key.")] = None,
    json_wanted: Json = False,
) -> int:
    """Check that a deployment keeps the contract; takes one seat and gives it back."""
    if key_file is not None:
        key = key_file.read_text(encoding="utf-8").strip()
    if not key:
        raise Refusal(
            Code.INVALID_REQUEST,
            "A license key is needed.",
            "Give --key-file, or set CODITECT_LICENSE_KEY.",
        )
    if not url.startswith(("http://", "https://")):
        raise Refusal(Code.INVALID_REQUEST, f"{url[:80]!r} is no http or https URL.")
    with httpx.Client(base_url=url, timeout=10.0) as client:
        outcomes = list(contract.verify(client, key))
    rows = [{"check": o.check, "ok": o.passed, "detail": o.detail} for o in outcomes]
    show_table(rows, json_wanted=json_wanted)
    return OK if all(outcome.passed for outcome in outcomes) else REFUSED


def _no_op() -> None:
    """Whether a deployment keeps the contract."""


async def _look(settings: Settings) -> list[dict[str, Any]]:
    async with services(settings, signs=True) as opened:
        parts = await readiness(opened)
        rows = [
            {"part": name, "ok": part["ok"], "detail": _detail(part)}
            for name, part in parts.items()
        ]
        health = opened.signing.health()
        root = await opened.signing.check_root() if health.root_kid else None
        rows.append(
            {
                "part": "root",
                "ok": root is not None and root.ok,
                "detail": root.detail if root is not None else health.error or "not open",
            }
        )
        return rows


def _detail(part: dict[str, Any]) -> str:
    if "detail" in part:
        return str(part["detail"])
    return f"answers in {part['milliseconds']} ms"


async def _rotate(settings: Settings, address: str, overlap_s: int) -> list[dict[str, Any]]:
    async with services(settings) as opened:
        try:
            changed = await rotate_root(
                opened.keyring,
                address,
                opener(root_options(settings)),
                now=time.time(),
                overlap_s=overlap_s,
            )
        except (KeyringError, RootSettings, RootRefused) as error:
            raise Refusal(Code.CONFLICT, str(error), "Nothing has changed.") from None
        except RootUnavailable as error:
            raise Refusal(Code.SIGNER_UNAVAILABLE, str(error), "Nothing has changed.") from None
        return _roots(changed)


def _roots(keyring: Any) -> list[dict[str, Any]]:
    return [
        {
            "root": root.key.kid if root.key else "not read yet",
            "status": str(root.status),
            "address": root.address or "-",
            "keyring": keyring.version,
        }
        for root in keyring.roots
    ]
