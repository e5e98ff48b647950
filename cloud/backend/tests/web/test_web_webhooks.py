"""From a refused seat to a signed event at an address of the organisation, over HTTP alone."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cloud_support.web_lab import Lab, lab
from coditect_cloud.refusals import Refusal
from coditect_cloud.settings import load
from coditect_cloud.web.services import services
from coditect_cloud.webhooks.secrets import sign

pytestmark = pytest.mark.anyio


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Lab]:
    async with lab(tmp_path) as found:
        yield found


async def test_a_denial_is_told_to_whom_wants_to_know(opened: Lab, receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    made = await opened.ask("POST", "/v1/webhooks", json={"url": url, "events": ["denied"]})
    assert made.status_code == 201
    secret, hook = made.json()["secret"], made.json()["webhook"]
    _, key = await opened.license(seats=0)
    asked = await opened.client.post(
        "/v1/licenses/self/leases", json={"holder": "machine:a"}, headers=key
    )
    assert asked.status_code == 409
    await opened.opened.drainer.flush()
    assert await opened.opened.courier.round() == 1
    ((headers, body),) = receiver.got
    assert json.loads(body)["type"] == "denied"
    stamp, event = int(headers["webhook-timestamp"]), headers["webhook-id"]
    expected = sign([secret], id=event, timestamp=stamp, payload=body)
    assert headers["webhook-signature"] == expected["webhook-signature"]

    listed = (await opened.ask("GET", f"/v1/deliveries?webhook={hook['id']}")).json()["items"]
    assert [(d["state"], d["event"], d["due_at"]) for d in listed] == [("delivered", event, None)]
    again = await opened.ask("POST", f"/v1/deliveries/{listed[0]['id']}/retry")
    assert again.json()["code"] == "conflict"
    assert (await opened.ask("GET", "/v1/deliveries?state=dead")).json()["items"] == []


async def test_a_webhook_is_changed_rotated_and_deleted(opened: Lab) -> None:
    ask = opened.ask
    body = {"url": "http://127.0.0.1:9/x", "events": ["limit_near", "denied"]}
    made = await ask("POST", "/v1/webhooks", json=body)
    path = f"/v1/webhooks/{made.json()['webhook']['id']}"
    assert (await ask("PATCH", path, json={"enabled": False})).status_code == 428
    match = {"If-Match": made.headers["etag"]}
    changed = await ask("PATCH", path, json={"enabled": False}, headers=match)
    assert changed.json()["enabled"] is False
    assert (await ask("PATCH", path, json={"enabled": True}, headers=match)).status_code == 412
    anyway = await ask("PATCH", path, json={"description": "x"}, headers={"If-Match": "*"})
    assert anyway.json()["description"] == "x"
    rotated = (await ask("POST", f"{path}/rotate", json={"overlap_seconds": 60})).json()
    assert rotated["secret"] != made.json()["secret"]
    assert rotated["old_secret_until"]
    assert [h["id"] for h in (await ask("GET", "/v1/webhooks")).json()["items"]] == [path[13:]]
    assert (await ask("GET", path)).headers["etag"]
    assert (await ask("DELETE", path)).status_code == 204
    assert (await ask("GET", path)).status_code == 404


async def test_a_license_key_sees_no_webhooks(opened: Lab) -> None:
    _, key = await opened.license()
    assert (await opened.client.get("/v1/webhooks", headers=key)).status_code == 403


async def test_production_seals_with_keys_that_are_given(tmp_path: Path) -> None:
    settings = load(data=tmp_path, webhook_keys="short")
    with pytest.raises(Refusal) as caught:
        async with services(settings):
            pass
    assert "WEBHOOK_KEYS" in caught.value.detail
    assert "short" not in str(caught.value)


async def test_metrics_tell_of_seats_and_answers(opened: Lab) -> None:
    _, key = await opened.license(seats=1)
    await opened.client.post("/v1/licenses/self/leases", json={"holder": "machine:a"}, headers=key)
    shown = await opened.client.get("/metrics")
    assert shown.status_code == 200
    assert "coditect_seats_in_use{" in shown.text
    assert 'route="/v1/licenses/{license}/leases"' in shown.text


async def test_metrics_may_ask_for_a_token(tmp_path: Path) -> None:
    async with lab(tmp_path, metrics_token="a token of a test") as opened:
        assert (await opened.client.get("/metrics")).status_code == 401
        token = {"Authorization": "Bearer a token of a test"}
        assert (await opened.client.get("/metrics", headers=token)).status_code == 200
