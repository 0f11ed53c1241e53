"""Launch lines in shell scripts and in the code blocks of README files, each word with its exact span."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ssem_advisor.config import scalars
from ssem_advisor.config.model import Trap
from ssem_advisor.config.tree import MAX_LEAVES, UNKNOWN, Leaf, Text, Tree

_PYTHON = re.compile(
    r"(?:.*/)?(?:python[0-9.]*|pypy3?|torchrun|accelerate|deepspeed|horovodrun|ipython)|\$\{?(?i:py\w*|python\w*)\}?"
)
_ARRAY = re.compile(r"\$\{(\w+)\[[@*]\]\}")
_LAUNCH_MODULES = ("torch.distributed.launch", "torch.distributed.run", "accelerate.commands.launch")
_ASSIGNMENT = re.compile(r"(?:(?:export|local|declare(?: -\w+)*|readonly) +)?([A-Za-z_]\w*)=")
_FLAG = re.compile(r"--?[A-Za-z]")
_HYDRA = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@-]*=")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NAME = re.compile(r"[A-Za-z_]\w*")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_REDIRECT = re.compile(r"[<>]+[&-]?\s*(?:['\"]\w+['\"]|[^\s;|&()]*)")
_OPEN, _CLOSE = {"if", "for", "while", "until", "case", "select", "{", "("}, {"fi", "done", "esac", "}", ")"}
_NOISE = {"do", "then", "else", "elif", "$", "%", ">", "time", "!"} | (_OPEN - {"for", "select"}) | _CLOSE
LAUNCHER = {"nproc_per_node", "num_processes", "num_gpus", "np", "mixed_precision", "nnodes", "num_nodes"}
_QUOTED_LAUNCH = re.compile(r"\bpython[0-9.]* .*(?:\.py\b|-m )", re.S)
_ANYTHING = re.compile(r"\$[@*]|\$\{\w+\[[@*]\]\}")


@dataclass(slots=True)
class _Word:
    text: str
    start: int
    end: int
    dynamic: bool = False
    """Whether the shell would still expand something in it."""


@dataclass
class _Command:
    words: list[_Word] = field(default_factory=list)
    depth: int = 0
    broken: str = ""


def read(text: Text, path: Path, markdown: bool = False) -> Iterator[Tree]:
    """One tree for each command that starts a Python program."""
    for start, end in _code_blocks(text.text) if markdown else [(0, len(text.text))]:
        commands = [command for command in _commands(text.text, start, end) if command.words]
        yield from _launches(commands, _constants(commands), text, path)


def _launches(
    commands: list[_Command], constants: dict[str, _Word | None], text: Text, path: Path, quoted: bool = False
) -> Iterator[Tree]:
    launch: Tree | None = None
    for command in commands:
        first, last = command.words[0], command.words[-1]
        if launch is not None and _FLAG.match(first.text):
            launch.complete = False
            detail = "flags cut off from their command: a missing or misplaced line continuation"
            launch.traps.append(Trap("malformed", detail, first.text, text.at(first.start, last.end)))
            continue
        if launch is not None:
            yield launch
        launch = _launch(command, constants, text, path)
        if launch is None and not quoted and first.text not in ("echo", "printf"):
            for word in command.words:  # bash -c "python ...", CMD="python ..."
                inner = _QUOTED_LAUNCH.search(text.text, word.start, word.end) if " " in word.text else None
                if inner is not None:
                    begin, end = inner.start(), word.end - (text.text[word.end - 1] in "'\"")
                    nested = [each for each in _commands(text.text, begin, end) if each.words]
                    yield from _launches(nested, constants, text, path, quoted=True)
    if launch is not None:
        yield launch


def _code_blocks(text: str) -> Iterator[tuple[int, int]]:
    """Spans of fenced blocks, and of indented ones, in Markdown or reStructuredText."""
    fence, begin, position = "", 0, 0
    indented: int | None = None
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        inside = (not fence and line.startswith(("    ", "\t"))) or (indented is not None and not bare)
        if inside and indented is None and bare:
            indented = position
        elif indented is not None and not inside:
            yield indented, position
            indented = None
        if fence and bare.startswith(fence) and not bare.strip(fence[0]):
            if begin >= 0:
                yield begin, position
            fence = ""
        elif not fence and not inside and bare.startswith(("```", "~~~")):
            fence = bare[: len(bare) - len(bare.lstrip(bare[0]))]
            # a block of another language holds a config or a listing, no launch line
            begin = -1 if re.search(r"ya?ml|json|toml|py", bare) else position + len(line)
        position += len(line)
    if fence and begin >= 0:
        yield begin, len(text)
    if indented is not None:
        yield indented, len(text)


def _commands(text: str, position: int, end: int) -> Iterator[_Command]:
    """Simple commands between separators, with the depth of the loops and conditions around them."""
    command, depth = _Command(), 0
    while position < end:
        char = text[position]
        if char in " \t":
            position += 1
        elif char == "\\" and (skip := re.compile(r"\\\r?\n").match(text, position)):
            position = skip.end()
        elif char == "#":
            newline = text.find("\n", position, end)
            position = end if newline < 0 else newline
        elif char == "(" and command.words and command.words[-1].end == position and text[position - 1] == "=":
            close = text.find(")", position, end)  # NAME=(...): the words of an array
            position = end if close < 0 else close + 1
            command.words[-1] = _Word(
                command.words[-1].text + text[command.words[-1].end : position],
                start=command.words[-1].start,
                end=position,
            )
        elif char in "\r\n;|&()":
            yield command
            command = _Command(depth=depth)
            position += 1
        elif char in "<>":
            redirect = _REDIRECT.match(text, position)
            position = redirect.end() if redirect else position + 1
        else:
            word, position, error = _word(text, position, end)
            if not command.words and word.text in _CLOSE:
                depth = max(0, depth - 1)
            elif not command.words and word.text in _OPEN:
                depth += 1
            if command.words or word.text not in _NOISE:
                command.words.append(word)
            command.depth, command.broken = max(command.depth, depth), command.broken or error
    yield command


def _word(text: str, start: int, end: int) -> tuple[_Word, int, str]:
    """The shell word that begins at `start`: unquoted text, its span, and what is wrong with it."""
    out, position, dynamic = [], start, False
    while position < end and (char := text[position]) not in " \t\r\n;|&()<>":
        if char == "'":
            close = text.find("'", position + 1, end)
            if close < 0:
                return _broken(text, start, end)
            out.append(text[position + 1 : close])
            position = close + 1
        elif char == '"':
            quoted = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S).match(text, position, end)
            if quoted is None:
                return _broken(text, start, end)
            dynamic = dynamic or bool(re.search(r"(?<!\\)[$`]", quoted.group(1)))
            out.append(re.sub(r'\\([\\"$`])', r"\1", quoted.group(1)))
            position = quoted.end()
        elif char == "\\":
            if skip := re.compile(r"\\\r?\n").match(text, position):
                position = skip.end()
                if position < end and text[position] in " \t":
                    break
                continue
            out.append(text[position + 1 : position + 2])
            position = min(position + 2, end)
        elif char == "$" and text.startswith("$(", position):
            dynamic, depth, begin = True, 0, position
            position += 1
            while position < end:
                depth += {"(": 1, ")": -1}.get(text[position], 0)
                position += 1
                if depth == 0:
                    break
            out.append(text[begin:position])
        elif char == "$" and (braced := re.compile(r"\$\{[^}\n]*\}").match(text, position, end)):
            dynamic = True
            out.append(braced.group())
            position = braced.end()
        else:
            dynamic = dynamic or char in "$`"
            out.append(char)
            position += 1
    return _Word("".join(out), start, position, dynamic), position, ""


def _broken(text: str, start: int, end: int) -> tuple[_Word, int, str]:
    newline = text.find("\n", start, end)
    stop = end if newline < 0 else newline
    return _Word(text[start:stop], start, stop, dynamic=True), stop, "a quote that is never closed"


def _constants(commands: list[_Command]) -> dict[str, _Word | None]:
    """Shell variables that are set exactly once, to a literal, outside loops and conditions; None for the others."""
    constants: dict[str, _Word | None] = {}
    for command in commands:
        words = command.words
        if words and words[0].text in ("for", "read", "select", "mapfile") and len(words) > 1:
            constants.update({word.text: None for word in words[1:]})
        if words and words[0].text in ("export", "local", "declare", "readonly"):
            words = words[1:]
        elif not all(_ASSIGNMENT.match(word.text) for word in words):
            continue  # `X=1 command` holds for that command alone, and not for its own arguments
        for word in words:
            if match := _ASSIGNMENT.match(word.text):
                name, value = match.group(1), word.text[match.end() :]
                literal = not word.dynamic and command.depth == 0 and name not in constants and value
                begin = word.start + word.text.index("=") + 1
                constants[name] = _Word(value, begin, word.end) if literal else None
    return constants


def _launch(command: _Command, constants: dict[str, _Word | None], text: Text, path: Path) -> Tree | None:
    words = [each for word in command.words for each in _expanded(word, constants, text.text)]
    start = next((i for i, word in enumerate(words[:40]) if _PYTHON.fullmatch(word.text)), None)
    if start is None:
        start = next((i for i, word in enumerate(words[:1]) if word.text.endswith(".py")), None)
        if start is None:
            return None
    program = _program(words, start)
    if program is None:
        return None
    package, script, launcher, arguments = program
    first, last = words[0], words[-1]
    tree = Tree([], "shell", path, text.text, script, text.at(first.start, last.end), package=package)
    given = {leaf.path: leaf for leaf in _leaves(arguments[:MAX_LEAVES], constants, text)}  # of a flag the last counts
    started = [leaf for leaf in _leaves(launcher, constants, text) if leaf.keys[-1:] and leaf.keys[-1] in LAUNCHER]
    tree.leaves = [*started, *given.values()]
    if any(_ANYTHING.fullmatch(word.text) for word in arguments):
        tree.complete = False  # whatever flags the caller adds
    if command.broken:
        tree.complete = False
        tree.traps.append(Trap("malformed", command.broken, "", text.at(last.start, last.end)))
    return tree


def _expanded(word: _Word, constants: dict[str, _Word | None], text: str) -> list[_Word]:
    """The words that an unquoted variable or an array holds, where it holds several; else the word itself."""
    if not word.dynamic or not (variable := _VARIABLE.fullmatch(word.text) or _ARRAY.fullmatch(word.text)):
        return [word]
    known = constants.get(variable.group(1) or variable.group(2))
    if known is None:
        return [word]
    begin, end = known.start, known.end
    if text[begin : begin + 1] in ("'", '"', "("):
        if text[begin] != "(" and text[word.start] == '"':
            return [word]
        begin, end = begin + 1, end - 1
    inner = [each for command in _commands(text, begin, end) for each in command.words]
    return inner if len(inner) > 1 or _ARRAY.fullmatch(word.text) else [word]


def _program(words: list[_Word], start: int) -> tuple[str, str, list[_Word], list[_Word]] | None:
    """The package, the name of the script or module, the words for the launcher, and those for the program."""
    position = start
    while position < len(words):
        word = words[position].text
        if word == "-m" and position + 1 < len(words):
            module = words[position + 1].text
            if module not in _LAUNCH_MODULES:
                package, _, name = module.rpartition(".")
                return package, name, words[start + 1 : position], words[position + 2 :]
            position += 1
        elif word == "-c":
            return None
        elif word.endswith(".py"):
            return "", PurePosixPath(word).stem, words[start + 1 : position], words[position + 1 :]
        elif word.endswith(".ipynb"):
            return None
        position += 1
    return None


def _leaves(words: list[_Word], constants: dict[str, _Word | None], text: Text) -> Iterator[Leaf]:
    """`--flag value`, `--flag=value`, `--switch`, and Hydra's `key=value`."""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        equals = word.text.find("=")
        if _FLAG.match(word.text) and not _NUMBER.match(word.text.lstrip("-")):
            name = word.text if equals < 0 else word.text[:equals]
            if equals >= 0:
                value = _after(word, equals, text)
            elif position < len(words) and not _is_flag(words[position]):
                values = _values(words, position)
                position += len(values)
                if len(values) > 1:
                    yield from (_leaf((name, i), each, constants, text) for i, each in enumerate(values))
                    continue
                value = values[0]
            else:
                yield Leaf((name,), True, word.text, text.at(word.start, word.end))
                continue
            yield _leaf((name,), value, constants, text)
        elif equals > 0 and _HYDRA.match(word.text):
            name = word.text[:equals].lstrip("+~")
            yield _leaf(tuple(name.replace("/", ".").split(".")), _after(word, equals, text), constants, text)
        elif "/" in word.text and not word.dynamic:
            yield _leaf(("argument",), word, constants, text)


