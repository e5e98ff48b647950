"""The paths that a task may change, and the matcher that the gate asks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from re import Pattern as Expression

from coditect.paths.admissible import is_path
from coditect.paths.expression import expression
from coditect.paths.pattern import Pattern, parse_pattern
from coditect.paths.segments import Route, respelled


@dataclass(frozen=True)
class Language:
    """All paths that some pattern matches and no exception does.

    Patterns match code point by code point, exceptions in every spelling that folds to the same:
    else nobody could own what another excepts, since `src/Auth` would be left to both. A path is
    what `is_path` allows, so no language holds `.git` or a path that is not NFC. Patterns are a
    set: their order means nothing, and languages of the same patterns are equal.
    """

    patterns: tuple[Pattern, ...]
    excepts: tuple[Pattern, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "patterns", _as_set(self.patterns))
        object.__setattr__(self, "excepts", _as_set(self.excepts))

    @classmethod
    def of(cls, *patterns: str, excepts: Iterable[str] = ()) -> Language:
        """Read the patterns and make their language; raise PatternError if one is wrong."""
        return cls(tuple(map(parse_pattern, patterns)), tuple(map(parse_pattern, excepts)))

    def matches(self, path: str) -> bool:
        """Say whether the language holds this very path; takes linear time for a given language."""
        return is_path(path) and self._granted.match(path) is not None and not self.withholds(path)

    def withholds(self, path: str) -> bool:
        """Say whether an exception takes this path away."""
        return bool(self.excepts) and self._withheld.match(path) is not None

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """All alternatives of all patterns."""
        return _routes(self.patterns)

    @cached_property
    def excepted_routes(self) -> tuple[Route, ...]:
        """All alternatives of all exceptions, in every spelling."""
        return tuple(map(respelled, _routes(self.excepts)))

    @cached_property
    def _granted(self) -> Expression[str]:
        return _compiled(self.routes)

    @cached_property
    def _withheld(self) -> Expression[str]:
        return _compiled(self.excepted_routes)


def _as_set(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    return tuple(sorted(set(patterns), key=lambda pattern: pattern.text))


def _routes(patterns: tuple[Pattern, ...]) -> tuple[Route, ...]:
    return tuple(dict.fromkeys(route for pattern in patterns for route in pattern.routes))


@lru_cache(maxsize=1 << 12)
def _compiled(routes: tuple[Route, ...]) -> Expression[str]:
    return re.compile(expression(routes))
