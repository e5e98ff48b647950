"""`coditect schema`: the plan format for editors and machines."""

from __future__ import annotations

from coditect.cli.options import Json
from coditect.cli.output import print_json
from coditect.plan import json_schema


def schema(json: Json = False) -> None:
    """Print the JSON Schema of plans.

    Editors that know JSON Schema complete and check a plan while it is written.

    Examples:

    - `coditect schema > plan.schema.json`
    """
    del json  # It prints nothing else.
    print_json(json_schema())
