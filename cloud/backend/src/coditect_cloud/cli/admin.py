"""`org`, `product`, `license`, `key`: administration right on the database, without the API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError

from coditect_cloud.cli.output import Json, show, show_table
from coditect_cloud.database import utc_now
from coditect_cloud.identity.principal import ROOT_ORG, Principal, PrincipalKind, Role
from coditect_cloud.licenses.types import License, Overage, OverageStrategy, Terms
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.settings import load
from coditect_cloud.web.routes import api_keys, license_schemas, organisations, products
from coditect_cloud.web.services import Services, services

T = TypeVar("T")
Org = Annotated[str, typer.Option("--org", help="Id of the organisation.", envvar="CODITECT_ORG")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for name, group, text in (
        ("org", org, "Organisations: the tenants."),
        ("product", product, "Products: what licenses are for."),
        ("license", license, "Licenses."),
        ("key", key, "API keys."),
    ):
        app.add_typer(group, name=name, help=text)


def _group() -> typer.Typer:
    return typer.Typer(no_args_is_help=True, rich_markup_mode=None)


org, product, license, key = _group(), _group(), _group(), _group()


def operator(org: str) -> Principal:
    """Who works on the database itself: an owner of whatever organisation it names."""
    return Principal(PrincipalKind.API_KEY, "operator", org, Role.OWNER, name="operator")


def with_services(work: Callable[[Services], Awaitable[T]]) -> T:
    """Open the services, work, and close them again."""

    async def run() -> T:
        async with services(load()) as opened:
            return await work(opened)

    return asyncio.run(run())


@org.command("create", epilog='Example: coditect-cloud org create "Ateliers Nord"')
def org_create(name: str, json_wanted: Json = False) -> None:
    """Make an organisation."""
    made = with_services(lambda s: s.organisations.create(operator(ROOT_ORG), name))
    show(organisations.tell(made), json_wanted=json_wanted)


@org.command("list", epilog="Example: coditect-cloud org list --json")
def org_list(json_wanted: Json = False) -> None:
    """List all organisations."""

    async def work(s: Services) -> list[Any]:
        return await _all(lambda at: s.organisations.list(operator(ROOT_ORG), cursor=at, most=200))

    rows = [organisations.tell(o).model_dump(mode="json") for o in with_services(work)]
    show_table(rows, json_wanted=json_wanted)


@product.command("create", epilog='Example: coditect-cloud product create render "Render farm"')
def product_create(slug: str, name: str, org: Org = ROOT_ORG, json_wanted: Json = False) -> None:
    """Make a product."""
    made = with_services(lambda s: s.products.create(operator(org), slug=slug, name=name))
    show(products.tell(made), json_wanted=json_wanted)


@product.command("list", epilog="Example: coditect-cloud product list --org org_0198c0de")
def product_list(org: Org = ROOT_ORG, json_wanted: Json = False) -> None:
    """List an organisation's products."""

    async def work(s: Services) -> list[Any]:
        return await _all(lambda at: s.products.list(operator(org), cursor=at, most=200))

    rows = [products.tell(p).model_dump(mode="json") for p in with_services(work)]
    show_table(rows, json_wanted=json_wanted)


@license.command(
    "create", epilog='Example: coditect-cloud license create render "Studio Aurora" --seats 5'
)
def license_create(
    product: str,
    name: str,
    seats: Annotated[int, typer.Option(help="Seats in use at once.")],
    overage: Annotated[int, typer.Option(help="Seats beyond, each flagged.")] = 0,
    expires: Annotated[
        str, typer.Option(help="When it ends, RFC 3339 with a zone; none: never.")
    ] = "",
    trial: Annotated[bool, typer.Option("--trial", help="For trying out.")] = False,
    ttl_ms: Annotated[int, typer.Option(help="Life of a lease from its last beat.")] = 60_000,
    borrow_days: Annotated[int, typer.Option(help="Days that a seat may be offline.")] = 0,
    feature: Annotated[
        list[str] | None, typer.Option(help="`name` or `name=limit`; may be repeated.")
    ] = None,
    org: Org = ROOT_ORG,
    json_wanted: Json = False,
) -> None:
    """Make a license; its key is shown this once."""
    terms = Terms(
        name=name,
        seats=seats,
        overage=Overage(OverageStrategy.SEATS, overage) if overage else Overage(),
        entitlements=dict(_feature(text) for text in feature or ()),
        expires_at=_moment(expires) if expires else None,
        trial=trial,
        ttl_ms=ttl_ms,
        borrow_max_ms=borrow_days * 86_400_000,
    )
    issued = with_services(lambda s: s.licenses.create(operator(org), product=product, terms=terms))
    if json_wanted:
        show(license_schemas.tell_issued(issued), json_wanted=True)
        return
    show({"license": issued.license.id, "key": issued.key}, json_wanted=False)


@license.command("list", epilog="Example: coditect-cloud license list --json")
def license_list(org: Org = ROOT_ORG, json_wanted: Json = False) -> None:
    """List an organisation's licenses."""

    async def work(s: Services) -> list[License]:
        return await _all(lambda at: s.licenses.list(operator(org), cursor=at, most=200))

    told = [license_schemas.tell(found).model_dump(mode="json") for found in with_services(work)]
    if not json_wanted:
        names = ("id", "product_slug", "name", "seats", "state", "expires_at", "key_hint")
        told = [{name: row[name] for name in names} for row in told]
    show_table(told, json_wanted=json_wanted)


@license.command("show", epilog="Example: coditect-cloud license show lic_0198c0de")
def license_show(license: str, org: Org = ROOT_ORG, json_wanted: Json = False) -> None:
    """Show one license."""
    found = with_services(lambda s: s.licenses.get(operator(org), license))
    show(license_schemas.tell(found), json_wanted=json_wanted)


