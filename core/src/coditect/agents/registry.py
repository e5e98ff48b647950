"""Adapters by the name that plans give them."""

from __future__ import annotations

from collections.abc import Mapping

from coditect.agents.adapter import Adapter
from coditect.agents.command import CommandAdapter
from coditect.agents.rehearsal import RehearsalAdapter
from coditect.findings import CoditectError

ADAPTERS: Mapping[str, Adapter] = {
    "command": CommandAdapter(),
    "rehearsal": RehearsalAdapter(),
}


def adapter_for(name: str) -> Adapter:
    """Give the adapter of a name; raises CoditectError with those that exist."""
    found = ADAPTERS.get(name)
    if found is None:
        raise CoditectError.of(
            "unknown-adapter",
            f"There is no adapter {name!r} for agents.",
            f"Use one of: {', '.join(sorted(ADAPTERS))}.",
        )
    return found
