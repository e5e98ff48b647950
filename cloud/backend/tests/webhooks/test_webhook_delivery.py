"""From a change to a receiver: endpoints, events, the queue, and real HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update

from cloud_support.audit_lab import ScriptedOutbox, change, make_licenses
from coditect_cloud.audit.drainer import Batch, Drainer
from coditect_cloud.audit.log import AuditLog
from coditect_cloud.audit.tables import EntryRow
from coditect_cloud.database import Database
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.leases.types import Change, Seats
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.webhooks.deliveries import LEASE_MS, DeliveryService, Outcome, Queue
from coditect_cloud.webhooks.endpoints import EndpointService, Issued
from coditect_cloud.webhooks.events import Events, stage
from coditect_cloud.webhooks.rules import ATTEMPTS, Event
from coditect_cloud.webhooks.secrets import Sealer, sign
from coditect_cloud.webhooks.sending import Courier, Sender, resolve
from coditect_cloud.webhooks.tables import DeliveryRow, EndpointRow

pytestmark = pytest.mark.anyio

ALL = [event.value for event in Event]
SEALER = Sealer([Fernet.generate_key().decode()])


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


class Receiver(ThreadingHTTPServer):
    """A real server that answers what a test says, and keeps what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 204
        self.location = ""
        super().__init__(("127.0.0.1", 0), Answering)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        fields = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((self.path, fields, body))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("location", self.server.location)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def principal(org: str = "org_1", role: Role = Role.OWNER) -> Principal:
    return Principal(
        kind=PrincipalKind.USER,
        id="acc_1",
        org=org,
        role=role,
        scopes=frozenset(),
        license=None,
        holder=None,
        name="a",
    )


def service(database: Database, clock: Clock) -> EndpointService:
    return EndpointService(
        database,
        SEALER,
        production=False,
        record=AuditLog(clock=clock).record,
        clock=clock,
    )


async def make(database: Database, clock: Clock, url: str, events: Sequence[str] = ALL) -> Issued:
    return await service(database, clock).create(principal(), url=url, events=events)


async def follow(
    database: Database, clock: Clock, *changes: Change, seats: Seats | None = None
) -> None:
    async with database.write() as session:
        batch = Batch("lic_1", "org_1", changes, seats)
        await Events(database, clock=clock).follow(session, batch)


async def rows(database: Database) -> list[DeliveryRow]:
    async with database.read() as session:
        return list(await session.scalars(select(DeliveryRow).order_by(DeliveryRow.id)))


def denied(seq: int) -> Change:
    return change(seq, kind="denied", holder="user:a", code="seats-exhausted", limit=3, in_use=3)


def seats(in_use: int, limit: int = 10) -> Seats:
    return Seats(
        now_ms=0,
        limit=limit,
        overage=0,
        in_use=in_use,
        reserved=0,
        queued=0,
        earliest_release_ms=None,
        epoch=1,
        settling_until_ms=0,
    )


# --- endpoints ---


async def test_a_secret_is_shown_once_and_stands_nowhere(database: Database, clock: Clock) -> None:
    issued = await make(database, clock, "http://127.0.0.1:1/token-in-path")
    assert issued.secret not in repr(issued)
    async with database.read() as session:
        row = (await session.scalars(select(EndpointRow))).one()
        entries = list(await session.scalars(select(EntryRow)))
    assert issued.secret not in row.secret
    assert SEALER.open(row.secret) == issued.secret
    assert [e.kind for e in entries] == ["webhook.created"]
    assert "token-in-path" not in entries[0].body


async def test_another_tenants_webhooks_are_not_there(database: Database, clock: Clock) -> None:
    issued = await make(database, clock, "http://127.0.0.1:1/")
    endpoints, other = service(database, clock), principal("org_2")
    id = issued.endpoint.id
    assert (await endpoints.list(other)).items == ()
    for ask in (
        endpoints.get(other, id),
        endpoints.change(other, id, version=1, enabled=False),
        endpoints.rotate(other, id),
        endpoints.delete(other, id),
    ):
        with pytest.raises(Refusal) as refused:
            await ask
        assert refused.value.code is Code.NOT_FOUND
    with pytest.raises(Refusal) as refused:
        await endpoints.list(principal(role=Role.HOLDER))
    assert refused.value.code is Code.FORBIDDEN


