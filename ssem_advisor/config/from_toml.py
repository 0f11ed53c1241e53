"""TOML: tomllib says what is valid, a scan of the same text says where each value stands."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import Any

from ssem_advisor.config.tree import MAX_DEPTH, MAX_LEAVES, Leaf, Text, Unreadable

_SKIP = re.compile(r"(?:[ \t]|#[^\n]*|\r?\n)*")
_BLANK = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|' r"'''.*?'{3,5}" r"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""", re.S)
_BARE = re.compile(r"[^\s,\]}#]+(?: \d\d:[^\s,\]}#]+)?")
Path = tuple[str | int, ...]


def read(text: Text) -> list[Leaf]:
    """The leaves of the text. Raises Unreadable."""
    try:
        tomllib.loads(text.text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise Unreadable(f"not TOML: {error}") from error
    return _Scan(text).leaves


class _Scan:
    """Walks text that is known to be valid."""

    def __init__(self, text: Text) -> None:
        self.text, self.source = text, text.text
        self.leaves: list[Leaf] = []
        self.tables: Counter[Path] = Counter()
        self.document()

    def document(self) -> None:
        table: Path = ()
        position = self.end(_SKIP, 0)
        while position < len(self.source):
            if self.source.startswith("[[", position):
                name, position = self.key(position + 2)
                table = (*self.inside(name), self.tables[name])
                self.tables[name] += 1
                position += 2
            elif self.source[position] == "[":
                name, position = self.key(position + 1)
                table = self.inside(name)
                position += 1
            else:
                name, position = self.key(position)
                position = self.value(self.end(_BLANK, position + 1), (*table, *name), 0)
            position = self.end(_SKIP, position)

    def inside(self, name: Path) -> Path:
        """The full path of a table, with the position in each array of tables on the way."""
        path: Path = ()
        for depth in range(1, len(name) + 1):
            path = (*path, name[depth - 1])
            if depth < len(name) and (count := self.tables.get(name[:depth])):
                path = (*path, count - 1)
        return path

    def end(self, pattern: re.Pattern[str], position: int) -> int:
        match = pattern.match(self.source, position)
        return match.end() if match else position

    def key(self, position: int) -> tuple[Path, int]:
        """A dotted key and where the sign or bracket behind it stands."""
        parts: list[str] = []
        while True:
            match = _KEY.match(self.source, self.end(_BLANK, position))
            if match is None:
                raise Unreadable("not TOML: a key is missing")
            raw = match.group()
            parts.append(str(self.scalar(raw)) if raw[0] in "\"'" else raw)
            position = self.end(_BLANK, match.end())
            if self.source[position : position + 1] != ".":
                return tuple(parts), position
            position += 1

    def scalar(self, raw: str) -> Any:
        return tomllib.loads(f"v = {raw}")["v"]

    def value(self, start: int, path: Path, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        char = self.source[start : start + 1]
        if char == "[":
            position, count = self.end(_SKIP, start + 1), 0
            while self.source[position : position + 1] != "]":
                position = self.comma(self.value(position, (*path, count), depth + 1))
                count += 1
            return position + 1
        if char == "{":
            position = self.end(_SKIP, start + 1)
            while self.source[position : position + 1] != "}":
                name, position = self.key(position)
                position = self.comma(self.value(self.end(_BLANK, position + 1), (*path, *name), depth + 1))
            return position + 1
        match = (_STRING if char in "\"'" else _BARE).match(self.source, start)
        if match is None or len(self.leaves) >= MAX_LEAVES:
            raise Unreadable(f"more than {MAX_LEAVES} values: data, not a training config")
        raw = match.group()
        self.leaves.append(Leaf(path, self.scalar(raw), raw, self.text.at(start, match.end())))
        return match.end()

    def comma(self, position: int) -> int:
        position = self.end(_SKIP, position)
        return self.end(_SKIP, position + 1) if self.source[position : position + 1] == "," else position
