"""What development may have, production does not start with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from coditect_cloud.identity.emulators import UnsafeSettings, refuse_emulators
from coditect_cloud.identity.issuers import (
    Issuer,
    firebase_emulator,
    github_actions,
    identity_platform,
)
from coditect_cloud.identity.settings import IdentitySettings
from coditect_cloud.identity.workloads import github_rule


@pytest.mark.parametrize(
    "name",
    [
        "FIREBASE_AUTH_EMULATOR_HOST",
        "FIREBASE_EMULATOR_HUB",
        "FIRESTORE_EMULATOR_HOST",
        "PUBSUB_EMULATOR_HOST",
        "STORAGE_EMULATOR_HOST",
        "firebase_auth_emulator_host",
    ],
)
@pytest.mark.parametrize("profile", ["production", "staging", ""])
def test_emulators_are_refused_outside_of_development(name: str, profile: str) -> None:
    with pytest.raises(UnsafeSettings) as refused:
        refuse_emulators({name: "10.1.2.3:9099", "HOME": "/root"}, profile)
    assert name in str(refused.value)
    assert "10.1.2.3" not in str(refused.value)
    refuse_emulators({name: "127.0.0.1:9099"}, "development")


def test_what_is_no_emulator_passes() -> None:
    refuse_emulators({"FIREBASE_AUTH_EMULATOR_HOST": " ", "EMULATORS": "x", "A": "b"}, "production")


@pytest.mark.parametrize(
    "issuer",
    [
        firebase_emulator("demo-x"),
        Issuer("http://127.0.0.1:9400", ("coditect",), insecure_http=True),
    ],
)
def test_unsigned_tokens_and_plain_http_are_for_development(issuer: Issuer) -> None:
    settings = IdentitySettings((issuer,))
    settings.check(profile="development", environ={})
    with pytest.raises(UnsafeSettings):
        settings.check(profile="production", environ={})


def test_settings_fit_together() -> None:
    good = IdentitySettings(
        (identity_platform("acme"), github_actions("coditect")), (github_rule("org_a", "octo/*"),)
    )
    good.check(profile="production", environ={})
    with pytest.raises(ValueError, match="twice"):
        IdentitySettings((identity_platform("acme"), identity_platform("acme")))
    with pytest.raises(ValueError, match="no configured issuer"):
        IdentitySettings((identity_platform("acme"),), (github_rule("org_a", "octo/*"),))


CONFIGURED = """{
  "issuers": [
    {"issuer": "https://login.example", "audiences": ["coditect"], "algorithms": ["ES256"],
     "email_domains": ["example.org"], "max_lifetime": "PT1H"},
    {"issuer": "https://token.actions.githubusercontent.com", "audiences": ["coditect"],
     "serves": "workloads"},
    {"issuer": "https://cluster.example", "audiences": ["coditect"], "serves": "workloads",
     "jwks_url": "https://10.0.0.1/openid/v1/jwks", "ca_file": "/run/ca.crt"}
  ],
  "rules": [
    {"name": "ci", "org": "org_a", "issuer": "https://token.actions.githubusercontent.com",
     "claims": {"repository": ["octo/*"]}, "holder": "workload:{repository}:{run_id}"},
    {"name": "solver", "org": "org_a", "issuer": "https://cluster.example",
     "claims": {"sub": ["system:serviceaccount:prod:solver"]},
     "holder": "workload:{kubernetes.io/namespace}:{kubernetes.io/pod/name}",
     "scopes": ["leases:use"]}
  ]
}"""


def test_settings_are_read_from_json_and_a_mistyped_name_is_refused() -> None:
    adapter = TypeAdapter(IdentitySettings)
    read = adapter.validate_json(CONFIGURED)
    read.check(profile="production", environ={})
    assert read.issuers[0].max_lifetime == timedelta(hours=1)
    assert read.rules[0].claims == {"repository": ("octo/*",)}
    assert read.rules[1].scopes == {"leases:use"}
    for wrong in (
        CONFIGURED.replace("email_domains", "email_domain"),
        CONFIGURED.replace('"rules"', '"rule"'),
        CONFIGURED.replace('"scopes"', '"scope"'),
        CONFIGURED.replace("octo/*", "*"),
        CONFIGURED.replace("ES256", "HS256"),
        CONFIGURED.replace('"https://login.example"', '"http://login.example"'),
    ):
        with pytest.raises(ValidationError):
            adapter.validate_json(wrong)
