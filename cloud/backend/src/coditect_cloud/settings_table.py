"""The table of settings, made from the settings themselves."""

from __future__ import annotations

from enum import Enum

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from coditect_cloud.settings import PREFIX, Settings

_HEAD = """# Settings of Coditect Cloud

Made by `coditect-cloud settings --markdown`. All are read from the environment when the service
starts. For each `NAME`, `NAME_FILE` may name a file that holds the value instead: secrets belong
there. Arguments of the command line win over the environment, and the environment over files.

| variable | default | what it does |
|---|---|---|
"""


def rows() -> list[tuple[str, str, str]]:
    """Give name, default and meaning of every setting."""
    return [
        (PREFIX + name.upper(), _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def markdown() -> str:
    """Write docs/reference/cloud-settings.md."""
    lines = [f"| `{name}` | {default} | {text} |" for name, default, text in rows()]
    return _HEAD + "\n".join(line.replace("*", "\\*") for line in lines) + "\n"


def _default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "shown" in extra:
        return f"`{extra['shown']}`"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        value = value.get_secret_value()  # a default is no secret
    if isinstance(value, Enum):
        value = value.value
    if value in ("", []):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
