"""`coditect schema`: the plan format for editors and machines."""

from __future__ import annotations

import json

import typer

from coditect.plan import json_schema


def schema() -> None:
    """Print the JSON Schema of plans.

    Editors that know JSON Schema complete and check a plan while it is written.

    Examples:

    - `coditect schema > plan.schema.json`
    """
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
