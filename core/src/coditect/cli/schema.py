"""`coditect schema`: the plan format for editors and machines."""

from __future__ import annotations

from coditect.cli.output import print_json
from coditect.plan import json_schema


def schema() -> None:
    """Print the JSON Schema of plans.

    Editors that know JSON Schema complete and check a plan while it is written.

    Examples:

    - `coditect schema > plan.schema.json`
    """
    print_json(json_schema())
