"""What a figure rests on: every number that a report shows says what it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Evidence(StrEnum):
    """How a figure came about, weakest first."""

    MODELLED = "modelled"
    """Computed from the plan; nothing was done."""
    REHEARSED = "rehearsed"
    """Stand-in agents went through the motions at the plan's pace."""
    REPLAYED = "replayed"
    """Work that was finished earlier was delivered again."""
    MEASURED = "measured"
    """Agents really worked."""


_ADAPTERS = {"rehearsal": Evidence.REHEARSED, "replay": Evidence.REPLAYED}
_STRENGTH = {kind: strength for strength, kind in enumerate(Evidence)}


def of_adapter(adapter: str, *, rehearse: bool) -> Evidence:
    """Say what work done through an adapter is evidence of."""
    return Evidence.REHEARSED if rehearse else _ADAPTERS.get(adapter, Evidence.MEASURED)


def weakest(kinds: Iterable[Evidence], otherwise: Evidence = Evidence.MODELLED) -> Evidence:
    """Give the weakest evidence of several: what a figure made from all of them may claim."""
    return min(kinds, key=_STRENGTH.__getitem__, default=otherwise)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its unit and what it rests on."""

    value: float
    unit: str
    """`hours`, `ms`, `tasks`, `share` (1 is all), `times` or what the name says."""
    evidence: Evidence
    """The weakest of all that went into it."""
    basis: str = ""
    """How it was made from figures of different evidence, as `modelled / rehearsed`."""

    @property
    def label(self) -> str:
        """The evidence in words, as shown beside the number."""
        return self.basis or str(self.evidence)


def ratio(top: Figure, bottom: Figure, unit: str) -> Figure | None:
    """Divide two figures; None when there is nothing to divide by."""
    if bottom.value <= 0:
        return None
    return _joined(top.value / bottom.value, unit, top, bottom, "/")


def difference(left: Figure, right: Figure) -> Figure:
    """Subtract a figure from another one of the same unit."""
    return _joined(left.value - right.value, left.unit, left, right, "-")


def _joined(value: float, unit: str, left: Figure, right: Figure, sign: str) -> Figure:
    basis = ""
    if left.evidence is not right.evidence:
        basis = f"{left.evidence} {sign} {right.evidence}"
    return Figure(value, unit, weakest((left.evidence, right.evidence)), basis)
