"""Turning validation errors into findings: our words, and the place of the very key or value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic_core import ErrorDetails

from coditect.findings import Finding, Place
from coditect.plan.suggest import did_you_mean
from coditect.plan.tree import Keys, ListNode, MapNode, Node, Places, TextNode
from coditect.plan.values import kind_of, shorten

MAX_FINDINGS = 100
"""More than this at once helps nobody; the rest is counted."""

_KEY_MARK = "[key]"


def fault_findings(
    faults: list[ErrorDetails], places: Places, schema: dict[str, Any]
) -> Iterator[Finding]:
    """Give one finding for each validation error; `schema` knows the keys of each mapping."""
    for fault in faults:
        yield _finding(fault, places, schema)


def _finding(fault: ErrorDetails, places: Places, schema: dict[str, Any]) -> Finding:
    keys = _written(fault["loc"], places)
    kind = fault["type"]
    if kind == "missing":
        return _missing(str(fault["loc"][-1]), keys, places, schema)
    if kind == "extra_forbidden":
        return _unknown(keys, places, schema)
    if kind == "coditect":
        return _slip(fault.get("ctx", {}), keys, places, key=fault["loc"][-1] == _KEY_MARK)
    wanted = {"model_type": "a mapping", "dict_type": "a mapping", "list_type": "a list"}
    node, place = places.find(keys)
    expected = wanted.get(kind)
    if expected is None:
        message = f"{_subject(keys)} cannot be read: {fault['msg']}."
        return Finding("wrong-type", message, "See docs/reference/plan.md.", place=place)
    if isinstance(node, TextNode) and node.null:
        return Finding(
            "empty-value",
            f"{_subject(keys)} should be {expected}, and nothing is written there.",
            "Write its keys on the lines below, indented; `{}` if it needs none."
            if expected == "a mapping"
            else "Write a value or remove the key.",
            place=place,
        )
    return Finding(
        "wrong-type",
        f"{_subject(keys)} should be {expected}, and is {kind_of(_shallow(node))}.",
        "Write `key: value` lines below it."
        if expected == "a mapping"
        else "Write `- item` lines.",
        place=place,
    )


def _slip(context: dict[str, Any], keys: Keys, places: Places, *, key: bool) -> Finding:
    item = context.get("item")
    if item is not None:
        inner = places.find((*keys, item))[0]
        keys = (*keys, item) if inner is not None else keys
    node, place = places.find(keys)
    if key:
        place = places.key(keys) or place
    elif isinstance(node, TextNode) and node.literal:
        place = replace(place, column=place.column + min(context["offset"], len(node.text)))
    message = f"In {_subject(keys)}: {context['message']}" if keys else context["message"]
    return Finding(context["code"], message, context["hint"], place=place)


def _missing(name: str, keys: Keys, places: Places, schema: dict[str, Any]) -> Finding:
    node, place = places.find(keys)
    known = _known_keys(keys, schema)
    unknown = [key for key in node.entries if key not in known] if isinstance(node, MapNode) else []
    meaning = known.get(name, "")
    near = did_you_mean(name, unknown, otherwise=" ") if unknown else " "
    hint = f"`{near[14:-2]}` may be meant for it." if near.strip() else f"Add `{name}: ...`."
    where = _subject(keys) if keys else "The plan"
    said = f" ({meaning[:1].lower()}{meaning[1:].rstrip('.')})" if meaning else ""
    return Finding("missing-key", f"{where} has no `{name}`{said}.", hint, place=place)


def _unknown(keys: Keys, places: Places, schema: dict[str, Any]) -> Finding:
    name, parent = str(keys[-1]), keys[:-1]
    known = _known_keys(parent, schema)
    where = f"{_subject(parent)}" if parent else "a plan"
    return Finding(
        "unknown-key",
        f"`{shorten(name)}` is no key of {where}.",
        did_you_mean(name, known),
        place=places.key(keys) or places.find(keys)[1],
    )


def _subject(keys: Keys) -> str:
    """Name the value as people would: `tasks.api.owns`, item 2."""
    names: list[str] = []
    items: list[str] = []
    for key in keys:
        if isinstance(key, int):
            items.append(str(key + 1))
        else:
            names.append(shorten(key))
    path = "`" + ".".join(names) + "`"
    return f"{path}, item {', '.join(items)}" if items else path


def _written(loc: tuple[int | str, ...], places: Places) -> Keys:
    """Keep the parts of a validator's location that stand in the source.

    A single value that stands for a list of one, or a text for a mapping, adds parts that do not.
    """
    keys: Keys = ()
    for part in loc:
        if part == _KEY_MARK:
            continue
        parent = places.find(keys)[0]
        if isinstance(part, int) and not isinstance(parent, ListNode):
            continue
        if places.find((*keys, part))[0] is not None:
            keys = (*keys, part)
    return keys


def _known_keys(keys: Keys, schema: dict[str, Any]) -> dict[str, str]:
    """Give the keys that the mapping under `keys` may have, with their descriptions."""
    definitions = schema.get("$defs", {})
    reached = [schema]
    for key in (*keys, None):
        found: list[dict[str, Any]] = []
        waiting = list(reached)
        while waiting:
            part = waiting.pop()
            reference = part.get("$ref")
            if reference is not None:
                waiting.append(definitions[reference.rsplit("/", 1)[-1]])
            waiting.extend(part.get("anyOf", ()))
            if part.get("type") == "array" and not isinstance(key, int):
                waiting.append(part.get("items", {}))
            found.append(part)
        if key is None:
            reached = found
            break
        reached = [step for part in found for step in _steps(part, key)]
    return {
        name: str(value.get("description", ""))
        for part in reached
        for name, value in part.get("properties", {}).items()
    }


def _steps(part: dict[str, Any], key: str | int) -> Iterator[dict[str, Any]]:
    if isinstance(key, int):
        if isinstance(part.get("items"), dict):
            yield part["items"]
        return
    if key in part.get("properties", {}):
        yield part["properties"][key]
        return
    more = part.get("additionalProperties")
    if isinstance(more, dict):
        yield more
    yield from part.get("patternProperties", {}).values()


def _shallow(node: Node | None) -> Any:
    """Stand in for a node's data where only its kind is told."""
    if isinstance(node, TextNode):
        return None if node.null else node.text
    if isinstance(node, ListNode):
        return []
    return {} if isinstance(node, MapNode) else None


def limited(findings: list[Finding]) -> list[Finding]:
    """Sort findings by place, drop repetitions, and count what goes past `MAX_FINDINGS`."""
    ordered = sorted(dict.fromkeys(findings), key=_reading_order)
    if len(ordered) <= MAX_FINDINGS:
        return ordered
    rest = len(ordered) - MAX_FINDINGS
    more = Finding(
        "more-findings",
        f"There are {rest} more findings like these.",
        "Mend the first ones and look again.",
    )
    return [*ordered[:MAX_FINDINGS], more]


def _reading_order(finding: Finding) -> tuple[bool, Place, str, str]:
    place = finding.place or Place("", 0, 0)
    return (finding.place is None, place, finding.code, finding.message)
