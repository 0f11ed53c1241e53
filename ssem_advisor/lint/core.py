"""What a rule is, what it may see, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ssem_advisor.config.model import Document, Location, Origin, TrainingRun, Trap, Value
from ssem_advisor.domain import NotCovered, Setting, SettingError

if TYPE_CHECKING:
    from ssem_advisor.advice import Point

Severity = Literal["note", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")
GOALS = ("transfer", "classification")

# How sure a finding is: as sure as the least certain value it rests on.
_CERTAINTY: tuple[Origin, ...] = ("stated", "inferred", "assumed")

START = Location(1, 1, 0, 0)


class Says(NamedTuple):
    """One sentence of a rule: where (a field's name, a trap, or a place), what is wrong, what to do about it.

    because: what it rests on, where that is more than the rule's fields; numbers: what can be said in numbers.
    """

    at: str | Trap | Location | None
    message: str
    help: str
    severity: Severity | None = None
    because: str = ""
    numbers: str = ""


@dataclass(frozen=True)
class Rule:
    """A rule with everything it knows about itself. The docstring of its check is its page.

    theorem: key in the theorem registry, "" for a rule about files rather than losses.
    uses: the fields a finding rests on; they decide its confidence.
    fixable: whether `--fix` can mend it by writing alpha or temperature.
    """

    code: str
    name: str
    severity: Severity
    check: Callable[[Case], Iterator[Says]]
    theorem: str = ""
    uses: tuple[str, ...] = ()
    fixable: bool = False

    @property
    def page(self) -> str:
        """The page in Markdown: a summary line, then its sections."""
        from inspect import getdoc

        return getdoc(self.check) or ""

    @property
    def summary(self) -> str:
        return self.page.partition("\n")[0]

    @property
    def examples(self) -> tuple[str, ...]:
        """(format, firing text, format, silent text) from the fenced blocks under `Example` and `Use instead`."""
        import re

        blocks = re.findall(r"^## (?:Example|Use instead)\n+```(\w+)\n(.*?)^```$", self.page, re.M | re.S)
        return tuple(part for block in blocks for part in block)


@dataclass(frozen=True)
class Suppression:
    """Why a finding does not count: a comment in the file, the project's configuration, or the baseline."""

    kind: Literal["comment", "per-file-ignores", "baseline"]
    reason: str = ""


@dataclass(frozen=True)
class Finding:
    """A sentence of a rule about one place of one file.

    because: the values it rests on; numbers: what can be said in numbers; root: the file that was checked, where the
    place is in one that it includes; key: the dotted path (or flag) of the value it is about; run: its number in the
    file; occurrence: tells findings of one rule about one key apart.
    """

    rule: Rule
    path: str
    severity: Severity
    confidence: Origin
    message: str
    help: str
    because: str = ""
    key: str = ""
    location: Location = START
    run: int | None = None
    occurrence: int = 0
    suppressed: Suppression | None = None
    numbers: str = ""
    root: str = ""

    @property
    def fingerprint(self) -> str:
        """Stable while the value, its line and the rest of the file change: made of rule, key path and occurrence."""
        import hashlib

        text = f"{self.rule.code}:{self.key}:{self.occurrence}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


# -- the registry -----------------------------------------------------------------------------------------------------

_RULES: dict[str, Rule] = {}


def rule(
    code: str,
    name: str,
    severity: Severity,
    *,
    theorem: str = "",
    uses: tuple[str, ...] = (),
    fixable: bool = False,
) -> Callable[[Callable[[Case], Iterator[Says]]], Rule]:
    """Register a check as a rule. Codes and names are unique and never reused for another claim."""

    def register(check: Callable[[Case], Iterator[Says]]) -> Rule:
        made = Rule(code, name, severity, check, theorem, uses, fixable)
        if code in _RULES or any(name == other.name for other in _RULES.values()):
            raise ValueError(f"rule {code} {name}: code or name is taken")
        _RULES[code] = made
        return made

    return register


def all_rules() -> tuple[Rule, ...]:
    """Every rule, by code."""
    import ssem_advisor.lint.rules  # noqa: F401  (registers them)

    return tuple(_RULES[code] for code in sorted(_RULES))


def rules_matching(selector: str) -> tuple[Rule, ...]:
    """The rules a selector names: a code, a prefix of codes (SSM1), a name, or ALL."""
    wanted = selector.strip()
    if wanted.upper() == "ALL":
        return all_rules()
    return tuple(r for r in all_rules() if r.name == wanted.lower() or (wanted and r.code.startswith(wanted.upper())))


# -- what a rule may see -----------------------------------------------------------------------------------------


@dataclass
class Case:
    """One run of one document, with the theorems' view of it.

    Where a verdict on a mixture of losses is due and cannot be given, `missing` names the facts that are not known, or
    `not_covered` says why no theorem speaks about it. Both are filled when `verdict` is asked for.
    """

    document: Document
    run: TrainingRun
    goal: str | None = None
    missing: list[str] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)

    def value(self, name: str) -> Any:
        """The value of a field as the training program sees it; None if unknown."""
        return self.run.get(name)

    def traps(self, *names: str) -> Iterator[Trap]:
        return (trap for trap in self.run.traps if trap.name in names)

    @property
    def queue(self) -> int | None:
        """How many keys a queue or memory bank adds to the loss, where the config says it."""
        trap = next(self.traps("queue"), None)
        number = trap.detail.rpartition("= ")[2] if trap is not None else ""
        return int(number.replace("_", "")) if number.replace("_", "").isdecimal() else None

    @property
    def supervised(self) -> bool:
        """Whether a supervised contrastive term is in the loss, beyond doubt, and covered by the theorems."""
        settled = not self.run.doubt and next(self.traps("multi-label"), None) is None
        return settled and self.run.kind in ("supcon", "supcon+self", "ce+supcon")

    def severity_of_collapse(self) -> Severity:
        """Collapse is what some classifiers want, and what transfer cannot stand."""
        return {"transfer": "error", "classification": "note"}.get(self.goal or "", "warning")  # type: ignore[return-value]

    def shown(self, *names: str) -> str:
        """The values a sentence rests on, with their origin where it is not the file itself."""
        parts = []
        for name in names:
            if (found := self.run.fields.get(name)) is not None:
                value = f"{found.value:.4g}" if isinstance(found.value, float) else found.value
                parts.append(f"{name} {value}" + ("" if found.origin == "stated" else f" ({found.origin})"))
        return ", ".join(parts)

    def grounds(self, *names: str) -> str:
        """The same, and after it what else the file says of them: for why a finding is believed."""
        found = [self.run.fields[name] for name in names if name in self.run.fields]
        twice = " and ".join(value.reason for value in found if value.contradicted)
        return self.shown(*names) + (f", although {twice}" if twice else "")

    @property
    def read(self) -> str:
        """What names the loss and the facts read, with the line of each."""
        place, facts = self.run.location, self.grounds(*_SHOWN)
        return "; ".join(filter(None, (self.run.witness, facts))) if place else facts

    def confidence(self, uses: tuple[str, ...]) -> Origin:
        found = [self.run.fields[name] for name in uses if name in self.run.fields]
        used: list[Origin] = ["inferred" if value.contradicted else value.origin for value in found]
        return max(used, key=_CERTAINTY.index, default="stated")

    def place(self, at: str | Trap | Location | None, uses: tuple[str, ...]) -> tuple[Location, str]:
        """Where to point at, and the key there: the field itself, else a field it rests on, else the run."""
        if isinstance(at, Location):
            return at, ""
        if isinstance(at, Trap):
            return at.location or self.run.location or START, at.key
        for name in (at, *uses):
            found = self.run.fields.get(name or "")
            if isinstance(found, Value) and found.location is not None:
                return found.location, found.key or str(name)
        return self.run.location or START, str(at or "")

    # -- the theorems' view -----------------------------------------------------------------------------------

    @cached_property
    def setting(self) -> Setting | None:
        """The setting of a mixture of losses (alpha may be unknown); None, with the reason noted, otherwise."""
        if self.run.kind != "supcon+self":
            return None
        known = {name for name, found in self.run.fields.items() if found.value is not None}
        if "class_counts" in known:
            known.add("classes")
        if self.value("loss") == "ssem":  # which keeps the anchor: that counts once, however many views there are
            known.add("views")
        if self.value("sampler") == "full":
            known |= {"batch_size", "batch_scope", "gather"}
        if (self.value("world_size") or 1) == 1:
            known |= {"batch_scope", "gather"}
        needs = [name for name in _NEEDED if name not in known]
        if needs not in ([], ["alpha"]):  # a high temperature is decided without alpha
            self.missing += needs
            return None
        try:
            return self.run.setting()
        except SettingError as error:
            self.not_covered.append(str(error))
            return None

    @cached_property
    def verdict(self) -> Verdict | None:
        """What the theorems say about this mixture; None, with the reason noted, where they say nothing."""
        if self.run.doubt:
            return None
        mixed = self.run.kind == "supcon+self" or next(self.traps("multi-label"), None) is not None
        if mixed and self.run.kind != "self-only" and (why := self._beyond_theory()):
            self.not_covered.append(why)
            return None
        if (setting := self.setting) is None:
            return None
        try:
            verdict = verdict_on(setting)
        except (SettingError, NotCovered) as error:
            self.not_covered.append(str(error))
            return None
        if setting.alpha is None and verdict.threshold < 1:
            self.missing.append("alpha")
        return verdict

    def _beyond_theory(self) -> str | None:
        if self.value("views") == 1 and self.value("loss") != "ssem":
            return "with one view alpha weighs a term without positives"
        if many := next(self.traps("multi-label"), None):
            return f"the theorems speak of one class for each instance, not of several ({many.detail})"
        if queue := next(self.traps("queue"), None):
            return (
                f"{queue.key or 'a memory bank'} has a threshold of its own, proven to be local only and for keys as "
                "good as current embeddings; Setting(queue=KEYS) gives it"
            )
        return None

    @cached_property
    def lonely_share(self) -> float | None:
        """The expected share of anchors without another instance of their class; None if the batch is not known."""
        from ssem_advisor.theory.classes import lonely_share

        if self.value("classes") is None or self.run.loss_batch is None or self.value("sampler") == "full":
            return None
        try:
            facts = ("classes", "class_counts", "sampler", "classes_per_batch", "instances_per_class")
            return lonely_share(self.run.setting(*facts))
        except SettingError:
            return None


