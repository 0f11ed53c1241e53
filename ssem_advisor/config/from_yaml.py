"""YAML by parser events: positions, duplicate keys and aliases are kept, and nothing is constructed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ssem_advisor.config import scalars
from ssem_advisor.config.model import Trap
from ssem_advisor.config.tree import MAX_DEPTH, MAX_LEAVES, UNKNOWN, Leaf, Text, Unreadable
from ssem_advisor.limits import TOO_LARGE

_TAGS = {"tag:yaml.org,2002:float": float, "tag:yaml.org,2002:int": int, "tag:yaml.org,2002:str": str}
MAX_DOCUMENTS = 500
Path = tuple[str | int, ...]


def read(text: Text) -> Iterator[tuple[list[Leaf], list[Trap]]]:
    """One list of leaves, with the traps met, for each document of the stream. Raises Unreadable."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        documents = 0
        for event in (events := iter(YAML(typ="safe", pure=True).parse(text.text))):
            if type(event).__name__ == "DocumentStartEvent":
                if (documents := documents + 1) > MAX_DOCUMENTS:
                    raise Unreadable(f"more than {MAX_DOCUMENTS} documents: {TOO_LARGE}")
                document = _Document(text, events)
                document.node(next(events), (), 0)
                yield [leaf for leaf in document.leaves if leaf.path], document.traps
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise Unreadable(f"{where}not YAML: {getattr(error, 'problem', None) or 'cannot be parsed'}") from error
    except (ValueError, RecursionError, StopIteration, AttributeError, IndexError, TypeError, OverflowError) as error:
        # the parser itself trips over some malformed directives and escapes
        raise Unreadable(f"not YAML: {error}") from error


class _Document:
    def __init__(self, text: Text, events: Iterator[Any]) -> None:
        self.text, self.events = text, events
        self.leaves: list[Leaf] = []
        self.traps: list[Trap] = []
        self.anchors: dict[str, tuple[Path, int, int]] = {}

    def node(self, event: Any, path: Path, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        first = len(self.leaves)
        match type(event).__name__:
            case "ScalarEvent":
                self.add(self.scalar(event, path))
            case "AliasEvent":
                self.alias(event, path)
                return
            case "MappingStartEvent":
                self.mapping(path, depth)
            case "SequenceStartEvent":
                position = 0
                while type(inner := next(self.events)).__name__ != "SequenceEndEvent":
                    self.node(inner, (*path, position), depth + 1)
                    position += 1
        if event.anchor is not None:
            self.anchors[event.anchor] = (path, first, len(self.leaves))

    def add(self, leaf: Leaf) -> None:
        if len(self.leaves) >= MAX_LEAVES:
            raise Unreadable(f"more than {MAX_LEAVES} values: data, not a training config")
        self.leaves.append(leaf)

    def scalar(self, event: Any, path: Path) -> Leaf:
        start, end = event.start_mark.index, event.end_mark.index
        raw, quirk = self.text.text[start:end], ""
        value: Any = event.value
        tag = str(event.tag) if event.tag is not None else None
        if tag is not None and tag != "!":
            try:
                value = _TAGS[tag](value) if len(value) < 64 else UNKNOWN
            except (KeyError, ValueError):
                value = UNKNOWN
        elif event.style is None or event.style == "":
            value, quirk = scalars.yaml(value)
        return Leaf(path, value, raw, self.text.at(start, end), quirk)

    def alias(self, event: Any, path: Path) -> None:
        origin = self.anchors.get(event.anchor)
        if origin is None:  # inside its own anchor: endless
            start, end = event.start_mark.index, event.end_mark.index
            self.add(Leaf(path, UNKNOWN, self.text.text[start:end], self.text.at(start, end)))
            return
        base, first, last = origin
        for leaf in self.leaves[first:last]:
            self.add(leaf.moved(path + leaf.path[len(base) :]))

    def mapping(self, path: Path, depth: int) -> None:
        seen: dict[str, tuple[int, int]] = {}
        merged: list[tuple[int, int]] = []
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            key = event.value if type(event).__name__ == "ScalarEvent" else None
            first = len(self.leaves)
            if key is None:  # a complex key names nothing a training config uses
                self.node(event, (*path, "?"), depth + 1)
            name = "?" if key is None else str(key)
            mark = event.start_mark.index
            value = next(self.events)
            if name == "<<":
                self.merge(value, path, depth)
                merged.append((first, len(self.leaves)))
                continue
            self.node(value, (*path, name), depth + 1)
            if name in seen and key is not None:
                place = self.text.at(mark, mark + len(name))
                self.traps.append(
                    Trap("duplicate-key", "the last one counts", ".".join(map(str, (*path, name))), place)
                )
                self.drop(*seen[name])
            seen[name] = (first, len(self.leaves))
        taken: set[Path] = set()
        for first, last in merged:  # a key of the mapping itself wins over a merged one, and the first merged one
            for position in range(first, last):
                leaf = self.leaves[position]
                if leaf.path in taken or (len(leaf.path) > len(path) and leaf.path[len(path)] in seen):
                    self.drop(position, position + 1)
                taken.add(leaf.path)

    def drop(self, first: int, last: int) -> None:
        for position in range(first, last):
            leaf = self.leaves[position]
            self.leaves[position] = Leaf((), UNKNOWN, leaf.raw, leaf.location)

    def merge(self, event: Any, path: Path, depth: int) -> None:
        if type(event).__name__ != "SequenceStartEvent":
            self.node(event, path, depth + 1)
            return
        while type(inner := next(self.events)).__name__ != "SequenceEndEvent":
            self.node(inner, path, depth + 1)
