"""Who reads the place where a number stands: a number that several keys share is never rewritten."""

from __future__ import annotations

import ast
import re
import warnings

from ssem_advisor.config.includes import project_root
from ssem_advisor.config.model import Document, TrainingRun, Value
from ssem_advisor.config.reader import values
from ssem_advisor.config.sources import SUFFIXES, collect, load_text
from ssem_advisor.config.tree import Unreadable
from ssem_advisor.lint.checking import shown

_MOST_FILES = 5_000
_SCRIPTS = tuple(suffix for suffix, form in SUFFIXES.items() if form == "shell")
_PROBE = "0.123456789"  # no config says this already


def shared(document: Document, run: TrainingRun, name: str) -> str | None:
    """Why writing a value would change more than its own key: the place is one that others read too.

    Another number is written there in memory, and all keys whose value then differs are compared with the one meant.
    """
    value = run.fields[name]
    probe = Document(document.path, written(document.text, {value: _PROBE}), document.format)
    before, after = values(document), values(probe)
    changed = {
        path
        for old, new in zip(before, after, strict=False)
        for path in old.keys() | new.keys()
        if not _same(old.get(path), new.get(path))
    }
    own = value.key.rpartition(".")[2]
    if document.format == "python":
        foreign = _python_readers(document.text, own, {str(path[0]) for path in changed if len(path) == 1})
    elif document.format in ("shell", "other"):
        foreign = _shell_readers(document.text, value, run)
    else:
        foreign = {".".join(map(str, path)) for path in changed} - {value.key}
        foreign |= _interpolating(document.text, own)
    foreign |= {".".join(map(str, path)) for path in changed if not _named(path, own) and len(path) > 1}
    foreign |= _readers_elsewhere(document, value, own)
    if len(before) != len(after) or foreign or not changed:
        others = ", ".join(sorted(foreign)[:3]) or "other keys"
        place = value.location
        return (
            f"the {name} in line {place.line if place else 0} is also read by {others}; give {name} a value of its own"
        )
    return None


def _same(old: object, new: object) -> bool:
    return type(old) is type(new) and (old == new or old != old)


def _named(path: tuple[str | int, ...], own: str) -> bool:
    last = path[-1] if path else ""
    return isinstance(last, str) and last.lstrip("-").rstrip("?").replace("-", "_") == own.lstrip("-").replace("-", "_")


def _interpolating(text: str, own: str) -> set[str]:
    """Keys of another name whose value asks for a key of this name, as in `lr: ${loss.alpha}`."""
    return {match[1] for match in _asking(own).finditer(text) if not _named((match[1].rpartition(".")[2],), own)}


def _asking(own: str) -> re.Pattern[str]:
    return re.compile(rf"^[ \t-]*[\"']?([\w.-]+)[\"']?[ \t]*[:=].*\$\{{[^}}\n]*\b{re.escape(own)}\b", re.M)


def _readers_elsewhere(document: Document, value: Value, own: str) -> set[str]:
    """Keys of another name in other files of the project that ask for this place: by an interpolation, as Hydra's
    groups do; by the name of a constant, from modules that import this one; by a variable, from scripts that source it.

    More than `_MOST_FILES` files are not searched, and the place then counts as read.
    """
    path = document.path.absolute()
    line = document.text[document.text.rfind("\n", 0, value.location.start) + 1 : value.location.start]  # type: ignore[union-attr]
    constant = re.match(r"(?:export\s+)?(\w+)\s*(?::[^=]*)?=\s*['\"]?$", line)
    name = re.escape(constant[1]) if constant else ""
    asks: list[re.Pattern[str]] = []
    if document.format in ("yaml", "json", "toml"):
        asks = [_asking(own)]
    elif document.format == "python" and name:
        asks = [re.compile(rf"([\w.\"']+)\s*[=:]\s*(?:\w+\.)*{name}\b(?!\s*[=.(\w])")]
    elif document.format == "shell" and name:
        asks = [re.compile(rf"(\S*?)[ =]*[\"']?\$(?:\{{{name}\b|{name}\b)")]
    found: set[str] = set()
    for number, other in enumerate(collect([project_root(path)]) if asks else ()):
        if number == _MOST_FILES:
            return {f"perhaps one of more than {_MOST_FILES} files of the project"}
        if other.absolute() == path or (document.format in ("python", "shell")) != (other.suffix in (".py", *_SCRIPTS)):
            continue
        try:
            text, _ = load_text(other)
        except Unreadable:
            continue
        if document.format in ("python", "shell") and path.stem not in text:
            continue
        for match in (match for ask in asks for match in ask.finditer(text)):
            key = match[1].strip("\"'").rpartition(".")[2]
            meant = document.format in ("python", "shell") or any(
                _one_ends_the_other(path.strip("."), value.key) for path in re.findall(r"[\w.]+", match[0])[1:]
            )
            if meant and not _named((key,), own) and key != (constant[1] if constant else None):
                found.add(f"{key or 'a command'} in {shown(other)}")
    return found


def _one_ends_the_other(path: str, key: str) -> bool:
    """Whether two key paths may be one place, as `loss.alpha` in the whole and `alpha` in the file of the group."""
    shorter, longer = sorted((path.split("."), key.split(".")), key=len)
    return longer[-len(shorter) :] == shorter


def _python_readers(text: str, own: str, names: set[str]) -> set[str]:
    """Who else reads the constants of these names: a keyword of another name, or any second use under theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = ast.parse(text)
    keywords = {
        id(keyword.value): keyword.arg or ""
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    }
    readers: set[str] = set()
    for name in names:
        uses = [n for n in ast.walk(module) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
        given = [keywords.get(id(use)) for use in uses]
        readers |= {keyword for keyword in given if keyword and not _named((keyword,), own)}
        if not _named((name,), own) and len(uses) > 1:
            readers.add(f"{name} ({len(uses)} uses)")
    return readers


def _shell_readers(text: str, value: Value, run: TrainingRun) -> set[str]:
    """Who else reads the variable whose value stands at this place; nobody where the place is the flag's own."""
    place, command = value.location, run.location
    assert place is not None
    if command is None or command.start <= place.start < command.end:
        return set()
    variable = re.search(r"(\w+)=['\"]?$", text[: place.start])
    if variable is None:
        return {"another command"}
    name = variable.group(1)
    line = text[text.rfind("\n", 0, place.start) + 1 : place.start]
    readers = {"the environment"} if re.search(r"\b(?:export|declare +-\w*x)\b", line) else set()
    flag = re.escape(value.key.partition(".")[0])
    for use in re.finditer(rf"\$(?:\{{{name}\b|{name}\b)", text):
        if not re.search(rf"{flag}(?: +|=)['\"]?$", text[: use.start()]):
            readers.add(f"${name} elsewhere")
    return readers


def number_in(raw: str) -> str | None:
    """The number within a token such as `0.1`, `"0.1"` or `--alpha=0.1`; None if there is not exactly one."""
    numbers = re.findall(r"(?<![\w.+-])[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])", raw)
    return numbers[0] if len(numbers) == 1 else None


def written(text: str, new: dict[Value, str]) -> str:
    """The text with numbers replaced, from the end so that earlier places stay right."""
    for value, number in sorted(new.items(), key=lambda item: -item[0].location.start):  # type: ignore[union-attr]
        place = value.location
        assert place is not None
        token = text[place.start : place.end]
        old = number_in(token) or token
        text = text[: place.start] + token.replace(old, number, 1) + text[place.end :]
    return text