def _values(words: list[_Word], start: int) -> list[_Word]:
    """The values of one flag: a word, or a row of numbers or names; what else follows is an argument of its own."""
    stop = start + 1
    kind = _NUMBER if _NUMBER.match(words[start].text) else _NAME
    while stop < len(words) and not _is_flag(words[stop]) and kind.fullmatch(words[stop].text):
        stop += 1
    return words[start:stop] if kind.fullmatch(words[start].text) else words[start : start + 1]


def _is_flag(word: _Word) -> bool:
    return (
        bool(_ANYTHING.fullmatch(word.text))
        or bool(_FLAG.match(word.text))
        or (bool(_HYDRA.match(word.text)) and not word.dynamic)
    )


def _after(word: _Word, equals: int, text: Text) -> _Word:
    """The part of `name=value` behind the sign; its span is exact where the word holds no quotes before it."""
    begin = text.text.find("=", word.start, word.end) + 1
    return _Word(word.text[equals + 1 :], begin, word.end, word.dynamic)


def _leaf(path: tuple[str | int, ...], word: _Word, constants: dict[str, _Word | None], text: Text) -> Leaf:
    if word.dynamic:
        variable = _VARIABLE.fullmatch(word.text)
        known = constants.get(variable.group(1) or variable.group(2)) if variable else None
        if known is None:
            return Leaf(path, UNKNOWN, word.text, text.at(word.start, word.end))
        word = known
    start, end = word.start, word.end
    if end - start > len(word.text) and text.text[start:end].strip("'\"") == word.text:
        start += text.text[start:end].index(word.text)  # the span is that of the value itself, without its quotes
        end = start + len(word.text)
    value = scalars.word(word.text)
    if isinstance(value, str) and value.startswith("["):
        value = UNKNOWN
    return Leaf(path, value, text.text[start:end], text.at(start, end))
