"""The weights of a user's own loss: read from the command line, said below an advice and in its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ssem_advisor.advice import Advice
from ssem_advisor.convert import FORMS, Form, Mixture, form_of, to_alpha, to_weights
from ssem_advisor.domain import NotCovered, Setting, SettingError
from ssem_advisor.printing import WIDTH, wrapped
from ssem_advisor.rounding import above, below

if TYPE_CHECKING:
    from ssem_advisor.documents import MixShown, Weights


@dataclass(frozen=True)
class Mix:
    """A form and, where the user states them, the weights it has today."""

    form: Form
    given: tuple[float, ...] | None = None

    @classmethod
    def parse(cls, text: str) -> Mix:
        """`mixed`, `mixed:0.05` or `two-weights:1,0.3`. Raises SettingError."""
        name, colon, numbers = text.partition(":")
        form = form_of(name.strip())
        if not colon:
            return cls(form)
        try:
            return cls(form, tuple(float(number) for number in numbers.split(",")))
        except ValueError:
            example = ",".join(("1", "0.3") if len(form.weights) == 2 else ("0.05",))
            raise SettingError(
                f"mix={text!r}: {numbers!r} are no numbers; write {form.name}:{example} for "
                f"{' and '.join(form.weights)}"
            ) from None

    def alpha(self, setting: Setting) -> float:
        """The true weight of L_self under today's weights."""
        if self.given is None:
            raise SettingError(f"mix={self.form.name}: no weights given")
        return to_alpha(self.form, self.given, setting).alpha

    def to_dict(self, advice: Advice) -> MixShown:
        """Weights today, weights to start from and the weights at the collapse threshold; null where there are none."""
        setting, form = advice.setting, self.form
        today = None if self.given is None else (self.given, to_alpha(form, self.given, setting))
        if advice.temperature.recommended is not None:  # what follows is said at the temperature to set
            setting = setting.with_(temperature=advice.temperature.recommended)
        start, reason = self._weights(advice.alpha.recommended, setting)
        limit, _ = self._weights(advice.alpha.collapse_threshold, setting)
        return {
            "form": form.name,
            "formula": form.formula,
            "weights": list(form.weights),
            "temperature": setting.temperature,
            "given": today and _entry(*today),
            "recommended": start and _entry(*start),
            "collapse_threshold": limit and _entry(*limit),
            "reason": reason,
            "note": form.note,
        }

    def _weights(self, alpha: float | None, setting: Setting) -> tuple[Any, str | None]:
        if alpha is None or not 0 <= alpha <= 1:
            return None, None
        try:
            weights = to_weights(self.form, alpha, setting)
            return (weights, to_alpha(self.form, weights, setting)), None
        except NotCovered as error:
            return None, str(error)

    def to_text(self, advice: Advice, width: int = WIDTH) -> str:
        def _wrapped(text: str) -> list[str]:
            return wrapped(text, width, "  ")

        data, form = self.to_dict(advice), self.form
        today, start, limit = data["given"], data["recommended"], data["collapse_threshold"]
        lines = ["", *wrapped(f"The weights of your loss, {form.formula}", width, "", "  ")]
        if today:
            lines += _wrapped(f"{_values(form, today)} today is alpha = {today['alpha']:.4g}")
        at = f" at temperature {data['temperature']:.3g}" if data["temperature"] is not None else ""
        if start:
            lines += _wrapped(f"start from {_values(form, start)}{at}, which is alpha = {start['alpha']:.3g}")
        if data["reason"]:
            lines += _wrapped(data["reason"])
        if limit:
            rising = start is None or start["values"][-1] > limit["values"][-1]
            value = limit["values"][-1]
            name = form.weights[-1]
            where = f"up to {name} = {below(value)}" if rising else f"from {name} = {above(value)} on"
            beside = f" beside {form.weights[0]} = {limit['values'][0]:.4g}" if len(form.weights) == 2 else ""
            lines += _wrapped(f"class collapse is the optimum {where}{beside}{at}")
        known = start or today
        if known and abs(known["learning_rate_factor"] - 1) > 1e-9:
            lines += _wrapped(
                f"With {_values(form, known)} it is {known['learning_rate_factor']:.4g} times this package's loss: to "
                f"put that in its place, multiply the learning rate by as much (Adam does not notice)."
            )
        if form.local:
            lines += _wrapped(
                "Equal to that mixture at the collapsed point alone, to second order: the weights say where collapse "
                "stops being a minimum, and are no prediction of the variance."
            )
        elif known and not known["exact"]:
            lines += _wrapped(
                "An estimate in random batches: anchors differ in how many positives they have, and one without "
                "another instance of its class feels its own views in full. Balanced batches make it exact."
            )
        if form.note:
            lines += _wrapped(form.note[0].upper() + form.note[1:] + ".")
        return "\n".join(lines) + "\n"


def forms_text() -> str:
    """Every form with its formula."""
    width = max(map(len, FORMS))
    rows = [f"{form.name:<{width}}  {form.formula}" for form in FORMS.values()]
    return "\n".join(["SupCon(f, y) is the loss with labels, SupCon(f) the one without.", "", *rows]) + "\n"


def _entry(values: tuple[float, ...], mixture: Mixture) -> Weights:
    return {
        "values": list(values),
        "alpha": mixture.alpha,
        "learning_rate_factor": mixture.scale,
        "exact": mixture.exact,
    }


def _values(form: Form, entry: Weights) -> str:
    return ", ".join(f"{name} = {value:.3g}" for name, value in zip(form.weights, entry["values"], strict=True))
