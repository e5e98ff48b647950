"""A circuit breaker: after several failures in a row nobody is asked for a while, then one is."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of the circuit; times are seconds of a monotonic clock."""

    threshold: int = 5
    """Failures in a row that open it."""
    rest_s: float = 15.0
    """How long it stays open before one call may try; doubled with each try that fails."""
    max_rest_s: float = 120.0
    failures: int = 0
    opened_s: float | None = None
    """When it opened; None while it is closed."""
    rests: int = 0
    """Tries that failed since it opened."""
    trying: bool = False

    def wait_s(self, now: float) -> float:
        """How long until a call may go out; 0: now."""
        if self.opened_s is None:
            return 0.0
        rest = min(self.rest_s * float(1 << self.rests), self.max_rest_s)
        left = self.opened_s + rest - now
        if left > 0:
            return left
        return self.rest_s if self.trying else 0.0

    def called(self) -> Breaker:
        """A call goes out; while the circuit is open it is the only one."""
        return self if self.opened_s is None else replace(self, trying=True)

    def succeeded(self) -> Breaker:
        """The service works: closed."""
        return replace(self, failures=0, opened_s=None, rests=0, trying=False)

    def failed(self, now: float) -> Breaker:
        """One more failure of the service itself (a refusal is none)."""
        failures = self.failures + 1
        if self.opened_s is not None:
            return replace(
                self, failures=failures, opened_s=now, rests=min(self.rests + 1, 16), trying=False
            )
        opened = now if failures >= self.threshold else None
        return replace(self, failures=failures, opened_s=opened)

    def abandoned(self) -> Breaker:
        """A call ended without a verdict (cancelled): another may try."""
        return replace(self, trying=False)
