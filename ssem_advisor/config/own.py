"""The project's own settings: `[tool.ssem-advisor]` in pyproject.toml, or a stand-alone ssem-advisor.toml.

The file nearest to the place that is checked counts, alone; nothing is merged up the folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ssem_advisor.domain import AdvisorError
from ssem_advisor.limits import READ_SECONDS, TOO_LARGE, TooLong, processor_time, read_bytes

FILE_NAME = "ssem-advisor.toml"
MAX_BYTES = 1_000_000
GOALS = ("transfer", "classification")
KINDS = ("supcon", "supcon+self", "ce+supcon", "self-only", "not-contrastive")
NUMBERS = (
    "temperature", "alpha", "classes", "dim", "batch_size", "views", "classes_per_batch", "instances_per_class",
    "base_temperature", "world_size", "epochs",
)  # fmt: skip
WORDS = ("dataset", "loss", "sampler", "precision", "gather", "batch_scope", "class_counts")
QUANTITIES = (*NUMBERS, *WORDS)
_SECTION = ("fields", "defaults", "goal", "select", "ignore", "dialects")
_TOP = (*_SECTION, "per-file", "per-file-ignores", "baseline", "exclude")


@dataclass(frozen=True)
class Section:
    """What holds for one file.

    fields: quantity -> key paths in the order to try; defaults: quantity (or "kind") -> value where the file says
    nothing; settled: those of them that `per-file` gives, which hold as well where the file gives no one value (a list,
    a variable); goal: "transfer", "classification" or None; select, ignore: rule codes or prefixes; dialects: names of
    the dialects to consider, empty for all.
    """

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    settled: frozenset[str] = frozenset()
    goal: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwnConfig(Section):
    """The whole file. per_file: glob -> section; per_file_ignores: glob -> codes; globs are relative to `root`.

    unknown: dotted keys that mean nothing -> a hint at what was meant.
    """

    path: Path | None = None
    per_file: Mapping[str, Section] = field(default_factory=dict)
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    baseline: Path | None = None
    exclude: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path | None:
        return None if self.path is None else self.path.parent

    def for_file(self, path: Path) -> Section:
        """The section for one file: the general one, then every matching glob on top, in the order written."""
        section = Section(self.fields, self.defaults, self.settled, self.goal, self.select, self.ignore, self.dialects)
        for glob, more in self.per_file.items():
            if self.matches(path, glob):
                section = replace(
                    section,
                    fields={**section.fields, **more.fields},
                    defaults={**section.defaults, **more.defaults},
                    settled=section.settled | more.defaults.keys(),
                    goal=more.goal or section.goal,
                    select=more.select or section.select,
                    ignore=section.ignore + more.ignore,
                    dialects=more.dialects or section.dialects,
                )
        for glob, codes in self.per_file_ignores.items():
            if self.matches(path, glob):
                section = replace(section, ignore=section.ignore + codes)
        return section

    def matches(self, path: Path, glob: str) -> bool:
        """Whether a glob names the file: by its path from `root`, or by any tail of its path."""
        absolute = path.absolute()
        names = [absolute.as_posix(), absolute.name]
        if self.root is not None and absolute.is_relative_to(self.root):
            names.append(absolute.relative_to(self.root).as_posix())
        spellings = {glob, glob.replace("**/", ""), glob.removeprefix("./"), f"{glob.rstrip('/')}/*"}
        return any(fnmatch(name, spelling) for name in names for spelling in spellings)


def load(start: Path | str = ".") -> OwnConfig:
    """The nearest own config at or above a file or folder; an empty one if there is none.

    Raises AdvisorError, one line that names the file, the key and the remedy.
    """
    place = Path(start).absolute()
    for folder in (place, *place.parents):
        for name in (FILE_NAME, "pyproject.toml"):
            path = folder / name
            if path.is_file():
                table = _table(path)
                if table is not None:
                    return parse(table, path)
    return OwnConfig()


def load_file(path: Path | str) -> OwnConfig:
    """An own config given by its path. Raises AdvisorError."""
    path = Path(path).absolute()
    table = _table(path)
    if table is None:
        raise AdvisorError(f"{path}: has no [tool.ssem-advisor] section; add one")
    return parse(table, path)


def _table(path: Path) -> dict[str, Any] | None:
    import tomllib

    try:
        content = read_bytes(path, MAX_BYTES)
        if path.name == "pyproject.toml" and b"ssem-advisor" not in content:
            return None  # says nothing to us, and may be a template rather than TOML
        with processor_time(READ_SECONDS):
            data: Any = tomllib.loads(content.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise AdvisorError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except (RecursionError, TooLong) as error:
        raise AdvisorError(f"{path}: {TOO_LARGE}") from error
    except ValueError as error:
        raise AdvisorError(f"{path}: is not valid TOML: {error}") from error
    if path.name == "pyproject.toml":
        tool = data.get("tool")
        data = tool.get("ssem-advisor") if isinstance(tool, dict) else None
    elif isinstance(data.get("tool"), dict) and "ssem-advisor" in data["tool"]:
        data = data["tool"]["ssem-advisor"]
    if data is not None and not isinstance(data, dict):
        raise AdvisorError(f"{path}: tool.ssem-advisor must be a table")
    return data


def parse(table: Mapping[str, Any], path: Path) -> OwnConfig:
    """A validated own config; keys that mean nothing are left out, and listed. Raises AdvisorError at a wrong value."""
    unknown: dict[str, str] = {}
    table = _known(table, _TOP, "", unknown)
    base = _section({key: value for key, value in table.items() if key in _SECTION}, path, "", unknown)
    globs = _mapping(table, "per-file", path, "")
    per_file = {}
    for glob, section in globs.items():
        if not isinstance(section, dict):
            raise AdvisorError(f'{path}: per-file."{glob}" must be a table')
        prefix = f'per-file."{glob}".'
        per_file[glob] = _section(_known(section, _SECTION, prefix, unknown), path, prefix, unknown)
    ignores = {
        glob: _strings(codes, path, f'per-file-ignores."{glob}"')
        for glob, codes in _mapping(table, "per-file-ignores", path, "").items()
    }
    baseline = table.get("baseline")
    if baseline is not None and not isinstance(baseline, str):
        raise AdvisorError(f"{path}: baseline must be the path of a file")
    return OwnConfig(
        **vars(base),
        path=path,
        per_file=per_file,
        per_file_ignores=ignores,
        baseline=None if baseline is None else path.parent / baseline,
        exclude=_strings(table.get("exclude", ()), path, "exclude"),
        unknown=unknown,
    )


def _section(table: Mapping[str, Any], path: Path, prefix: str, unknown: dict[str, str]) -> Section:
    from ssem_advisor.config.dialects import DIALECTS

    fields = _known(_mapping(table, "fields", path, prefix), QUANTITIES, f"{prefix}fields.", unknown)
    defaults = _known(_mapping(table, "defaults", path, prefix), ("kind", *QUANTITIES), f"{prefix}defaults.", unknown)
    for name, value in defaults.items():
        _check_default(name, value, path, f"{prefix}defaults.{name}")
    goal = table.get("goal")
    if goal is not None and goal not in GOALS:
        raise AdvisorError(f"{path}: {prefix}goal = {goal!r} must be one of {', '.join(GOALS)}")
    dialects = _strings(table.get("dialects", ()), path, f"{prefix}dialects")
    for name in dialects:
        if name not in (names := [dialect.name for dialect in DIALECTS]):
            raise AdvisorError(f"{path}: {prefix}dialects: unknown dialect {name}; {_hint(name, names)}")
    return Section(
        fields={name: _strings(value, path, f"{prefix}fields.{name}") for name, value in fields.items()},
        defaults=defaults,
        goal=goal,
        select=_strings(table.get("select", ()), path, f"{prefix}select"),
        ignore=_strings(table.get("ignore", ()), path, f"{prefix}ignore"),
        dialects=dialects,
    )


def _check_default(name: str, value: Any, path: Path, key: str) -> None:
    from ssem_advisor.domain import LOSSES, SAMPLERS

    words = {
        "kind": KINDS,
        "loss": (*LOSSES, "l_in"),
        "sampler": SAMPLERS,
        "precision": ("fp16", "bf16", "fp32"),
        "gather": (True, False),
        "batch_scope": ("device", "total"),
    }
    if name in words:
        if value not in words[name]:
            raise AdvisorError(f"{path}: {key} = {value!r} must be one of {', '.join(map(str, words[name]))}")
    elif name == "dataset":
        if not isinstance(value, str):
            raise AdvisorError(f"{path}: {key} = {value!r} must be the name of a data set")
    elif name == "class_counts":
        if not (isinstance(value, list) and len(value) > 1 and all(type(n) is int and n > 0 for n in value)):
            raise AdvisorError(f"{path}: {key} must be a list of at least two class sizes")
    elif name in ("temperature", "base_temperature", "alpha"):
        high = 1 if name == "alpha" else 1e6
        if type(value) not in (int, float) or not 0 <= value <= high or (value == 0 and name != "alpha"):
            domain = "a number in [0, 1]" if name == "alpha" else "a number > 0"
            raise AdvisorError(f"{path}: {key} = {value!r} must be {domain}")
    elif type(value) is not int or value < (2 if name in ("classes", "instances_per_class", "batch_size") else 1):
        least = 2 if name in ("classes", "instances_per_class", "batch_size") else 1
        raise AdvisorError(f"{path}: {key} = {value!r} must be an integer >= {least}")


def _known(table: Mapping[str, Any], names: Sequence[str], prefix: str, unknown: dict[str, str]) -> dict[str, Any]:
    """The table without keys that mean nothing; those go into `unknown`, with a hint."""
    for key in table:
        if key not in names:
            unknown[f"{prefix}{key}"] = _hint(key.replace("_", "-") if not prefix else key, names)
    return {key: value for key, value in table.items() if key in names}


def _hint(key: str, names: Sequence[str]) -> str:
    near = get_close_matches(key, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"


def _mapping(table: Mapping[str, Any], key: str, path: Path, prefix: str) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise AdvisorError(f"{path}: {prefix}{key} must be a table")
    return value


def _strings(value: Any, path: Path, key: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(each, str) and each for each in values):
        raise AdvisorError(f"{path}: {key} must be a string or a list of strings")
    return tuple(values)
