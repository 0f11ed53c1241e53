"""JSON with positions. Comments, trailing commas, NaN and repeated keys are taken as Python's readers of configs do."""

from __future__ import annotations

import json
import re

from ssem_advisor.config.model import Trap
from ssem_advisor.config.tree import MAX_DEPTH, MAX_LEAVES, UNKNOWN, Leaf, Text, Unreadable

_SKIP = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.S)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_WORD = re.compile(r"[-+\w.]+")
_WORDS = {"true": True, "false": False, "null": None}
Path = tuple[str | int, ...]


def read(text: Text) -> tuple[list[Leaf], list[Trap]]:
    """The leaves of the text. Raises Unreadable."""
    reader = _Reader(text)
    end = reader.value(reader.skip(0), (), 0)
    if reader.skip(end) != len(text.text):
        raise reader.wrong(end, "text after the end")
    return [leaf for leaf in reader.leaves.values() if leaf.path], reader.traps


class _Reader:
    def __init__(self, text: Text) -> None:
        self.text, self.source = text, text.text
        self.leaves: dict[Path, Leaf] = {}
        self.traps: list[Trap] = []

    def wrong(self, position: int, what: str) -> Unreadable:
        place = self.text.at(position, position)
        return Unreadable(f"line {place.line}, column {place.column}: not JSON: {what}")

    def skip(self, position: int) -> int:
        match = _SKIP.match(self.source, position)
        return match.end() if match else position

    def value(self, start: int, path: Path, depth: int) -> int:
        """Reads the value at `start` and returns where it ends."""
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        char = self.source[start : start + 1]
        if char == "{":
            return self.container(start, path, depth, "}")
        if char == "[":
            return self.container(start, path, depth, "]")
        match = (_STRING if char == '"' else _WORD).match(self.source, start)
        if match is None:
            raise self.wrong(start, "unexpected character" if char else "unexpected end of text")
        raw, end = match.group(), match.end()
        if len(self.leaves) >= MAX_LEAVES:
            raise Unreadable(f"more than {MAX_LEAVES} values: data, not a training config")
        self.leaves[path] = Leaf(path, self.scalar(raw, start), raw, self.text.at(start, end))
        return end

    def scalar(self, raw: str, start: int) -> object:
        if raw in _WORDS:
            return _WORDS[raw]
        if raw in ("NaN", "Infinity", "-Infinity") or (len(raw) > 64 and raw[0] != '"'):
            return UNKNOWN
        try:
            return json.loads(raw)
        except ValueError:
            raise self.wrong(start, "unexpected word") from None  # unquoted: a link may lead to what nobody should see

    def container(self, start: int, path: Path, depth: int, close: str) -> int:
        position, count, seen = self.skip(start + 1), 0, set()
        while self.source[position : position + 1] != close:
            if close == "}":
                match = _STRING.match(self.source, position)
                if match is None:
                    raise self.wrong(position, "expected a quoted key")
                key = str(self.scalar(match.group(), position))
                if key in seen:
                    place = self.text.at(position, match.end())
                    self.traps.append(Trap("duplicate-key", "the last one counts", key, place))
                    self.leaves = {p: leaf for p, leaf in self.leaves.items() if p[: len(path) + 1] != (*path, key)}
                seen.add(key)
                position = self.skip(match.end())
                if self.source[position : position + 1] != ":":
                    raise self.wrong(position, "expected a colon")
                position = self.value(self.skip(position + 1), (*path, key), depth + 1)
            else:
                position = self.value(position, (*path, count), depth + 1)
            count += 1
            position = self.skip(position)
            if self.source[position : position + 1] == ",":
                position = self.skip(position + 1)
            elif self.source[position : position + 1] != close:
                raise self.wrong(position, "expected a comma")
        return position + 1