_SHOWN = ("temperature", "classes", "dim", "batch_size", "views", "dataset")
_NEEDED = ("temperature", "alpha", "classes", "batch_size", "batch_scope", "gather", "views")


# A linter answers at once: thresholds class by class in so many coordinates (classes x dim) take a second or two.
_MOST_COORDINATES = 8_000
TAKES_LONG = "thresholds of so many classes, one by one, take long; ssem-advisor recommend computes them"


@dataclass(frozen=True)
class Verdict:
    """What theorems and the advice say of one setting.

    threshold: the weight up to which class collapse (of all classes, or where every class has its own threshold of
        some) is the optimum; open_above: the weight above which nothing is known to stay collapsed; critical: the
        temperature from which on collapse is the optimum. point: what `recommend` expects of it, for a typical network;
        safe: the weights, safe_spread: the free spread that it calls safe there. None where not known.
    """

    setting: Setting
    threshold: float
    open_above: float
    critical: float | None = None
    point: Point | None = None
    safe: tuple[float, float] | None = None
    safe_spread: tuple[float, float] | None = None

    @property
    def collapses(self) -> bool:
        return self.setting.alpha is not None and self.setting.alpha <= self.threshold

    @property
    def may_stay(self) -> bool:
        """Whether collapse is not ruled out, though it is not proven to be the optimum either."""
        return self.setting.alpha is not None and self.threshold < self.setting.alpha <= self.open_above


@lru_cache(maxsize=1024)
def verdict_on(setting: Setting) -> Verdict:
    """Ask the theorems, and the advice. Raises NotCovered or SettingError where they are silent."""
    from ssem_advisor import theory
    from ssem_advisor.theory.regime import collapse_limits, coordinates

    if coordinates(setting) > _MOST_COORDINATES:
        raise NotCovered(TAKES_LONG)
    limits = collapse_limits(setting)
    verdict = Verdict(setting, limits.threshold, limits.open_above)
    if setting.extras or setting.alpha is None:  # a log of the sum, a queue, ...: their theorems give limits alone
        return verdict
    if verdict.collapses:
        return verdict if limits.regime.by_class else replace(verdict, critical=theory.critical_temperature(setting))
    from ssem_advisor.advice import outlook_of

    outlook, temperature = outlook_of(setting), setting.need("temperature")
    return replace(
        verdict,
        point=outlook.point(setting.alpha, temperature),
        safe=outlook.safe_weights(temperature),
        safe_spread=outlook.safe_spread,
    )
