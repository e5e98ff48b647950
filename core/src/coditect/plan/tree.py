"""YAML as a tree of text with positions; nothing is turned into numbers, dates or booleans.

An alias shares its anchor's node. Every node knows its size and depth with aliases written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from coditect.findings import Place

Keys = tuple[str | int, ...]


@dataclass(slots=True)
class TextNode:
    """A scalar as it was written."""

    place: Place
    text: str
    literal: bool
    """Whether its characters stand in the source one by one, from `place` on."""
    null: bool
    """Whether nothing was written (or `null`, `~`)."""
    size: int = 1
    depth: int = 1


@dataclass(slots=True)
class ListNode:
    """A sequence."""

    place: Place
    items: list[Node] = field(default_factory=list)
    size: int = 1
    depth: int = 1


@dataclass(slots=True)
class MapNode:
    """A mapping; `keys` has the place of each key."""

    place: Place
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    depth: int = 1


Node = TextNode | ListNode | MapNode


def plain_data(node: Node) -> Any:
    """Give the tree as dicts, lists and text; nothing written becomes None.

    The composer bounds the depth, and so the recursion.
    """
    if isinstance(node, TextNode):
        return None if node.null else node.text
    if isinstance(node, ListNode):
        return [plain_data(item) for item in node.items]
    return {key: plain_data(value) for key, value in node.entries.items()}


class Places(Mapping[Keys, Place]):
    """Where the value under a path of keys stands.

    A scalar and an item of a list have their own place; a list or mapping under a key has its
    key's, which is where the eye looks for it. Found by walking the tree: a plan has far more
    places than anybody asks for.
    """

    def __init__(self, root: MapNode) -> None:
        self._root = root

    def __getitem__(self, keys: Keys) -> Place:
        node, place = self.find(keys)
        if node is None:
            raise KeyError(keys)
        return place

    def __iter__(self) -> Iterator[Keys]:
        waiting: list[tuple[Keys, Node]] = [((), self._root)]
        while waiting:
            keys, node = waiting.pop()
            yield keys
            if isinstance(node, MapNode):
                waiting.extend(((*keys, key), value) for key, value in node.entries.items())
            elif isinstance(node, ListNode):
                waiting.extend(((*keys, index), item) for index, item in enumerate(node.items))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Places({self._root.place.file!r})"

    def find(self, keys: Keys) -> tuple[Node | None, Place]:
        """Give the node under these keys and its place; without one, the nearest place above.

        A single value is found as the first item of the list of one that it stands for.
        """
        node: Node = self._root
        place = node.place
        for key in keys:
            if key == 0 and not isinstance(node, ListNode):
                continue
            inner: Node | None = None
            if isinstance(node, MapNode) and isinstance(key, str):
                inner = node.entries.get(key)
                if inner is not None:
                    written = isinstance(inner, TextNode) and inner.text != ""
                    place = inner.place if written else node.keys[key]
            elif isinstance(node, ListNode) and isinstance(key, int) and key < len(node.items):
                inner = node.items[key]
                place = inner.place
            if inner is None:
                return None, place
            node = inner
        return node, place

    def key(self, keys: Keys) -> Place | None:
        """Give the place of the last of these keys itself, if it stands in a mapping."""
        node, _ = self.find(keys[:-1])
        last = keys[-1] if keys else None
        if isinstance(node, MapNode) and isinstance(last, str):
            return node.keys.get(last)
        return None
