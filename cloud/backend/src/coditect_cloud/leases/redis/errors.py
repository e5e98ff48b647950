"""What the server's and the network's errors mean to who asked."""

from __future__ import annotations

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from coditect_cloud.leases.store import StoreUnavailable

UNAVAILABLE = ("NOREPLICAS", "LOADING", "OOM", "TRYAGAIN", "BUSY", "MISCONF", "READONLY")
"""Answers of a server that is there, and cannot take a write now."""


class WrongServer(StoreUnavailable):
    """A server that seats must not be entrusted to, as it is set up; the message says why."""


class NotSent(StoreUnavailable):
    """Nothing reached a server: another try, elsewhere, cannot happen twice."""


def asked_elsewhere(answer: object) -> AskError | None:
    """Give the redirection for this one command, while a slot of a cluster moves."""
    if isinstance(answer, AskError) and not isinstance(answer, MovedError):
        return answer
    return None


def wrong_place(answer: object) -> bool:
    """Whether another server decides now; this one did nothing."""
    if isinstance(answer, MovedError):
        return True
    return isinstance(answer, RedisError) and (
        isinstance(answer, ReadOnlyError) or "read only replica" in str(answer)
    )


def unknown_script(answer: object) -> bool:
    """Whether the server has not seen the script since it started."""
    return isinstance(answer, NoScriptError)


def unavailable(error: BaseException) -> StoreUnavailable | None:
    """Tell an error of the way or of the server's state from a fault of ours (None)."""
    if isinstance(error, StoreUnavailable):
        return error
    if isinstance(error, (AskError, ClusterDownError, NoScriptError, ReadOnlyError, TryAgainError)):
        return StoreUnavailable("the store is moving to another server")
    if isinstance(error, NoPermissionError) or "ACL failure" in str(error)[:200]:
        return StoreUnavailable("the store does not let us do what seats need")
    if isinstance(error, OutOfMemoryError):
        return StoreUnavailable("the store is full")
    if not isinstance(error, ResponseError):
        return StoreUnavailable(f"the store does not answer ({type(error).__name__})")
    text = str(error)[:200]
    for word in UNAVAILABLE:
        if word in text:
            return StoreUnavailable(f"the store cannot take a write now ({word})")
    return None
