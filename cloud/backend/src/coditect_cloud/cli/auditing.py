"""What was done: written out for who keeps it, and verified offline."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from coditect_cloud.audit.verify import Verdict
from coditect_cloud.audit.verify import verify as verify_lines
from coditect_cloud.cli.output import OK, REFUSED, Json, show
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.settings import load
from coditect_cloud.signing.artefacts import Typ
from coditect_cloud.signing.verify import Trust, verify_artefact
from coditect_cloud.web.services import services


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    audit = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    audit.command(
        "export", epilog="Example: coditect-cloud audit export --org org_… > audit.jsonl"
    )(export)
    audit.command(
        "verify",
        epilog="Example: coditect-cloud audit verify audit.jsonl --root root.pem "
        "--issuer https://licenses.example.org",
    )(verify)
    app.add_typer(audit, name="audit", help="What was done, chained; verified offline.")


def export(
    org: Annotated[str, typer.Option(help="Whose audit.")],
    after: Annotated[int, typer.Option(min=0, help="Only entries behind this number.")] = 0,
) -> None:
    """Write an organisation's audit as JSON lines, closed by a checkpoint that the root signs."""

    async def work() -> None:
        async with services(load(), signs=True) as opened:
            async for line in opened.exporter.lines(org, after=after):
                sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    asyncio.run(work())


def verify(
    file: Annotated[Path, typer.Argument(help="An export; `-` reads standard input.")],
    org: Annotated[str | None, typer.Option(help="Whose chain it has to be.")] = None,
    root: Annotated[
        Path | None, typer.Option(help="PEM of the root's public key, for the signature.")
    ] = None,
    issuer: Annotated[str, typer.Option(help="Public URL of the service that signed.")] = "",
    json_wanted: Json = False,
) -> int:
    """Verify an export without any server; exit code 1 if a line does not hold.

    Without --root the chain is checked and the checkpoint's signature is not.
    """
    check = _checker(root, issuer) if root is not None else None
    if str(file) == "-":
        found = verify_lines(sys.stdin.buffer, org=org, check_signature=check)
    else:
        with file.open("rb") as lines:
            found = verify_lines(lines, org=org, check_signature=check)
    show(_told(found), json_wanted=json_wanted)
    return OK if found.holds else REFUSED


def _checker(root: Path, issuer: str) -> Any:
    try:
        key = load_pem_public_key(root.read_bytes())
        if not isinstance(key, RSAPublicKey):
            raise ValueError("it is no RSA key")
        trust = Trust.pinned(issuer, key)
    except ValueError as fault:
        raise Refusal(
            Code.INVALID_REQUEST,
            f"{root} holds no public key of a root: {fault}.",
            "Give the PEM that `keys list` and the trust bundle name.",
        ) from None

    def check(token: str) -> dict[str, Any]:
        return verify_artefact(token, trust, typ=Typ.AUDIT, audience=None, now=time.time())

    return check


def _told(found: Verdict) -> dict[str, Any]:
    fault = found.fault
    return {
        "holds": found.holds,
        "entries": found.entries,
        "begins at the beginning": found.anchored,
        "closed by a checkpoint": found.closed,
        "signature verified": found.signed,
        "fault": None if fault is None else f"line {fault.line}: {fault.why}",
    }
