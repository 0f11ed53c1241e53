"""Where a loss value on the screen lies between total collapse, class collapse and the optimum."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from ssem_advisor import theory
from ssem_advisor.domain import Setting, a_setting
from ssem_advisor.measurement.rows import MeasurementError

_NEAR = 0.01  # of the way from plateau to optimum: counts as having arrived
_EXACT = 2e-4  # relative: the three to four digits that people quote
_USUAL_BATCHES = sorted([2**k for k in range(1, 17)] + [48, 96, 100, 200, 500, 1000])
_USUAL_SCALES = ((0.1, 0.07), (0.5, 0.07), (0.2, 0.07), (0.05, 0.07))  # temperature over base_temperature


Place = Literal[
    "total collapse",
    "above total collapse",
    "below total collapse",
    "between total and class collapse",
    "class collapse",
    "between class collapse and optimum",
    "optimum",
    "below the optimum",
    "unknown",
]


@dataclass(frozen=True)
class LossPlacement:
    """A loss value among its reference values, in nats; None = not known from what was given.

    total_collapse: all embeddings equal; class_collapse: each class one point; optimum: as low as this loss gets.
    verdict: where the value lies; meaning, remedy: what that says of the training, and what to do about it.
    position: 0 at total collapse, 1 at the optimum. scale: temperature / base_temperature, already in all values.
    """

    value: float
    total_collapse: float | None
    class_collapse: float | None
    optimum: float | None
    scale: float
    position: float | None
    verdict: Place
    meaning: str
    remedy: str


def place_loss(
    value: float,
    *,
    setting: Setting | None = None,
    batch_size: int | None = None,
    views: int = 2,
    loss: str = "supcon",
    temperature: float | None = None,
    base_temperature: float | None = None,
) -> LossPlacement:
    """Place a loss value (nats, as printed by the training loop).

    setting: the whole setting; without it (classes unknown) batch_size, views, loss, temperature place the value
        against the plateau alone. Without a batch size the usual ones are tried.
    base_temperature: the one of SupContrast's code, which multiplies the loss by temperature / base_temperature.
    Raises MeasurementError for a value that is no number and for facts that are missing or outside their domain.
    """
    if setting is not None:
        a_setting(setting)
    if not math.isfinite(value):
        raise MeasurementError(f"loss value {value}: not a number; the training has diverged, look before this step")
    if setting is not None:
        batch_size, views, loss, temperature = setting.batch_size, setting.views, setting.loss, setting.temperature
        if setting.sampler == "full" and setting.instances_per_class is not None:
            batch_size = setting.classes * setting.instances_per_class
    scale = 1.0
    if base_temperature is not None:
        if not 0 < base_temperature < math.inf:
            raise MeasurementError(f"base_temperature={base_temperature}: must be a finite number > 0")
        if temperature is None:
            raise MeasurementError("temperature: missing; with a base temperature the loss is scaled by their ratio")
        scale = temperature / base_temperature
    if loss == "l_spread" and setting is None:
        raise MeasurementError("loss='l_spread': its plateau depends on the classes; give --classes as well")

    plateau = None if batch_size is None or loss == "l_spread" else scale * _plateau(batch_size, views, loss)
    collapse = optimum = None
    if setting is not None and batch_size is not None and temperature is not None:
        plateau, collapse, optimum = (None if v is None else scale * v for v in references(setting))
    position = None
    if plateau is not None and optimum is not None and plateau > optimum:
        position = (plateau - value) / (plateau - optimum)
    verdict, meaning, remedy = _judge(value, plateau, collapse, optimum)
    if verdict == "below total collapse" and setting is not None and temperature is not None:
        meaning = "embeddings differ; the loss of collapsed classes is not worked out for this setting"
        remedy = "measure embeddings: ssem-advisor measure FILE"
    if verdict not in ("total collapse", "class collapse", "optimum"):
        known = _recognise(value, batch_size, views, loss, temperature, base_temperature)
        if known is not None:
            verdict, meaning, remedy = _TOTAL[0], f"{known}; {_TOTAL[1]}", _TOTAL[2]
    return LossPlacement(value, plateau, collapse, optimum, scale, position, verdict, meaning, remedy)


def beside_embeddings(placed: LossPlacement) -> LossPlacement:
    """The placement as told beside measured embeddings, which need not be measured first."""
    told = {
        "below total collapse": "the measured embeddings say whether classes have collapsed",
        "class collapse": "see what the measured embeddings have become, and what to do about it",
        "between total and class collapse": "keep training; the measured embeddings say how instances of a class lie",
    }
    if "measure embeddings" not in placed.remedy:
        return placed
    return replace(placed, remedy=told[placed.verdict])


_TOTAL: tuple[Place, str, str] = (
    "total collapse",
    "the value that the loss takes when all embeddings are equal, whatever the labels: stuck, not slow",
    "stop; warm up or lower the learning rate, check normalisation and inputs, and start again",
)


def references(setting: Setting) -> tuple[float | None, float | None, float | None]:
    """Loss at total collapse, class collapse and optimum; None where theory is silent.

    Total collapse depends neither on the dimension nor, but for anchors without a positive, on the classes.
    """
    total, collapse, optimum = (None if math.isnan(v) else float(v) for v in theory.reference_losses(setting))
    return total, collapse, optimum


def _judge(
    value: float, plateau: float | None, collapse: float | None, optimum: float | None
) -> tuple[Place, str, str]:
    if plateau is None:
        return "unknown", "without a batch size the plateau of this loss is not known", "give --batch-size"
    near = 2e-3 * plateau if optimum is None else _NEAR * (plateau - optimum)
    if abs(value - plateau) <= near:
        return _TOTAL
    if value > plateau:
        return (
            "above total collapse",
            "worse than equal embeddings: the first steps of training, or a value of another convention",
            "check batch size (after any gather), views, temperature and base temperature if it stays there",
        )
    if collapse is None or optimum is None:
        return (
            "below total collapse",
            "embeddings differ; whether classes have collapsed needs the classes and the temperature",
            "give --classes and --temperature (and --alpha), or measure embeddings",
        )
    collapses = optimum >= collapse * (1 - 1e-9)
    if not collapses:
        near = min(near, (collapse - optimum) / 4)
    if abs(value - optimum) <= near:
        if collapses:
            return (
                "class collapse",
                "the optimum of this setting, and at it the instances of a class coincide",
                "raise alpha above the collapse threshold: ssem-advisor recommend",
            )
        return "optimum", "as low as this loss gets: classes apart, instances of a class apart", "nothing to do"
    if value < optimum:
        return (
            "below the optimum",
            "lower than this loss can get on average over batches",
            "check batch size, views, temperature, base temperature and loss",
        )
    if abs(value - collapse) <= near:
        return (
            "class collapse",
            "the value of collapsed classes, which is not the optimum of this setting",
            "train longer; if it stays, measure embeddings: ssem-advisor measure FILE",
        )
    if value > collapse:
        return (
            "between total and class collapse",
            "classes are not yet as far apart as they can get",
            "keep training; the loss alone does not tell how instances of a class lie: measure embeddings",
        )
    return (
        "between class collapse and optimum",
        "lower than any collapsed embedding can reach: instances of a class are apart",
        "keep training",
    )


def _plateau(batch_size: int, views: int, loss: str) -> float:
    rows = batch_size * views - (loss == "supcon")
    return math.log(rows) if rows > 0 else 0.0


def _recognise(
    value: float, batch: int | None, views: int, loss: str, temperature: float | None, base: float | None
) -> str | None:
    """The plateau of another convention that the value equals to the digits given, in words."""
    scales: list[tuple[float, float] | None] = [None, *_USUAL_SCALES]
    if temperature is not None:
        scales = [(temperature, base)] if base is not None else [None, (temperature, 0.07)]
    for size in _USUAL_BATCHES if batch is None else [batch]:
        for kind in (loss, "ssem" if loss == "supcon" else "supcon"):
            for scale in scales:
                factor = 1.0 if scale is None else scale[0] / scale[1]
                plateau = factor * _plateau(size, views, kind)
                if plateau > 0 and abs(value - plateau) <= _EXACT * plateau:
                    inner = f"{views}*{size}" + ("-1" if kind == "supcon" else "")
                    text = f"ln({inner})" if scale is None else f"({scale[0]:g}/{scale[1]:g}) ln({inner})"
                    said = f"{value:g} = {text}, batch {size} with {views} views"
                    if scale is not None:
                        said += f", temperature {scale[0]:g} and SupContrast's base temperature {scale[1]:g}"
                    return said if kind == loss else f"{said}, anchor {'kept' if kind == 'ssem' else 'left out'}"
    return None
