"""The facts of a training config as options: `--config FILE`. What is given on the command line wins."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssem_advisor.cli._output import tell
from ssem_advisor.cli._setting import gathered
from ssem_advisor.domain import SettingError
from ssem_advisor.printing import WIDTH, wrapped

if TYPE_CHECKING:
    from ssem_advisor.config.model import Document, Kind, TrainingRun, Value
    from ssem_advisor.documents import ConfigShown


@dataclass(frozen=True)
class ConfigFacts:
    """What a config said. kind: as `ssem_advisor.config.TrainingRun` has it. facts: (name, value, place) as read;
    overruled: names that the command line decided; asked: what it leaves open, by option name; odd: places that need a
    look."""

    path: Path
    kind: Kind
    facts: tuple[tuple[str, str, str], ...]
    overruled: tuple[str, ...]
    asked: tuple[str, ...]
    odd: tuple[str, ...]
    base_temperature: float | None

    @property
    def plain(self) -> bool:
        """Supervised contrastive without a self-supervised term."""
        return self.kind in ("supcon", "ce+supcon")

    def to_text(self, width: int = WIDTH) -> str:
        lines = [f"Read from {self.path}"]
        facts = [(name, _in_brief(value), place) for name, value, place in self.facts]
        widths = [min(max((len(fact[column]) for fact in facts), default=0), width // 3) for column in range(2)]
        for name, value, place in facts:
            mark = "  (the command line says otherwise)" if name in self.overruled else ""
            first = f"  {name:<{widths[0]}}  {value:<{widths[1]}}  "
            lines += wrapped(f"{place}{mark}", width, first, " " * (sum(widths) + 6))
        for odd in self.odd:
            lines += wrapped(f"look at {odd}", width, "  ")
        lines += [f"  not in the file: {option}" for option in self.asked]
        return "\n".join(lines) + "\n\n"

    def to_dict(self) -> ConfigShown:
        return {
            "path": self.path.as_posix(),
            "kind": self.kind,
            "facts": [{"name": name, "value": value, "place": place} for name, value, place in self.facts],
            "overruled": list(self.overruled),
            "missing": list(self.asked),
            "odd": list(self.odd),
        }


def _in_brief(value: str) -> str:
    """The value as the table shows it: of a long list, such as the sizes of many classes, the ends."""
    parts = value.split(", ")
    return value if len(parts) <= 6 else ", ".join([*parts[:2], "...", parts[-1]])


_ODD = ("ambiguous", "several", "unresolved", "string-number", "out-of-domain", "odd-number", "false-friend", "typo")
# What the numbers of a command leave out unless it is told, by trap or kind of run: the option, and what it is.
_LEFT_OUT = {
    "queue": ("queue", "these keys are left out: --queue KEYS counts them"),
    "relu-last": ("features", "left out: --features non-negative counts it"),
    "ce+supcon": (
        "cross_entropy",
        "cross-entropy beside it is left out: --cross-entropy WEIGHT counts one on the same features",
    ),
}
_GROUPS = ({"class_counts", "classes", "instances_per_class", "dataset"}, {"sampler", "classes_per_batch"})


def _rivals(name: str) -> set[str]:
    """The facts of which the command line overrules all by giving one."""
    return next((group for group in _GROUPS if name in group), {name})


def adopt(path: Path, given: dict[str, Any]) -> ConfigFacts:
    """Add what the config says to `given`, where the command line does not say it. Raises AdvisorError."""
    from ssem_advisor.config import read_setting

    reading = read_setting(path)
    stated = set(given)
    run = _joined(path, reading.run, given)
    for name, value in run.known().items():
        if not _rivals(name) & stated:
            given[name] = value
    # A full batch is the data set, and a queue replaces the batch.
    if not {"batch_size", "queue"} & given.keys() and given.get("sampler") != "full":
        refuse_open_batch(path, run)
    facts = []
    for name, found in sorted(reading.facts.items()):
        why = f", {found.reason}" if found.reason and not found.contradicted else ""
        facts.append((name, str(found.value), f"{_where(found)} {found.key}".strip() + why))
    shown = {name for name, _, _ in facts}
    overruled = tuple(sorted(shown & stated))
    wanted = ["classes", "dim", "temperature", "batch_size"] + (["alpha"] if reading.run.kind == "supcon+self" else [])
    asked = []
    for name in wanted:
        if name not in given and not (name == "classes" and "class_counts" in given):
            asked.append(f"--{name.replace('_', '-')}")
    odd = odd_places(reading.document, reading.run, stated)
    base = reading.run.get("base_temperature")
    return ConfigFacts(path, reading.run.kind, tuple(facts), overruled, tuple(asked), odd, base)


def odd_places(document: Document, run: TrainingRun, stated: Collection[str] = ()) -> tuple[str, ...]:
    """The places of a config that need a look, as clauses: two values of which one was taken, further runs, traps.

    stated: names that the command line decides.
    """
    odd = []
    for name, found in sorted(run.fields.items()):
        if found.contradicted and not _rivals(name) & set(stated):
            option = f"--{name.replace('_', '-')}"
            odd.append(
                f"{name}: {found.value} ({_where(found)}) is taken although {found.reason}; give {option} to decide"
            )
    others = [other for other in document.runs if other is not run and other.kind != "not-contrastive"]
    if others:
        lines = [str(other.location.line) for other in others if other.location is not None]
        at = f", at line {' and '.join(lines)}," if len(lines) == len(others) else ""
        odd.append(f"{len(others)} more run{'s' * (len(others) > 1)} in the file{at} of which nothing is read here")
    for trap in run.traps:
        if trap.name in _ODD and trap.detail.partition(" ")[0] not in stated:
            line = f"line {trap.location.line}, " if trap.location is not None else ""
            outside = " is outside its domain, and is not used" if trap.name == "out-of-domain" else ""
            odd.append(f"{line}{trap.key}: {trap.detail}{outside}")
        elif trap.name in _LEFT_OUT and _LEFT_OUT[trap.name][0] not in stated:
            line = f"line {trap.location.line}, " if trap.location is not None else ""
            odd.append(f"{line}{trap.detail}: {_LEFT_OUT[trap.name][1]}")
    if run.kind in _LEFT_OUT and _LEFT_OUT[run.kind][0] not in stated:
        odd.append(f"{f'line {run.location.line}, ' if run.location else ''}{run.witness}: {_LEFT_OUT[run.kind][1]}")
    return tuple(odd)


def adopted(path: Path, given: dict[str, Any]) -> ConfigFacts:
    """`adopt` for an answer that does not show the facts: the places that need a look are told beside it."""
    facts = adopt(path, given)
    for odd in facts.odd:
        tell(f"{path}: look at {odd}")
    return facts


def refuse_open_batch(path: Path, run: TrainingRun, by_number: bool = False) -> None:
    """Nothing where the run says what batch the loss sees, or no batch at all; no other size may stand in for a
    written one. by_number: the command has no --gather, only --batch-size. Raises SettingError.
    """
    if run.get("batch_size") is None or run.loss_batch is not None:
        return
    from ssem_advisor.config.model import Value

    def seen(**said: Any) -> int | None:
        told = {name: Value(value, "stated") for name, value in said.items()}
        scope = {"batch_scope": Value("device", "assumed")}
        return replace(run, fields=scope | run.fields | told).loss_batch

    size, world = run.get("batch_size"), run.get("world_size")
    says = f"{path} says batch size {size} and {world} processes, but not whether"
    if (gather := run.get("gather")) is not None:
        sizes = [seen(batch_scope=scope) for scope in ("device", "total")]
        raise SettingError(
            f"batch_size: {says} that size is for each or for all (gather: {gather}); give --batch-size "
            f"{sizes[0]} (for each) or {sizes[1]} (for all)"
        )
    joint, own = seen(gather=True), seen(gather=False)
    remedy = f"--batch-size {joint} (gathered) or {own} (not)" if by_number else "--gather or --no-gather"
    raise SettingError(
        f"gather: {says} the loss gathers their batches (it then sees {joint} instances, else {own}); give {remedy}"
    )


def _joined(path: Path, run: TrainingRun, given: dict[str, Any]) -> TrainingRun:
    """The run with what the command line says of its processes, which `given` is freed of."""
    from ssem_advisor.config.model import Value

    said = {name: given.pop(name) for name in ("world_size", "gather") if name in given}
    if not said:
        return run
    if said.get("gather") and said.get("world_size", run.get("world_size")) is None:
        raise SettingError(f"gather: {path} does not say how many processes there are; give --world-size N as well")
    # Whoever says that batches are gathered says, too, that the batch of the file is one of them.
    run = replace(
        run,
        fields={"batch_scope": Value("device", "assumed"), **run.fields}
        | {name: Value(value, "stated") for name, value in said.items()},
    )
    both = {name: value for name in ("world_size", "gather") if (value := run.get(name)) is not None}
    stated = gathered({name: given[name] for name in ("batch_size",) if name in given} | both)
    given.update(stated)
    return run


def _where(found: Value) -> str:
    place = found.location
    file = f"{place.path.as_posix()}:" if place is not None and place.path else "line "
    return f"{file}{place.line}" if place is not None else str(found.origin)
