"""A config of any shape as a flat list of leaves, each with its key path, its value and its place in the file."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ssem_advisor.config.model import Location, Trap

MAX_LEAVES = 5_000
MAX_DEPTH = 64


class Unreadable(Exception):
    """The text is not what its format promises, or is too large to be a training config."""


class _Unknown:
    """A value that only a running program can tell: a variable, an interpolation, an empty key."""

    def __repr__(self) -> str:
        return "unknown"

    def __bool__(self) -> bool:
        return False


UNKNOWN = _Unknown()


class Text:
    """Turns character offsets of a text into locations."""

    def __init__(self, text: str, path: Path | None = None) -> None:
        self.text = text
        self.path = path

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", self.text))]

    def line_start(self, line: int) -> int:
        return self._line_starts[min(line, len(self._line_starts)) - 1]

    def at(self, start: int, end: int) -> Location:
        line = bisect_right(self._line_starts, start)
        return Location(line, start - self._line_starts[line - 1] + 1, start, end, self.path)


_MODIFIERS = re.compile(r"^(?:(?:override|optional) +)+")  # of Hydra's defaults lists


@lru_cache(maxsize=4096)
def normalise(key: str) -> tuple[str, ...]:
    """`--Proj-Dim`, `projDim` and `proj_dim` are one name; dots separate the levels of a path."""
    if len(key) > 200:
        return (key[:200],)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", _MODIFIERS.sub("", key.strip()).lstrip("-+~/"))
    return tuple(
        part for part in spaced.lower().replace("/", ".").replace("-", "_").replace(" ", "_").split(".") if part
    )


@dataclass(slots=True)
class Leaf:
    """One value: its path as written (integers are list positions), its value for the program, and its own text."""

    path: tuple[str | int, ...]
    value: Any
    raw: str
    location: Location
    quirk: str = ""
    """Why other parsers read another value here: "string-number" or "word-bool"; empty where they agree. "option": the
    choice of a Hydra group, "absent" where the file that it names is not there."""

    @property
    def keys(self) -> tuple[str, ...]:
        parts = [part for key in self.path if isinstance(key, str) for part in normalise(key) if part != "init_args"]
        if len(parts) > 1 and parts[-1] == "value":  # as wandb writes it
            parts.pop()
        return tuple(parts)

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.path))

    def moved(self, path: tuple[str | int, ...]) -> Leaf:
        return replace(self, path=path)


@dataclass
class Tree:
    """All leaves of one run, and where they come from."""

    leaves: list[Leaf]
    format: str
    path: Path
    text: str = ""
    script: str = ""
    """The script or module that a launch line starts, without folders and suffix."""
    location: Location | None = None
    traps: list[Trap] = field(default_factory=list)
    complete: bool = True
    """False where part of the run could not be read, so that no default may be assumed for what is absent."""
    package: str = ""
    """The package of a module that a launch line starts."""

    @cached_property
    def _by_name(self) -> dict[str, list[tuple[tuple[str, ...], Leaf]]]:
        index: dict[str, list[tuple[tuple[str, ...], Leaf]]] = {}
        for leaf in self.leaves:
            keys = leaf.keys
            if keys and isinstance(leaf.path[-1], str):
                index.setdefault(keys[-1], []).append((keys, leaf))
        return index

    @cached_property
    def elements(self) -> list[Leaf]:
        """The scalar members of lists."""
        return [leaf for leaf in self.leaves if isinstance(leaf.path[-1], int)]

    @cached_property
    def names(self) -> frozenset[str]:
        """Every key that occurs at any level."""
        return frozenset(part for leaf in self.leaves for part in leaf.keys)

    def find(self, pattern: str) -> Iterator[Leaf]:
        """Leaves whose path ends in the dotted pattern; a leading dot anchors the pattern at the root."""
        wanted = normalise(pattern)
        for keys, leaf in self._by_name.get(wanted[-1], ()):
            if keys[-len(wanted) :] == wanted and not (pattern.startswith(".") and len(keys) != len(wanted)):
                yield leaf

    @cached_property
    def _labels(self) -> dict[tuple[str | int, ...], str]:
        """Names of the objects that sections build: `_target_`, `class_path`, `type`, or what is called."""
        labels: dict[tuple[str | int, ...], str] = {}
        for leaf in self.leaves:
            if leaf.path and leaf.path[-1] in LABELS and isinstance(leaf.value, str):
                labels.setdefault(leaf.path[:-1], leaf.value)
        return labels

    def label(self, path: tuple[str | int, ...]) -> str:
        """The name of the object that a section builds, empty where it says none."""
        return self._labels.get(path, "")

    def section(self, leaf: Leaf) -> str:
        """The names of all sections around a leaf, and of the objects they build."""
        path = leaf.path[:-1]
        words = [str(key) for key in path if isinstance(key, str)]
        words += [label for depth in range(len(path) + 1) if (label := self._labels.get(path[:depth], ""))]
        if path and path[-1] == "init_args" and (label := self._labels.get(path[:-1], "")):
            words.append(label)
        return " ".join(words)


LABELS = frozenset({"_target_", "class_path", "type", "name", "target", "__call__"})


def override(base: Iterable[Leaf], own: Iterable[Leaf]) -> list[Leaf]:
    """The leaves of `base` with those of `own` on top: a later scalar or list replaces, sections merge.

    `_delete_: true` in a section drops what the base says there, as in OpenMMLab configs.
    """
    own = list(own)
    replaced: set[tuple[str | int, ...]] = set()
    for leaf in own:
        if leaf.path[-1:] == ("_delete_",) and leaf.value is True:
            replaced.add(leaf.path[:-1])
        elif any(isinstance(key, int) for key in leaf.path):
            first = next(i for i, key in enumerate(leaf.path) if isinstance(key, int))
            replaced.add(leaf.path[:first])
        else:
            replaced.add(leaf.path)
    prefixes = {leaf.path[:depth] for leaf in own for depth in range(len(leaf.path))}
    kept = [
        leaf
        for leaf in base
        if leaf.path not in prefixes and not any(leaf.path[:depth] in replaced for depth in range(len(leaf.path) + 1))
    ]
    return kept + own
