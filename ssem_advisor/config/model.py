"""What a reader hands to the rules: every value with where it stands and how sure we are of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ssem_advisor.domain import FIELDS, Setting

Origin = Literal["stated", "inferred", "assumed"]
Kind = Literal["supcon", "supcon+self", "ce+supcon", "self-only", "not-contrastive", "unknown"]


@dataclass(frozen=True)
class Location:
    """A place in a file: 1-based line and column, and the character span [start, end) of the value's own token.

    path: the file, where it is another one than the document's own (a base file, a Hydra group); such a value must
    not be rewritten through this document.
    """

    line: int
    column: int
    start: int
    end: int
    path: Path | None = None


@dataclass(frozen=True)
class Value:
    """One quantity as the training program would see it.

    stated: written in the file under a key the dialect knows; inferred: concluded from another value (classes from a
    data-set name); assumed: a default that stands only in the training code.
    reason: why an inferred or assumed value is this one; of a stated one, the other value that the file says too
    ("line 1 says batch_size = 64").
    """

    value: Any
    origin: Origin
    key: str = ""
    location: Location | None = None
    raw: str = ""
    reason: str = ""

    @property
    def contradicted(self) -> bool:
        """Whether the file also says another value, and only the training program tells which one counts."""
        return self.origin == "stated" and bool(self.reason)


@dataclass(frozen=True)
class Trap:
    """Something a rule may want to speak about that is not a field.

    About a quantity that stays unknown: "string-number" (text to the training program), "odd-number" (parsers
    disagree), "unresolved" (filled in at run time, or empty), "ambiguous" (several places that differ), "several" (a
    list or a section), "out-of-domain", "typo", "false-friend" (a bare alpha of unknown meaning). About the file:
    "duplicate-key", "malformed" (flags cut off from their command, an open quote), "include" (a file that is not
    followed), "abbreviated-flag", "word-bool" (a truth value to PyYAML, a word to others). About training: "queue",
    "no-shuffle", "relu-last", "gather-without-gradient", "autocast", "multi-label".
    """

    name: str
    detail: str
    key: str = ""
    location: Location | None = None


@dataclass
class TrainingRun:
    """One training run found in a file: a YAML document, one launch command, one Python config.

    fields may hold temperature, alpha, classes, dim, batch_size, views, sampler, classes_per_batch,
    instances_per_class, class_counts, dataset, loss ("supcon" | "ssem" | "l_spread" | "l_in"), base_temperature,
    precision ("fp16" | "bf16" | "fp32"), world_size, gather, batch_scope ("device" | "total"), epochs, goal. A field
    that is absent is unknown. batch_size is the number as written; `loss_batch` says what the loss sees.

    witness: what names the loss, as `training.objective: supcon`; doubt: why no verdict may be built on it.
    lone_weight: key of the one weight of a mixture, unread because only the source says what it is a share of.
    """

    kind: Kind
    dialect: str
    fields: dict[str, Value] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    traps: list[Trap] = field(default_factory=list)
    location: Location | None = None
    witness: str = ""
    doubt: str = ""
    lone_weight: str = ""

    def unsettled(self, *names: str) -> list[Trap]:
        """Where the file speaks of these quantities without giving one value."""
        told = [trap for trap in self.traps if trap.name in ("ambiguous", "several", "unresolved")]
        return [trap for trap in told if trap.detail.partition(" ")[0] in names]

    def get(self, name: str) -> Any:
        """The bare value of a field, None when it is unknown."""
        found = self.fields.get(name)
        return None if found is None else found.value

    def known(self, *names: str) -> dict[str, Any]:
        """What the run says of the fields of a Setting (of those named, else of all), the batch as the loss sees it."""
        values = {name: self.get(name) for name in names or FIELDS} | {"batch_size": self.loss_batch}
        return {name: value for name, value in values.items() if value is not None}

    def setting(self, *names: str) -> Setting:
        """The run as the theorems see it. Raises SettingError where a fact is outside its domain or missing."""
        return Setting(**self.known(*names))

    @property
    def loss_batch(self) -> int | None:
        """Instances the loss sees at once: the written batch size, spread over or gathered from the devices.

        None where the batch size is unknown, or where several devices are named but not whether they share a batch.
        """
        batch, world, gather = self.get("batch_size"), self.get("world_size") or 1, self.get("gather")
        if batch is None or world == 1:
            return batch
        scope = self.get("batch_scope")
        if scope is None or gather is None:
            return None
        if scope == "device":
            return batch * world if gather else batch
        return batch if gather else batch // world


@dataclass
class Document:
    """A file as read: its text, its runs, and why it could not be read if so."""

    path: Path
    text: str
    format: Literal["yaml", "json", "toml", "python", "shell", "other"]
    runs: list[TrainingRun] = field(default_factory=list)
    error: str | None = None
    newline: str = "\n"
    encoding: str = "utf-8"

    @property
    def misread(self) -> bool:
        """Whether stray bytes may be why nothing was recognised: not UTF-8, though files of its format are.

        Shell scripts, pages of text and Python files with a coding line may be Latin-1 in their own right.
        """
        if self.encoding != "latin-1" or self.runs:
            return False
        if self.format == "python":
            return re.search(r"^[ \t\f]*#.*?coding[:=]", "\n".join(self.text.split("\n", 2)[:2]), re.M) is None
        return self.format in ("yaml", "json", "toml") or (self.format == "other" and not self.path.suffix)
