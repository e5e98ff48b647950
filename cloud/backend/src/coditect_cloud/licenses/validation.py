"""Whether a license holds: one ordered list of questions, each with a stable code. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from coditect_cloud.leases.types import LicenseState
from coditect_cloud.licenses.types import License
from coditect_cloud.refusals import Code, Refusal


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first thing that is wrong, or that nothing is."""

    valid: bool
    code: Code | None
    """None if it holds."""
    detail: str
    missing: tuple[str, ...] = ()
    """Entitlements asked for that it does not include."""

    def demand(self) -> None:
        """Raise what is wrong as a Refusal."""
        if self.code is not None:
            data = {"missing": list(self.missing)} if self.missing else {}
            raise Refusal(self.code, self.detail, hint=_HINTS.get(self.code, ""), data=data)


_HINTS = {
    Code.LICENSE_SUSPENDED: "Its owner can reinstate it; ask whoever gave you the license.",
    Code.LICENSE_REVOKED: "Ask whoever gave you the license for another one.",
    Code.LICENSE_EXPIRED: "Ask whoever gave you the license to renew it.",
    Code.LICENSE_NOT_STARTED: "Try again when it has started.",
    Code.ENTITLEMENT_MISSING: "Ask for less, or for a license that includes it.",
}


def validate(license: License, now: datetime, entitlements: Iterable[str] = ()) -> Verdict:
    """Judge a license at an instant. What is worse comes first, so the answer is stable."""
    for question in (_revoked, _suspended, _not_started, _expired):
        verdict = question(license, now)
        if verdict is not None:
            return verdict
    return check_entitlements(license, entitlements)


def check_entitlements(license: License, asked: Iterable[str]) -> Verdict:
    """Judge only whether all that is asked for is included, and not with a limit of 0."""
    included = license.terms.entitlements
    missing = tuple(sorted({name for name in asked if included.get(name, 0) == 0}))
    if missing:
        names = ", ".join(repr(name[:64]) for name in missing[:5])
        return Verdict(
            False, Code.ENTITLEMENT_MISSING, f"the license does not include {names}", missing
        )
    trial = " (trial)" if license.terms.trial else ""
    return Verdict(True, None, f"the license holds{trial}")


def _revoked(license: License, now: datetime) -> Verdict | None:  # noqa: ARG001
    if license.state is not LicenseState.REVOKED:
        return None
    return Verdict(False, Code.LICENSE_REVOKED, "the license was revoked")


def _suspended(license: License, now: datetime) -> Verdict | None:  # noqa: ARG001
    if license.state is not LicenseState.SUSPENDED:
        return None
    return Verdict(False, Code.LICENSE_SUSPENDED, "the license is suspended")


def _not_started(license: License, now: datetime) -> Verdict | None:
    starts = license.terms.starts_at
    if starts is None or now >= starts:
        return None
    return Verdict(False, Code.LICENSE_NOT_STARTED, f"the license starts at {_utc(starts)}")


def _expired(license: License, now: datetime) -> Verdict | None:
    expires = license.terms.expires_at
    if expires is None or now < expires:
        return None
    trial = "trial " if license.terms.trial else ""
    return Verdict(False, Code.LICENSE_EXPIRED, f"the {trial}license expired at {_utc(expires)}")


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
