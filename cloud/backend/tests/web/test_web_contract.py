"""The contract is the source: the application does what it says, no more and no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from cloud_support.openapi import CONTRACT, bare, contract, operations
from cloud_support.web_lab import lab
from coditect_cloud.refusals import Code, meaning
from coditect_cloud.web import problems_table

pytestmark = pytest.mark.anyio


@pytest.fixture
async def described(tmp_path: Path) -> dict[str, Any]:
    async with lab(tmp_path) as opened:
        document: dict[str, Any] = opened.app.openapi()
        return document


def test_the_contract_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(contract()).validate()


async def test_contract_and_application_have_the_same_operations(
    described: dict[str, Any],
) -> None:
    assert set(operations(contract())) == set(operations(described))


async def test_each_operation_is_the_same_in_contract_and_application(
    described: dict[str, Any],
) -> None:
    promised, done = operations(contract()), operations(described)
    for name, operation in promised.items():
        assert done[name] == operation, name


async def test_credentials_are_the_same_in_contract_and_application(
    described: dict[str, Any],
) -> None:
    schemes = "securitySchemes"
    assert bare(contract()["components"][schemes]) == bare(described["components"][schemes])


def test_the_contract_knows_every_code_and_no_other() -> None:
    codes = contract()["components"]["schemas"]["Code"]["enum"]
    assert sorted(codes) == sorted(code.value for code in Code)


def test_every_refusal_is_a_problem_and_names_codes_of_its_status() -> None:
    for name, operation in operations(contract()).items():
        for status, response in operation["responses"].items():
            if int(status) < 400 or (name == "GET /health/ready" and status == "503"):
                continue
            assert list(response["content"]) == ["application/problem+json"], f"{name} {status}"


def test_every_operation_says_what_it_is_for() -> None:
    seen = set()
    for path, item in contract()["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], f"{method} {path}"
            assert operation["operationId"] not in seen
            seen.add(operation["operationId"])


def test_what_may_be_asked_again_is_documented_with_when() -> None:
    for code in Code:
        if meaning(code).retry:
            assert meaning(code).status in {409, 429, 500, 503}, code


def test_the_page_of_problems_is_current() -> None:
    page = CONTRACT.parents[1] / "docs" / "reference" / "problems.md"
    assert page.read_text(encoding="utf-8") == problems_table.markdown()
