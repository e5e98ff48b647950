"""Reads objects: many in one process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from coditect.git.plumbing import Git

FOLDER = b"04"
GITLINK = b"16"
SYMLINK = b"12"


@dataclass(frozen=True, slots=True)
class Node:
    """An entry of one tree object."""

    name: bytes
    mode: str
    """Octal digits as git stores them; a folder is `40000`."""
    oid: str


def read_objects(git: Git, names: Sequence[bytes | str]) -> list[tuple[str, bytes]]:
    """Type and content of each named object, in order; of a missing one `("missing", b"")`."""
    if not names:
        return []
    wanted = [os.fsencode(name) for name in names]
    out = git.run("cat-file", "--batch", "-z", stdin=b"".join(name + b"\0" for name in wanted)).out
    found: list[tuple[str, bytes]] = []
    at = 0
    for name in wanted:
        missing = name + b" missing\n"
        if out.startswith(missing, at):
            found.append(("missing", b""))
            at += len(missing)
            continue
        end = out.index(b"\n", at)
        _, kind, size = out[at:end].decode("ascii").split(" ")
        start = end + 1
        at = start + int(size) + 1
        found.append((kind, out[start : at - 1]))
    return found


def parse_tree(content: bytes, digits: int) -> list[Node]:
    """Take a tree object apart."""
    nodes: list[Node] = []
    at = 0
    width = digits // 2
    while at < len(content):
        space = content.index(b" ", at)
        end = content.index(b"\0", space)
        oid = content[end + 1 : end + 1 + width].hex()
        nodes.append(Node(content[space + 1 : end], content[at:space].decode("ascii"), oid))
        at = end + 1 + width
    return nodes


def listing(git: Git, tree: str) -> dict[bytes, bytes]:
    """Every path of a tree, folders too, with the first two digits of its mode.

    `FOLDER`, `GITLINK`, `SYMLINK`, or `b"10"` for a file. 100,000 paths take about 0.1 s.
    """
    out = git.run("ls-tree", "-r", "-t", "-z", "--full-tree", "--format=%(objectmode)%(path)", tree)
    return {record[6:]: record[:2] for record in out.out.split(b"\0") if record}
