"""HTTP response signatures: RFC 9421 with Content-Digest (RFC 9530), one fixed profile.

Covered are `@status`, `@method` and `@path` of the request, and the digest of the body, with
`created`, the leaf's kid and the request's nonce if it gave one. So an answer cannot be replayed
to another request, nor a refusal be passed off as a grant. A verifier takes this profile and no
other. The general library builds each signature from parsed structured fields, on the way of every
answer; the profile is one string. Tests hold it against that library.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from coditect_cloud.signing.artefacts import Purpose
from coditect_cloud.signing.untrusted import Reason, Untrusted
from coditect_cloud.signing.verify import Trust, verify_delegation

LABEL = "coditect"
DELEGATION_FIELD = "Coditect-Delegation"
"""Field that carries the leaf's delegation; outside the signature, since a root signed it."""
MAX_AGE_S = 300
_COVERED = '("@status" "@method";req "@path";req "content-digest")'
_TARGET = re.compile(r"[!-~]*")
_NONCE = re.compile(r"[A-Za-z0-9_.~+/=:-]{1,128}")
_PARAMETERS = re.compile(
    r';created=([0-9]{1,12});keyid="([A-Za-z0-9_-]{43})";alg="ed25519"'
    r'(?:;nonce="([A-Za-z0-9_.~+/=:-]{1,128})")?'
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a signature binds together."""

    status: int
    method: str
    """As it was sent, in capitals."""
    path: str
    """As it was sent: percent-encoded, without the query; "" means "/"."""
    body: bytes
    """As it is sent, after any content encoding."""
    nonce: str | None = None
    """As the request gave it."""

    def __post_init__(self) -> None:
        # A line break in any of them could say something else under the same signature.
        if not (_TARGET.fullmatch(self.method) and _TARGET.fullmatch(self.path)):
            raise ValueError("method and path are as they are sent: no blanks, no controls")
        if self.nonce is not None and not _NONCE.fullmatch(self.nonce):
            raise ValueError("a nonce has 1 to 128 of A-Z a-z 0-9 _ . ~ + / = : -")


def content_digest(body: bytes) -> str:
    """Give the value of Content-Digest."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def parameters(exchange: Exchange, *, kid: str, created_s: int) -> str:
    """Give the signature parameters, which are also the value of Signature-Input's member."""
    nonce = f';nonce="{exchange.nonce}"' if exchange.nonce is not None else ""
    return f'{_COVERED};created={created_s};keyid="{kid}";alg="ed25519"{nonce}'


def signature_base(exchange: Exchange, digest: str, params: str) -> bytes:
    """Give the bytes that are signed (RFC 9421, 2.5).

    They begin with a quote, which no JWS signing input does: one key can serve both.
    """
    return (
        f'"@status": {exchange.status}\n'
        f'"@method";req: {exchange.method}\n'
        f'"@path";req: {exchange.path or "/"}\n'
        f'"content-digest": {digest}\n'
        f'"@signature-params": {params}'
    ).encode()


def fields(params: str, digest: str, signature: bytes) -> dict[str, str]:
    """Give the header fields that a signed response gets."""
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={params}",
        "Signature": f"{LABEL}=:{base64.b64encode(signature).decode('ascii')}:",
    }


def _signature(value: str) -> bytes:
    head, tail = f"{LABEL}=:", ":"
    if not (value.startswith(head) and value.endswith(tail) and len(value) > len(head)):
        raise Untrusted(Reason.MALFORMED, "no signature of ours")
    inner = value[len(head) : -1]
    try:
        raw = base64.b64decode(inner, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Untrusted(Reason.MALFORMED, "the signature is not base64") from error
    if base64.b64encode(raw).decode("ascii") != inner:
        raise Untrusted(Reason.MALFORMED, "base64 with spare bits")
    return raw


def verify_response(
    headers: Mapping[str, str],
    exchange: Exchange,
    trust: Trust,
    *,
    now: float,
    delegation: str | None = None,
    max_age_s: float = MAX_AGE_S,
) -> None:
    """Raise Untrusted unless the response is the service's own answer to this very request.

    `headers` by lower-case name. `delegation` is one that the caller keeps from an earlier answer
    or a lease; else the response has to carry it.
    """
    given = headers.get("signature-input", "")
    head = f"{LABEL}={_COVERED}"
    found = _PARAMETERS.fullmatch(given, len(head)) if given.startswith(head) else None
    if found is None:
        raise Untrusted(Reason.MALFORMED, "no signature of our profile")
    created, kid, nonce = int(found[1]), found[2], found[3]
    digest = content_digest(exchange.body)
    if not hmac.compare_digest(headers.get("content-digest", "").encode(), digest.encode()):
        raise Untrusted(Reason.DIGEST, "the body is not the one that was signed")
    if nonce != exchange.nonce:
        raise Untrusted(Reason.NONCE, "it answers another request")
    shown = headers.get(DELEGATION_FIELD.lower()) or delegation
    if not shown:
        raise Untrusted(Reason.DELEGATION, "the delegation of its key is missing")
    chain = verify_delegation(shown, trust)
    if chain.leaf.kid != kid:
        raise Untrusted(Reason.KEY, "the delegation is for another key")
    chain.demand(Purpose.RESPONSE, created)
    if created > now + trust.leeway_s:
        raise Untrusted(Reason.NOT_YET, "it was signed in the future")
    if now - created > max_age_s + trust.leeway_s:
        raise Untrusted(Reason.EXPIRED, "it was signed too long ago")
    chain.leaf.demand(
        _signature(headers.get("signature", "")),
        signature_base(exchange, digest, given[len(LABEL) + 1 :]),
    )
