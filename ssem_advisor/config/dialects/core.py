"""What a dialect is: how one training code base spells the facts, and what it leaves to its code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ssem_advisor.config.model import Kind
from ssem_advisor.config.tree import Tree

PREFIXES = ("supcon", "sup_con", "supervised_contrastive", "scl", "contrastive", "contrast", "con", "cl")


@lru_cache(maxsize=256)
def _spelt_out(tier: str) -> str:
    """The tier with every `*_name` written out."""
    return re.sub(r"(?<!\S)\*_(\S+)", lambda name: " ".join(f"{p}_{name.group(1)}" for p in PREFIXES), tier)


@dataclass(frozen=True)
class Sign:
    """Something to recognise a config by. All parts must hold; a sign without parts always does.

    keys: key patterns that must all occur; values: key pattern -> regular expression for the value, whole and
    case-insensitive; absent: key patterns of which none may occur; script: regular expression for the launched
    script or the file's own name; text: regular expression to be found anywhere in the file; formats: file formats.
    """

    keys: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    script: str = ""
    text: str = ""
    formats: tuple[str, ...] = ()

    def fits(self, tree: Tree) -> bool:
        return (
            (not self.formats or tree.format in self.formats)
            and all(any(tree.find(key)) for key in self.keys)
            and not any(any(tree.find(key)) for key in self.absent)
            and all(
                any(re.fullmatch(wanted, str(leaf.value), re.I) for leaf in tree.find(key))
                for key, wanted in self.values.items()
            )
            and (not self.script or bool(re.fullmatch(self.script, tree.script or tree.path.stem, re.I)))
            and (not self.text or any(re.search(self.text, text) for text in (tree.text, tree.path.name)))
        )


@dataclass(frozen=True)
class LossCase:
    """The loss that a config of the dialect asks for when the sign fits."""

    kind: Kind
    loss: str | None = None
    when: Sign = field(default_factory=Sign)


@dataclass(frozen=True)
class Dialect:
    """One code base's way to write a config, as data.

    fields: quantity -> tiers of key patterns; the first tier with a match counts, and within a tier (names separated
    by spaces) all matches must agree. A pattern names the end of a key path; a leading dot anchors it at the root, a
    leading plus adds up all its matches, and a leading `*_` stands for every prefix that speaks of the contrastive loss
    (PREFIXES). Quantities left out are read as in the generic dialect; an empty tuple says
    that this dialect has no key for the quantity.
    assumed: defaults that stand only in the training code.
    weights: keys of the supervised and the self-supervised weight, where alpha is the second's share.
    flags: all flags of the launched script, where they are known: argparse completes unique prefixes of them.
    cases: the first that fits gives kind and loss; without one, the words of the config decide.
    """

    name: str
    title: str
    signs: tuple[Sign, ...]
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    assumed: Mapping[str, Any] = field(default_factory=dict)
    cases: tuple[LossCase, ...] = ()
    weights: tuple[str, str] | None = None
    flags: tuple[str, ...] = ()
    notes: str = ""

    def tiers(self, quantity: str) -> tuple[str, ...]:
        """Where to look for a quantity: as this dialect says, else as the generic one does."""
        from ssem_advisor.config.dialects.table import GENERIC

        tiers = self.fields[quantity] if quantity in self.fields else GENERIC.fields.get(quantity, ())
        return tuple(map(_spelt_out, tiers))

    def names(self, quantity: str) -> list[str]:
        """All key patterns of a quantity."""
        return [name for tier in self.tiers(quantity) for name in tier.lstrip("+").split()]