async def test_a_webhook_is_changed_at_its_version_and_deleted_with_its_deliveries(
    database: Database, clock: Clock
) -> None:
    issued = await make(database, clock, "http://127.0.0.1:1/")
    endpoints, id = service(database, clock), issued.endpoint.id
    changed = await endpoints.change(
        principal(),
        id,
        version=1,
        url="http://127.0.0.1:2/",
        events=["denied"],
        description="mine",
        enabled=True,
    )
    assert (changed.version, changed.events, changed.description) == (2, ("denied",), "mine")
    assert await endpoints.get(principal(), id) == changed
    with pytest.raises(Refusal) as refused:
        await endpoints.change(principal(), id, version=1, description="x")
    assert refused.value.code is Code.PRECONDITION_FAILED
    with pytest.raises(Refusal):
        await endpoints.change(principal(), id, version=2, description="x" * 201)
    await follow(database, clock, denied(1))
    assert len(await rows(database)) == 1
    await endpoints.delete(principal(), id)
    assert await rows(database) == []


async def test_an_organisation_has_a_bounded_number(database: Database, clock: Clock) -> None:
    for _ in range(20):
        await make(database, clock, "http://127.0.0.1:1/")
    with pytest.raises(Refusal) as refused:
        await make(database, clock, "http://127.0.0.1:1/")
    assert refused.value.code is Code.CONFLICT
    first = await service(database, clock).list(principal(), most=15)
    rest = await service(database, clock).list(principal(), most=15, cursor=first.next)
    assert (len(first.items), len(rest.items)) == (15, 5)


# --- events ---


async def test_a_storm_of_denials_is_one_event_a_minute_that_counts(
    database: Database, clock: Clock
) -> None:
    await make(database, clock, "http://127.0.0.1:1/")
    await follow(database, clock, denied(1), denied(2))
    await follow(database, clock, denied(3))
    await follow(database, clock, denied(4))
    assert len(await rows(database)) == 1
    clock.advance(minutes=1)
    await follow(database, clock, denied(5))
    told = [json.loads(row.payload) for row in await rows(database)]
    assert [one["data"]["times"] for one in told] == [2, 3]
    assert told[0]["type"] == "denied"
    assert told[0]["data"]["code"] == "seats-exhausted"
    assert told[0]["data"]["license"] == "lic_1"


async def test_only_what_an_endpoint_wants_is_queued(database: Database, clock: Clock) -> None:
    await make(database, clock, "http://127.0.0.1:1/", ["clone_suspected"])
    await follow(database, clock, denied(1), seats=seats(10))
    assert await rows(database) == []
    await follow(database, clock, change(2, kind="clone_suspected", lease="lea_1", holder="user:a"))
    (row,) = await rows(database)
    assert json.loads(row.payload)["data"] == {
        "license": "lic_1",
        "lease": "lea_1",
        "holder": "user:a",
    }


async def test_nine_of_ten_seats_are_near_the_limit(database: Database, clock: Clock) -> None:
    await make(database, clock, "http://127.0.0.1:1/")
    await follow(database, clock, change(1), seats=seats(8))
    await follow(database, clock, change(2), seats=seats(0, limit=0))
    assert await rows(database) == []
    await follow(database, clock, change(3), seats=seats(9))
    await follow(database, clock, change(4), seats=seats(10))
    (row,) = await rows(database)
    assert json.loads(row.payload)["data"]["in_use"] == 9


async def test_an_expiring_license_is_told_once_for_each_stage(
    database: Database, clock: Clock
) -> None:
    await make(database, clock, "http://127.0.0.1:1/")
    await make_licenses(
        database,
        {
            "lic_far": clock.now + timedelta(days=40),
            "lic_near": clock.now + timedelta(days=20),
            "lic_past": clock.now - timedelta(days=1),
            "lic_ever": None,
        },
    )
    events = Events(database, clock=clock)
    assert await events.expiring(most=1) == 1
    assert await events.expiring() == 0
    clock.advance(days=14)
    assert await events.expiring() == 2  # one is near now, the other far no longer
    told = [json.loads(row.payload)["data"] for row in await rows(database)]
    assert sorted((one["license"], one["days"]) for one in told) == [
        ("lic_far", 30),
        ("lic_near", 7),
        ("lic_near", 30),
    ]


def test_stages_of_an_end() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    spans = {0: None, 1: 1, 2: 7, 7: 7, 30: 30, 31: None, -1: None}
    assert {d: stage(now, now + timedelta(days=d)) for d in spans} == spans


# --- the queue ---


async def test_two_instances_never_try_the_same_delivery(database: Database, clock: Clock) -> None:
    for _ in range(6):
        await make(database, clock, "http://127.0.0.1:1/")
    await follow(database, clock, denied(1))
    queue = Queue(database, clock=clock)
    claims = await asyncio.gather(*(queue.claim(2) for _ in range(4)))
    ids = [one.id for claim in claims for one in claim]
    assert len(set(ids)) == len(ids)
    # Locked rows are passed over, so a round may find fewer; the next one finds the rest.
    ids += [one.id for one in await queue.claim(10)]
    assert len(set(ids)) == len(ids) == 6


