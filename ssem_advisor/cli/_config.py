"""The facts of a training config as options: `--config FILE`. What is given on the command line wins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssem_advisor.config.model import Kind
    from ssem_advisor.documents import ConfigShown

from ssem_advisor.printing import WIDTH, wrapped


@dataclass(frozen=True)
class ConfigFacts:
    """What a config said. kind: as `ssem_advisor.config.Run` has it. facts: (name, value, place) as read; overruled:
    names that the command line decided; asked: what it leaves open, by option name; odd: places that need a look."""

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
        widths = [max((len(fact[column]) for fact in self.facts), default=0) for column in range(2)]
        for name, value, place in self.facts:
            mark = "  (the command line says otherwise)" if name in self.overruled else ""
            lines += wrapped(f"{place}{mark}", width, f"  {name:<{widths[0]}}  {value:<{widths[1]}}  ")
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


_ODD = ("ambiguous", "unresolved", "string-number", "out-of-domain", "odd-number", "false-friend", "typo")
_GROUPS = ({"class_counts", "classes", "instances_per_class", "dataset"}, {"sampler", "classes_per_batch"})


def _rivals(name: str) -> set[str]:
    """The facts of which the command line overrules all by giving one."""
    return next((group for group in _GROUPS if name in group), {name})


def adopt(path: Path, given: dict[str, Any]) -> ConfigFacts:
    """Add what the config says to `given`, where the command line does not say it. Raises AdvisorError."""
    from ssem_advisor.config import read_setting

    reading = read_setting(path)
    known = reading.run.known()
    stated = set(given)
    for name, value in known.items():
        if not _rivals(name) & stated:
            given[name] = value
    facts, odd = [], []
    for name, found in sorted(reading.facts.items()):
        place = found.location
        file = f"{place.path.as_posix()}:" if place is not None and place.path else "line "
        where = f"{file}{place.line}" if place is not None else str(found.origin)
        why = f", {found.reason}" if found.reason and not found.contradicted else ""
        if found.contradicted and not _rivals(name) & stated:
            option = f"--{name.replace('_', '-')}"
            odd.append(f"{name}: {found.value} ({where}) is taken although {found.reason}; give {option} to decide")
        facts.append((name, str(found.value), f"{where} {found.key}".strip() + why))
    shown = {name for name, _, _ in facts}
    overruled = tuple(sorted(shown & stated))
    wanted = ["classes", "dim", "temperature", "batch_size"] + (["alpha"] if reading.run.kind == "supcon+self" else [])
    asked = []
    for name in wanted:
        if name not in given:
            spread = name == "batch_size" and reading.run.get("batch_size") is not None
            asked.append(
                "whether the loss gathers the batches of all devices: --batch-size as the loss sees it"
                if spread
                else f"--{name.replace('_', '-')}"
            )
    others = [run for run in reading.document.runs if run is not reading.run and run.kind != "not-contrastive"]
    if others:
        lines = [str(run.location.line) for run in others if run.location is not None]
        at = f", at line {' and '.join(lines)}," if len(lines) == len(others) else ""
        odd.append(f"{len(others)} more run{'s' * (len(others) > 1)} in the file{at} of which nothing is read here")
    for trap in reading.run.traps:
        if trap.name in _ODD:
            line = f"line {trap.location.line}, " if trap.location is not None else ""
            odd.append(f"{line}{trap.key}: {trap.detail}")
    base = reading.run.get("base_temperature")
    return ConfigFacts(path, reading.run.kind, tuple(facts), overruled, tuple(asked), tuple(odd), base)
