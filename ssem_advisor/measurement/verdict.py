"""From two or three numbers to a verdict: what it means and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from ssem_advisor.measurement.prediction import Comparison

COLLAPSED = 0.02  # share of the variance below which it counts as lost
STRUCTURE_LOST = 0.9  # share of the variance inside classes above which classes hardly differ
ANISOTROPIC = 0.5  # squared length of the common mean

NAMES = ("total collapse", "class collapse", "anisotropic", "class structure lost", "healthy")


@dataclass(frozen=True)
class Verdict:
    """name: one of NAMES. meaning: what the embeddings have become. remedy: what to do about it."""

    name: str
    meaning: str
    remedy: str


def diagnose(spread: float, structure: float, common: float, theory: Comparison | None = None) -> Verdict:
    """Verdict on embeddings, most severe first.

    spread: 1 - x, variance inside classes; structure: (x - s)(m - 1)/m, variance between them, both free of the bias
    that few rows a class bring; common: squared length of the overall mean.
    """
    variance = spread + structure
    if 1 - common < COLLAPSED:
        return Verdict(
            "total collapse",
            "all embeddings point the same way; classes and instances are lost alike",
            "alpha does not cure this: warm up or lower the learning rate, check that the loss gets the normalised "
            "projection and that labels match rows, then start again from before the collapse",
        )
    if spread < COLLAPSED * variance:
        return class_collapse(theory)
    if common > ANISOTROPIC:
        return Verdict(
            "anisotropic",
            f"a common mean holds {common:.0%} of the squared length; similarities are high between all classes",
            "measure the normalised projection that the loss sees rather than features after a ReLU, or subtract the "
            "mean first; if this is the projection, raise the temperature or train longer",
        )
    if spread > STRUCTURE_LOST * variance:
        return Verdict(
            "class structure lost",
            "classes hardly differ: nearly all variance lies inside them",
            "check that labels belong to these rows; else lower alpha, the weight of the self-supervised term"
            + (f" ({theory.recommendation})" if theory is not None and theory.recommendation else ""),
        )
    return Verdict("healthy", "classes are apart and instances within a class still differ", "nothing to do")


def class_collapse(theory: Comparison | None = None, *, under_way: bool = False) -> Verdict:
    done = "are drawing together" if under_way else "coincide"
    return Verdict(
        "class collapse",
        f"the instances of a class {done}; classes are apart, what tells instances from each other is lost",
        _against_class_collapse(theory),
    )


def _against_class_collapse(theory: Comparison | None) -> str:
    advice = (
        "raise alpha, the weight of the self-supervised term, above its collapse threshold, or lower the temperature: "
        "ssem-advisor recommend gives both"
    )
    if theory is None:
        return advice
    better = theory.recommendation or advice
    if theory.why_collapse:
        return f"the loss asks for it: {theory.why_collapse}; {better}"
    if theory.threshold is None or theory.optimum is None:
        return better
    return (
        f"the loss does not ask for it (alpha={theory.setting.alpha:.3g} is above the threshold "
        f"{theory.threshold:.3g}, the optimum keeps {theory.optimum:.3g}): views differ too much or training was too "
        f"short; {better}"
    )
