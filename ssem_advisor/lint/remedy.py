"""What the numbers of a run add to the sentence of a rule: a weight to start from, or the command that gives one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ssem_advisor.config.model import TrainingRun
from ssem_advisor.domain import AdvisorError, Setting
from ssem_advisor.rounding import below, inward, within

if TYPE_CHECKING:
    from ssem_advisor.advice import Advice

_WORDS = {
    "classes": "the number of classes", "temperature": "the temperature", "batch_size": "the batch size",
    "batch_scope": "whether the batch size is for each device or for all", "alpha": "the self-supervised weight",
    "gather": "whether the devices share their embeddings", "views": "the number of views", "kind": "which loss it is",
}  # fmt: skip
# More takes seconds: thresholds class by class are found by minimising over so many coordinates.
_MOST_COORDINATES = 1_500


def in_words(names: list[str]) -> str:
    """Facts by the words a person would use: "a, b and c"."""
    words = [_WORDS.get(name, name.replace("_", " ")) for name in names]
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


@dataclass(frozen=True)
class Remedy:
    """What a run could do about collapse, in numbers where its facts allow.

    numbers: a sentence, empty where a fact is missing or no theorem covers the run; command: the call that reads the
    same file and answers in full, with capitals for what the file does not say; missing: those facts.
    """

    numbers: str
    command: str
    missing: tuple[str, ...] = ()


def remedy_for(run: TrainingRun, path: Path, queue: int | None = None) -> Remedy:
    """The weight of a self-supervised term for a run that has none, its safe range, and the loss at collapse.

    path: the file that the run is read from, as the user wrote it. queue: keys that a queue adds to the loss; then the
    command asks for the local threshold, and no number is given.
    """
    known = run.known()
    lacking = [name for name in ("classes", "temperature", "batch_size") if name not in known]
    # A batch size that is written but not known is that of one of several devices.
    if run.get("batch_size") is not None:
        open_fact = "gather" if run.get("gather") is None else "batch_scope"
        missing = tuple(open_fact if name == "batch_size" else name for name in lacking)
    else:
        missing = tuple(lacking)
    file = "FILE" if path == Path("-") else shlex.quote(path.as_posix())  # standard input can be read but once
    command = f"ssem-advisor recommend --config {file}"
    for name in missing:
        if name == "gather" or (name == "temperature" and not run.unsettled(name)):
            continue  # added below; a temperature that is not spoken of has a default
        name = "batch_size" if name == "batch_scope" else name
        command += f" --{name.replace('_', '-')} {name.upper()}"
    command += f" --queue {queue}" if queue else ""
    command += " --gather (or --no-gather)" if "gather" in missing else ""
    if missing or queue or known.get("views") == 1 or known.get("loss") == "l_in":
        return Remedy("", command, missing)
    from ssem_advisor.theory.regime import coordinates

    try:
        setting = run.setting().with_(alpha=None)
        if coordinates(setting) > _MOST_COORDINATES:
            return Remedy("", command)
        advice = _advice(setting)
    except AdvisorError:
        return Remedy("", command)
    if advice.alpha.recommended is None or advice.alpha.safe is None:
        return Remedy("", command)
    low, high = advice.alpha.safe
    numbers = (
        f"with {setting.classes} classes in {_batches(setting)} at temperature {setting.temperature}: alpha "
        f"{within(advice.alpha.recommended, advice.alpha.safe)} (safe from {' to '.join(inward(low, high))}"
    )
    if advice.alpha.collapse_threshold is not None:
        numbers += f", collapse up to {below(advice.alpha.collapse_threshold)}"
    numbers += ")"
    point = advice.recommended
    if point is not None and point.free_spread is not None:
        numbers += f", for a free spread of about {point.free_spread:.2g}"
        numbers += "" if run.kind == "self-only" else " in place of 0"
    if 0.01 < advice.lonely <= 0.1:
        numbers += f"; {advice.lonely:.0%} of the anchors meet nobody of their class in a batch"
    if run.kind != "self-only" and (collapsed := _collapsed_loss(setting, run.get("base_temperature"))):
        numbers += f"; a loss near {collapsed} means collapse"
    return Remedy(numbers, command)


def _batches(setting: Setting) -> str:
    return f"{setting.sampler} batches of {setting.batch_size}"


def _collapsed_loss(setting: Setting, base_temperature: float | None) -> str:
    """The value of plain SupCon when every class sits on one point, as a training log would show it."""
    import math

    from ssem_advisor.theory.values import reference_losses

    if setting.loss != "supcon":
        return ""
    try:
        value = float(reference_losses(setting, base_temperature).class_collapse)
    except AdvisorError:
        return ""
    return f"{value:.3g}" if math.isfinite(value) else ""


@lru_cache(maxsize=256)
def _advice(setting: Setting) -> Advice:
    from ssem_advisor.advice import recommend

    return recommend(setting)
