"""The checks, in the order of a seat's life. They need a license key, and one free seat.

Everything they take they give back; they leave nothing but entries of the audit.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from coditect_cloud.refusals import Code, meaning
from coditect_cloud.web.answers import Problem
from coditect_cloud.web.problems import MEDIA_TYPE, TYPE_BASE
from coditect_cloud.web.routes.health import AliveTold, ReadyTold
from coditect_cloud.web.routes.lease_schemas import (
    BatchTold,
    EndedTold,
    LeaseTold,
    SeatsTold,
    SeatTold,
)
from coditect_cloud.web.routes.me import MeTold

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check went."""

    check: str
    passed: bool
    detail: str = ""


class Broken(Exception):
    """The deployment does something else than the contract says."""


@dataclass
class Visit:
    """One run of the checks."""

    client: httpx.Client
    key: str
    holder: str
    seat: SeatTold | None = None
    others: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """The credential."""
        return {"Authorization": f"License {self.key}"}

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask with the license key."""
        headers = {**self.headers, **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def lease_path(self) -> str:
        """The path of the lease that was acquired."""
        if self.seat is None:
            raise Broken("there is no seat, since acquire failed")
        return f"/v1/licenses/self/leases/{self.seat.lease.id}"


def verify(client: httpx.Client, key: str) -> Iterator[Outcome]:
    """Run every check, and tell of each as it ends. `client` has the deployment's base URL.

    Never raises for what the deployment does; a seat that was taken is given back at the end.
    """
    visit = Visit(client, key, f"contract:{secrets.token_hex(8)}")
    try:
        for check in CHECKS:
            name = (check.__doc__ or check.__name__).split("\n")[0].rstrip(".")
            try:
                check(visit)
            except Broken as broken:
                yield Outcome(name, False, str(broken))
            except httpx.HTTPError as error:
                yield Outcome(name, False, f"no answer: {type(error).__name__}")
            else:
                yield Outcome(name, True)
    finally:
        _give_back(visit)


def alive(visit: Visit) -> None:
    """The process says that it lives."""
    told(visit.client.get("/health/live"), 200, AliveTold)


def ready(visit: Visit) -> None:
    """It is ready, or says which part is not."""
    response = visit.client.get("/health/ready")
    told(response, 200 if response.status_code == 200 else 503, ReadyTold)


def unknown_path(visit: Visit) -> None:
    """A path that is not in the contract is a problem."""
    problem(visit.client.get("/no-such-path"), Code.NOT_FOUND)


def nobody(visit: Visit) -> None:
    """Nobody gets in without a credential, nor with a forged one."""
    response = visit.client.get("/v1/me")
    problem(response, Code.UNAUTHENTICATED)
    demand("www-authenticate" in response.headers, "a 401 has no WWW-Authenticate")
    forged = {"Authorization": "License CCL-00000-00000-00000-00000-00000"}
    problem(visit.client.get("/v1/me", headers=forged), Code.UNAUTHENTICATED)


def who(visit: Visit) -> None:
    """The license key is one, and budgets are told."""
    response = visit.ask("GET", "/v1/me")
    me = told(response, 200, MeTold)
    demand(me.kind == "license" and bool(me.license), "the key is no license key")


def malformed(visit: Visit) -> None:
    """Malformed, mistyped and oversized bodies are problems."""
    path, kind = "/v1/licenses/self/leases", {"Content-Type": "application/json"}
    problem(visit.ask("POST", path, content=b"{", headers=kind), Code.INVALID_REQUEST)
    problem(visit.ask("POST", path, json={"holderr": "x"}), Code.INVALID_REQUEST)
    plain = {"Content-Type": "text/plain"}
    problem(visit.ask("POST", path, content=b"{}", headers=plain), Code.UNSUPPORTED_MEDIA_TYPE)
    big = visit.ask("POST", path, content=b" " * 70_000, headers=kind)
    problem(big, Code.BODY_TOO_LARGE)


def request_ids(visit: Visit) -> None:
    """A request id comes back."""
    given = secrets.token_hex(8)
    response = visit.client.get("/health/live", headers={"X-Request-Id": given})
    demand(response.headers.get("x-request-id") == given, "X-Request-Id is another one")


def acquire(visit: Visit) -> None:
    """A seat is granted, once for the same Idempotency-Key."""
    key = {"Idempotency-Key": secrets.token_hex(8)}
    asked = {"holder": visit.holder, "device": "contract", "label": "contract verify"}
    path = "/v1/licenses/self/leases"
    seat = visit.seat = told(visit.ask("POST", path, json=asked, headers=key), 201, SeatTold)
    demand(0 < seat.remaining_ms <= seat.lease.ttl_ms, "remaining_ms is not within the ttl")
    demand(seat.token.count(".") == 2, "the token is no compact JWS")
    again = told(visit.ask("POST", path, json=asked, headers=key), 200, SeatTold)
    demand(again.lease.id == seat.lease.id, "the same key gave another lease")
    other = {**asked, "label": "another"}
    problem(visit.ask("POST", path, json=other, headers=key), Code.IDEMPOTENCY_KEY_REUSED)


def shown(visit: Visit) -> None:
    """The lease is shown, and counted."""
    told(visit.ask("GET", visit.lease_path()), 200, LeaseTold)
    seats = told(visit.ask("GET", "/v1/licenses/self/seats"), 200, SeatsTold)
    demand(1 <= seats.in_use <= seats.limit + seats.overage, "in_use is not within the limit")


def heartbeat(visit: Visit) -> None:
    """A heartbeat prolongs; one with a stale fence does not."""
    path = visit.lease_path() + "/heartbeat"
    assert visit.seat is not None
    fence = visit.seat.lease.fence
    beat = told(visit.ask("POST", path, json={"fence": fence}), 200, SeatTold)
    demand(beat.lease.id == visit.seat.lease.id, "the heartbeat answers another lease")
    problem(visit.ask("POST", path, json={"fence": "0.0"}), Code.STALE_FENCE)
    many = {
        "beats": [
            {"lease": visit.seat.lease.id, "fence": fence},
            {"lease": "lea_no", "fence": "1.1"},
        ]
    }
    batch = told(visit.ask("POST", "/v1/licenses/self/heartbeats", json=many), 200, BatchTold)
    demand(len(batch.beats) == 2, "a batch of two has not two answers")
    demand(batch.beats[0].seat is not None, "the batch does not prolong")
    demand(batch.beats[1].refused is not None, "the batch prolongs what there is not")


def release(visit: Visit) -> None:
    """A release frees the seat, twice is no fault, and nothing revives it."""
    path = visit.lease_path()
    assert visit.seat is not None
    fence = visit.seat.lease.fence
    problem(visit.ask("DELETE", path, params={"fence": "0.0"}), Code.STALE_FENCE)
    ended = told(visit.ask("DELETE", path, params={"fence": fence}), 200, EndedTold)
    demand(not ended.already, "the first release says that it had ended before")
    again = told(visit.ask("DELETE", path, params={"fence": fence}), 200, EndedTold)
    demand(again.already, "the second release says that it ended just now")
    late = visit.ask("POST", path + "/heartbeat", json={"fence": fence})
    problem(late, Code.LEASE_RELEASED, Code.LEASE_NOT_FOUND)


CHECKS: tuple[Callable[[Visit], None], ...] = (
    alive,
    ready,
    unknown_path,
    nobody,
    who,
    malformed,
    request_ids,
    acquire,
    shown,
    heartbeat,
    release,
)


def demand(holds: bool, otherwise: str) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(otherwise)


def told(response: httpx.Response, status: int, model: type[M]) -> M:
    """Read an answer; Broken if it is not the one that the contract says."""
    if response.status_code != status:
        raise Broken(f"{_what(response)}, not {status}")
    try:
        return model.model_validate_json(response.content)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Broken(f"{_what(response)}: {where}: {first['msg']}") from None


def problem(response: httpx.Response, *codes: Code) -> Problem:
    """Read a refusal; Broken if it is none of these."""
    expected = " or ".join(codes)
    if response.headers.get("content-type", "") != MEDIA_TYPE:
        raise Broken(f"{_what(response)}, no problem of {expected}")
    found = told(response, response.status_code, Problem)
    if found.code not in codes or response.status_code != meaning(found.code).status:
        raise Broken(f"{_what(response)} is {found.code}, not {expected}")
    demand(found.type == TYPE_BASE + found.code, f"its type is {found.type}")
    demand(found.status == response.status_code, "its status is not the answer's")
    return found


def _what(response: httpx.Response) -> str:
    request = response.request
    return f"{request.method} {request.url.path} answers {response.status_code}"


def _give_back(visit: Visit) -> None:
    if visit.seat is None:
        return
    try:
        visit.ask("DELETE", visit.lease_path(), params={"fence": visit.seat.lease.fence})
    except httpx.HTTPError:
        return  # its time frees it
