"""Settings: from the environment, secrets from files, and what production refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from coditect_cloud import settings_table
from coditect_cloud.refusals import Refusal
from coditect_cloud.settings import Settings, load
from coditect_cloud.web.services import identity_settings, root_options

DOCS = Path(__file__).resolve().parents[4] / "docs" / "reference"


def test_the_table_in_the_docs_is_current() -> None:
    assert (DOCS / "cloud-settings.md").read_text(encoding="utf-8") == settings_table.markdown()


def test_every_setting_says_what_it_does() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_a_secret_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.write_text("hunter2\n")
    monkeypatch.setenv("CODITECT_CLOUD_ROOT_PASSPHRASE_FILE", str(file))
    loaded = load(data=tmp_path)
    assert loaded.root_passphrase.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(loaded)
    assert root_options(loaded).passphrase is not None


def test_the_environment_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "port").write_text("1")
    monkeypatch.setenv("CODITECT_CLOUD_PORT_FILE", str(tmp_path / "port"))
    assert load().port == 1
    monkeypatch.setenv("CODITECT_CLOUD_PORT", "2")
    assert load().port == 2
    assert load(port=3).port == 3


def test_a_file_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODITECT_CLOUD_PKCS11_PIN_FILE", "/no/such/file")
    with pytest.raises(Refusal, match="/no/such/file"):
        load()


def test_a_wrong_value_is_told_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODITECT_CLOUD_PORT", "hunter2")
    with pytest.raises(Refusal, match="CODITECT_CLOUD_PORT") as refused:
        load()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "ROOT"),
        ({"root": "mock:"}, "ROOT"),
        ({"root": "gcpkms://k", "kms_endpoint": "x:1"}, "KMS_ENDPOINT"),
        ({"root": "gcpkms://k", "public_url": "http://x"}, "PUBLIC_URL"),
    ],
)
def test_production_refuses_what_is_for_development(given: dict[str, str], why: str) -> None:
    with pytest.raises(Refusal, match=why):
        load(profile="production", **{"public_url": "https://x", **given})


def test_production_starts_with_a_hardware_root() -> None:
    loaded = load(profile="production", root="gcpkms://k", public_url="https://x")
    assert root_options(loaded).production


@pytest.mark.parametrize(
    "given",
    [
        {"store": "memcached://x"},
        {"store": "strict"},
        {"database": "postgresql+asyncpg://x/y"},
    ],
)
def test_stores_and_databases_that_do_not_fit_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        load(**given)


def test_stores_are_told_apart() -> None:
    assert load(store="rediss://x").store_kind == "redis"
    assert load(store="redis+sentinel://x/m").store_kind == "redis"
    strict = load(store="strict", database="postgresql+asyncpg://x/y")
    assert strict.store_kind == "strict"


def test_issuers_and_rules_come_as_json() -> None:
    text = '{"issuers": [{"issuer": "https://i.example", "audiences": ["a"]}]}'
    found = identity_settings(load(identity=text, identity_platform="my-project"))
    assert [issuer.issuer for issuer in found.issuers] == [
        "https://securetoken.google.com/my-project",
        "https://i.example",
    ]


@pytest.mark.parametrize("text", ["{", '{"issuers": [{"issuer": "http://i", "audiences": ["a"]}]}'])
def test_issuers_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        identity_settings(load(identity=text))
