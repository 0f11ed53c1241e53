"""Text for a terminal: broken into lines, coloured by what it means, and harmless whatever a name in it holds.

What others wrote must steer neither a terminal nor a continuous-integration log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from json import dumps
from typing import Literal

WIDTH = 80  # columns, where no terminal says how many it has

Meaning = Literal["heading", "collapse", "safe", "estimate"]
Paint = Callable[[str, Meaning], str]  # a text in the colour of what it means

_CODES: dict[Meaning, str] = {"heading": "1", "collapse": "1;31", "safe": "1;32", "estimate": "33"}
_COLOUR = re.compile(r"\033\[[0-9;]{0,8}m")
_WORD = re.compile(r"(?:`[^`\n]{1,44}`|\S)+")
_OURS = re.compile(rf"({_COLOUR.pattern}|\n)")  # colours, which we print ourselves, and line ends
_COMMAND = re.compile(r"##(?=\w*\[)")  # GitHub ##[name], Azure ##vso[...], TeamCity ##teamcity[...]; anywhere in a line
_UNSEEN = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # what JSON and XML may carry raw


def uncoloured(text: str, meaning: Meaning) -> str:
    """The text as it is."""
    return text


def coloured(text: str, meaning: Meaning) -> str:
    """The text in bold or colour."""
    return f"\033[{_CODES[meaning]}m{text}\033[0m"


def wrapped(text: str, width: int = WIDTH, first: str = "", rest: str | None = None, command: str = "") -> list[str]:
    """A text in lines of at most `width` columns, broken between words and nowhere else.

    first, rest: what the first line and the lines below begin with; rest is `first` in blanks unless given. A word
    longer than a line stands on its own, whole; a short command in backquotes is one word. Colours take no room.
    command: a part of the text that is to be typed next; it stands on a line of its own, whole, to be copied.
    """
    begin = " " * shown_length(first) if rest is None else rest
    if command and command in text:
        before, _, after = text.partition(command)
        lines = [*wrapped(before, width, first, begin), begin + command]
        return lines + (wrapped(after, width, begin) if after.strip() else [])
    found, line, bare = [], first, True
    for word in _WORD.findall(text):
        if not bare and shown_length(line) + 1 + shown_length(word) > width:
            found.append(line)
            line, bare = begin, True
        line += word if bare else f" {word}"
        bare = False
    return [*found, line.rstrip()]


def shown_length(text: str) -> int:
    """How many columns a text takes: its characters, without colours."""
    return len(_COLOUR.sub("", text))


def table(rows: Iterable[tuple[str, ...]], gap: int = 2, indent: str = "") -> list[str]:
    """Rows of cells in columns as wide as their widest cell, `gap` blanks apart."""
    rows = list(rows)
    widths = [max(map(shown_length, column)) for column in zip(*rows, strict=True)]
    return [
        (
            indent
            + (" " * gap).join(cell + " " * (w - shown_length(cell)) for cell, w in zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def plain(text: str) -> str:
    """A text on one line: control characters spelt out, and no workflow command (`::name::`, `##[name]`)."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return _commandless(shown)


def lines(text: str) -> str:
    """The same for text of several lines, which keeps its line ends and colours."""
    parts = _OURS.split(text)
    shown = "".join(part if _OURS.fullmatch(part) else plain(part) if part.strip() else part for part in parts)
    return "\n".join(_commandless(line) for line in shown.split("\n"))


def json(text: str) -> str:
    """JSON of the same meaning in which no control character and no workflow command stands."""
    return _COMMAND.sub(r"#\\u0023", _UNSEEN.sub(lambda c: dumps(c[0])[1:-1], text))


def xml(text: str) -> str:
    """XML of the same meaning in which no control character and no workflow command stands."""
    return _COMMAND.sub("#&#35;", _UNSEEN.sub(lambda c: f"&#{ord(c[0])};", text))


def _commandless(line: str) -> str:
    if line.lstrip().startswith("::"):
        line = line.replace("::", ": :", 1)
    return _COMMAND.sub("# #", line)
