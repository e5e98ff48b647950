"""Whatever goes wrong is a problem, with a code, an id, and no trace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud_support.web_lab import Lab, lab
from coditect_cloud.refusals import Code, Refusal, meaning
from coditect_cloud.web import problems

pytestmark = pytest.mark.anyio


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Lab]:
    async with lab(tmp_path) as found:
        yield found


def refused(response: httpx.Response, code: Code) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert told["code"] == code, told
    assert response.status_code == told["status"] == meaning(code).status
    assert told["type"] == f"https://coditect.dev/problems/{code}"
    assert told["retryable"] is meaning(code).retry
    assert told["request_id"] == response.headers["x-request-id"]
    return told


async def test_an_unknown_path_is_a_problem(opened: Lab) -> None:
    refused(await opened.client.get("/nothing"), Code.NOT_FOUND)
    refused(await opened.ask("GET", "/v1/nothing"), Code.NOT_FOUND)


async def test_an_unknown_method_is_a_problem_that_says_which_are_known(opened: Lab) -> None:
    response = await opened.ask("PUT", "/v1/products")
    refused(response, Code.METHOD_NOT_ALLOWED)
    assert response.headers["allow"]


async def test_malformed_json_is_a_problem(opened: Lab) -> None:
    kind = {"Content-Type": "application/json"}
    for body in (b"{", b"[", b'{"a": NaN}', b"\xff", b'"' + b"a" * 10):
        response = await opened.ask("POST", "/v1/products", content=body, headers=kind)
        refused(response, Code.INVALID_REQUEST)


async def test_json_nested_without_end_is_a_problem(opened: Lab) -> None:
    kind = {"Content-Type": "application/json"}
    body = b"[" * 60_000
    refused(
        await opened.ask("POST", "/v1/products", content=body, headers=kind), Code.INVALID_REQUEST
    )


async def test_an_unknown_member_is_told_and_values_are_not_echoed(opened: Lab) -> None:
    body = {"slug": "render", "name": "x", "secret": "hunter2"}
    response = await opened.ask("POST", "/v1/products", json=body)
    told = refused(response, Code.INVALID_REQUEST)
    assert told["errors"][0]["at"] == "body.secret"
    assert "hunter2" not in response.text


async def test_another_media_type_is_a_problem(opened: Lab) -> None:
    kind = {"Content-Type": "application/xml"}
    response = await opened.ask("POST", "/v1/products", content=b"<a/>", headers=kind)
    refused(response, Code.UNSUPPORTED_MEDIA_TYPE)


async def test_a_body_that_is_too_large_is_refused_whether_declared_or_not(opened: Lab) -> None:
    kind = {"Content-Type": "application/json"}
    declared = await opened.ask("POST", "/v1/products", content=b" " * 65_537, headers=kind)
    assert refused(declared, Code.BODY_TOO_LARGE)["limit_bytes"] == 65_536

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b" " * 1024

    streamed = await opened.ask("POST", "/v1/products", content=parts(), headers=kind)
    refused(streamed, Code.BODY_TOO_LARGE)


async def test_a_batch_may_be_larger(opened: Lab) -> None:
    _, key = await opened.license()
    kind = {**key, "Content-Type": "application/json"}
    path = "/v1/licenses/self/heartbeats"
    fits = b'{"beats":[{"lease":"lea_x","fence":"1.1"}]}' + b" " * 900_000
    response = await opened.client.post(path, content=fits, headers=kind)
    assert response.status_code == 200
    response = await opened.client.post(path, content=b" " * 1_048_577, headers=kind)
    refused(response, Code.BODY_TOO_LARGE)


async def test_a_fault_of_ours_shows_nothing_of_it(opened: Lab, capsys: Any) -> None:
    async def breaks() -> None:
        raise RuntimeError("password=hunter2")

    opened.app.add_api_route("/breaks", breaks)
    response = await opened.client.get("/breaks")
    refused(response, Code.INTERNAL_ERROR)
    assert "hunter2" not in response.text
    assert "hunter2" not in "".join(capsys.readouterr())


async def test_an_instance_that_shuts_down_sends_callers_elsewhere(opened: Lab) -> None:
    opened.traffic.draining = True
    response = await opened.ask("GET", "/v1/me")
    refused(response, Code.SHUTTING_DOWN)
    assert response.headers["retry-after"] == "1"
    assert response.headers["connection"] == "close"
    assert (await opened.client.get("/health/live")).status_code == 200


async def test_a_request_id_comes_back_unless_it_is_strange(opened: Lab) -> None:
    response = await opened.client.get("/health/live", headers={"X-Request-Id": "abcd-1234"})
    assert response.headers["x-request-id"] == "abcd-1234"
    for strange in ("short", "x" * 65, "with space in it", 'quote"quote"'):
        response = await opened.client.get("/health/live", headers={"X-Request-Id": strange})
        assert response.headers["x-request-id"] != strange


async def test_every_answer_has_the_security_fields(opened: Lab) -> None:
    for path in ("/health/live", "/nothing", "/v1/me"):
        fields = (await opened.client.get(path)).headers
        assert fields["x-content-type-options"] == "nosniff"
        assert fields["content-security-policy"].startswith("default-src 'none'")
        assert fields["cache-control"] == "no-store"


def test_facts_of_a_refusal_never_replace_its_standard_members() -> None:
    refusal = Refusal(Code.CONFLICT, "no", data={"status": 200, "limit": 3})
    assert problems.body(refusal, "id")["status"] == 409
    assert problems.body(refusal, "id")["limit"] == 3


def test_retry_after_is_rounded_up_to_whole_seconds() -> None:
    def after(ms: int) -> str:
        return problems.headers(Refusal(Code.SETTLING, "", retry_after_ms=ms))["Retry-After"]

    assert [after(ms) for ms in (0, 1, 1000, 1001)] == ["1", "1", "1", "2"]
