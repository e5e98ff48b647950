"""Git directories written by hand: nothing is copied that somebody could have prepared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coditect.git.plumbing import Identity

NO_CONVERSION = "* -text !eol !crlf -filter -ident !working-tree-encoding\n"
"""Attributes under which git reads and writes every file byte for byte, and calls no filter.

In `info/attributes` these win over every `.gitattributes` of a tree."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a git directory has to agree on with the object store it uses."""

    hash: str = "sha1"
    shared: str = ""
    """The user's `core.sharedRepository`: permissions of new objects."""

    @property
    def digits(self) -> int:
        """How many hexadecimal digits an object's name has."""
        return {"sha1": 40, "sha256": 64}[self.hash]

    @property
    def nothing(self) -> str:
        """The name that stands for no object."""
        return "0" * self.digits


def write_git_dir(
    folder: Path,
    form: Format,
    *,
    head: str = "ref: refs/heads/none",
    alternate: Path | None = None,
    identity: Identity | None = None,
    exclude: bytes = b"",
    packed_refs: bytes = b"",
) -> None:
    """Write a git directory into an empty or absent folder.

    With an `alternate` it reads that object store and writes to its own, which is what
    `git clone --shared` makes; there is no remote, no hook and no template in it.
    """
    for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = f"[core]\n\trepositoryformatversion = {int(form.hash != 'sha1')}\n"
    config += "\tfilemode = true\n\tbare = false\n"
    if form.shared:
        config += f"\tsharedRepository = {form.shared}\n"
    config += "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    if form.hash != "sha1":
        config += f"[extensions]\n\tobjectFormat = {form.hash}\n"
    if identity is not None:
        config += f"[user]\n\tname = {_quoted(identity.name)}\n"
        config += f"\temail = {_quoted(identity.email)}\n"
    if alternate is not None:
        (folder / "objects/info/alternates").write_bytes(bytes(alternate) + b"\n")
    if packed_refs:
        (folder / "packed-refs").write_bytes(packed_refs)
    (folder / "info/attributes").write_text(NO_CONVERSION, "utf-8")
    (folder / "info/exclude").write_bytes(exclude)
    (folder / "config").write_text(config, "utf-8")
    (folder / "HEAD").write_text(head + "\n", "utf-8")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
