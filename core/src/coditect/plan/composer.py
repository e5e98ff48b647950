"""From YAML text to a tree, by a loop over the parser's events.

YAML's own composer recurses, which a file of brackets can exhaust, and resolves `no`, `1:30` and
`0o7` to what nobody meant. Sizes and depths are summed while composing, so an alias bomb is seen
without being expanded.
"""

from __future__ import annotations

from typing import Any

import yaml

from coditect.findings import CoditectError, Finding, Place
from coditect.plan.syntax import syntax_finding
from coditect.plan.tree import ListNode, MapNode, Node, TextNode

MAX_DEPTH = 32
"""How deeply values may lie within each other; the format itself needs eight levels."""
MAX_VALUES = 500_000
"""How many values a plan may have once its aliases are written out."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_TAGS = frozenset({f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")})


def compose(name: str, text: str) -> tuple[MapNode, list[Finding]]:
    """Parse YAML text into a tree and the findings that did not stop it.

    `name` is the file that places name. Raises CoditectError when no tree can be had.
    """
    composer = _Composer(name)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            composer.take(event)
    except yaml.YAMLError as trouble:
        raise CoditectError(*composer.findings, syntax_finding(name, text, trouble)) from None
    except UnicodeEncodeError as trouble:
        raise CoditectError.of(
            "plan-not-utf8",
            f"{name} has a character that UTF-8 cannot hold (number {trouble.start + 1}).",
            "Remove the character.",
            Place(name, 1, 1),
        ) from None
    return composer.document(), composer.findings


class _Composer:
    """Takes events one by one; `open` are the collections not yet closed, outermost first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.findings: list[Finding] = []
        self.root: Node | None = None
        self.documents = 0
        self.open: list[tuple[MapNode | ListNode, str | None]] = []
        self.pending: list[tuple[str, Place] | None] = []
        """For each open collection, the key that waits for its value."""
        self.anchors: dict[str, Node | None] = {}
        """A node, or None while its collection is still open."""

    def take(self, event: yaml.Event) -> None:
        """Add what the event says to the tree."""
        match event:
            case yaml.DocumentStartEvent():
                self._start_document(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.ScalarEvent():
                self._tag(event)
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._tag(event)
                self._start(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                node, anchor = self.open.pop()
                self.pending.pop()
                if anchor is not None:
                    self.anchors[anchor] = node
                self._attach(node)
            case _:
                pass

    def document(self) -> MapNode:
        """Give the tree; raises CoditectError if the text holds no mapping."""
        if self.root is None or (isinstance(self.root, TextNode) and self.root.null):
            raise CoditectError.of(
                "plan-empty",
                f"{self.name} is empty.",
                "Begin with `schema: 1`; plans/hello.yaml shows a whole plan.",
                Place(self.name, 1, 1),
            )
        if not isinstance(self.root, MapNode):
            raise CoditectError.of(
                "plan-not-a-mapping",
                "A plan is a mapping of `key: value` lines, and this file is not.",
                "Begin with `schema: 1`; plans/hello.yaml shows a whole plan.",
                self.root.place,
            )
        return self.root

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self.name, mark.line + 1, mark.column + 1)

    def _stop(self, code: str, message: str, hint: str, place: Place) -> CoditectError:
        return CoditectError(*self.findings, Finding(code, message, hint, place=place))

    def _start_document(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self._stop(
                "yaml-several-documents",
                "A second YAML document begins here (`---`); a plan is one document.",
                "Put the second plan into a file of its own, or remove the `---`.",
                self._place(event),
            )

    def _tag(self, event: Any) -> None:
        if event.tag is None or event.tag in _PLAIN_TAGS:
            return
        shown = event.tag.replace("tag:yaml.org,2002:", "!!")
        self.findings.append(
            Finding(
                "yaml-tag",
                f"The YAML tag `{shown}` asks for a type of its own; a plan has only text,"
                " lists and mappings.",
                "Remove the tag.",
                place=self._place(event),
            )
        )

    def _start(self, event: Any) -> None:
        place = self._place(event)
        if len(self.open) >= MAX_DEPTH:
            raise self._too_deep(place)
        node: MapNode | ListNode
        node = MapNode(place) if isinstance(event, yaml.MappingStartEvent) else ListNode(place)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.open.append((node, event.anchor))
        self.pending.append(None)

    def _scalar(self, event: Any) -> None:
        plain = event.style is None or event.style == ""
        place = self._place(event)
        literal = plain and event.start_mark.line == event.end_mark.line
        if literal:  # the event begins with an anchor, if there is one
            place = Place(place.file, place.line, event.end_mark.column + 1 - len(event.value))
        node = TextNode(
            place,
            event.value,
            literal=literal,
            null=plain and event.value in _NULLS,
        )
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self._attach(node)

    def _alias(self, event: Any) -> None:
        place = self._place(event)
        if event.anchor not in self.anchors:
            raise self._stop(
                "yaml-unknown-alias",
                f"`*{event.anchor}` repeats a value that no `&{event.anchor}` before it names.",
                "Define the anchor first; quote the text if it only begins with a star.",
                place,
            )
        node = self.anchors[event.anchor]
        if node is None:
            raise self._stop(
                "yaml-recursive-alias",
                f"`*{event.anchor}` stands inside the very value it repeats.",
                "Write the inner value out.",
                place,
            )
        self._attach(node, place)

    def _attach(self, node: Node, place: Place | None = None) -> None:
        place = place or node.place
        if not self.open:
            self.root = node
            return
        parent = self.open[-1][0]
        if isinstance(parent, ListNode):
            parent.items.append(node)
        elif self.pending[-1] is None:
            self.pending[-1] = self._key(node, place)
            parent.size += 1
            return
        else:
            self._entry(parent, *self.pending[-1], node)
            self.pending[-1] = None
        self._grow(parent, node, place)

    def _grow(self, parent: MapNode | ListNode, node: Node, place: Place) -> None:
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if len(self.open) + node.depth > MAX_DEPTH + 1:
            raise self._too_deep(place)
        # Nothing is counted in two open collections, so their sum is the whole so far.
        if sum(collection.size for collection, _ in self.open) > MAX_VALUES:
            raise self._stop(
                "yaml-too-many-values",
                f"Here the plan passes {MAX_VALUES:,} values, with its aliases written out.",
                "Split the plan, or remove the aliases that repeat each other.",
                place,
            )

    def _too_deep(self, place: Place) -> CoditectError:
        return self._stop(
            "yaml-too-deep",
            f"Values lie more than {MAX_DEPTH} levels within each other here.",
            "Check the brackets and the indentation; a plan needs eight levels.",
            place,
        )

    def _key(self, node: Node, place: Place) -> tuple[str, Place]:
        if isinstance(node, TextNode) and not node.null:
            if node.literal and node.text == "<<":
                self.findings.append(
                    Finding(
                        "yaml-merge-key",
                        "`<<` merges another mapping into this one; plans do not have that.",
                        "Write the keys out, or repeat a whole value with `*name`.",
                        place=place,
                    )
                )
            return node.text, place
        what = "nothing" if isinstance(node, TextNode) else "a collection"
        self.findings.append(
            Finding(
                "yaml-key-not-text",
                f"A key is a word, and here it is {what}.",
                "Write `key: value`; quote a key that YAML would read as something else.",
                place=place,
            )
        )
        return "", place

    def _entry(self, parent: MapNode, key: str, place: Place, node: Node) -> None:
        first = parent.keys.get(key)
        if first is None:
            if key not in ("", "<<"):
                parent.entries[key] = node
                parent.keys[key] = place
            return
        self.findings.append(
            Finding(
                "yaml-duplicate-key",
                f"The key `{key}` is given twice in the same mapping; only one can count.",
                "Keep one of the two, or rename one.",
                place=place,
                related=(("first given here", first),),
            )
        )
