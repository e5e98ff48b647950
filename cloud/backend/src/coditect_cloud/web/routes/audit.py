"""The audit: who did what, chained; its export; and what was denied."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response, StreamingResponse

from coditect_cloud.audit.chain import Entry
from coditect_cloud.audit.reading import AuditService, Denied
from coditect_cloud.database import utc_now
from coditect_cloud.refusals import Code
from coditect_cloud.web.answers import (
    LINK,
    At,
    Caller,
    Cursor,
    Limit,
    Listed,
    Told,
    answer,
    documents,
    listed,
)
from coditect_cloud.web.routes.lease_schemas import at
from coditect_cloud.web.routes.licenses import LicenseId, named

LINES = "application/x-ndjson"
_Kind = Annotated[str, Query(max_length=64, description="Only of this kind.")]
_Only = Annotated[str, Query(max_length=80, description="Only of this license.")]


class EntryTold(Told):
    """One link of the organisation's chain; its hash covers every field and the entry before."""

    org: str
    seq: int = Field(description="From 1, without gaps.")
    at: At
    kind: str = Field(examples=["lease.granted"])
    actor: str
    subject: str
    body: dict[str, Any]
    prev: str
    hash: str


class DenialTold(Told):
    """How often a license was refused, for one reason, in a time."""

    license: str
    kind: str = Field(description="`denied` or `queued`.")
    code: str = Field(description="Why; empty for those who wait.")
    times: int
    holders: int = Field(description="Different ones.")
    first_at: At
    last_at: At


class DenialsTold(Told):
    """Most frequent first."""

    since: At
    until: At
    items: list[DenialTold]


def tell(entry: Entry) -> EntryTold:
    """Tell of an entry."""
    return EntryTold(
        org=entry.org,
        seq=entry.seq,
        at=at(entry.at_ms),
        kind=entry.kind,
        actor=entry.actor,
        subject=entry.subject,
        body=entry.body,
        prev=entry.prev,
        hash=entry.hash,
    )


def tell_denied(denied: Denied) -> DenialTold:
    """Tell of a sum of denials."""
    return DenialTold.model_validate(denied)


def routes(service: AuditService) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", tags=["audit"])

    @router.get(
        "/audit/entries",
        operation_id="list_audit_entries",
        summary="List the organisation's audit in the order of the chain",
        responses=documents(s200=("A page of entries.", Listed[EntryTold]), headers={200: LINK}),
    )
    async def list_audit_entries(
        request: Request,
        caller: Caller,
        license: _Only = "",
        kind: _Kind = "",
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        page = await service.entries(caller, cursor=cursor, most=limit, license=license, kind=kind)
        return listed(request, page, tell)

    @router.get(
        "/audit/export",
        operation_id="export_audit",
        summary="Stream the chain, to be verified without us",
        description="A JSON object a line, closed by a checkpoint: `coditect-cloud audit verify`.",
        response_class=Response,
        responses={
            **documents(Code.SIGNER_UNAVAILABLE),
            200: {
                "description": "The lines.",
                "content": {LINES: {"schema": {"type": "string"}}},
            },
        },
    )
    async def export_audit(
        caller: Caller,
        behind: Annotated[int, Query(ge=0, le=2**53, description="From behind this entry on.")] = 0,
    ) -> Response:
        return StreamingResponse(service.export(caller, behind=behind), media_type=LINES)

    @router.get(
        "/licenses/{license}/denials",
        operation_id="list_denials",
        summary="Sum up what a license refused: whether more seats would help",
        responses=documents(Code.LICENSE_NOT_FOUND, s200=("The sums.", DenialsTold)),
    )
    async def list_denials(
        caller: Caller,
        license: LicenseId,
        since: Annotated[AwareDatetime | None, Query(description="Left out: a week ago.")] = None,
        until: Annotated[AwareDatetime | None, Query(description="Left out: now.")] = None,
    ) -> Response:
        end = until or utc_now()
        begin = since or end - timedelta(days=7)
        found = await service.denials(caller, named(caller, license), since=begin, until=end)
        items = [tell_denied(one) for one in found]
        return answer(DenialsTold(since=begin, until=end, items=items))

    return router
