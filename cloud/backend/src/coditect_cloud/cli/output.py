"""What commands print: for people as lines and columns, for machines as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from coditect_cloud.refusals import Refusal

OK, REFUSED, TROUBLE = 0, 1, 2
"""Exit codes: done; a no that the vocabulary of refusals knows; the command itself is wrong."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def as_json(value: Any) -> Any:
    """Turn models into what JSON knows."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(inner) for inner in value]
    return value


def show(value: Any, *, json_wanted: bool) -> None:
    """Print one thing: a line a member."""
    plain = as_json(value)
    if json_wanted:
        print(json.dumps(plain, ensure_ascii=False))
        return
    width = max((len(name) for name in plain), default=0)
    for name, inner in plain.items():
        print(f"{name:<{width}}  {_cell(inner)}")


def show_table(rows: Sequence[Mapping[str, Any]], *, json_wanted: bool) -> None:
    """Print several things alike: a row each."""
    plain = as_json(rows)
    if json_wanted:
        print(json.dumps(plain, ensure_ascii=False))
        return
    if not plain:
        print("none")
        return
    names = list(plain[0])
    cells = [names, *([_cell(row.get(name)) for name in names] for row in plain)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
    for row in cells:
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )


def tell(refusal: Refusal, *, json_wanted: bool) -> None:
    """Tell a no: to people on stderr, to machines as a line on stdout."""
    if json_wanted:
        told = {
            "code": str(refusal.code),
            "detail": refusal.detail,
            "hint": refusal.hint,
            "data": refusal.data,
        }
        print(json.dumps(told, ensure_ascii=False, default=str))
        return
    print(f"{refusal.code}: {refusal.detail}", file=sys.stderr)
    if refusal.hint:
        print(f"  {refusal.hint}", file=sys.stderr)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