@license.command(
    "suspend", epilog="Example: coditect-cloud license suspend lic_0198c0de --reason unpaid"
)
def license_suspend(
    license: str,
    reason: Annotated[str, typer.Option(help="For your own people.")] = "",
    org: Org = ROOT_ORG,
    json_wanted: Json = False,
) -> None:
    """Stop a license for a while."""
    changed = with_services(lambda s: s.licenses.suspend(operator(org), license, reason=reason))
    show(license_schemas.tell(changed), json_wanted=json_wanted)


@license.command("reinstate", epilog="Example: coditect-cloud license reinstate lic_0198c0de")
def license_reinstate(license: str, org: Org = ROOT_ORG, json_wanted: Json = False) -> None:
    """Let a suspended license work again."""
    changed = with_services(lambda s: s.licenses.reinstate(operator(org), license))
    show(license_schemas.tell(changed), json_wanted=json_wanted)


@license.command("revoke", epilog="Example: coditect-cloud license revoke lic_0198c0de")
def license_revoke(
    license: str,
    reason: Annotated[str, typer.Option(help="For your own people.")] = "",
    org: Org = ROOT_ORG,
    json_wanted: Json = False,
) -> None:
    """Stop a license for ever."""
    changed = with_services(lambda s: s.licenses.revoke(operator(org), license, reason=reason))
    show(license_schemas.tell(changed), json_wanted=json_wanted)


@license.command(
    "rotate-key",
    epilog="Example: coditect-cloud license rotate-key lic_0198c0de --overlap-hours 24",
)
def license_rotate_key(
    license: str,
    overlap_hours: Annotated[int, typer.Option(help="How long the old key works on.")] = 0,
    org: Org = ROOT_ORG,
    json_wanted: Json = False,
) -> None:
    """Make another key; it is shown this once."""
    overlap_ms = int(timedelta(hours=overlap_hours) / timedelta(milliseconds=1))
    issued = with_services(
        lambda s: s.licenses.rotate_key(operator(org), license, overlap_ms=overlap_ms)
    )
    if json_wanted:
        show(license_schemas.tell_issued(issued), json_wanted=True)
        return
    show({"license": issued.license.id, "key": issued.key}, json_wanted=False)


@key.command("create", epilog='Example: coditect-cloud key create "nightly builds" --role admin')
def key_create(
    name: str,
    role: Annotated[Role, typer.Option(help="What it may.")] = Role.OWNER,
    scope: Annotated[
        list[str] | None, typer.Option(help="Narrow it to this permission; may be repeated.")
    ] = None,
    org: Org = ROOT_ORG,
    json_wanted: Json = False,
) -> None:
    """Make an API key; it is shown this once."""
    issued = with_services(
        lambda s: s.identity.api_keys.issue(operator(org), name=name, role=role, scopes=scope or ())
    )
    if json_wanted:
        show(api_keys.tell_issued(issued), json_wanted=True)
        return
    show({"id": issued.key.id, "key": issued.secret.text}, json_wanted=False)


@key.command("list", epilog="Example: coditect-cloud key list --json")
def key_list(org: Org = ROOT_ORG, json_wanted: Json = False) -> None:
    """List an organisation's API keys, revoked ones too."""
    found = with_services(lambda s: s.identity.api_keys.page(operator(org), most=1_000))
    told = [api_keys.tell(one).model_dump(mode="json") for one in found]
    if not json_wanted:
        names = ("id", "name", "role", "scopes", "expires_at", "revoked_at", "last_used_at")
        told = [{name: row[name] for name in names} for row in told]
    show_table(told, json_wanted=json_wanted)


@key.command("rotate", epilog="Example: coditect-cloud key rotate key_0198c0de --overlap-hours 1")
def key_rotate(
    key: str,
    overlap_hours: Annotated[int, typer.Option(help="How long the old secret works on.")] = 24,
    org: Org = ROOT_ORG,
    json_wanted: Json = False,
) -> None:
    """Give an API key a new secret; it is shown this once."""
    overlap = timedelta(hours=overlap_hours)
    issued = with_services(
        lambda s: s.identity.api_keys.rotate(operator(org), key, overlap=overlap)
    )
    if json_wanted:
        show(api_keys.tell_issued(issued), json_wanted=True)
        return
    show({"id": issued.key.id, "key": issued.secret.text}, json_wanted=False)


@key.command("revoke", epilog="Example: coditect-cloud key revoke key_0198c0de")
def key_revoke(key: str, org: Org = ROOT_ORG, json_wanted: Json = False) -> None:
    """End an API key; running services follow within seconds."""
    revoked = with_services(lambda s: s.identity.api_keys.revoke(operator(org), key))
    show(api_keys.tell(revoked), json_wanted=json_wanted)


async def _all(fetch: Callable[[str | None], Awaitable[Any]]) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = await fetch(cursor)
        found.extend(page.items)
        if page.next is None:
            return found
        cursor = page.next


def _feature(text: str) -> tuple[str, int | None]:
    name, equals, limit = text.partition("=")
    if not equals:
        return name, None
    if not limit.isdigit():
        raise Refusal(Code.INVALID_REQUEST, f"{text[:80]!r} is no feature", "name or name=limit")
    return name, int(limit)


def _moment(text: str) -> datetime:
    try:
        moment = TypeAdapter(datetime).validate_python(text)
    except ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        example = (utc_now() + timedelta(days=365)).isoformat(timespec="seconds")
        raise Refusal(
            Code.INVALID_REQUEST,
            f"{text[:80]!r} is no point in time with a zone",
            f"For example {example}.",
        )
    return moment
