"""A whole application over an embedded database in a folder: what tests of the web talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from fastapi import FastAPI

from coditect_cloud.database.migrate import upgrade
from coditect_cloud.settings import load
from coditect_cloud.web.envelope import Traffic
from coditect_cloud.web.serve import application
from coditect_cloud.web.services import Services, services

_ROOT = TemporaryDirectory(prefix="coditect-root-")
"""One root for all tests of a process: to make an RSA-4096 key takes seconds."""


@dataclass
class Lab:
    """The application, and the owner of the platform as its caller."""

    app: FastAPI
    opened: Services
    client: httpx.AsyncClient
    key: str
    traffic: Traffic

    @property
    def owner(self) -> dict[str, str]:
        """The header of the platform's owner."""
        return {"Authorization": f"ApiKey {self.key}"}

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask as the owner, unless another credential is given."""
        headers = {**self.owner, **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)

    async def license(self, **terms: Any) -> tuple[dict[str, Any], dict[str, str]]:
        """Make a license (and its product); gives it and the header of its key."""
        await self.ask("POST", "/v1/products", json={"slug": "render", "name": "Render"})
        body = {"product": "render", "name": "Studio", "seats": 1, **terms}
        made = (await self.ask("POST", "/v1/licenses", json=body)).json()
        return made["license"], {"Authorization": f"License {made['key']}"}


@asynccontextmanager
async def lab(folder: Path, **settings: Any) -> AsyncIterator[Lab]:
    """Open everything for a test."""
    loaded = load(data=folder, root=f"file:{_ROOT.name}/root.pem", **settings)
    async with services(loaded, signs=True) as opened:
        await upgrade(opened.database)
        await opened.organisations.ensure_root()
        issued = await opened.identity.api_keys.bootstrap()
        assert issued is not None
        traffic = Traffic()
        app = application(opened, traffic)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
            yield Lab(app, opened, client, issued.secret.text, traffic)
