"""Loading a plan: text, tree, document, plan; all that is wrong with it is told at once."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from coditect.findings import CoditectError, errors
from coditect.plan.composer import compose
from coditect.plan.document import PlanDocument
from coditect.plan.faults import fault_findings, limited
from coditect.plan.model import Plan
from coditect.plan.schema import json_schema
from coditect.plan.source import decode_source, read_source
from coditect.plan.translate import translate
from coditect.plan.tree import MapNode, Places, TextNode, plain_data


def load_plan(path: Path, text: str | None = None) -> Plan:
    """Read a plan from its file, or from `text` under the file's name.

    The plan is well-formed; whether it can be carried out (names, cycles, ownership) is for
    `coditect.check`. Raises CoditectError with every finding there is.
    """
    name = str(path)
    if text is None:
        source = read_source(path)
    else:
        source = decode_source(name, text.encode("utf-8", "surrogatepass"))
    root, findings = compose(name, source)
    places = Places(root)
    document = None
    try:
        document = PlanDocument.model_validate(
            plain_data(root), context={"hours_per_day": _hours_per_day(root)}
        )
    except ValidationError as trouble:
        faults = trouble.errors(include_url=False, include_input=False)
        findings.extend(fault_findings(faults, places, _schema()))
    if document is None or errors(findings):
        raise CoditectError(*limited(findings))
    digest = hashlib.sha256(source.encode("utf-8")).hexdigest()
    return translate(document, digest, places)


def _hours_per_day(root: MapNode) -> int:
    """Look up what a day is before the document is read, since durations need it."""
    calendar = root.entries.get("calendar")
    if isinstance(calendar, MapNode):
        hours = calendar.entries.get("hours_per_day")
        if isinstance(hours, TextNode) and hours.text in {str(count) for count in range(1, 25)}:
            return int(hours.text)
    return 8


@cache
def _schema() -> dict[str, Any]:
    return json_schema()
