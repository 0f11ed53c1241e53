"""Text that others wrote, made safe to print: it must steer neither a terminal nor a continuous-integration log."""

from __future__ import annotations

import re

_OURS = re.compile(r"(\033\[[0-9;]{0,8}m|\n)")  # colours, which we print ourselves, and line ends


def plain(text: str) -> str:
    """A text on one line: control characters spelt out, and no workflow command of GitHub (`::name::`, `##[name]`)."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return _commandless(shown)


def lines(text: str) -> str:
    """The same for text of several lines, which keeps its line ends and colours."""
    parts = _OURS.split(text)
    shown = "".join(part if _OURS.fullmatch(part) else plain(part) if part.strip() else part for part in parts)
    return "\n".join(_commandless(line) for line in shown.split("\n"))


def json(text: str) -> str:
    """JSON of the same meaning in which no workflow command stands."""
    return text.replace("##[", "#\\u0023[")


def _commandless(line: str) -> str:
    if line.lstrip().startswith("::"):
        line = line.replace("::", ": :", 1)
    return line.replace("##[", "# #[")
