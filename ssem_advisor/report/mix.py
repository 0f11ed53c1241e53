"""The weight of a user's own loss, as a few lines below an advice and as JSON."""

from __future__ import annotations

import textwrap
from typing import Any

from ssem_advisor.convert import Form, Mixture, to_alpha, to_weights
from ssem_advisor.domain import NotCovered, Setting

_WIDTH = 80


def mix_dict(
    form: Form, setting: Setting, recommended: float | None, threshold: float | None, given: tuple[float, ...] | None
) -> dict[str, Any]:
    """What the weights of a form are in the terms of alpha, and back.

    recommended, threshold: alphas of the advice, None where it has none; given: the user's weights today.
    """
    point = weights = limit = reason = None
    if given is not None:
        point = to_alpha(form, given, setting)
    if recommended is not None:
        try:
            weights = to_weights(form, recommended, setting)
        except NotCovered as error:
            reason = str(error)
    if threshold is not None and 0 <= threshold <= 1:
        try:
            limit = to_weights(form, threshold, setting)
        except NotCovered:
            limit = None
    start = to_alpha(form, weights, setting) if weights is not None else None
    return {
        "form": form.name,
        "formula": form.formula,
        "weights": list(form.weights),
        "given": None if point is None else {"values": list(given or ()), **_mixture(point)},
        "recommended": None if start is None else {"values": list(weights or ()), **_mixture(start)},
        "collapse_threshold": None if limit is None else list(limit),
        "exact": (start or point or Mixture(0, 1)).exact,
        "reason": reason,
        "note": form.note,
    }


def _mixture(mixture: Mixture) -> dict[str, float]:
    return {"alpha": mixture.alpha, "learning_rate_factor": mixture.scale}


def mix_text(data: dict[str, Any], form: Form) -> str:
    lines = ["", f"Weights of your loss: {data['formula']}"]
    if data["given"]:
        lines.append(f"  {_values(form, data['given']['values'])} today is alpha = {data['given']['alpha']:.4g}")
    if data["recommended"]:
        start = data["recommended"]
        lines.append(f"  start from {_values(form, start['values'])}, which is alpha = {start['alpha']:.3g}")
    if data["reason"]:
        lines += _wrapped(data["reason"])
    if data["collapse_threshold"]:
        lines.append(f"  class collapse is the optimum up to {_values(form, data['collapse_threshold'])}")
    scale = (data["recommended"] or data["given"] or {}).get("learning_rate_factor", 1.0)
    if abs(scale - 1) > 1e-9:
        lines += _wrapped(
            f"It is {scale:.4g} times this package's loss: to put that in its place, multiply the learning rate by "
            f"{scale:.4g} (Adam does not notice)."
        )
    if form.local:
        lines += _wrapped("An equality at the collapsed point alone: it says where collapse stops being a minimum.")
    elif not data["exact"]:
        lines += _wrapped(
            "An estimate in random batches: anchors differ in how many positives they have, and one without "
            "another instance of its class feels its own views in full. Balanced batches make it exact."
        )
    if data["note"]:
        lines += _wrapped(data["note"][0].upper() + data["note"][1:] + ".")
    return "\n".join(lines) + "\n"


def _values(form: Form, values: list[float]) -> str:
    return ", ".join(f"{name} = {value:.3g}" for name, value in zip(form.weights, values, strict=True))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
