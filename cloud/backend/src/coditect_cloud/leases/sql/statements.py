"""How a license stands, in one statement: one instant, one snapshot."""

from __future__ import annotations

from sqlalchemy import TextClause, text

from coditect_cloud.leases.types import TICKET_TTL_MS

_SERVER_CLOCK = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)"
_GIVEN_CLOCK = "CAST(:clock AS bigint)"

_SHORT = """
WITH m AS MATERIALIZED (
  SELECT seat_license.*, {later}(clock_ms, {clock}) AS now_ms
  FROM seat_license WHERE license = :license
)
SELECT m.*,
  (SELECT count(*) FROM seat_lease l WHERE l.license = m.license
     AND l.expires_ms > m.clock_ms AND l.expires_ms <= m.now_ms) AS lapsed,
  (SELECT min(l.expires_ms) FROM seat_lease l WHERE l.license = m.license) AS oldest_ms
"""

_LONG = f"""{_SHORT},
  (SELECT min(l.expires_ms) FROM seat_lease l WHERE l.license = m.license
     AND l.expires_ms > m.now_ms) AS earliest_ms,
  (SELECT count(*) FROM seat_lease l WHERE l.license = m.license
     AND l.kind = 'reserved' AND l.expires_ms > m.now_ms) AS reserved,
  (SELECT count(*) FROM seat_ticket t WHERE t.license = m.license
     AND t.polled_ms > m.now_ms - {TICKET_TTL_MS}) AS queued,
  (SELECT count(*) FROM seat_ticket t WHERE t.license = m.license
     AND t.polled_ms <= m.now_ms - {TICKET_TTL_MS}) AS stale
"""  # noqa: S608 - constants of ours only

LOCK = text("SELECT 1 FROM seat_license WHERE license = :license FOR UPDATE")
"""PostgreSQL: whoever comes later waits here, and reads what this step wrote."""


class Statements:
    """The statements that differ between the databases and the sources of time."""

    def __init__(self, *, sqlite: bool, server_clock: bool) -> None:
        clock = _SERVER_CLOCK if server_clock else _GIVEN_CLOCK
        # The two-argument `max` of SQLite is PostgreSQL's `greatest`.
        terms = {"later": "max" if sqlite else "greatest", "clock": clock}
        self.short = _finish(_SHORT, terms)
        self.long = _finish(_LONG, terms)
        self.now: TextClause = text(f"SELECT {clock}")


def _finish(statement: str, terms: dict[str, str]) -> TextClause:
    return text(statement.format(**terms) + "FROM m")
