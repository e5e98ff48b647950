"""The page of problems, made from the vocabulary itself."""

from __future__ import annotations

from coditect_cloud.refusals import Code, meaning
from coditect_cloud.web.problems import TYPE_BASE

_HEAD = f"""# Problems

Every refusal of the API is `application/problem+json` (RFC 9457). Decide by `code`, which never
changes its meaning; `type` is `{TYPE_BASE}` and the code. `retryable` says whether the same request
may succeed later: if not, the answer is conclusive. `detail` says what happened, `hint` the next
step, `request_id` names the request when you report trouble, and `Retry-After` (and
`retry_after_ms`) says when to ask again. Refusals about seats also say `limit`, `in_use`, `queued`
and `earliest_release_ms`. The command line tells the same codes.

| code | status | retry | meaning |
|---|---|---|---|
"""


def markdown() -> str:
    """Write docs/reference/problems.md."""
    lines = []
    for code in Code:
        means = meaning(code)
        retry = "yes" if means.retry else "no"
        lines.append(f"| `{code}` | {means.status} | {retry} | {means.title} |")
    return _HEAD + "\n".join(lines) + "\n"
