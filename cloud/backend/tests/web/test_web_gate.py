"""Who gets in, how often, and what a tenant sees of another: nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cloud_support.web_lab import lab
from coditect_cloud.web.budgets import Budgets, WindowsInMemory

pytestmark = pytest.mark.anyio


async def test_nobody_gets_in_without_a_credential(tmp_path: Path) -> None:
    async with lab(tmp_path) as opened:
        for path in ("/v1/me", "/v1/licenses", "/v1/audit/entries", "/v1/api-keys"):
            response = await opened.client.get(path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Bearer")


async def test_two_credentials_are_none(tmp_path: Path) -> None:
    async with lab(tmp_path) as opened:
        twice = [("Authorization", f"ApiKey {opened.key}")] * 2
        assert (await opened.client.get("/v1/me", headers=twice)).status_code == 401


async def test_budgets_are_told_and_kept(tmp_path: Path) -> None:
    async with lab(tmp_path, rate_principal=3, rate_license=0) as opened:
        first = await opened.ask("GET", "/v1/me")
        assert first.headers["ratelimit-policy"] == '"principal";q=3;w=60'
        assert first.headers["ratelimit"].startswith('"principal";r=2;t=')
        for _ in range(2):
            assert (await opened.ask("GET", "/v1/me")).status_code == 200
        spent = await opened.ask("GET", "/v1/me")
        assert spent.status_code == 429
        assert spent.json()["code"] == "rate-limited"
        assert int(spent.headers["retry-after"]) <= 61
        assert spent.headers["ratelimit"].startswith('"principal";r=0;t=')


async def test_a_license_has_a_budget_that_strangers_cannot_spend(tmp_path: Path) -> None:
    async with lab(tmp_path, rate_principal=0, rate_license=2) as opened:
        _, key = await opened.license()
        path = "/v1/licenses/self/seats"
        assert (await opened.client.get(path, headers=key)).status_code == 200
        assert (await opened.client.get(path, headers=key)).status_code == 200
        assert (await opened.client.get(path, headers=key)).status_code == 429
        assert (await opened.ask("GET", "/v1/licenses/lic_other")).status_code == 404


async def test_budgets_that_cannot_be_counted_hold_nobody_up() -> None:
    class Away(WindowsInMemory):
        STORAGE_SCHEME = ["away"]  # noqa: RUF012

        async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
            raise ConnectionError

    budgets = Budgets(principal=1, license=1, storage=Away())
    assert await budgets.charge("me", "lic") == []
    await budgets.close()


async def test_windows_in_memory_end_and_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    windows = WindowsInMemory()
    assert await windows.incr("a", 60) == 1
    assert await windows.incr("a", 60) == 2
    assert await windows.get_expiry("a") == 1_060
    now = 1_061.0
    assert await windows.get("a") == 0
    assert await windows.incr("b", 60) == 1
    assert await windows.reset() == 1
    await windows.clear("b")
    assert await windows.check()


async def test_another_tenants_things_answer_like_things_that_do_not_exist(
    tmp_path: Path,
) -> None:
    async with lab(tmp_path) as opened:
        license, _ = await opened.license()
        other = (await opened.ask("POST", "/v1/organisations", json={"name": "Other"})).json()
        key = (await opened.opened.identity.api_keys.issue_for_owner(other["id"], name="o")).secret
        stranger = {"Authorization": f"ApiKey {key.text}"}
        lease = (
            await opened.ask(
                "POST", f"/v1/licenses/{license['id']}/leases", json={"holder": "machine:a"}
            )
        ).json()["lease"]
        for method, path, body in (
            ("GET", "/v1/licenses/{}", None),
            ("PATCH", "/v1/licenses/{}", {"name": "x"}),
            ("POST", "/v1/licenses/{}/suspend", {}),
            ("POST", "/v1/licenses/{}/rotate-key", {}),
            ("GET", "/v1/licenses/{}/seats", None),
            ("GET", "/v1/licenses/{}/leases", None),
            ("POST", "/v1/licenses/{}/leases", {"holder": "machine:a"}),
            ("GET", "/v1/licenses/{}/leases/" + lease["id"], None),
            ("DELETE", "/v1/licenses/{}/leases/" + lease["id"] + "?force=true", None),
            ("GET", "/v1/licenses/{}/file", None),
        ):
            answers = [
                await opened.client.request(
                    method,
                    path.format(id),
                    json=body,
                    headers={**stranger, "If-Match": '"1"', "X-Request-Id": "same-for-both"},
                )
                for id in (license["id"], "lic_0198c0de")
            ]
            assert answers[0].status_code == 404, path
            assert answers[0].content == answers[1].content, path
        assert (await opened.client.get("/v1/products/render", headers=stranger)).status_code == 404
        path = f"/v1/organisations/{license['org']}"
        assert (await opened.client.get(path, headers=stranger)).status_code == 404
