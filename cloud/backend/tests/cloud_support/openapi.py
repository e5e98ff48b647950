"""Reads the contract, and brings two contracts into a form in which equal means equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

CONTRACT = Path(__file__).resolve().parents[4] / "api" / "openapi.yaml"
_PROSE = {"description", "title", "summary", "example", "examples", "tags"}


def contract() -> dict[str, Any]:
    """Read api/openapi.yaml."""
    loaded: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    return loaded


def resolved(node: Any, document: dict[str, Any], seen: tuple[str, ...] = ()) -> Any:
    """Put what references name in their place."""
    if isinstance(node, list):
        return [resolved(one, document, seen) for one in node]
    if not isinstance(node, dict):
        return node
    ref = node.get("$ref")
    if isinstance(ref, str):
        assert ref not in seen, f"{ref} names itself"
        target: Any = document
        for part in ref.removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        return resolved(target, document, (*seen, ref))
    return {name: resolved(value, document, seen) for name, value in node.items()}


def bare(node: Any, *, names: bool = False) -> Any:
    """Leave out prose; `names`: the keys of this object are names of somebody's, not keywords."""
    if isinstance(node, list):
        return [bare(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {}
    for key, value in node.items():
        if not names and key in _PROSE:
            continue
        found[key] = bare(value, names=key in {"properties", "headers", "responses", "content"})
    if isinstance(found.get("required"), list):
        found["required"] = sorted(found["required"])
    return found


def operations(document: dict[str, Any]) -> dict[str, Any]:
    """Give each operation by its name, bare and resolved, its parameters in one order."""
    found = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            plain = bare(resolved(operation, document))
            plain["parameters"] = sorted(
                plain.get("parameters", ()), key=lambda p: (p["in"], p["name"])
            )
            found[f"{method.upper()} {path}"] = plain
    return found
