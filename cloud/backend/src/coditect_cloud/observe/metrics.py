"""What is measured. Names are stable; labels never hold more than a bounded number of values."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from coditect_cloud.leases.types import Seats
from coditect_cloud.refusals import Code

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_CODES = frozenset(code.value for code in Code)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self, *, most_licenses: int = 500) -> None:
        """`most_licenses`: how many licenses have series of their own, those used last."""
        self.registry = registry = CollectorRegistry()
        self._most = most_licenses
        self._shown: OrderedDict[str, None] = OrderedDict()

        def per_license(name: str, text: str) -> Gauge:
            return Gauge(name, text, ["license"], registry=registry)

        self._in_use = per_license("coditect_seats_in_use", "Seats in use")
        self._limit = per_license("coditect_seats_limit", "Seats that the license allows")
        self._queued = per_license("coditect_seats_queued", "Tickets that wait for a seat")
        self._epoch = per_license("coditect_license_epoch", "Epoch: times it was restored")
        self._settling = per_license("coditect_license_settling", "1 while nothing new is granted")
        self._licenses = (
            self._in_use,
            self._limit,
            self._queued,
            self._epoch,
            self._settling,
        )
        self._grants = Counter("coditect_grants", "Seats granted", ["kind"], registry=registry)
        self._denials = Counter("coditect_denials", "Seats refused", ["code"], registry=registry)
        self._waits = Histogram(
            "coditect_wait_seconds",
            "Time in the queue until a seat was granted",
            buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600),
            registry=registry,
        )
        self._store = Histogram(
            "coditect_store_seconds",
            "Time that an operation of the store takes",
            ["operation", "outcome"],
            buckets=_FAST,
            registry=registry,
        )
        self._http = Histogram(
            "coditect_http_seconds",
            "Time until an answer is complete",
            ["route", "method", "status"],
            buckets=_FAST,
            registry=registry,
        )
        self._outbox_lag = Gauge(
            "coditect_audit_lag_seconds",
            "Age of the oldest change that waits for the audit",
            registry=registry,
        )
        self._entries = Counter(
            "coditect_audit_entries", "Entries added to audit chains", registry=registry
        )
        self._drained = Histogram(
            "coditect_audit_delay_seconds",
            "Age of a batch's oldest change when it entered the audit",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300),
            registry=registry,
        )
        self._webhooks = Counter(
            "coditect_webhook_attempts", "Attempts of deliveries", ["state"], registry=registry
        )
        self._delegation = Gauge(
            "coditect_delegation_age_seconds", "Age of the delegation in use", registry=registry
        )

    # --- seats ---

    def seats(self, license: str, seats: Seats) -> None:
        """Note how a license stands; the one unseen for longest leaves when there are too many."""
        self._shown[license] = None
        self._shown.move_to_end(license)
        if len(self._shown) > self._most:
            oldest, _ = self._shown.popitem(last=False)
            for gauge in self._licenses:
                gauge.remove(oldest)
        self._in_use.labels(license).set(seats.in_use)
        self._limit.labels(license).set(seats.limit)
        self._queued.labels(license).set(seats.queued)
        self._epoch.labels(license).set(seats.epoch)
        self._settling.labels(license).set(1 if seats.settling_until_ms else 0)

    def granted(self, kind: str, *, waited_seconds: float | None = None) -> None:
        """Count a grant; `waited_seconds` if it came out of the queue."""
        self._grants.labels(_one_of(kind, frozenset({"floating", "borrowed", "reserved"}))).inc()
        if waited_seconds is not None:
            self._waits.observe(waited_seconds)

    def denied(self, code: str) -> None:
        """Count a refusal of a seat."""
        self._denials.labels(_one_of(code, _CODES)).inc()

    @contextmanager
    def store(self, operation: str) -> Iterator[None]:
        """Time an operation of the store; what it raises is its outcome."""
        began = perf_counter()
        outcome = "ok"
        try:
            yield
        except BaseException as fault:
            outcome = type(fault).__name__
            raise
        finally:
            self._store.labels(operation, outcome).observe(perf_counter() - began)

    # --- the rest ---

    def http(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Note an answer: this is the `Observer` of the web layer. `route` is a template."""
        labels = (route, _one_of(method, _METHODS), str(status))
        self._http.labels(*labels).observe(seconds)

    def drained(self, license: str, *, changes: int, entries: int, lag_ms: int) -> None:  # noqa: ARG002
        """Note a batch that entered the audit: this is the `Watcher` of the drainer."""
        self._entries.inc(entries)
        self._drained.observe(lag_ms / 1000)

    def webhook(self, state: str) -> None:
        """Count an attempt by how it left the delivery."""
        states = frozenset({"delivered", "pending", "dead", "late"})
        self._webhooks.labels(_one_of(state, states)).inc()

    def watch_outbox(self, waiting_seconds: Callable[[], float]) -> None:
        """Ask for the outbox's lag whenever metrics are read."""
        self._outbox_lag.set_function(waiting_seconds)

    def watch_delegation(self, age_seconds: Callable[[], float]) -> None:
        """Ask for the delegation's age whenever metrics are read."""
        self._delegation.set_function(age_seconds)

    def expose(self) -> tuple[bytes, str]:
        """Give the exposition and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def _one_of(value: str, known: frozenset[str]) -> str:
    return value if value in known else "other"
