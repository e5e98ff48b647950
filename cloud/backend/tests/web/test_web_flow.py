"""A seat's life over HTTP, and what the fields around it say."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud_support.web_lab import Lab, lab
from coditect_cloud.signing import Exchange, Trust, verify_response
from coditect_cloud.signing.jws import VerificationKey
from coditect_cloud.signing.verify import TrustedRoot

pytestmark = pytest.mark.anyio
LEASES = "/v1/licenses/self/leases"


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Lab]:
    async with lab(tmp_path) as found:
        yield found


async def test_a_seat_from_acquire_to_release(opened: Lab) -> None:
    _, key = await opened.license(seats=1)
    client = opened.client
    first = await client.post(LEASES, json={"holder": "machine:a"}, headers=key)
    assert first.status_code == 201
    lease = first.json()["lease"]
    full = await client.post(LEASES, json={"holder": "machine:b"}, headers=key)
    assert full.status_code == 409
    told = full.json()
    assert told["code"] == "seats-exhausted"
    assert (told["limit"], told["in_use"]) == (1, 1)
    assert full.headers["retry-after"]
    queued = await client.post(LEASES, json={"holder": "machine:b", "wait": True}, headers=key)
    assert queued.status_code == 202
    ticket = queued.json()["ticket"]
    place = await client.get(f"/v1/licenses/self/queue/{ticket}", headers=key)
    assert place.json()["position"] == 1
    path = f"{LEASES}/{lease['id']}"
    beat = await client.post(f"{path}/heartbeat", json={"fence": lease["fence"]}, headers=key)
    assert beat.status_code == 200
    stale = await client.post(f"{path}/heartbeat", json={"fence": "0.1"}, headers=key)
    assert stale.json()["code"] == "stale-fence"
    shown = await client.get(path, headers=key)
    assert shown.json()["holder"] == "machine:a"
    released = await client.request("DELETE", path, json={"fence": lease["fence"]}, headers=key)
    assert released.json() == {"lease": lease["id"], "already": False}
    again = await client.delete(f"{path}?fence={lease['fence']}", headers=key)
    assert again.json()["already"] is True
    asked = {"holder": "machine:b", "wait": True, "ticket": ticket}
    assert (await client.post(LEASES, json=asked, headers=key)).status_code == 201
    gone = await client.delete(f"/v1/licenses/self/queue/{ticket}", headers=key)
    assert gone.json()["code"] == "ticket-not-found"


async def test_the_same_key_gives_the_same_lease_and_another_body_is_refused(opened: Lab) -> None:
    _, key = await opened.license(seats=3)
    headers = {**key, "Idempotency-Key": "one"}
    body = {"holder": "machine:a"}
    first = await opened.client.post(LEASES, json=body, headers=headers)
    again = await opened.client.post(LEASES, json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["lease"]["id"] == first.json()["lease"]["id"]
    assert again.json()["replayed"] is True
    other = await opened.client.post(LEASES, json={"holder": "machine:b"}, headers=headers)
    assert other.json()["code"] == "idempotency-key-reused"


async def test_an_old_secret_shows_a_clone(opened: Lab) -> None:
    _, key = await opened.license()
    seat = await opened.client.post(LEASES, json={"holder": "m:a", "rotate": True}, headers=key)
    secrets, lease = [seat.json()["secret"]], seat.json()["lease"]
    path = f"{LEASES}/{lease['id']}/heartbeat"
    for _ in range(2):
        body = {"fence": lease["fence"], "secret": secrets[-1]}
        answer = await opened.client.post(path, json=body, headers=key)
        secrets.append(answer.json()["secret"])
    body = {"fence": lease["fence"], "secret": secrets[0]}
    clone = await opened.client.post(path, json=body, headers=key)
    assert clone.json()["code"] == "clone-suspected"


async def test_a_batch_answers_each_beat_in_its_order(opened: Lab) -> None:
    _, key = await opened.license(seats=3)
    seats = [
        (await opened.client.post(LEASES, json={"holder": f"m:{n}"}, headers=key)).json()["lease"]
        for n in range(3)
    ]
    beats = [{"lease": s["id"], "fence": s["fence"]} for s in seats]
    beats.insert(1, {"lease": "lea_none", "fence": "1.1"})
    path = "/v1/licenses/self/heartbeats"
    told = (await opened.client.post(path, json={"beats": beats}, headers=key)).json()["beats"]
    assert [one["lease"] for one in told] == [beat["lease"] for beat in beats]
    assert [one["seat"] is not None for one in told] == [True, False, True, True]
    assert told[1]["refused"]["code"] == "lease-not-found"


async def test_reservations_borrowing_and_files(opened: Lab) -> None:
    license, key = await opened.license(seats=4, borrow_max_ms=86_400_000)
    base = "/v1/licenses/self"
    kept = await opened.client.post(
        f"{base}/reservations", json={"seats": 2, "ttl_ms": 60_000}, headers=key
    )
    assert kept.status_code == 201
    name = kept.json()["reservation"]
    taken = await opened.client.post(
        LEASES, json={"holder": "m:a", "reservation": name}, headers=key
    )
    assert taken.status_code == 201
    gone = await opened.client.delete(f"{base}/reservations/{name}", headers=key)
    assert gone.status_code == 204
    borrowed = await opened.client.post(
        f"{base}/borrows", json={"holder": "m:b", "duration_ms": 3_600_000}, headers=key
    )
    assert borrowed.status_code == 201, borrowed.text
    lease = borrowed.json()["lease"]
    assert lease["kind"] == "borrowed"
    burned = await opened.client.post(f"{LEASES}/{lease['id']}/burn", headers=key)
    assert burned.json()["burned"] is True
    file = await opened.client.get(f"{base}/file", headers=key)
    assert file.headers["content-type"] == "application/jwt"
    assert file.text.count(".") == 2
    held = await opened.ask("GET", f"/v1/licenses/{license['id']}/leases?limit=1")
    assert len(held.json()["items"]) == 1
    assert held.headers["link"].endswith('; rel="next"')
    link = held.headers["link"].split(">")[0].removeprefix("<")
    rest = await opened.ask("GET", link)
    assert rest.json()["items"][0]["id"] != held.json()["items"][0]["id"]


async def test_somebody_elses_seat_is_freed_by_force(opened: Lab) -> None:
    license, key = await opened.license()
    lease = (await opened.client.post(LEASES, json={"holder": "m:a"}, headers=key)).json()["lease"]
    path = f"/v1/licenses/{license['id']}/leases/{lease['id']}?force=true"
    assert (await opened.client.delete(path, headers=key)).json()["code"] == "forbidden"
    assert (await opened.ask("DELETE", path)).json()["already"] is False


async def test_changes_need_the_version_that_was_read(opened: Lab) -> None:
    license, _ = await opened.license(seats=1)
    path = f"/v1/licenses/{license['id']}"
    read = await opened.ask("GET", path)
    etag = read.headers["etag"]
    same = await opened.ask("GET", path, headers={"If-None-Match": etag})
    assert (same.status_code, same.content) == (304, b"")
    assert (await opened.ask("PATCH", path, json={"seats": 2})).status_code == 428
    changed = await opened.ask("PATCH", path, json={"seats": 2}, headers={"If-Match": etag})
    assert changed.json()["seats"] == 2
    assert changed.json()["name"] == license["name"]
    late = await opened.ask("PATCH", path, json={"seats": 3}, headers={"If-Match": etag})
    assert late.status_code == 412
    strange = await opened.ask("PATCH", path, json={"seats": 3}, headers={"If-Match": "huh"})
    assert strange.status_code == 412
    anyway = await opened.ask("PATCH", path, json={"seats": 3}, headers={"If-Match": "*"})
    assert anyway.json()["seats"] == 3


async def test_states_and_keys_of_a_license(opened: Lab) -> None:
    license, key = await opened.license()
    path = f"/v1/licenses/{license['id']}"
    assert (await opened.ask("POST", f"{path}/suspend", json={"reason": "unpaid"})).json()[
        "state"
    ] == "suspended"
    refused = await opened.client.post(LEASES, json={"holder": "m:a"}, headers=key)
    assert refused.json()["code"] == "license-suspended"
    assert (await opened.ask("POST", f"{path}/reinstate")).json()["state"] == "active"
    rotated = await opened.ask("POST", f"{path}/rotate-key", json={"overlap_ms": 0})
    fresh = {"Authorization": f"License {rotated.json()['key']}"}
    assert (await opened.client.post(LEASES, json={"holder": "m:a"}, headers=fresh)).is_success
    assert (await opened.ask("POST", f"{path}/revoke")).json()["state"] == "revoked"
    final = await opened.ask("POST", f"{path}/reinstate")
    assert final.json()["code"] == "conflict"


async def test_keys_members_and_organisations(opened: Lab) -> None:
    made = await opened.ask(
        "POST", "/v1/api-keys", json={"name": "ci", "role": "admin", "scopes": ["leases:use"]}
    )
    key, id = made.json()["key"], made.json()["api_key"]["id"]
    narrow = {"Authorization": f"ApiKey {key}"}
    me = (await opened.client.get("/v1/me", headers=narrow)).json()
    assert me["permissions"] == ["leases:use"]
    assert (await opened.client.get("/v1/products", headers=narrow)).status_code == 403
    assert (await opened.ask("POST", f"/v1/api-keys/{id}/rotate")).status_code == 200
    assert (await opened.ask("DELETE", f"/v1/api-keys/{id}")).json()["revoked_at"]
    assert (await opened.client.get("/v1/me", headers=narrow)).status_code == 401
    assert (await opened.ask("GET", f"/v1/api-keys/{id}")).json()["name"] == "ci"
    assert len((await opened.ask("GET", "/v1/api-keys?limit=1")).json()["items"]) == 1
    invited = await opened.ask(
        "POST", "/v1/invitations", json={"email": "ada@example.org", "role": "admin"}
    )
    assert invited.status_code == 201
    assert len((await opened.ask("GET", "/v1/invitations")).json()["items"]) == 1
    path = f"/v1/invitations/{invited.json()['id']}"
    assert (await opened.ask("DELETE", path)).status_code == 204
    assert (await opened.ask("GET", "/v1/members")).json() == {"items": [], "next": None}
    for method, body in (("GET", None), ("PATCH", {"role": "admin"}), ("DELETE", None)):
        answer = await opened.ask(method, "/v1/members/acc_none", json=body)
        assert answer.status_code == 404
    answer = await opened.ask("POST", "/v1/members", json={"account": "acc_none", "role": "holder"})
    assert answer.status_code == 404
    assert (await opened.ask("POST", "/v1/organisations", json={"name": "N"})).status_code == 201
    assert len((await opened.ask("GET", "/v1/organisations")).json()["items"]) == 2
    path = "/v1/organisations/org_root"
    organisation = await opened.ask("GET", path)
    etag = {"If-Match": organisation.headers["etag"]}
    renamed = await opened.ask("PATCH", path, json={"name": "Sud"}, headers=etag)
    assert renamed.json()["name"] == "Sud"
    assert (await opened.ask("GET", path)).json()["version"] == 2
    await opened.ask("POST", "/v1/products", json={"slug": "a", "name": "A"})
    product = await opened.ask("GET", "/v1/products/a")
    etag = {"If-Match": product.headers["etag"]}
    path = f"/v1/products/{product.json()['id']}"
    assert (await opened.ask("PATCH", path, json={"name": "B"}, headers=etag)).is_success
    assert (await opened.ask("GET", "/v1/products")).json()["items"][0]["name"] == "B"


async def test_the_audit_has_what_was_done(opened: Lab) -> None:
    license, key = await opened.license()
    await opened.client.post(LEASES, json={"holder": "m:a"}, headers=key)
    await opened.client.post(LEASES, json={"holder": "m:b"}, headers=key)
    await opened.opened.drainer.drain(license["id"])
    entries = await opened.ask("GET", f"/v1/audit/entries?license={license['id']}")
    kinds = [entry["kind"] for entry in entries.json()["items"]]
    assert "license.created" in kinds
    export = (await opened.ask("GET", "/v1/audit/export")).text.splitlines()
    assert "checkpoint" in json.loads(export[-1])
    denials = await opened.ask("GET", f"/v1/licenses/{license['id']}/denials")
    assert denials.json()["items"][0]["code"] == "seats-exhausted"


async def test_answers_about_seats_are_signed_and_refusals_too(opened: Lab) -> None:
    _, key = await opened.license()
    keys = (await opened.client.get("/.well-known/jwks.json")).json()["keys"]
    roots = [VerificationKey.from_jwk(one) for one in keys if one["kty"] == "RSA"]
    trust = trusting(opened, roots)
    for body in ({"holder": "m:a"}, {"holder": "m:b"}, {"holder": 7}):
        headers = {**key, "Coditect-Nonce": "n-1"}
        answer = await opened.client.post(LEASES, json=body, headers=headers)
        exchange = Exchange(answer.status_code, "POST", LEASES, answer.content, "n-1")
        verify_response(dict(answer.headers), exchange, trust, now=time.time())
    known = {**key, "Coditect-Delegation": keyid(answer.headers["signature-input"])}
    answer = await opened.client.post(LEASES, json={"holder": "m:a"}, headers=known)
    assert "coditect-delegation" not in answer.headers
    unsigned = await opened.client.get("/v1/me", headers=key)
    assert "signature" not in unsigned.headers


def trusting(opened: Lab, roots: list[VerificationKey]) -> Trust:
    return Trust(
        issuer=opened.opened.settings.public_url,
        version=1,
        roots={root.kid: TrustedRoot(root) for root in roots},
    )


def keyid(signature_input: str) -> str:
    return signature_input.split('keyid="')[1].split('"', maxsplit=1)[0]


async def test_health_says_what_is_late(opened: Lab) -> None:
    told: dict[str, Any] = (await opened.client.get("/health/ready")).json()
    assert told["ready"] is True
    assert {"store", "database", "signing", "audit"} <= set(told["parts"])
    bundle = await opened.client.get("/.well-known/coditect-trust-bundle")
    assert bundle.text.count(".") == 2
    assert bundle.headers["cache-control"].startswith("public")
    none = await opened.client.get("/.well-known/coditect-trust-bundle?root=none")
    assert none.json()["code"] == "not-found"


async def test_self_is_only_for_license_keys(opened: Lab) -> None:
    answer = await opened.ask("GET", "/v1/licenses/self")
    assert answer.json()["code"] == "license-not-found"