async def test_a_dead_instances_delivery_comes_again_and_its_late_word_is_ignored(
    database: Database, clock: Clock
) -> None:
    await make(database, clock, "http://127.0.0.1:1/")
    await follow(database, clock, denied(1))
    queue = Queue(database, clock=clock)
    (lost,) = await queue.claim(1)
    assert await queue.claim(1) == []
    clock.advance(seconds=LEASE_MS / 1000)
    (again,) = await queue.claim(1)
    assert await queue.finish(lost, Outcome(500)) == ""
    assert await queue.finish(again, Outcome(200)) == "delivered"
    assert (await rows(database))[0].attempts == 1


async def test_what_never_arrives_becomes_a_dead_letter_and_can_be_tried_again(
    database: Database, clock: Clock
) -> None:
    await make(database, clock, "http://127.0.0.1:1/")
    await follow(database, clock, denied(1))
    queue, letters = Queue(database, clock=clock), DeliveryService(database, clock=clock)
    states = []
    for _ in range(ATTEMPTS):
        (one,) = await queue.claim(1)
        states.append(await queue.finish(one, Outcome(None, "timeout")))
        clock.advance(hours=9)
    assert states == ["pending"] * (ATTEMPTS - 1) + ["dead"]
    (dead,) = (await letters.list(principal(), state="dead")).items
    assert (dead.last_error, dead.attempts) == ("timeout", ATTEMPTS)
    assert (await letters.list(principal("org_2"), state="dead")).items == ()
    with pytest.raises(Refusal) as refused:
        await letters.retry(principal("org_2"), dead.id)
    assert refused.value.code is Code.NOT_FOUND
    assert (await letters.retry(principal(), dead.id)).state == "pending"
    with pytest.raises(Refusal) as refused:
        await letters.retry(principal(), dead.id)
    assert refused.value.code is Code.CONFLICT
    (one,) = await queue.claim(1)
    assert await queue.finish(one, Outcome(410)) == "dead"
    assert len((await letters.list(principal(), endpoint=dead.endpoint)).items) == 1


# --- real HTTP ---


async def test_a_change_of_seats_reaches_the_receiver_signed(
    database: Database, clock: Clock, receiver: Receiver
) -> None:
    issued = await make(database, clock, receiver.url)
    store = ScriptedOutbox(database)
    await store.make()
    await store.put(denied(1))

    async def nothing(after: str, most: int) -> list[str]:
        return []

    events = Events(database, clock=clock)
    drainer = Drainer(
        database,
        store,  # type: ignore[arg-type]
        AuditLog(),
        licenses=nothing,
        followers=[events],
    )
    await drainer.drain("lic_1")
    await store.put(denied(1))  # seen again after a crash: nothing follows from it
    await drainer.drain("lic_1")
    states: list[str] = []
    sender = Sender(production=False)
    courier = Courier(Queue(database, clock=clock), sender, SEALER, clock=clock, sent=states.append)
    assert await courier.round() == 1
    assert await courier.round() == 0
    await sender.close()
    ((path, fields, body),) = receiver.got
    assert (path, states) == ("/hook", ["delivered"])
    stamp = int(fields["webhook-timestamp"])
    wanted = sign([issued.secret], id=fields["webhook-id"], timestamp=stamp, payload=body)
    assert fields["webhook-signature"] == wanted["webhook-signature"]
    assert json.loads(body)["id"] == fields["webhook-id"]


async def test_after_a_rotation_both_secrets_sign_until_the_overlap_ends(
    database: Database, clock: Clock, receiver: Receiver
) -> None:
    old = await make(database, clock, receiver.url)
    endpoints, id = service(database, clock), old.endpoint.id
    new = await endpoints.rotate(principal(), id, overlap=timedelta(hours=1))
    assert new.old_secret_until == clock.now + timedelta(hours=1)
    sender = Sender(production=False)
    courier = Courier(Queue(database, clock=clock), sender, SEALER, clock=clock)
    await follow(database, clock, denied(1))
    await courier.round()
    clock.advance(hours=2)
    await follow(database, clock, denied(2))
    await courier.round()
    await endpoints.rotate(principal(), id, overlap=timedelta(0))
    clock.advance(hours=2)
    await follow(database, clock, denied(3))
    await courier.round()
    await sender.close()
    assert [len(f["webhook-signature"].split()) for _, f, _ in receiver.got] == [2, 1, 1]
    with pytest.raises(Refusal):
        await endpoints.rotate(principal(), id, overlap=timedelta(days=8))


