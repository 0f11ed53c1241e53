"""A whole check: files found, own configuration honoured, rules run, exceptions applied and judged."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ssem_advisor import config
from ssem_advisor.config import Document, OwnConfig
from ssem_advisor.config.model import Location
from ssem_advisor.domain import AdvisorError
from ssem_advisor.limits import DEBUG, OWN_FAULT, READ_SECONDS, TOO_LARGE, TooLong, processor_time
from ssem_advisor.lint.checking import Policy, Report, Result, check_document, plain_finding, shown
from ssem_advisor.lint.core import START, Finding, Suppression, all_rules, rules_matching
from ssem_advisor.lint.exceptions import Baseline

DEFAULT_BASELINE = "ssem-advisor-baseline.json"


@dataclass
class Session:
    """What the command line says, on top of each file's own configuration.

    baseline: given explicitly; otherwise the one that the own configuration names, or the one in the working folder.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    goal: str | None = None
    baseline: Path | None = None
    use_baseline: bool = True
    _owns: dict[Path, OwnConfig] = field(default_factory=dict)
    _ignores_used: set[tuple[Path | None, str]] = field(default_factory=set)
    _baselines: dict[Path, Baseline] = field(default_factory=dict)
    _input: bytes | None = None
    _broken: dict[Path, str] = field(default_factory=dict)
    _empty: list[str] = field(default_factory=list)

    def own(self, path: Path) -> OwnConfig:
        """The own configuration nearest to a file; nothing is merged up the folders."""
        folder = (path if path.is_dir() else path.parent).absolute()
        if folder not in self._owns:
            here = any((folder / name).is_file() for name in (config.own.FILE_NAME, "pyproject.toml"))
            above = None if here or folder == folder.parent else self.own(folder.parent)
            self._owns[folder] = above or self._load(folder)
        return self._owns[folder]

    def _load(self, folder: Path) -> OwnConfig:
        """The own configuration of a folder; one that cannot be used is remembered, and what it governs not checked."""
        loaded = OwnConfig()
        try:
            loaded = config.own.load(folder)
            for section in (loaded, *loaded.per_file.values()):
                Policy(section.select, section.ignore, section.goal)
            if self.use_baseline and self.baseline is None and loaded.baseline is not None:
                self._baselines[loaded.baseline] = Baseline.read(loaded.baseline)
        except AdvisorError as error:
            path = loaded.path or next(
                place / name
                for place in (folder, *folder.parents)
                for name in (config.own.FILE_NAME, "pyproject.toml")
                if str(error).startswith(f"{place / name}: ")
            )
            self._broken[path] = str(error).removeprefix(f"{path}: ")
            return OwnConfig(path=path)
        return loaded

    def broken(self) -> list[Result]:
        """Own configurations that could not be used, each as a result with its error; what they govern is left out."""
        what = "; the files it governs were not checked"
        return [
            Result(shown(path), Document(path, "", "toml", error=error + what)) for path, error in self._broken.items()
        ]

    def policy(self, path: Path) -> Policy:
        # Per-file ignores silence findings, they do not switch rules off: what they hide stays in the report.
        section = replace(self.own(path), per_file_ignores={}).for_file(path)
        return Policy(self.select or section.select, section.ignore + self.ignore, self.goal or section.goal)

    def documents(self, paths: Iterable[str]) -> Iterable[Document]:
        """The files under the paths, each once, read with their own configuration."""
        seen: set[str] = set()
        self._empty = []
        for given in paths:
            found = list(config.collect([given], self.own(Path(given))))
            if not found:
                self._empty.append(given)
            for path in found:
                if (key := os.path.abspath(path)) in seen:
                    continue
                seen.add(key)
                if self.own(path).path not in self._broken:
                    document = self.read(path)
                    if document.misread and path == Path(given) and document.error is None:
                        document.error = "is not UTF-8, and no config when read as Latin-1; save it as UTF-8"
                    yield document

    def read(self, path: Path, text: str | None = None) -> Document:
        """One file, or a text in its place; the path `-` is standard input."""
        if text is None and str(path) == "-":
            if self._input is None:
                self._input = sys.stdin.buffer.read(config.own.MAX_BYTES + 1)
            return config.read(path, self.own(path), self._input)
        return config.read(path, self.own(path), text)

    def check(self, document: Document) -> Result:
        """One document, with every exception applied; one that takes too long gets an error instead of findings."""
        policy = self.policy(document.path)
        try:
            with processor_time(READ_SECONDS):
                return self._check(document, policy)
        except (TooLong, RecursionError, MemoryError):
            document.error = TOO_LARGE
        except AdvisorError:
            raise
        except Exception as error:
            if DEBUG:
                raise
            document.error = f"{OWN_FAULT} ({type(error).__name__}: {error})"
        return Result(shown(document.path), document)

    def _check(self, document: Document, policy: Policy) -> Result:
        result = check_document(document, policy, shown(document.path))
        findings = [self._ignored(finding) for finding in result.findings]
        if (baseline := self._baseline(document.path)) is not None:
            findings = baseline.silence(findings)
        result.findings = findings
        return result

    def check_paths(self, paths: Sequence[str]) -> Report:
        """Every file under the paths. Raises AdvisorError for a missing path or a wrong own configuration."""
        results = [self.check(document) for document in self.documents(paths)]
        return Report(results + self.broken() + self._judged(paths, results), tuple(self._empty))

    def write_baseline(self, report: Report) -> Path:
        """Accept all active findings of the report; entries of files that were not checked stay. Returns the file."""
        from ssem_advisor.files import write_atomically

        path = self.baseline or self.own(Path.cwd()).baseline or Path(DEFAULT_BASELINE)
        made = Baseline.of(path, report.active)
        if path.exists():
            checked = {made.relative(Path(result.path)) for result in report.results}
            made.accepted.update({e: n for e, n in Baseline.read(path).accepted.items() if e[0] not in checked})
        write_atomically(path, made.text().encode())
        return path

    # -- exceptions -------------------------------------------------------------------------------------------

    def _ignored(self, finding: Finding) -> Finding:
        path = Path(finding.path)
        own = self.own(path)
        for glob, selectors in own.per_file_ignores.items():
            if own.matches(path, glob) and any(finding.rule in rules_matching(s) for s in selectors):
                self._ignores_used.add((own.path, glob))
                if finding.suppressed is None:
                    finding = replace(finding, suppressed=Suppression("per-file-ignores", f"per-file-ignores {glob!r}"))
        return finding

    def _baseline(self, path: Path) -> Baseline | None:
        wanted = self.baseline or self.own(path).baseline
        if wanted is None and Path(DEFAULT_BASELINE).is_file():
            wanted = Path(DEFAULT_BASELINE).absolute()  # where --write-baseline writes without being told
        if wanted is None or not self.use_baseline:
            return None
        if wanted not in self._baselines:
            self._baselines[wanted] = Baseline.read(wanted)
        return self._baselines[wanted]

    def _judged(self, paths: Sequence[str], results: Sequence[Result]) -> list[Result]:
        """Findings about the exceptions and the own configurations themselves, as results of those files."""
        rules = {rule.name: rule for rule in all_rules()}
        folders = [Path(path).resolve() for path in paths if Path(path).is_dir()]

        def whole(root: Path) -> bool:
            return any(root.resolve().is_relative_to(folder) for folder in folders)

        found: list[Finding] = []
        owns = {own.path: own for own in self._owns.values() if own.path is not None}
        checked = [Path(result.path) for result in results]
        for path, own in owns.items():
            for key, hint in own.unknown.items():
                if self._enabled("unknown-own-key", path):
                    place = _line_with(path, key.rpartition(".")[2])
                    found.append(
                        plain_finding(rules["unknown-own-key"], shown(path), f"unknown key {key}", hint, place, key)
                    )
            for glob in own.per_file_ignores:
                if (
                    (path, glob) not in self._ignores_used
                    and whole(path.parent)
                    and self._enabled("stale-exception", path)
                ):
                    met = "silences nothing" if any(own.matches(file, glob) for file in checked) else "matches no file"
                    place = _line_with(path, glob)
                    message = f"per-file-ignores {glob!r} {met}"
                    found.append(
                        plain_finding(rules["stale-exception"], shown(path), message, "remove it", place, glob)
                    )
        for path, baseline in self._baselines.items():
            seen = {baseline.relative(file) for file in checked}
            for entry in baseline.stale(seen, whole(baseline.root)):
                if self._enabled("stale-exception", path):
                    place = replace(START, line=baseline.line_of(entry))
                    message = f"the baseline accepts {entry[1]} in {entry[0]}, which is not found any more"
                    remedy = "run --write-baseline again"
                    found.append(
                        plain_finding(rules["stale-exception"], shown(path), message, remedy, place, ":".join(entry))
                    )
        return [Result(path, None, [f for f in found if f.path == path]) for path in sorted({f.path for f in found})]

    def _enabled(self, name: str, path: Path) -> bool:
        return any(rule.name == name for rule in self.policy(path).rules)


def _line_with(path: Path, text: str) -> Location:
    """Where a text first stands in a file."""
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    number = next((n for n, line in enumerate(lines, 1) if text in line), 1)
    return Location(number, max(lines[number - 1].find(text), 0) + 1, 0, 0)
