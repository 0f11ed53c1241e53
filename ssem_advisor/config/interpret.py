"""From leaves to runs: which loss a config asks for, and the numbers that decide about collapse.

The guiding rule is never to give a wrong number: what is ambiguous, computed at run time or of another meaning in the
wild stays unknown, and then no default of the training code is assumed in its place either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from ssem_advisor.config import datasets, scalars
from ssem_advisor.config.dialects import DIALECTS, GENERIC, Dialect, LossCase, Sign
from ssem_advisor.config.evidence import SUPERVISED, TRAINING, Evidence, Grade, elsewhere, out_of_scope, weigh
from ssem_advisor.config.hazards import hazards
from ssem_advisor.config.model import Kind, Location, Origin, TrainingRun, Trap, Value
from ssem_advisor.config.own import Section
from ssem_advisor.config.prepare import completed, resolved
from ssem_advisor.config.quantities import LISTS, convert
from ssem_advisor.config.tree import UNKNOWN, Leaf, Tree, normalise

NEEDED = ("temperature", "alpha", "classes", "batch_size", "views")
"""Without these a mixture of both terms cannot be judged."""

_NEAR_SECTIONS = re.compile(r"train|loss|criteri|method|objective|head|proj", re.I)
_CONTRAST = re.compile(r"contrast|nt_?xent|info_?nce", re.I)
_TWICE = ("temperature", "alpha", "classes", "batch_size")
"""Quantities of the whole run: another value further from the loss is said. A dim or views are also those of parts."""
_P_X_K = ("classes_per_batch", "instances_per_class")
_SHARE = re.compile(r"\s*([\w.-]+)\s*/\s*\(\s*([\w.-]+)\s*\+\s*([\w.-]+)\s*\)\s*")
_NODES = ("num_nodes", "nnodes", "n_nodes")
_PER_CLASS = ("MPerClassSampler.m", "n_per_class", "m_per_class", "samples_per_class")


def interpret(tree: Tree, own: Section) -> TrainingRun | None:
    """The run that a tree describes; None where it has nothing to do with contrastive training."""
    if out_of_scope(tree):
        return None
    tree = resolved(tree)
    allowed = [dialect for dialect in DIALECTS if not own.dialects or dialect.name in own.dialects]
    dialect = next((each for each in allowed if any(sign.fits(tree) for sign in each.signs)), GENERIC)
    return _Reading(completed(tree, dialect), dialect, own).run()


class _Reading:
    """Collects the fields, traps and missing facts of one run."""

    def __init__(self, tree: Tree, dialect: Dialect, own: Section) -> None:
        self.tree, self.dialect, self.own = tree, dialect, own
        self.fields: dict[str, Value] = {}
        self.traps = list(tree.traps)
        self.home: Leaf | None = None
        """The leaf whose value names the loss."""
        self.blocked: set[str] = set()
        """Quantities the file does speak about, but not in a way that gives a value."""
        self.headed: dict[str, Leaf] = {}
        """The first leaf of a list or section that stands under the name of a quantity."""
        self.farther: dict[str, list[Leaf]] = {}
        """Leaves of a quantity that `pick` passed over for nearer ones, where no contrastive section decided."""

    def run(self) -> TrainingRun | None:
        evidence = weigh(self.tree)
        if evidence.witness is not None and evidence.witness.grade >= Grade.VALUE:
            self.home = evidence.witness.leaf
        kind, loss, place = self.loss(evidence)
        doubt = "" if self.case(evidence) else evidence.doubt
        if kind == "not-contrastive" or (kind is None and not self.claimed()):
            return None
        for quantity in dict.fromkeys([*GENERIC.fields, *self.dialect.fields, *self.own.fields]):
            self.read(quantity)
        self.devices()
        self.mixture(evidence)
        self.per_class_sampler()
        self.dataset()
        if loss is not None and "loss" not in self.fields and "loss" not in self.blocked:
            self.fields["loss"] = self.named(loss, place)
        self.assume()
        self.typos()
        self.traps += hazards(self.tree)
        kind = self.weighed(kind or "unknown", evidence.alpha)
        told = self.own.defaults.get("kind")
        if told is not None and (kind == "unknown" or doubt):
            kind, doubt = told, ""
        needed = NEEDED if kind in ("supcon+self", "unknown") else ()
        missing = ["kind"] * (kind == "unknown") + [name for name in needed if name not in self.fields]
        start = self.tree.location or (place.location if place else Location(1, 1, 0, 0))
        witness = evidence.witness.text if evidence.witness else f"keys of {self.dialect.title}"
        if evidence.multi_label is not None:
            leaf = evidence.multi_label
            self.traps.append(Trap("multi-label", f"{leaf.dotted}: {leaf.raw[:60]}", leaf.dotted, leaf.location))
        lone = evidence.lone.dotted if evidence.lone is not None else ""
        return TrainingRun(kind, self.dialect.name, self.fields, missing, self.traps, start, witness, doubt, lone)

    def claimed(self) -> bool:
        """Whether our own config says that a file without any word of a loss is contrastive all the same."""
        whole = [key for keys in self.own.fields.values() for key in keys if len(normalise(key)) > 1]
        if any(leaf.keys == normalise(key) for key in whole for leaf in self.mapped(key)):
            return True
        if any(self.mapped(key) for key in self.own.fields.get("alpha", ())):
            return True
        return "kind" in self.own.defaults and len(self.tree.names & TRAINING) >= 2

    # -- the loss --

    def case(self, evidence: Evidence) -> LossCase | None:
        """What the dialect says of the loss; nothing about a fork whose own weights mean what only its code says, and
        no unconditional "plain" where the file itself states a self-supervised loss beside the supervised one."""
        if not self.tree.complete and evidence.kind == "unknown":
            return None
        found = next((case for case in self.dialect.cases if case.when.fits(self.tree)), None)
        always_plain = found is not None and found.kind == "supcon" and found.when == Sign()
        return None if always_plain and evidence.kind == "supcon+self" else found

    def loss(self, evidence: Evidence) -> tuple[Kind | None, str | None, Leaf | None]:
        """Kind and loss by the dialect's cases, else by the words of the config; and the leaf that names the loss."""
        if (case := self.case(evidence)) is not None:
            named = [key for sign in (case.when, *self.dialect.signs) if sign.fits(self.tree) for key in sign.values]
            witness = next((leaf for key in named for leaf in self.tree.find(key)), None)
            return case.kind, case.loss, (evidence.witness.leaf if evidence.witness else None) or witness
        place = evidence.witness.leaf if evidence.witness else None
        return evidence.kind, evidence.loss or (None if evidence.kind in (None, "unknown") else "supcon"), place

    def named(self, loss: str, place: Leaf | None) -> Value:
        if place is None:
            reason = f"the dialect {self.dialect.name}" if self.dialect.cases else "the name of the script or file"
            return Value(loss, "inferred", location=self.tree.location, reason=reason)
        return Value(loss, "stated", place.dotted, place.location, place.raw)

    def weighed(self, kind: Kind, bare_alpha: Leaf | None) -> Kind:
        """The kind in the light of alpha: known it makes a mixture, of unknown meaning it leaves plain SupCon open."""
        if "alpha" in self.fields:
            return "supcon+self" if kind in ("supcon", "unknown") else kind
        if bare_alpha is None or (scalars.is_number(bare_alpha.value) and not 0 < bare_alpha.value < 1):
            return kind  # a share that leaves no room for one of the terms is none
        if isinstance(bare_alpha.path[-1], str):  # a member of a list is not the weight of every run
            detail = "not read: only the source says whether it weighs the self-supervised term"
            self.traps.append(Trap("false-friend", detail, bare_alpha.dotted, bare_alpha.location))
        return "unknown" if kind == "supcon" else kind

    # -- values --

    def read(self, quantity: str) -> None:
        leaves: list[Leaf] = []
        own = self.own.fields.get(quantity)
        if quantity == "alpha" and own is not None and self.share(own):
            return
        if own is not None:
            leaves = next((found for key in own if (found := self.mapped(key))), [])
        leaves = leaves or self.pick(quantity, self.dialect.tiers(quantity))
        if not leaves:
            if quantity in self.headed:
                self.several(quantity, self.headed[quantity])
            return
        value = self.agreed(quantity, leaves)
        if value is None:
            self.blocked.add(quantity)
            return
        if quantity in _TWICE and value.origin == "stated":
            value = replace(value, reason=self.contradicted(quantity, value.value))
        self.fields[quantity] = value
        if quantity == "batch_size" and re.search(r"per_?(?:device|gpu)", value.key):
            self.fields["batch_scope"] = Value("device", "inferred", value.key, value.location, value.raw)

    def share(self, formulas: Sequence[str]) -> bool:
        """alpha from a formula of the user's, as `loss.lambda_self / (loss.lambda_sup + loss.lambda_self)`."""
        for formula in formulas:
            match = _SHARE.fullmatch(formula)
            if match is None or match.group(1) not in match.groups()[1:]:
                continue
            found = {key: self.mapped(key) for key in match.groups()}
            values = {key: leaves[0].value for key, leaves in found.items() if leaves}
            if len(values) == len(found) and all(scalars.is_number(v) and v >= 0 for v in values.values()):
                total = sum(values[key] for key in match.groups()[1:])
                if total > 0:
                    leaf = found[match.group(1)][0]
                    share = values[match.group(1)] / total
                    self.fields["alpha"] = Value(share, "inferred", leaf.dotted, leaf.location, leaf.raw, formula)
                    return True
        return False

    def mapped(self, key: str) -> list[Leaf]:
        """The leaves under a key path of the user's: the whole path, else the end of one."""
        leaves = list(self.tree.find(key)) or self.listed(key)
        return [leaf for leaf in leaves if leaf.keys == normalise(key)] or leaves

    def pick(self, quantity: str, tiers: Sequence[str]) -> list[Leaf]:
        """The leaves of the first tier that has any, narrowed to the most telling section."""
        for tier in tiers:
            names = tier.lstrip("+").split()
            leaves = [leaf for name in names for leaf in self.tree.find(name)]
            if not leaves and quantity in LISTS:
                leaves = [leaf for name in names for leaf in self.listed(name)]
            leaves = [leaf for leaf in leaves if not elsewhere(leaf, self.home)]
            if leaves:
                if tier.startswith("+"):
                    return leaves
                best = min(map(self.distance, leaves))
                if best > 0:
                    self.farther[quantity] = [leaf for leaf in leaves if self.distance(leaf) > best]
                return [leaf for leaf in leaves if self.distance(leaf) == best]
            if quantity != "loss" and (first := next(filter(None, map(self.headed_by, names)), None)):
                self.blocked.add(quantity)
                self.headed.setdefault(quantity, first)
        return []

    def several(self, quantity: str, first: Leaf) -> None:
        key = ".".join(str(part) for part in first.path if isinstance(part, str))
        self.traps.append(Trap("several", f"{quantity} has several values", key, first.location))

    def listed(self, name: str) -> list[Leaf]:
        wanted = normalise(name)
        return [leaf for leaf in self.tree.elements if leaf.keys[-len(wanted) :] == wanted]

    def headed_by(self, name: str) -> Leaf | None:
        """The first leaf of a section or list that the name heads: it says something then that is not one value."""
        wanted = normalise(name)
        if len(wanted) != 1 or wanted[0] not in self.tree.names:
            return None
        for leaf in self.tree.leaves:
            if wanted[0] in (leaf.keys if isinstance(leaf.path[-1], int) else leaf.keys[:-1]):
                return leaf
        return None

    def distance(self, leaf: Leaf) -> int:
        """How far the section of a leaf is from the contrastive loss."""
        section = self.tree.section(leaf)
        if SUPERVISED.search(section) or _CONTRAST.search(section):
            return 0
        return 1 if _NEAR_SECTIONS.search(section) else 2

    def agreed(self, quantity: str, leaves: list[Leaf]) -> Value | None:
        """One value from leaves that must agree; None, with a trap, where they do not make one."""
        first = leaves[0]
        if isinstance(first.path[-1], int):
            sizes = [leaf.value for leaf in leaves]
            if quantity == "world_size":
                return Value(len(sizes), "stated", first.dotted, first.location, first.raw)
            if quantity == "classes" and len(sizes) > 1 and all(isinstance(name, str) for name in sizes):
                return Value(len(sizes), "inferred", first.dotted, first.location, first.raw, "the length of the list")
            if quantity != "class_counts" or len(sizes) < 2 or not all(type(n) is int and n > 0 for n in sizes):
                self.several(quantity, first)
                return None
            return Value(tuple(sizes), "stated", first.dotted, first.location, first.raw)
        values = []
        for leaf in leaves:
            value, trap = convert(quantity, leaf)
            values.append(value)
            self.traps += [trap] if trap else []
        if any(value is UNKNOWN for value in values):
            return None
        in_list = len(leaves) > 1 and all(len(leaf.path) > 1 and isinstance(leaf.path[-2], int) for leaf in leaves)
        if in_list and any(tier.startswith("+") for tier in self.dialect.tiers(quantity)):
            return Value(sum(values), "inferred", first.dotted, first.location, first.raw, "sum over the list")
        if any(value != values[0] for value in values):
            places = ", ".join(f"{leaf.dotted} = {leaf.raw[:40]}" for leaf in leaves[:5])
            detail = f"{quantity} stands in several places: {places}"
            self.traps.append(Trap("ambiguous", detail, first.dotted, first.location))
            return None
        return Value(values[0], "stated", first.dotted, first.location, first.raw)

    def contradicted(self, quantity: str, taken: Any) -> str:
        """Where the file says another value of the quantity than the one taken; empty where nowhere."""
        for leaf in self.farther.get(quantity, ()):
            value, _ = convert(quantity, leaf)
            if value is not UNKNOWN and value != taken:
                place = leaf.location
                where = f"line {place.line}" if place.path is None else f"{place.path.as_posix()}:{place.line}"
                return f"{where} says {leaf.dotted} = {leaf.raw[:40]}"
        return ""

    # -- conclusions --

    def devices(self) -> None:
        """Devices of all nodes, where their number is given for one."""
        world = self.fields.get("world_size")
        nodes = next((leaf for name in _NODES for leaf in self.tree.find(name)), None)
        if world is None or nodes is None or normalise(world.key)[-1:] in (("world_size",), ("num_processes",)):
            return
        if type(nodes.value) is int and nodes.value >= 1:
            total, reason = world.value * nodes.value, f"{world.value} on each of {nodes.value} nodes"
            if nodes.value > 1:
                self.fields["world_size"] = Value(total, "inferred", world.key, world.location, world.raw, reason)
        else:
            del self.fields["world_size"]
            self.blocked.add("world_size")

    def mixture(self, evidence: Evidence) -> None:
        """alpha as the self-supervised share of two named weights."""
        if evidence.share is not None and "alpha" not in self.fields and "alpha" not in self.blocked:
            leaf = evidence.share
            reason = "the weight of the self-supervised term, where no other is given"
            self.fields["alpha"] = Value(leaf.value, "inferred", leaf.dotted, leaf.location, leaf.raw, reason)
            return
        names = self.dialect.weights
        if names is not None:
            found = [self.pick(name, [name]) for name in names]
            leaves = [each[0] if len(each) == 1 else None for each in found]
            clear = all(len(each) <= 1 for each in found) and not self.blocked & set(names)
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

    def per_class_sampler(self) -> None:
        """A sampler that draws m instances of each of B/m classes, or P x K instances."""
        drawn, each = (next(self.tree.find(f"BalancedBatchSampler.{name}"), None) for name in _P_X_K)
        if drawn and each and type(drawn.value) is type(each.value) is int and min(drawn.value, each.value) >= 1:
            total, reason = drawn.value * each.value, f"{drawn.value} classes x {each.value} instances"
            place = (each.dotted, each.location, each.raw)
            self.fields["sampler"] = Value("balanced", "stated", *place)
            self.fields["batch_size"] = Value(total, "inferred", *place, reason)
            self.fields["classes_per_batch"] = Value(drawn.value, "stated", drawn.dotted, drawn.location, drawn.raw)
            return
        leaf = next((leaf for name in _PER_CLASS for leaf in self.tree.find(name)), None)
        if leaf is None or "sampler" in self.fields or type(leaf.value) is not int or leaf.value < 1:
            return
        self.fields["sampler"] = Value("balanced", "stated", leaf.dotted, leaf.location, leaf.raw)
        batch = self.fields.get("batch_size")
        if batch is not None and batch.value % leaf.value == 0 and "classes_per_batch" not in self.fields:
            reason = f"batches of {batch.value} with {leaf.value} of each class"
            share = batch.value // leaf.value
            self.fields["classes_per_batch"] = Value(share, "inferred", leaf.dotted, leaf.location, leaf.raw, reason)

    def dataset(self) -> None:
        """The data set by its key, else by paths, names or the code's default; and the class counts of its name."""
        name = self.fields.get("dataset")
        if name is None and "dataset" not in self.blocked:
            name = datasets.guess(self.tree)
            default = self.dialect.assumed.get("dataset") if self.tree.complete else None
            if name is None and default is not None:
                name = Value(default, "assumed", reason=f"default of {self.dialect.title}")
        if name is None:
            return
        self.fields["dataset"] = name
        known = datasets.known(name.value, self.tree)
        if known is None or "classes" in self.blocked:
            return
        origin: Origin = "assumed" if name.origin == "assumed" else "inferred"
        reason = f"the data set {name.value}"
        if "classes" not in self.fields:
            if name.origin != "stated" and "classes" in self.own.defaults:
                return
            self.fields["classes"] = Value(known.classes, origin, name.key, name.location, name.raw, reason)
        if self.fields["classes"].value == known.classes:
            for quantity, value in datasets.sizes(known, self.tree).items():
                self.fields.setdefault(quantity, Value(value, origin, name.key, name.location, name.raw, reason))

    def assume(self) -> None:
        """Defaults: the user's own, then those that stand only in the training code."""
        spoken = self.blocked - self.own.settled
        for quantity, value in self.own.defaults.items():
            if quantity not in ("kind", *spoken, *self.fields):
                value = tuple(value) if isinstance(value, list) else value
                self.fields[quantity] = Value(
                    value, "assumed", f"defaults.{quantity}", reason="default in our own config"
                )
        if not self.tree.complete:
            return
        elsewhere = {"dataset", *self.fields, *self.blocked, *(self.dialect.weights or ())}
        for quantity, value in self.dialect.assumed.items():
            if quantity not in elsewhere and self.misspelt(quantity) is None:
                self.fields[quantity] = Value(value, "assumed", reason=f"default of {self.dialect.title}")

    # -- typos --

    def typos(self) -> None:
        for quantity in ("temperature", "alpha", "batch_size"):
            if quantity not in self.fields and (found := self.misspelt(quantity)) is not None:
                leaf, name = found
                detail = f"{leaf.keys[-1]} is not a known key; did you mean {name}?"
                self.traps.append(Trap("typo", detail, leaf.dotted, leaf.location))

    def misspelt(self, quantity: str) -> tuple[Leaf, str] | None:
        """A key that looks like a misspelt name of the quantity, and that name."""
        known = {part for each in GENERIC.fields for name in self.dialect.names(each) for part in normalise(name)}
        targets = {normalise(name)[-1] for name in self.dialect.names(quantity)}
        for leaf in self.tree.leaves:
            name = leaf.keys[-1] if leaf.keys else ""
            if len(name) < 5 or name in known:
                continue
            for target in targets:
                if _alike(name, target):
                    return leaf, target
        return None


@lru_cache(maxsize=4096)
def _alike(name: str, target: str) -> bool:
    """Whether one is a slip of the other; a name that holds the other whole is a name of its own."""
    if abs(len(name) - len(target)) > 2 or target in name or name in target or len(set(name) ^ set(target)) > 3:
        return False
    return SequenceMatcher(None, name, target).ratio() >= 0.85
