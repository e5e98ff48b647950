"""No secret reaches a log, wherever it stands in what is logged."""

from __future__ import annotations

import base64
import io
import json
import logging
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from coditect_cloud.observe.logs import configure
from coditect_cloud.observe.redaction import GONE, redact, redacting

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
URLSAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

license_keys = st.lists(st.text(CROCKFORD, min_size=5, max_size=5), min_size=5, max_size=5).map(
    lambda groups: "CCL-" + "-".join(groups)
)
api_keys = st.builds(
    "cck_{}_{}".format,
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.text(URLSAFE, min_size=43, max_size=43),
)
webhook_secrets = st.binary(min_size=24, max_size=64).map(
    lambda raw: "whsec_" + base64.b64encode(raw).decode()
)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


tokens = st.builds(
    lambda claims, mac: f"{encoded({'alg': 'EdDSA'})}.{encoded(claims)}.{mac}",
    st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, 9), max_size=3),
    st.text(URLSAFE, min_size=43, max_size=86),
)
secrets = st.one_of(license_keys, api_keys, webhook_secrets, tokens)
around = st.text(" \n\t\"'=:,;()[]{}<>|äπ", max_size=4)


def holding(secret: str) -> st.SearchStrategy[Any]:
    """Values of any shape with the secret somewhere inside."""
    leaf = st.builds(lambda a, b: f"{a}{secret}{b}", around, around)
    return st.recursive(
        leaf | leaf.map(str.encode),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=2),
            st.tuples(inner, st.integers()),
            st.dictionaries(st.sampled_from(["event", "detail", "a"]), inner, min_size=1),
        ),
        max_leaves=4,
    )


@given(st.data())
def test_a_secret_is_found_by_its_look_wherever_it_stands(data: st.DataObject) -> None:
    secret = data.draw(secrets)
    told = redacting(None, "info", {"event": data.draw(holding(secret))})
    assert secret not in json.dumps(told, ensure_ascii=False)
    # Nor any long part of it: a key must not survive its own redaction by half.
    assert secret[8:24] not in json.dumps(told, ensure_ascii=False)


@given(
    st.sampled_from(
        [
            "authorization",
            "Authorization",
            "password",
            "passphrase",
            "client_secret",
            "private_key",
            "api-key",
            "license_key",
            "Set-Cookie",
            "token",
            "id_token",
            "jwt",
            "hsm_pin",
        ]
    ),
    st.text(min_size=6) | st.integers(10**6) | st.lists(st.text(min_size=6), min_size=1),
)
def test_a_secret_is_found_by_the_name_of_its_field(name: str, value: Any) -> None:
    assert redact({"request": {name: value}}) == {"request": {name: GONE}}


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "harmless",
    [
        "lea_0198c0de12345678",
        "lic_0198c0de12345678",
        "user:acc_1 released its seat",
        "the license begins on 2026-01-01",
        "license expired",
        "https://cloud.example.com/v1/licenses",
        "basic authentication",
    ],
)
def test_what_is_no_secret_stays_readable(harmless: str) -> None:
    assert redact(harmless) == harmless
    assert redact({"keys": 3, "secret": None, "token_count": 2, "n": True, "f": 0.5}) == {
        "keys": 3,
        "secret": None,
        "token_count": 2,
        "n": True,
        "f": 0.5,
    }


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer 0123456789abcdefgh",
        "License 0123-4567-89ab-cdef",
        "Basic dXNlcjpwYXNzd29yZDE=",
        "postgresql+asyncpg://coditect:hunter2@db/cloud",
        "redis://:hunter2@cache:6379",
        "-----BEGIN PRIVATE KEY-----\nMIIhunter2\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIhunter2 cut off",
    ],
)
def test_other_credentials_are_found_in_text(text: str) -> None:
    told = redact(text)
    assert GONE in told
    for part in ("hunter2", "0123456789abcdefgh", "0123-4567", "dXNlcjpw"):
        assert part not in told


def test_values_too_deep_or_of_unknown_types_leak_nothing() -> None:
    deep: Any = "CCL-AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
    for _ in range(100):
        deep = [deep]
    assert "AAAAA" not in json.dumps(redact(deep))

    class Strange:
        def __str__(self) -> str:
            return "I hold cck_abc_def"

    assert redact(Strange()) == f"I hold {GONE}"
    assert redact({"x": SecretStr("s")}) == {"x": GONE}
    assert redact({"cck_abc_def": 1}) == {GONE: 1}


KEY = "CCL-AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"


@pytest.fixture
def out() -> Any:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_is_one_json_object_without_secrets(out: io.StringIO) -> None:
    configure(stream=out)
    log = structlog.get_logger("coditect_cloud.test")
    log.debug("hidden")
    log.info("acquired", key=KEY, lease="lea_1")
    logging.getLogger("some.library").warning("got %s", KEY)
    logging.getLogger("httpx").info("POST https://hooks.example.com/secret-path")
    try:
        raise ValueError(KEY)
    except ValueError:
        log.exception("failed")
        logging.getLogger("some.library").exception("failed")
    text = out.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == 4
    assert "AAAAA" not in text
    assert "secret-path" not in text
    assert (lines[0]["event"], lines[0]["lease"], lines[0]["level"]) == (
        "acquired",
        "lea_1",
        "info",
    )
    assert lines[1]["logger"] == "some.library"
    assert "ValueError" in lines[2]["exception"]


def test_lines_for_people_hold_no_secrets_either(out: io.StringIO) -> None:
    configure(stream=out, as_json=False, level="debug")
    structlog.get_logger().debug("acquired", key=KEY)
    assert "acquired" in out.getvalue()
    assert "AAAAA" not in out.getvalue()
