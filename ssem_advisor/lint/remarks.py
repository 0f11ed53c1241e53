"""What helps to know about a run in which nothing is wrong: sentences beside the findings, which count for nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ssem_advisor.lint.core import Case
from ssem_advisor.lint.remedy import remedy_for
from ssem_advisor.rounding import above


def remarks(case: Case) -> Iterator[str]:
    """Each begins with the line that it speaks of."""
    if case.run.doubt:
        return
    for trap in case.traps("out-of-domain"):
        line = _line(case) if trap.location is None else trap.location.line
        yield f"{line}: note: {trap.key}: {trap.detail} is outside its domain, and is not used"
    if case.run.kind == "self-only":
        yield from _self_supervised(case)
    elif case.run.kind == "supcon+self":
        yield from _healthy(case)


def _line(case: Case, name: str = "") -> int:
    place = case.place(name or None, ())[0]
    return place.line


def _healthy(case: Case) -> Iterator[str]:
    """Of a mixture whose weight is in the safe range: how far from the threshold it is, and what to expect."""
    from ssem_advisor.advice import State

    verdict = case.verdict
    if verdict is None or verdict.point is None or verdict.point.state is not State.safe or verdict.may_stay:
        return
    if verdict.safe_spread is None:
        return
    low, high = verdict.safe_spread
    facts = case.shown("temperature", "classes", "batch_size")
    yield (
        f"{_line(case, 'alpha')}: note: {case.shown('alpha')} is above its collapse threshold "
        f"{above(verdict.threshold)} at {facts}: a typical network reaches a free spread of about "
        f"{verdict.point.free_spread:.2g}, and {low:.2g} to {high:.2g} is safe"
    )


def _self_supervised(case: Case) -> Iterator[str]:
    """Of a self-supervised loss alone (SimCLR, MoCo): its value at total collapse, and how a supervised term joins."""
    line = _line(case)
    seen = remedy_for(case.run, case.document.path, case.queue)
    yield (
        f"{line}: note: self-supervised alone ({case.read}): the labels play no part in this loss, so it does not pull "
        f"the instances of a class together{_all_equal(case)}. If there are labels, a supervised term can join it, "
        f"L = (1-alpha) L_sup + alpha L_self: {seen.numbers or seen.command}"
    )


def _all_equal(case: Case) -> str:
    """The value of the loss when all embeddings are equal: the logarithm of the number of candidates of an anchor.

    Known for SimCLR, whose candidates are the other views of the batch, and for MoCo, where they are the positive and
    the keys of the queue; other self-supervised losses choose them in their own ways.
    """
    batch, views, queue = case.run.loss_batch, case.value("views") or 2, case.queue
    if re.search("moco", case.run.witness, re.I) and queue is not None:
        shown, candidates = f"1 + {queue}", 1 + queue
    elif re.search("simclr|nt[-_]?xent", case.run.witness, re.I) and batch is not None and batch * views > 2:
        shown, candidates = f"{views} x {batch} - 1", views * batch - 1
    else:
        return ""
    return f"; a loss near ln({shown}) = {math.log(candidates):.3g} means that all embeddings are equal"
