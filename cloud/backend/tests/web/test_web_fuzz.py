"""Hostile input over the whole contract: no 5xx, nothing undocumented, no secret in the logs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cloud_support.openapi import contract
from cloud_support.web_server import serving

pytestmark = pytest.mark.timeout(300)
EXAMPLES = int(os.environ.get("CODITECT_FUZZ_EXAMPLES", "12"))
"""Of each operation and mode; more in long runs."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = [(path, method) for path, item in contract()["paths"].items() for method in item]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    folder = tmp_path_factory.mktemp("fuzz")
    with serving(folder, root="mock:", rate_principal="0", rate_license="0") as found:
        yield found


@pytest.fixture(scope="module")
def secrets(server: tuple[str, str, Path]) -> dict[str, str]:
    """Make a license to fuzz; gives its id, its key, and what must never be logged."""
    url, key, _ = server
    owner = {"Authorization": f"ApiKey {key}"}
    product = httpx.post(f"{url}/v1/products", json={"slug": "render", "name": "R"}, headers=owner)
    assert product.is_success, product.text
    body = {"product": "render", "name": "Studio", "seats": 3, "borrow_max_ms": 86_400_000}
    made = httpx.post(f"{url}/v1/licenses", json=body, headers=owner)
    assert made.is_success, made.text
    return {"license": made.json()["license"]["id"], "license_key": made.json()["key"]}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_input_gets_an_answer_that_the_contract_does_not_know(
    server: tuple[str, str, Path],
    secrets: dict[str, str],
    path: str,
    method: str,
    mode: GenerationMode,
) -> None:
    url, key, log = server
    schema = schemathesis.openapi.from_dict(contract())
    operation = schema[path][method]
    strategy = operation.as_strategy(generation_mode=mode)
    answers = contract()["paths"][path][method]["responses"]
    # The library reads every answer as JSON; a JWS is none.
    is_jws = "application/jwt" in answers["200"]["content"] if "200" in answers else False
    checks = [c for c in CHECKS if not (is_jws and c is response_schema_conformance)]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def fuzz(case: Any) -> None:
        if "license" in case.path_parameters:
            case.path_parameters["license"] = secrets["license"]
        headers = {"Authorization": f"ApiKey {key}"}
        case.call_and_validate(base_url=url, headers=headers, checks=checks)

    with suppress(Unsatisfiable):  # where nothing can be sent wrong, nothing is
        fuzz()
    told = log.read_text()
    assert "Traceback" not in told
    assert told.count(key) == 1
    assert secrets["license_key"] not in told


def test_no_secret_is_ever_logged(server: tuple[str, str, Path], secrets: dict[str, str]) -> None:
    url, key, log = server
    holder = {"Authorization": f"License {secrets['license_key']}"}
    owner = {"Authorization": f"ApiKey {key}"}
    seat = httpx.post(
        f"{url}/v1/licenses/self/leases",
        json={"holder": "m:secret", "rotate": True},
        headers={**holder, "Idempotency-Key": "idem-secret"},
    ).json()
    made = httpx.post(
        f"{url}/v1/api-keys", json={"name": "x", "role": "auditor"}, headers=owner
    ).json()
    httpx.get(f"{url}/v1/me", headers={"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."})
    httpx.get(f"{url}/v1/me", headers={"Authorization": "ApiKey cck_wrong_hunter2"})
    told = log.read_text()
    for secret in (
        secrets["license_key"],
        made["key"],
        seat.get("token") or "no-token",
        seat.get("secret") or "no-secret",
        "idem-secret",
        "hunter2",
        "eyJhbGciOiJub25lIn0",
    ):
        assert secret not in told
    assert len(re.findall(re.escape(key), told)) == 1
