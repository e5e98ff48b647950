"""Takes secrets out of what is logged: by the name of a field and by the look of a value."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from pydantic import SecretBytes, SecretStr

GONE = "[redacted]"
_DEEP = 8
"""Values nested deeper are left out of the log altogether."""

_NAMES = re.compile(
    r"""(?ix)
    authorization | cookie | passw(or)?d | passphrase | secret | credential | private.?key
    | api.?key | license.?key | sealing.?key | (^|[_-])pin$ | (^|[_-])(token|jwt|jws)$ | bearer
    """
)
_LOOKS = re.compile(
    r"""(?x)
      (?i:CCL-)[0-9A-Za-z][0-9A-Za-z-]{3,}                      # license keys
    | cck_[A-Za-z0-9_-]+                                   # API keys
    | whsec_[A-Za-z0-9+/=_-]+                              # webhook secrets
    | eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)+               # JWTs and other compact JWS
    | (?i:\b(?:bearer|basic|license|dpop)[ ]+)(?=\S*[0-9])[A-Za-z0-9._~+/=-]{12,}
    | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)                      # user and password of a URL
    | -----BEGIN[^-]*PRIVATE[ ]KEY-----(?:[\s\S]*?-----END[^-]*PRIVATE[ ]KEY-----|[\s\S]*)
    """
)


def redact(value: Any, *, depth: int = 0) -> Any:
    """Give the value without secrets, for people and machines that read logs."""
    if isinstance(value, str):
        return _LOOKS.sub(GONE, value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (SecretStr, SecretBytes)):
        return GONE
    if depth >= _DEEP:
        return GONE
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {redact(str(name)): _field(str(name), item, depth) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(item, depth=depth + 1) for item in value]
    return redact(str(value))


def redacting(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Be the last processor of structlog before the one that writes."""
    return {redact(str(name)): _field(str(name), item, 0) for name, item in event.items()}


def _field(name: str, item: Any, depth: int) -> Any:
    if _NAMES.search(name) and item not in (None, "", True, False):
        return GONE
    return redact(item, depth=depth + 1)
