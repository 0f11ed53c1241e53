"""From leaves to runs: which loss a config asks for, and the numbers that decide about collapse.

The guiding rule is never to give a wrong number: what is ambiguous, computed at run time or of another meaning in the
wild stays unknown, and then no default of the training code is assumed in its place either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any

from ssem_advisor.config import scalars
from ssem_advisor.config.dialects import DIALECTS, GENERIC, Dialect
from ssem_advisor.config.evidence import SUPERVISED, Evidence, out_of_scope, weigh
from ssem_advisor.config.model import Kind, Location, Origin, Run, Trap, Value
from ssem_advisor.config.own import Section
from ssem_advisor.config.tree import UNKNOWN, Leaf, Tree, normalise

NEEDED = ("temperature", "alpha", "classes", "batch_size", "views")
"""Without these a mixture of both terms cannot be judged."""

_LEAST = {
    "classes": 2,
    "dim": 1,
    "batch_size": 1,
    "views": 1,
    "epochs": 0,
    "classes_per_batch": 1,
    "instances_per_class": 1,
}
_REALS = ("temperature", "alpha", "base_temperature")
_OTHER_SECTIONS = re.compile(
    r"(?:^|[_ ])(?:eval\w*|val|valid\w*|test\w*|infer\w*|predict\w*|linear|lineval|probe|probing|knn|teacher|distill\w*|kd|"
    r"generat\w*|sampling|pseudo\w*|mixup|cutmix|lora|peft|llm|openai|downstream|finetun\w*|ft|wandb|logg\w*|sched\w*|"
    r"ema|focal|rl|policy|actor|critic|env|environment|retrieval|memory_bank|decoder)(?:_|$)"
)
_NEAR_SECTIONS = re.compile(r"train|loss|criteri|method|objective|head|proj", re.I)
_CONTRAST = re.compile(r"contrast|nt_?xent|info_?nce", re.I)


def interpret(tree: Tree, own: Section) -> Run | None:
    """The run that a tree describes; None where it has nothing to do with contrastive training."""
    if out_of_scope(tree):
        return None
    tree = _resolved(tree)
    dialect = _dialect(tree, own)
    tree = _completed(tree, dialect)
    facts = _Reading(tree, dialect, own)
    return facts.run()


def _dialect(tree: Tree, own: Section) -> Dialect:
    allowed = [d for d in DIALECTS if not own.dialects or d.name in own.dialects]
    return next((d for d in allowed if any(sign.fits(tree) for sign in d.signs)), GENERIC)


# -- what the parsers of the training program do ------------------------------------------------------------------------

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def _resolved(tree: Tree) -> Tree:
    """Interpolations followed within the file; what a program would still fill in becomes UNKNOWN."""
    if tree.format == "shell":
        return tree
    places = {leaf.path: leaf for leaf in tree.leaves}
    lenient = tree.names & {"_target_", "class_path", "defaults"} or "${" in tree.text or "@package" in tree.text
    leaves = []
    for leaf in tree.leaves:
        seen = 0
        while isinstance(leaf.value, str) and seen < 10 and (match := _REFERENCE.fullmatch(leaf.value)):
            target = places.get(tuple(match.group(1).split(".")))
            if target is None or target.value is leaf.value:
                break
            leaf, seen = target.moved(leaf.path), seen + 1
        value, quirk = leaf.value, leaf.quirk
        if isinstance(value, str) and ("${" in value or "{{" in value or value == "???"):
            value = UNKNOWN
        elif quirk == "string-number" and lenient:  # OmegaConf and jsonargparse read 1e-1 as a number
            value, quirk = scalars.word(value), ""
        leaves.append(leaf if value is leaf.value else replace(leaf, value=value, quirk=quirk))
    return replace(tree, leaves=leaves)


def _completed(tree: Tree, dialect: Dialect) -> Tree:
    """argparse accepts any unique prefix of a long flag; spell such flags out."""
    if tree.format != "shell":
        return tree
    flags = {"_".join(normalise(flag)) for flag in dialect.flags}
    names = flags or {
        "_".join(normalise(name))
        for quantity in ("temperature", "alpha", "batch_size", "views", "classes")
        for name in _names(dialect, quantity)
        if "." not in name
    }
    leaves, traps = [], list(tree.traps)
    for leaf in tree.leaves:
        flag = leaf.path[0]
        name = "_".join(leaf.keys)
        if isinstance(flag, str) and flag.startswith("--") and name not in names and len(name) >= (1 if flags else 4):
            full = [other for other in names if other.startswith(name)]
            if len(full) == 1:
                traps.append(Trap("abbreviated-flag", f"read as --{full[0]}", flag, leaf.location))
                leaf = leaf.moved((f"--{full[0]}", *leaf.path[1:]))
        leaves.append(leaf)
    return replace(tree, leaves=leaves, traps=traps)


def _names(dialect: Dialect, quantity: str) -> list[str]:
    tiers = dialect.fields.get(quantity, GENERIC.fields.get(quantity, ()))
    return [name for tier in tiers for name in tier.split()]


# -- one run -----------------------------------------------------------------------------------------------------------


class _Reading:
    """Collects the fields, traps and missing facts of one run."""

    def __init__(self, tree: Tree, dialect: Dialect, own: Section) -> None:
        self.tree, self.dialect, self.own = tree, dialect, own
        self.fields: dict[str, Value] = {}
        self.traps = list(tree.traps)
        self.blocked: set[str] = set()
        """Quantities the file does speak about, but not in a way that gives a number."""

    def run(self) -> Run | None:
        evidence = weigh(self.tree)
        kind, loss = self.loss(evidence)
        if kind == "not-contrastive":
            return None
        mapped = any(self.pick(q, [tier], exact=True) for q, tiers in self.own.fields.items() for tier in tiers)
        if kind is None:
            if not mapped and "kind" not in self.own.defaults:
                return None
            kind = "unknown"
        self.traps, self.blocked = list(self.tree.traps), set()
        for quantity in dict.fromkeys([*GENERIC.fields, *self.dialect.fields, *self.own.fields]):
            self.read(quantity)
        self.mixture(evidence)
        kind = self.own.defaults.get("kind", kind)
        if kind in ("supcon", "unknown") and "alpha" in self.fields:
            kind = "supcon+self"
        if kind == "supcon" and "alpha" not in self.fields and evidence.other_alpha is not None:
            kind = "unknown"
        if evidence.other_alpha is not None and "alpha" not in self.fields:
            leaf = evidence.other_alpha
            detail = "not read: only the source says whether it weighs the self-supervised term"
            self.traps.append(Trap("false-friend", detail, leaf.dotted, leaf.location))
        if loss is not None and "loss" not in self.fields:
            self.fields["loss"] = self.named(loss, evidence.place)
        self.dataset()
        self.assume()
        self.hazards()
        place = self.tree.location or (evidence.place.location if evidence.place else Location(1, 1, 0, 0))
        return Run(kind, self.dialect.name, self.fields, self.missing(kind), self.traps, place)

    def loss(self, evidence: Evidence) -> tuple[Kind | None, str | None]:
        for case in self.dialect.cases:
            if case.when.fits(self.tree):
                return case.kind, case.loss
        return evidence.kind, None if evidence.kind in (None, "unknown") else "supcon"

    def named(self, loss: str, place: Leaf | None) -> Value:
        if place is None:
            reason = f"the dialect {self.dialect.name}" if self.dialect.cases else "the name of the script or file"
            return Value(loss, "inferred", location=self.tree.location, reason=reason)
        return Value(loss, "stated", place.dotted, place.location, place.raw)

    # -- values --

    def read(self, quantity: str) -> None:
        own = self.own.fields.get(quantity)
        if own is not None:
            found = next((leaves for tier in own if (leaves := self.pick(quantity, [tier], exact=True))), None)
        else:
            found = self.pick(quantity, self.dialect.fields.get(quantity, GENERIC.fields.get(quantity, ())))
        if found:
            value = self.convert(quantity, found)
            if value is None:
                self.blocked.add(quantity)
            else:
                self.fields[quantity] = value

    def pick(self, quantity: str, tiers: Iterable[str], exact: bool = False) -> list[Leaf] | None:
        """The leaves of the first tier that has any, narrowed to the most telling section."""
        for tier in tiers:
            total = tier.startswith("+")
            leaves = [leaf for name in tier.lstrip("+").split() for leaf in self.tree.find(name)]
            if not leaves and quantity == "world_size":
                leaves = [leaf for name in tier.split() for leaf in self.listed(name)]
            if exact:
                if root := [leaf for leaf in leaves if leaf.keys == normalise(tier)]:
                    leaves = root
            else:
                leaves = [leaf for leaf in leaves if not _OTHER_SECTIONS.search(" ".join(leaf.keys[:-1]))]
            if leaves:
                if total or exact:
                    return leaves
                best = min(map(self.rank, leaves))
                return [leaf for leaf in leaves if self.rank(leaf) == best]
            if not exact and any(self.inside(name) for name in tier.lstrip("+").split()):
                self.blocked.add(quantity)
        return None

    def inside(self, name: str) -> bool:
        """Whether the name heads a section or a list: then it says something that is not one number."""
        wanted = normalise(name)
        return (
            len(wanted) == 1
            and wanted[0] in self.tree.names
            and any(
                wanted[0] in (leaf.keys[:-1] if isinstance(leaf.path[-1], str) else leaf.keys)
                for leaf in self.tree.leaves
            )
        )

    def listed(self, name: str) -> list[Leaf]:
        wanted = normalise(name)
        return [
            leaf for leaf in self.tree.leaves if isinstance(leaf.path[-1], int) and leaf.keys[-len(wanted) :] == wanted
        ]

    def rank(self, leaf: Leaf) -> int:
        section = self.tree.section(leaf)
        if SUPERVISED.search(section) or _CONTRAST.search(section):
            return 0
        return 1 if _NEAR_SECTIONS.search(section) else 2

    def convert(self, quantity: str, leaves: list[Leaf]) -> Value | None:
        """One value from leaves that must agree; None, with a trap, where they do not make one."""
        first = leaves[0]
        if quantity == "world_size" and isinstance(first.path[-1], int):
            return Value(len(leaves), "stated", first.dotted, first.location, first.raw)
        values = [self.typed(quantity, leaf) for leaf in leaves]
        if any(value is UNKNOWN for value in values):
            return None
        if any(
            tier.startswith("+") for tier in self.dialect.fields.get(quantity, GENERIC.fields.get(quantity, ()))
        ) and (len(leaves) > 1 and all(isinstance(key, int) for leaf in leaves for key in leaf.path[-2:-1])):
            return Value(sum(values), "inferred", first.dotted, first.location, first.raw, "sum over the list")
        if any(value != values[0] for value in values):
            places = ", ".join(f"{leaf.dotted} = {leaf.raw[:40]}" for leaf in leaves)
            self.traps.append(
                Trap("ambiguous", f"{quantity} stands in several places: {places}", first.dotted, first.location)
            )
            return None
        return Value(values[0], "stated", first.dotted, first.location, first.raw)

    def typed(self, quantity: str, leaf: Leaf) -> Any:
        """The value of a leaf as this quantity, or UNKNOWN."""
        value = leaf.value
        if value is UNKNOWN or value is None:
            self.traps.append(Trap("unresolved", f"{quantity} is filled in at run time", leaf.dotted, leaf.location))
            return UNKNOWN
        if leaf.quirk == "word-bool":
            self.traps.append(
                Trap(
                    "word-bool", f"{leaf.raw} is a truth value to PyYAML, a word to others", leaf.dotted, leaf.location
                )
            )
        if leaf.quirk == "odd-number":
            self.traps.append(Trap("odd-number", f"parsers disagree about {leaf.raw}", leaf.dotted, leaf.location))
            return UNKNOWN
        if quantity in _REALS or quantity in _LEAST:
            return self.number(quantity, leaf)
        if quantity == "world_size":
            if isinstance(value, str) and re.fullmatch(r"\d+(,\d+)+", value):
                return value.count(",") + 1
            return value if scalars.is_number(value) and value >= 1 and value % 1 == 0 else UNKNOWN
        if quantity == "gather":
            return value if isinstance(value, bool) else UNKNOWN
        if quantity == "sampler":
            if isinstance(value, bool):
                return "balanced" if value else "random"
            return value if value in ("balanced", "random", "full") else UNKNOWN
        if quantity == "precision":
            return _precision(leaf.keys[-1], value)
        return value if isinstance(value, str) and value else UNKNOWN

    def number(self, quantity: str, leaf: Leaf) -> Any:
        value = leaf.value
        if isinstance(value, str) and scalars.is_number(scalars.word(value)):
            detail = f"the training program gets the text {value!r}, not a number"
            self.traps.append(Trap("string-number", detail, leaf.dotted, leaf.location))
            return UNKNOWN
        if not scalars.is_number(value):
            return UNKNOWN
        if quantity in _LEAST:
            inside = value >= _LEAST[quantity] and value % 1 == 0 and value < 10**12
            value = int(value)
        else:
            inside = 0 <= value <= 1 if quantity == "alpha" else value > 0
        if not inside:
            self.traps.append(Trap("out-of-domain", f"{quantity} = {leaf.raw[:40]}", leaf.dotted, leaf.location))
            return UNKNOWN
        return value

    # -- conclusions --

    def mixture(self, evidence: Evidence) -> None:
        """alpha as the self-supervised share of two named weights."""
        names = self.dialect.weights
        if names is not None:
            found = [self.pick(name, [name]) for name in names]
            leaves = [each[0] if each and len(each) == 1 else None for each in found]
            clear = all(each is None or len(each) == 1 for each in found) and not self.blocked & set(names)
            defaults = [self.dialect.assumed.get(name) for name in names]
        else:
            clear, leaves, defaults = evidence.weights is not None, list(evidence.weights or ()), [None, None]
        if not clear or "alpha" in self.fields or "alpha" in self.blocked:
            return
        values: list[Any] = [leaf.value if leaf else other for leaf, other in zip(leaves, defaults, strict=True)]
        if not all(scalars.is_number(value) and value >= 0 for value in values) or sum(values) <= 0:
            return
        share, reason = values[1] / sum(values), "the self-supervised share of the two weights"
        stated = leaves[1] or leaves[0]
        if stated is not None:
            self.fields["alpha"] = Value(share, "inferred", stated.dotted, stated.location, stated.raw, reason)
        elif self.tree.complete:
            self.fields["alpha"] = Value(share, "assumed", reason=f"{reason}, the defaults of {self.dialect.title}")

    def dataset(self) -> None:
        """Class counts from the name of the data set, and the name from paths, defaults and experiment names."""
        from ssem_advisor.config import datasets

        stated = self.fields.get("dataset")
        name = stated or (None if "dataset" in self.blocked else datasets.guess(self.tree))
        default = self.dialect.assumed.get("dataset") if self.tree.complete else None
        if name is None and default and "dataset" not in self.blocked:
            name = Value(default, "assumed", reason=f"default of {self.dialect.title}")
        if name is None:
            return
        self.fields["dataset"] = name
        known = datasets.known(name.value, self.tree)
        if known is None or "classes" in self.blocked:
            return
        if "classes" not in self.fields and not (name.origin != "stated" and "classes" in self.own.defaults):
            origin: Origin = "assumed" if name.origin == "assumed" else "inferred"
            self.fields["classes"] = Value(
                known.classes, origin, name.key, name.location, name.raw, f"the data set {name.value}"
            )
        if self.fields.get("classes") is not None and self.fields["classes"].value == known.classes:
            for quantity in ("instances_per_class", "class_counts"):
                value = getattr(known, quantity, None)
                if value is not None and quantity not in self.fields and not datasets.reshaped(self.tree):
                    self.fields[quantity] = Value(
                        value, "inferred", name.key, name.location, name.raw, f"the data set {name.value}"
                    )

    def assume(self) -> None:
        """Defaults: the user's own, then those that stand only in the training code."""
        for quantity, value in self.own.defaults.items():
            if quantity not in ("kind", *self.blocked) and quantity not in self.fields:
                self.fields[quantity] = Value(
                    value, "assumed", f"defaults.{quantity}", reason="default in our own config"
                )
        if not self.tree.complete:
            return
        elsewhere = {"dataset", *self.fields, *self.blocked, *(self.dialect.weights or ())}
        for quantity, value in self.dialect.assumed.items():
            if quantity not in elsewhere and not self.typo(quantity):
                self.fields[quantity] = Value(value, "assumed", reason=f"default of {self.dialect.title}")

    def typo(self, quantity: str) -> bool:
        """Whether some key looks like a misspelt name of the quantity; says so in a trap."""
        known = {part for q in GENERIC.fields for name in _names(self.dialect, q) for part in normalise(name)}
        for target in {normalise(name)[-1] for name in _names(self.dialect, quantity)}:
            for leaf in self.tree.leaves:
                name = leaf.keys[-1] if leaf.keys else ""
                if len(name) < 4 or name in known or target in name or name in target:
                    continue
                if abs(len(name) - len(target)) <= 2 and SequenceMatcher(None, name, target).ratio() >= 0.85:
                    self.traps.append(
                        Trap("typo", f"{name} is not a known key; did you mean {target}?", leaf.dotted, leaf.location)
                    )
                    self.blocked.add(quantity)
                    return True
        return False

    def missing(self, kind: Kind) -> list[str]:
        if kind == "unknown":
            return ["kind", *(q for q in NEEDED if q not in self.fields)]
        if kind == "supcon+self":
            return [q for q in NEEDED if q not in self.fields]
        return []

    def hazards(self) -> None:
        for leaf in self.tree.leaves:
            name = leaf.keys[-1] if leaf.keys else ""
            section = " ".join(leaf.keys[:-1])
            if _QUEUE.fullmatch(name) and scalars.is_number(leaf.value) and leaf.value > 0:
                self.traps.append(Trap("queue", f"{leaf.dotted} = {leaf.raw}", leaf.dotted, leaf.location))
            elif name == "shuffle" and leaf.value is False and not _OTHER_SECTIONS.search(section):
                self.traps.append(
                    Trap("no-shuffle", "the batches are the same in every epoch", leaf.dotted, leaf.location)
                )
            elif _LAST_RELU.fullmatch(name) and leaf.value in (True, "relu", "ReLU"):
                self.traps.append(Trap("relu-last", "the projection ends in a ReLU", leaf.dotted, leaf.location))
        for quantity in ("temperature", "alpha", "batch_size"):
            if quantity not in self.fields:
                self.typo(quantity)


_QUEUE = re.compile(
    r"moco_k|queue_size|queue_len\w*|memory_bank_size|memory_size|bank_size|num_negatives_queue|q_size\w*"
)
_LAST_RELU = re.compile(r"(?:last|final|output|proj(?:ect(?:or|ion))?(?:_out\w*)?)_(?:relu|activation|act)")


def _precision(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return ("bf16" if "bf16" in name else "fp16") if value else "fp32"
    text = str(value).lower()
    if "bf16" in text or "bfloat16" in text:
        return "bf16"
    if "16" in text or text in ("o1", "o2", "half"):
        return "fp16"
    return "fp32" if text in ("32", "32-true", "fp32", "float32", "no", "64") else UNKNOWN
