"""`serve` and `migrate`."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer
import uvicorn

from coditect_cloud.cli.output import Json, show
from coditect_cloud.database.migrate import upgrade
from coditect_cloud.settings import PREFIX, Settings, load
from coditect_cloud.web.services import prepare_folder, services


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: coditect-cloud serve --port 9000")(serve)
    app.command(epilog="Example: coditect-cloud migrate")(migrate)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes.")] = None,
) -> None:
    """Start the service; at the very first start it makes an admin key, and prints it once."""
    settings = load(host=host, port=port, workers=workers)
    prepare_folder(settings)
    key = asyncio.run(_first_key(settings))
    if key is not None:
        print("This is the first start. The owner's API key, shown this once:\n")
        print(f"  {key}\n", flush=True)
    for name, given in (("HOST", host), ("PORT", port), ("WORKERS", workers)):
        if given is not None:
            os.environ[PREFIX + name] = str(given)  # workers read the environment
    uvicorn.run(
        "coditect_cloud.web.serve:app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_level=settings.log_level,
        access_log=False,  # would show ids of seats, and costs a line each
        server_header=False,
        date_header=True,
        lifespan="on",
        timeout_graceful_shutdown=settings.drain_seconds,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=32_768,
    )


def migrate(json_wanted: Json = False) -> None:
    """Bring the database to the form that this version needs; again is no fault."""
    settings = load()
    prepare_folder(settings)
    show({"revision": asyncio.run(_migrate(settings))}, json_wanted=json_wanted)


async def _migrate(settings: Settings) -> str:
    async with services(settings) as opened:
        return await upgrade(opened.database)


async def _first_key(settings: Settings) -> str | None:
    async with services(settings) as opened:
        await upgrade(opened.database)
        await opened.organisations.ensure_root()
        issued = await opened.identity.api_keys.bootstrap()
        return None if issued is None else issued.secret.text
