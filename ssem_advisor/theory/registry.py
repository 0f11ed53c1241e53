"""What a theorem is, and the list of all of them.

A theorem says everything about itself: statement, assumptions that can be checked against a Setting, the formula in
sympy (the claim) and in numpy (the same claim, safe in float64), its source and the page of its proof. Commands, docs,
JSON and tests read this list and nothing else.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from ssem_advisor.domain import AdvisorError, NotCovered, Setting, a_setting
from ssem_advisor.theory.batches import batch_of


@dataclass(frozen=True)
class Assumption:
    """Something a theorem needs. holds: True, False, or None where the setting does not say.

    otherwise: what answers, or makes it hold, where it does not. has: what a setting has in its place. parts: what it
    is made of, where it is several things.
    """

    text: str
    holds: Callable[[Setting], bool | None]
    otherwise: str = ""
    parts: tuple[Assumption, ...] = ()
    has: Callable[[Setting], str] | None = None

    def broken(self, setting: Setting) -> tuple[str, ...]:
        """What of it a setting does not meet, worded for people; empty where it holds."""
        if self.parts:
            return tuple(text for part in self.parts for text in part.broken(setting))
        if self.holds(setting) is not False:
            return ()
        aside = "; ".join(part for part in (self.has(setting) if self.has else "", self.otherwise) if part)
        return (f"{self.text} ({aside})" if aside else self.text,)


@dataclass(frozen=True)
class Theorem:
    """One claim.

    key: stable name; kind: "theorem" (proven) or "estimate" (a labelled approximation).
    symbols: names of the formula's free symbols, a subset of those `symbol_values` knows.
    symbolic(sp, **symbols): the right-hand side as a sympy expression; numeric(**symbols): the same number in float64.
    left: what the formula equals; where it is implicit, the formula is a residual that is zero at `implicit`, and
    numeric returns that root.
    source: "paper" (Lee et al., AISTATS 2025) or "derived here"; page: proof, relative to docs/.
    """

    key: str
    title: str
    statement: str
    left: str
    symbols: tuple[str, ...]
    symbolic: Callable[..., Any]
    numeric: Callable[..., Any]
    page: str
    source: Literal["paper", "derived here"] = "derived here"
    reference: str = ""
    assumptions: tuple[Assumption, ...] = ()
    kind: Literal["theorem", "estimate"] = "theorem"
    implicit: str | None = None

    def broken(self, setting: Setting) -> tuple[str, ...]:
        """The assumptions that a setting does not meet, worded for people; empty where the theorem applies."""
        return _broken(setting, self.assumptions)

    def formula(self) -> Any:
        """The sympy expression over symbols of the same names; for tests and pages, as sympy is no dependency."""
        import sympy as sp

        return self.symbolic(sp, **{name: sp.Symbol(name, positive=True) for name in self.symbols})


SOURCE = "Lee, Oh, Lee, Sohn: A Theoretical Framework for Preventing Class Collapse, AISTATS 2025, arXiv 2503.08203"


def symbol_values(setting: Setting) -> dict[str, Any]:
    """Values of the symbols m, N, n, k, o, p, c, B, P, d, tau, alpha, rho for a scalar setting; None where unknown."""
    m, instances = float(setting.classes), setting.instances_per_class
    big_n = float("inf") if instances is None else float(instances)
    values: dict[str, Any] = {
        "m": m,
        "N": big_n,
        "p": float(setting.views),
        "c": _own(setting),
        "B": None if setting.batch_size is None else float(setting.batch_size),
        "P": None if setting.classes_per_batch is None else float(setting.classes_per_batch),
        "d": None if setting.dim is None else float(setting.dim),
        "tau": None if setting.temperature is None else float(setting.temperature),
        "alpha": None if setting.alpha is None else float(setting.alpha),
        "rho": (1.0 - 1.0 / big_n) / (m - 1.0),
        "Q": None if setting.queue is None else float(setting.queue),
        "tau_2": _first(setting.self_temperature, setting.temperature),
        "w": float(setting.cross_entropy),
        "s": _hardest_margin(m) if "cross_entropy" in setting.extras else None,
        "k": None,
        "o": None,
        "n": None,
    }
    if setting.sampler != "random" and not setting.unequal and setting.queue is None:
        try:
            batch = batch_of(setting)
        except AdvisorError:
            return values
        values |= {"k": float(batch.same[0, 0]), "o": float(batch.other[0, 0]), "n": float(batch.same[0, 0]) + 1.0}
    if setting.sampler == "full" and setting.batch_size is None and values["n"] is not None:
        values["B"] = m * values["n"]
    return values


def _own(setting: Setting) -> float:
    """c: own views in the denominator of an anchor, of which a queue holds one."""
    if setting.loss == "ssem" or setting.queue is not None:
        return 1.0
    return (float(setting.views) - 1.0) / float(setting.views)


def _hardest_margin(classes: float) -> float:
    """The logit margin at which cross-entropy pulls hardest: no setting knows the classifier's own."""
    from ssem_advisor.theory.extensions import hardest_pull

    return 1.0 + float(hardest_pull(classes))


