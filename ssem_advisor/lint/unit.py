"""`assert_safe`: a config checked by a unit test."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssem_advisor.config import Document, OwnConfig, TrainingRun, Value, names_another_loss, own, read
from ssem_advisor.domain import FIELDS, AdvisorError, Setting, SettingError
from ssem_advisor.lint.checking import Policy, check_document
from ssem_advisor.lint.core import SEVERITIES
from ssem_advisor.lint.session import Session


def assert_safe(config: Setting | Mapping[str, Any] | str | Path, *, goal: str | None = None, **facts: Any) -> None:
    """Pass if a training config does not ask for class collapse.

    config: a Setting; a mapping whose keys are fields of Setting; any other mapping, nested or not, which is read as
        a file of the same content would be; or the path of a file, with the own configuration nearest to it.
    goal: with "classification" a loss without self-supervised term passes; without a goal, or with "transfer", not.
    facts: values that the config leaves to the training code, as in `classes=100`; also `kind`, as in
        `kind="supcon+self"`.

    Raises AssertionError listing the errors and warnings, or the facts that are missing for a verdict, and
    AdvisorError for a file that cannot be read or facts outside their domain.
    """
    __tracebackhide__ = True  # pytest then points at the caller's line
    document, policy = _read(config, goal, facts)
    if document.error is not None:
        raise AdvisorError(f"{document.path}: could not be read: {document.error}")
    result = check_document(document, policy)
    problems = [
        f"{f.path}:{f.location.line}: {f.rule.code} {f.message}; {f.help}"
        for f in result.active
        if SEVERITIES.index(f.severity) >= SEVERITIES.index("warning")
    ]
    if not problems and not document.runs and not names_another_loss(document):
        result.missing = ["kind"]
    if not problems and result.undecided:
        problems = [f"{result.path}: cannot decide: {result.undecided}"]
    if problems:
        raise AssertionError("\n".join(("this config is not safe:", *problems)))


def _read(config: Any, goal: str | None, facts: dict[str, Any]) -> tuple[Document, Policy]:
    parsed = own.parse({"defaults": facts}, Path("assert_safe"))
    for name, hint in parsed.unknown.items():
        raise SettingError(f"{name.removeprefix('defaults.')}: unknown fact; {hint}")
    if isinstance(config, Mapping) and config and set(config) <= set(FIELDS):
        config = Setting(**{**config, **facts})
    elif isinstance(config, Setting):
        config = config.with_(**facts)
    if isinstance(config, Setting):
        return _document_of(config), Policy(goal=goal)
    given = parsed.defaults
    if isinstance(config, Mapping):
        text = json.dumps(_plain(config), indent=1, default=str)
        return read(Path("config.json"), OwnConfig(defaults=given), text), Policy(goal=goal)
    if not isinstance(config, (str, os.PathLike)):
        raise AdvisorError(f"config={config!r}: must be a Setting, a mapping or the path of a config file")
    session, path = Session(goal=goal), Path(config)
    nearest = session.own(path)
    document = read(path, replace(nearest, defaults={**nearest.defaults, **given}))
    return document, session.policy(path)


def _document_of(setting: Setting) -> Document:
    values = {name: getattr(setting, name) for name in FIELDS}
    fields = {name: Value(value, "stated", name) for name, value in values.items() if value is not None}
    return Document(Path("setting"), "", "other", [TrainingRun("supcon+self", "setting", fields)])


def _plain(config: Any) -> Any:
    """Mappings and sequences of any library as those of JSON."""
    if isinstance(config, Mapping):
        return {str(key): _plain(config[key]) for key in config}
    if isinstance(config, Sequence) and not isinstance(config, (str, bytes)):
        return [_plain(value) for value in config]
    return config
