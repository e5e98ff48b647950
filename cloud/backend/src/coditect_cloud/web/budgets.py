"""How often one principal, and all of one license, may ask: windows of a minute."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter

_log = structlog.get_logger("coditect_cloud.web")
_SWEEP_SECONDS = 5.0


class WindowsInMemory(Storage):
    """Counts of this process. The library's own looks at every key at each request; this does not.

    Windows that have ended are swept every few seconds, so memory follows the number of callers of
    one window, not of all time.
    """

    STORAGE_SCHEME = ["coditect+memory"]  # noqa: RUF012 - the library reads it from the class

    def __init__(self, uri: str | None = None, **options: Any) -> None:
        super().__init__(uri, **options)
        self._windows: dict[str, tuple[int, float]] = {}
        self._sweep_at = 0.0

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing of a dictionary goes wrong in a way that a limit could heal."""
        return ValueError

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, and open a window of `expiry` seconds where none is open."""
        now = time.time()
        if now >= self._sweep_at:
            self._windows = {k: w for k, w in self._windows.items() if w[1] > now}
            self._sweep_at = now + _SWEEP_SECONDS
        count, ends = self._windows.get(key, (0, 0.0))
        if ends <= now:
            count, ends = 0, now + expiry
        self._windows[key] = (count + amount, ends)
        return count + amount

    async def get(self, key: str) -> int:
        """Give what was counted in the open window."""
        count, ends = self._windows.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    async def get_expiry(self, key: str) -> float:
        """Give when the open window ends, as a Unix time in seconds."""
        return self._windows.get(key, (0, time.time()))[1]

    async def check(self) -> bool:
        """Memory is always there."""
        return True

    async def reset(self) -> int | None:
        """Forget all windows; gives how many there were."""
        gone = len(self._windows)
        self._windows.clear()
        return gone

    async def clear(self, key: str) -> None:
        """Forget one window."""
        self._windows.pop(key, None)


@dataclass(frozen=True, slots=True)
class Spent:
    """One budget after a request was charged to it."""

    name: str
    quota: int
    """Requests a minute."""
    left: int
    reset_seconds: int
    """Until the window ends, rounded up."""
    within: bool


class Budgets:
    """Charges requests to budgets. A quota of 0 charges nothing."""

    def __init__(self, *, principal: int, license: int, storage: Storage | None = None) -> None:
        self._limiter = FixedWindowRateLimiter(storage or WindowsInMemory())
        self._items = {
            name: RateLimitItemPerMinute(quota)
            for name, quota in (("principal", principal), ("license", license))
            if quota > 0
        }

    async def charge(self, principal: str, license: str | None) -> list[Spent]:
        """Charge one request; when the counter does not answer, nobody is held up by it."""
        spent = []
        for name, who in (("principal", principal), ("license", license)):
            item = self._items.get(name)
            if item is None or who is None:
                continue
            try:
                within = await self._limiter.hit(item, name, who)
                stats = await self._limiter.get_window_stats(item, name, who)
            except Exception as error:  # noqa: BLE001 - a budget is a courtesy, never an outage
                _log.warning("budget_unavailable", budget=name, kind=type(error).__name__)
                continue
            reset = max(1, int(stats.reset_time - time.time()) + 1)
            spent.append(Spent(name, item.amount, stats.remaining, reset, within))
        return spent

    async def close(self) -> None:
        """Let go of what counts."""
        bridge = getattr(self._limiter.storage, "bridge", None)
        storage = getattr(bridge, "storage", None)
        if storage is not None:
            await storage.aclose()


def in_redis(url: str) -> Storage:
    """Count in Redis, for all instances together; the url may carry a password."""
    return RedisStorage(
        f"async+{url}",
        implementation="redispy",
        key_prefix="coditect-budget",
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
    )


def fields(spent: list[Spent]) -> list[tuple[bytes, bytes]]:
    """Write the RateLimit and RateLimit-Policy fields."""
    if not spent:
        return []
    policy = ", ".join(f'"{s.name}";q={s.quota};w=60' for s in spent)
    left = ", ".join(f'"{s.name}";r={s.left};t={s.reset_seconds}' for s in spent)
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]
