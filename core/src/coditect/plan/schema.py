"""The published JSON Schema of a plan: made from the document, tidied for readers and editors."""

from __future__ import annotations

from typing import Any

from coditect.plan.document import PlanDocument

SCHEMA_ID = "urn:coditect:plan:1"


def json_schema() -> dict[str, Any]:
    """Give the format as a JSON Schema (draft 2020-12), for editors and other programs.

    It says less than the loader: what one value can show, and nothing about how values relate.
    """
    made = PlanDocument.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **_tidy(made),
        "title": "Coditect plan",
    }


def _tidy(part: Any) -> Any:
    """Remove what only the program knows: its names for things, and that absence is null."""
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {
        key: {name: _tidy(value) for name, value in item.items()}
        if key in ("properties", "patternProperties", "$defs")
        else _tidy(item)
        for key, item in part.items()
        if not (key == "title" and isinstance(item, str)) and not (key == "default" and not item)
    }
    choices = kept.get("anyOf")
    if choices is not None:
        choices = [choice for choice in choices if choice != {"type": "null"}]
        kept["anyOf"] = choices
        if len(choices) == 1:
            del kept["anyOf"]
            kept = {**choices[0], **kept}
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    return kept
