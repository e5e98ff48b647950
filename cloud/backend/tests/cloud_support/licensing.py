"""Databases with the whole schema, people, and a signer whose outage a test decides."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_support.postgres import PostgresServer
from coditect_cloud.database import Database, new_id
from coditect_cloud.database.migrate import upgrade
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.organisations.service import OrganisationService, ProductService
from coditect_cloud.organisations.types import Product
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.signing.artefacts import Typ

ISSUER = "https://licenses.example"


@asynccontextmanager
async def empty_postgres(server: PostgresServer) -> AsyncIterator[str]:
    """Give the URL of a database of its own, which is dropped at the end."""
    name = f"d_{time.monotonic_ns()}"
    admin = await asyncpg.connect(
        server.database("postgres").replace("postgresql+asyncpg", "postgresql")
    )
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        yield server.database(name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@asynccontextmanager
async def empty_database(
    kind: str, folder: Path, server: PostgresServer | None
) -> AsyncIterator[Database]:
    """Open a database without any table."""
    if kind == "sqlite":
        database = Database.open(f"sqlite+aiosqlite:///{folder / 'cloud.db'}")
        try:
            yield database
        finally:
            await database.close()
        return
    assert server is not None
    async with empty_postgres(server) as url:
        database = Database.open(url, pool=5)
        try:
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def migrated(
    kind: str, folder: Path, server: PostgresServer | None
) -> AsyncIterator[Database]:
    """Open a database at the newest revision, with the platform's organisation."""
    async with empty_database(kind, folder, server) as database:
        await upgrade(database)
        await OrganisationService(database).ensure_root()
        yield database


def somebody(
    org: str,
    role: Role = Role.OWNER,
    *,
    kind: PrincipalKind = PrincipalKind.USER,
    holder: str | None = None,
    license: str | None = None,
    scopes: frozenset[str] = frozenset(),
) -> Principal:
    """Somebody of an organisation."""
    return Principal(
        kind=kind,
        id=new_id("acc"),
        org=org,
        role=role,
        scopes=scopes,
        license=license,
        holder=holder,
        name="somebody",
    )


ROOT = somebody("org_root")
"""An owner of the platform."""


async def tenant(database: Database, name: str = "Ateliers Nord") -> tuple[Principal, Product]:
    """Make an organisation with a product; gives its owner."""
    org = await OrganisationService(database).create(ROOT, name)
    owner = somebody(org.id)
    product = await ProductService(database).create(owner, slug="render", name="Render")
    return owner, product


class Pen:
    """A signer with a key of its own; `out` makes it fail as an outage would."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.out = False
        self.roots: list[tuple[Typ, dict[str, Any]]] = []

    def sign_lease(self, claims: Mapping[str, Any]) -> str:
        self._demand()
        return jwt.encode(dict(claims), self._key, "EdDSA", headers={"typ": Typ.LEASE.value})

    async def sign_root(self, typ: Typ, claims: Mapping[str, Any]) -> str:
        self._demand()
        self.roots.append((typ, dict(claims)))
        return jwt.encode(dict(claims), self._key, "EdDSA", headers={"typ": typ.value})

    def verify_own_lease(self, token: str) -> dict[str, Any]:
        try:
            return dict(
                jwt.decode(token, self._key.public_key(), ["EdDSA"], options={"verify_aud": False})
            )
        except jwt.ExpiredSignatureError as fault:
            raise Refusal(Code.LEASE_EXPIRED, "expired") from fault
        except jwt.InvalidTokenError as fault:
            raise Refusal(Code.INVALID_REQUEST, "not ours") from fault

    def read(self, token: str) -> dict[str, Any]:
        return dict(jwt.decode(token, options={"verify_signature": False}))

    def _demand(self) -> None:
        if self.out:
            raise Refusal(Code.SIGNER_UNAVAILABLE, "the signer is out", retry_after_ms=1_000)
