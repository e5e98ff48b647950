"""Ignore rules of a tree as one list, so that no file an agent can edit is ever asked.

git reads a `.gitignore` in each folder. Here all of a commit's are put into one file of patterns
that start at the top: a rule of a deeper folder comes later, and the last match wins, which is what
git does with folders too.
"""

from __future__ import annotations

from collections.abc import Mapping

from coditect.git.objects import SYMLINK, read_objects
from coditect.git.plumbing import Git

_NAME = b".gitignore"


def ignore_rules(git: Git, tree: str, kinds: Mapping[bytes, bytes], user: bytes) -> bytes:
    """Give the ignore rules of a tree, after the user's own `info/exclude`, which counts least.

    `kinds` is the tree's `objects.listing`.
    """
    paths = sorted(
        (path for path in kinds if path == _NAME or path.endswith(b"/" + _NAME)),
        key=lambda path: (path.count(b"/"), path),
    )
    paths = [path for path in paths if kinds[path] != SYMLINK]
    contents = read_objects(git, [tree.encode("ascii") + b":" + path for path in paths])
    lines = translate(b"", user)
    for path, (_, content) in zip(paths, contents, strict=True):
        lines += translate(path[: -len(_NAME)], content)
    return b"".join(line + b"\n" for line in lines)


def translate(folder: bytes, content: bytes) -> list[bytes]:
    """Rewrite one `.gitignore` so that it says the same from the top.

    `folder` is where it stands: empty, or a path that ends in a slash.
    """
    lines: list[bytes] = []
    for raw in content.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = raw.removesuffix(b"\r")
        if line.startswith(b"#"):
            continue
        line = _without_trailing_spaces(line)
        negated = line.startswith(b"!")
        body = line[1:] if negated else line
        if body in (b"", b"/"):
            continue
        anchored = b"/" in body.removesuffix(b"/")
        if not folder and not anchored:
            lines.append(line)
            continue
        start = b"/" + _literally(folder) + (b"" if anchored else b"**/")
        lines.append((b"!" if negated else b"") + start + body.removeprefix(b"/"))
    return lines


def _without_trailing_spaces(line: bytes) -> bytes:
    stripped = line.rstrip(b" ")
    escapes = len(stripped) - len(stripped.rstrip(b"\\"))
    return stripped + b" " if stripped != line and escapes % 2 else stripped


def _literally(folder: bytes) -> bytes:
    out = bytearray()
    for byte in folder:
        if byte in b"*?[\\":
            out += b"\\"
        out.append(byte if byte != 0x0A else 0x3F)
    return bytes(out)