async def test_redirects_are_not_followed(
    database: Database, clock: Clock, receiver: Receiver
) -> None:
    await make(database, clock, receiver.url)
    receiver.status, receiver.location = 302, receiver.url + "/elsewhere"
    await follow(database, clock, denied(1))
    sender = Sender(production=False)
    await Courier(Queue(database, clock=clock), sender, SEALER, clock=clock).round()
    await sender.close()
    assert [path for path, _, _ in receiver.got] == ["/hook"]
    (row,) = await rows(database)
    assert (row.state, row.last_status, row.last_error) == ("pending", 302, "status 302")


async def test_a_secret_that_cannot_be_opened_sends_nothing(
    database: Database, clock: Clock, receiver: Receiver
) -> None:
    await make(database, clock, receiver.url)
    async with database.write() as session:
        await session.execute(update(EndpointRow).values(secret="sealed by another"))
    await follow(database, clock, denied(1))
    sender = Sender(production=False)
    await Courier(Queue(database, clock=clock), sender, SEALER, clock=clock).round()
    await sender.close()
    assert receiver.got == []
    assert (await rows(database))[0].last_error == "its secret cannot be opened"


async def test_the_courier_runs_until_cancelled_through_trouble(
    database: Database, clock: Clock, receiver: Receiver
) -> None:
    class Shaky(Queue):
        troubles = 1

        async def claim(self, most: int) -> list[Any]:
            if self.troubles:
                self.troubles -= 1
                raise OSError
            return list(await super().claim(most))

    await make(database, clock, receiver.url)
    await follow(database, clock, denied(1))
    sender, done = Sender(production=False), asyncio.Event()
    courier = Courier(
        Shaky(database, clock=clock),
        sender,
        SEALER,
        clock=clock,
        idle_seconds=0.01,
        sent=lambda _state: done.set(),
    )
    running = asyncio.create_task(courier.run())
    await asyncio.wait_for(done.wait(), 30)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await sender.close()
    assert len(receiver.got) == 1


# --- the guard ---


def guarded(*addresses: str, seen: list[httpx.Request]) -> Sender:
    async def answer(host: str, port: int) -> Sequence[str]:
        return addresses

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    return Sender(production=True, resolve=answer, transport=httpx.MockTransport(take))


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"], ["::1"], []]
)
async def test_a_name_that_resolves_inside_is_never_called(addresses: list[str]) -> None:
    seen: list[httpx.Request] = []
    sender = guarded(*addresses, seen=seen)
    outcome = await sender.send("https://hooks.example.com/", b"{}", {})
    await sender.close()
    assert (outcome.status, outcome.delivered, seen) == (None, False, [])
    assert "10.0" not in outcome.error


@pytest.mark.parametrize(
    ("address", "host"), [("8.8.8.8", "8.8.8.8"), ("2606:4700::1111", "2606:4700::1111")]
)
async def test_the_connection_goes_to_the_address_that_was_looked_at(
    address: str, host: str
) -> None:
    seen: list[httpx.Request] = []
    sender = guarded(address, seen=seen)
    outcome = await sender.send("https://hooks.example.com:8443/a?b=c", b"{}", {})
    await sender.close()
    assert outcome.delivered
    (request,) = seen
    assert request.url.host == host
    assert request.url.raw_path == b"/a?b=c"
    assert request.headers["host"] == "hooks.example.com:8443"
    assert request.extensions["sni_hostname"] == "hooks.example.com"


async def test_failures_are_words_without_details() -> None:
    async def fails(host: str, port: int) -> Sequence[str]:
        raise OSError("secret detail")

    async def hangs(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    for resolver, word in ((fails, "OSError"), (hangs, "timeout")):
        sender = Sender(production=True, resolve=resolver, timeout_seconds=0.05)
        outcome = await sender.send("https://hooks.example.com/", b"", {})
        await sender.close()
        assert outcome == Outcome(None, word)
    sender = Sender(production=True)
    outcome = await sender.send("http://127.0.0.1/", b"", {})
    await sender.close()
    assert outcome.error.startswith("refused")


async def test_nobody_listens() -> None:
    sender = Sender(production=False)
    outcome = await sender.send("http://127.0.0.1:1/", b"", {})
    await sender.close()
    assert outcome == Outcome(None, "ConnectError")
    assert await resolve("127.0.0.1", 80) == ["127.0.0.1"]
