"""One file in, one document out. Nothing it reads is executed, and no content makes it raise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from ssem_advisor.config import own as own_config
from ssem_advisor.config.dialects import DIALECTS, GENERIC
from ssem_advisor.config.evidence import MENTIONS, only_evaluates, states_rival
from ssem_advisor.config.interpret import interpret
from ssem_advisor.config.model import Document, TrainingRun, Value
from ssem_advisor.config.own import OwnConfig, Section
from ssem_advisor.config.sources import MAX_BYTES, SUFFIXES, decode, load_text
from ssem_advisor.config.tree import Text, Tree, Unreadable, normalise
from ssem_advisor.domain import AdvisorError
from ssem_advisor.limits import DEBUG, OWN_FAULT, READ_SECONDS, TOO_LARGE, TooLong, processor_time

_INCLUDES = re.compile(r"^[\"']?defaults[\"']? *:|_base_|_BASE_|(?:^|\s)-(?:c |-(?:config|cfg|conf|yaml))", re.M)


def mentioned(text: str) -> bool:
    """Whether a text says anything about contrastive training: by its words, by keys of a dialect, by an include."""
    return bool(MENTIONS.search(text) or _INCLUDES.search(text) or any(keys(text) for keys in _dialect_keys()))


@cache
def _dialect_keys() -> list[Callable[[str], bool]]:
    """For each sign of a dialect that goes by keys, whether a text holds them all."""
    tests: list[Callable[[str], bool]] = []
    for dialect in DIALECTS:
        for sign in dialect.signs:
            names = [normalise(key)[-1] for key in (*sign.keys, *sign.values)]
            words = [re.compile(rf"(?<![a-z]){name.replace('_', '[-_]?')}(?![a-z])", re.I) for name in names]
            if words and dialect is not GENERIC:
                tests.append(partial(_holds, words))
    return tests


def _holds(words: list[re.Pattern[str]], text: str) -> bool:
    return all(word.search(text) for word in words)


def read(path: Path | str, own: OwnConfig | None = None, text: str | bytes | None = None) -> Document:
    """The runs that a file describes. Content that cannot be read gives a document with `error` set.

    path: the file, also where `text` is given instead of its content (standard input is the path `-`).
    """
    path = Path(path)
    document = Document(path, "", "other")
    try:
        with processor_time(READ_SECONDS):
            _read(document, (own or OwnConfig()).for_file(path), text)
    except Unreadable as error:
        document.error = str(error)
    except (RecursionError, MemoryError, TooLong):
        document.error = TOO_LARGE
    except Exception as error:
        if DEBUG:
            raise
        document.error = f"{OWN_FAULT} ({type(error).__name__}: {error})"
    if document.error is not None:
        document.runs = []
    return document


def _read(document: Document, section: Section, text: str | bytes | None) -> None:
    if text is None:
        document.text, document.encoding = load_text(document.path)
    elif isinstance(text, bytes):
        document.text, document.encoding = decode(text)
    elif len(text) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES // 1_000_000} MB: {TOO_LARGE}")
    else:
        document.text = text
    document.newline = "\r\n" if "\r\n" in document.text else "\n"
    document.format = _format(document.path, document.text)  # type: ignore[assignment]
    told = section.fields or "kind" in section.defaults  # the user says what the file means
    if told or mentioned(document.text) or mentioned(document.path.name):
        trees = (tree for tree in _trees(document) if tree.leaves)
        try:
            document.runs = [run for tree in trees if (run := interpret(tree, section)) is not None]
        except Unreadable:
            if document.path.suffix.lower() in ("", *SUFFIXES):
                raise
            document.format = "other"  # a form of its own, whose first lines look like a known one


@dataclass(frozen=True)
class Reading:
    """What one file says about contrastive training, for a command that wants its facts.

    run: the run that matters most, a mixture of losses before a plain one; facts: name -> Value with its place and
    origin. `run.known()` gives the fields of a Setting, the batch as the loss sees it; `run.setting()` the Setting.
    missing: the facts without which a threshold cannot be computed.
    """

    document: Document
    run: TrainingRun

    @property
    def facts(self) -> dict[str, Value]:
        return self.run.fields

    @property
    def missing(self) -> tuple[str, ...]:
        known = self.run.known()
        needed = ("classes", "temperature", *(["alpha"] if self.run.kind == "supcon+self" else []), "batch_size")
        counted = {"classes"} if "class_counts" in known else set()
        return tuple(name for name in needed if name not in known.keys() | counted)


def read_setting(path: Path | str, own: OwnConfig | None = None) -> Reading:
    """The facts of the training run that a config describes, each with its place; own: by default the nearest one.

    Raises AdvisorError, one line, for a file that is not there, cannot be read or names no contrastive training.
    """
    path = Path(path)
    if not path.is_file():
        raise AdvisorError(f"{path}: no such file; check the path")
    document = read(path, own_config.load(path.parent) if own is None else own)
    if document.error is not None:
        raise AdvisorError(f"{path}: could not be read: {document.error}")
    runs = sorted((run for run in document.runs if run.kind in _WORTH), key=lambda run: _WORTH.index(run.kind))
    if not runs:
        raise AdvisorError(
            f"{path}: names no contrastive loss; give the facts as options, or say defaults.kind = 'supcon' under "
            "[tool.ssem-advisor] in pyproject.toml"
        )
    return Reading(document, runs[0])


_WORTH = ("supcon+self", "ce+supcon", "supcon", "unknown", "self-only")


def values(document: Document) -> list[dict[tuple[str | int, ...], object]]:
    """What the training program's parser hands over, key path by key path, for each run of a document.

    References are followed where the parser follows them (YAML aliases and merges, names in Python, shell variables).
    """
    try:
        return [
            {leaf.path: leaf.value for leaf in tree.leaves if leaf.quirk not in ("option", "absent")}
            for tree in _trees(document)
        ]
    except (Unreadable, RecursionError):
        return []


def names_another_loss(document: Document) -> bool:
    """Whether a config without a contrastive loss states the loss that it trains with instead."""
    try:
        return any(states_rival(tree) for tree in _trees(document) if tree.leaves)
    except Unreadable:
        return False


def _format(path: Path, text: str) -> str:
    known = SUFFIXES.get(path.suffix.lower())
    if known:
        return known
    start = text.lstrip()[:2000]
    if start.startswith("{"):
        return "json"
    if start.startswith("#!") or re.search(
        r"^\s*(?:\w+=\S* )*(?:python[0-9.]*|torchrun|accelerate|deepspeed) ", start, re.M
    ):
        return "python" if re.match(r"#!.*python", start) else "shell"
    if re.search(r"^(?:import|from|def|class) |^\w+ *= *(?:dict\(|\[)", start, re.M):
        return "python"
    if re.search(r"^\[\[?[\w.\"-]+\]\]?\s*$|^[\w.-]+ *= ", start, re.M):
        return "toml"
    return "yaml" if re.search(r"^[\s-]*[\w\"'./-]+\s*:(?:\s|$)", start, re.M) else "other"


def _trees(document: Document) -> Iterator[Tree]:
    """The runs of a document as trees, includes followed. Each format's reader is imported when it is needed."""
    path, text = document.path, document.text
    if document.format in ("shell", "other"):
        from ssem_advisor.config import from_shell, includes

        for tree in from_shell.read(Text(text), path, markdown=document.format == "other"):
            yield includes.configured(tree, _included)
        return
    for tree in _parse(path, text, document.format):
        if re.search(r"_base_|_BASE_|defaults|@package", text):
            from ssem_advisor.config import includes

            tree = includes.follow(tree, _included)
        yield tree


def _parse(path: Path, text: str, form: str) -> Iterator[Tree]:
    source = Text(text)
    if form == "yaml":
        from ssem_advisor.config import from_yaml

        for leaves, traps in from_yaml.read(source):
            yield Tree(leaves, form, path, text, traps=traps)
    elif form == "python":
        if only_evaluates(path.stem):
            return
        from ssem_advisor.config import from_python

        yield Tree(from_python.read(source), form, path, text)
    elif form == "json":
        from ssem_advisor.config import from_json

        leaves, traps = from_json.read(source)
        yield Tree(leaves, form, path, text, traps=traps)
    else:
        from ssem_advisor.config import from_toml

        yield Tree(from_toml.read(source), form, path, text)


def _included(path: Path) -> Tree:
    text, _ = load_text(path)
    form = SUFFIXES.get(path.suffix.lower(), "other")
    if form not in ("yaml", "json", "toml", "python"):
        raise Unreadable("not a config file")
    tree = next(iter(_parse(path, text, form)), None)
    if tree is None:
        raise Unreadable("is empty")
    return tree
