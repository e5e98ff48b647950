"""Removes and empties folders that somebody else filled, whatever he put there.

Never follows a symlink, and does not depend on permissions, depth or names.
"""

# Paths are bytes here, since a name need not be text; pathlib takes text only.
# ruff: noqa: PTH101, PTH104, PTH106, PTH108, PTH118

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from coditect.git.objects import FOLDER, GITLINK

_RWX = stat.S_IRWXU


def exists(path: Path) -> bool:
    """Say whether anything is there, a dangling symlink too."""
    return os.path.lexists(path)


def is_real_folder(path: Path) -> bool:
    """Say whether there is a folder that is not a symlink to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def remove(path: Path) -> None:
    """Remove whatever is there, if anything is.

    Folders are flattened first: a folder inside a folder moves up to the top, so that no path gets
    long however deep somebody nested them.
    """
    if not is_real_folder(path):
        path.unlink(missing_ok=True)
        return
    _unlock(os.fsencode(path))
    empty(path)
    path.rmdir()


def empty(path: Path) -> None:
    """Remove everything below a folder, and keep the folder."""
    top = os.fsencode(path)
    folders = _unlink_files(top)
    serial = 0
    while folders:
        folder = folders.pop()
        for inner in _unlink_files(folder):
            while True:
                serial += 1
                up = os.path.join(top, b".coditect-remove-%d" % serial)
                if not os.path.lexists(up):
                    break
            os.rename(inner, up)
            folders.append(up)
        os.rmdir(folder)


def _unlink_files(folder: bytes) -> list[bytes]:
    """Unlink what is no folder, and give the folders, unlocked."""
    folders: list[bytes] = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                _unlock(entry.path)
                folders.append(entry.path)
            else:
                os.unlink(entry.path)
    return folders


def _unlock(folder: bytes) -> None:
    mode = os.lstat(folder).st_mode
    if mode & _RWX != _RWX:
        os.chmod(folder, stat.S_IMODE(mode) | _RWX)


def open_folders(top: Path) -> list[bytes]:
    """Make every folder readable for its owner, and give the paths of special files.

    Special is what is neither file, folder nor symlink; paths are relative to `top`.
    """
    root = os.fsencode(top)
    specials: list[bytes] = []
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            _unlock(folder)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    elif not (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
                        specials.append(entry.path[len(root) + 1 :])
        except OSError:
            continue  # What stays closed is reported by whoever wants to read it.
    return specials


def keep_only(top: Path, kinds: Mapping[bytes, bytes]) -> None:
    """Remove what a tree does not have, and whatever is of another kind than there.

    `kinds` is `objects.listing` of the tree. Afterwards each path below `top` is in the tree, each
    folder is a folder in it (a symlink in its place is gone), and folders are writable. The content
    of files is not looked at. One scan: about 0.1 s for 100,000 files.
    """
    root = os.fsencode(top)
    _unlock(root)
    stack = [(root, b"")]
    while stack:
        folder, prefix = stack.pop()
        with os.scandir(folder) as entries:
            for entry in list(entries):
                path = prefix + entry.name
                kind = kinds.get(path)
                if entry.is_dir(follow_symlinks=False):
                    if kind == FOLDER:
                        _unlock(entry.path)
                        stack.append((entry.path, path + b"/"))
                    elif kind == GITLINK:
                        _unlock(entry.path)
                        empty(Path(os.fsdecode(entry.path)))
                    else:
                        remove(Path(os.fsdecode(entry.path)))
                elif (
                    kind is None
                    or kind in (FOLDER, GITLINK)
                    or not (entry.is_file(follow_symlinks=False) or entry.is_symlink())
                ):
                    os.unlink(entry.path)
