"""How routes answer, and how they say so to the contract; and how they read conditions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from starlette.responses import Response

from coditect_cloud.database.paging import MOST, Page
from coditect_cloud.identity.principal import Principal
from coditect_cloud.refusals import Code, Refusal, meaning
from coditect_cloud.web.gate import principal_of
from coditect_cloud.web.problems import MEDIA_TYPE

T = TypeVar("T")
_VERSION = re.compile(r'(?:W/)?"(\d{1,9})"')

Caller = Annotated[Principal, Depends(principal_of)]
"""Who asks."""
Cursor = Annotated[
    str | None,
    Query(max_length=200, description="`next` of the page before; none for the first page."),
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="Items of a page.")]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=100,
        description="The ETag that was read; `*` changes whatever stands.",
    ),
]


def rfc3339(value: datetime) -> str:
    """Write a moment in UTC with milliseconds, as every answer has it."""
    utc = value.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


At = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A moment in an answer."""


class Given(BaseModel):
    """What requests carry: nothing unknown in it, so a typo is told instead of ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")


class Told(BaseModel):
    """What answers carry."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Problem(BaseModel):
    """A refusal (RFC 9457). Facts that belong to a code stand beside these members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="`https://coditect.dev/problems/` and the code.")
    title: str = Field(description="One line, the same for every occurrence of a code.")
    status: int = Field(description="The HTTP status.")
    code: Code = Field(description="Stable; decide by this one.")
    retryable: bool = Field(
        description="Whether the same request may succeed later; else the answer is conclusive."
    )
    detail: str = Field(description="What happened here.")
    request_id: str = Field(description="Also in X-Request-Id; name it when you report trouble.")
    hint: str | None = Field(default=None, description="The next step to take.")
    retry_after_ms: int | None = Field(default=None, ge=0, description="When to ask again.")


class Listed(Told, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


def answer(
    told: BaseModel,
    *,
    status: int = 200,
    version: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a model; its version is the ETag."""
    fields = dict(headers or {})
    if version is not None:
        fields["ETag"] = f'"{version}"'
    return Response(told.model_dump_json(), status, fields, "application/json")


def nothing() -> Response:
    """Answer that it is done, and that there is nothing to say."""
    return Response(status_code=204)


def listed(request: Request, page: Page[T], tell: Callable[[T], Told]) -> Response:
    """Answer with a page, and link to the one behind it (RFC 8288)."""
    fields = {}
    if page.next is not None:
        kept = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
        target = f"{request.url.path}?{urlencode([*kept, ('cursor', page.next)])}"
        fields["Link"] = f'<{target}>; rel="next"'
    return answer(
        Listed[Any](items=[tell(item) for item in page.items], next=page.next), headers=fields
    )


def expected_version(if_match: str | None) -> int | None:
    """Read If-Match: the version that the caller saw, or None for `*`."""
    if if_match is None:
        raise Refusal(
            Code.PRECONDITION_REQUIRED,
            "A change has to say which state it was decided on.",
            "Send If-Match with the ETag that you read.",
        )
    if if_match.strip() == "*":
        return None
    match = _VERSION.fullmatch(if_match.strip())
    if match is None:
        raise Refusal(
            Code.PRECONDITION_FAILED,
            "That is no ETag of ours.",
            "Read it again and send the ETag as it came.",
        )
    return int(match[1])


def unchanged(request: Request, version: int) -> bool:
    """Whether the caller has this version already (If-None-Match)."""
    shown = request.headers.get("if-none-match", "")
    return any(part.strip().removeprefix("W/") == f'"{version}"' for part in shown.split(","))


def id_of(what: str, prefix: str) -> Any:
    """Declare a path parameter that names something; other texts name nothing, so no pattern."""
    return Path(
        min_length=1,
        max_length=80,
        description=f"Id of the {what}.",
        examples=[prefix + "_0198c0de"],
    )


COMMON = (
    Code.UNAUTHENTICATED,
    Code.TOKEN_EXPIRED,
    Code.EMAIL_NOT_VERIFIED,
    Code.FORBIDDEN,
    Code.INVALID_REQUEST,
    Code.RATE_LIMITED,
    Code.INTERNAL_ERROR,
    Code.SHUTTING_DOWN,
    Code.IDENTITY_UNAVAILABLE,
)
"""What every route under `/v1` may answer."""
WITH_BODY = (Code.BODY_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
"""What routes may answer to a body."""
ETAG = {"ETag": "Version of what is told; send it in If-Match."}
LINK = {"Link": "The next page (RFC 8288, rel=next)."}


def documents(
    *codes: Code,
    headers: Mapping[int, Mapping[str, str]] | None = None,
    public: bool = False,
    **described: tuple[str, Any] | str,
) -> dict[int | str, dict[str, Any]]:
    """Describe what a route answers: `s200=("The license.", LicenseTold)`, and its refusals.

    Statuses that are named after their codes can be read in the contract: a caller sees which
    codes hide behind a 409.
    """
    answers: dict[int | str, dict[str, Any]] = {}
    for key, value in described.items():
        text, model = value if isinstance(value, tuple) else (value, None)
        answers[int(key[1:])] = {"description": text} | ({"model": model} if model else {})
    by_status: dict[int, list[Code]] = defaultdict(list)
    for code in (*codes, *(() if public else COMMON)):
        by_status[meaning(code).status].append(code)
    for status, several in sorted(by_status.items()):
        names = ", ".join(f"`{code}`" for code in sorted(set(several)))
        answers[status] = {
            "description": f"Refused: {names}.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    for status, fields in (headers or {}).items():
        answers[status]["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in fields.items()
        }
    return answers