def _first(*values: Any) -> float | None:
    return next((float(value) for value in values if value is not None), None)


@cache
def theorems() -> dict[str, Theorem]:
    """Every theorem by key, in reading order."""
    from ssem_advisor.theory.statements import STATEMENTS

    return {theorem.key: theorem for theorem in STATEMENTS}


def theorem(key: str) -> Theorem:
    """One theorem; an unknown key is an error with the nearest known ones."""
    found = theorems().get(key.upper().replace("_", "-"))
    if found is None:
        near = difflib.get_close_matches(key.upper(), theorems(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "`ssem-advisor explain` lists all"
        raise AdvisorError(f"theorem {key!r}: not known; {hint}")
    return found


def require(setting: Setting, *keys: str) -> None:
    """Raise NotCovered, in the words of the assumptions, unless every named theorem applies to the setting."""
    for found in map(theorem, keys):
        assume(setting, found.title, *found.assumptions)


def assume(setting: Setting, asked: str, *assumptions: Assumption) -> None:
    """Raise NotCovered, in the words of the assumptions, unless all of them hold for what was asked."""
    if broken := _broken(a_setting(setting), assumptions):
        raise NotCovered(f"{asked}: not covered, because it assumes: {'; '.join(broken)}")


def _broken(setting: Setting, assumptions: Sequence[Assumption]) -> tuple[str, ...]:
    return tuple(text for assumption in assumptions for text in assumption.broken(setting))


def covered(setting: Setting, *keys: str) -> tuple[str, ...]:
    """Which theorems (of those named, else of all) apply to a setting: no assumption of theirs fails."""
    return tuple(key for key in keys or theorems() if not theorem(key).broken(setting))


# -- assumptions that several theorems share ---------------------------------------------------------------------------


def is_loss(*names: str) -> Assumption:
    return Assumption(f"the loss is {' or '.join(names)}", lambda s: s.loss in names, has=lambda s: f"here {s.loss}")


def is_basic_but(*allowed: str) -> Assumption:
    """Of what a setting can have beside the basic theory (`Setting.extras`), only the fields named are in use.

    The loss is an assumption of its own, `is_loss`.
    """
    parts = tuple(part for name, part in _WITHOUT.items() if name not in allowed)
    return Assumption("; ".join(p.text for p in parts), lambda s: all(p.holds(s) for p in parts), parts=parts)


def _without(extra: str, text: str) -> Assumption:
    return Assumption(text, lambda s: extra not in s.extras)


_WITHOUT = {
    "queue": _without("queue", "the loss compares current embeddings, all with gradient"),
    "features": _without("features", "features may have either sign"),
    "self_temperature": _without("self_temperature", "both terms share one temperature"),
    "cross_entropy": _without("cross_entropy", "no cross-entropy acts on the same features"),
}


def is_sampler(*names: str, otherwise: str = "") -> Assumption:
    return Assumption(
        f"batches are drawn as {' or '.join(names)}",
        lambda s: s.sampler in names,
        otherwise,
        has=lambda s: f"here {s.sampler}",
    )


SOFTMAX = is_loss("supcon", "ssem")
BASIC = is_basic_but()
EQUAL_CLASSES = Assumption(
    "all classes have the same size", lambda s: not s.unequal, "class_thresholds and class_openings answer otherwise"
)
SIMPLEX_FITS = Assumption(
    "the class means fit a regular simplex: dim >= classes - 1",
    lambda s: True if s.dim is None else bool(np.all(np.asarray(s.dim) >= np.asarray(s.classes) - 1)),
    "class_thresholds answers in fewer dimensions",
)
SPARE_DIRECTION = Assumption(
    "a direction beside the class means is left: dim >= classes",
    lambda s: True if s.dim is None else bool(np.all(np.asarray(s.dim) >= np.asarray(s.classes))),
)
NO_LINE = Assumption(
    "unit vectors can spread: dim >= 2, as on a line they are two points",
    lambda s: True if s.dim is None else bool(np.all(np.asarray(s.dim) >= 2)),
)
TWO_VIEWS = Assumption("every instance has at least two views", lambda s: bool(np.all(np.asarray(s.views) >= 2)))
OWN_VIEW = Assumption(
    "the self-supervised term has a positive: two views, or ssem, which keeps the anchor's own",
    lambda s: s.loss == "ssem" or bool(np.all(np.asarray(s.views) >= 2)),
)
