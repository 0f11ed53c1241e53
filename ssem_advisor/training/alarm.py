"""From report to report: what the embeddings have become, and when to warn."""

from __future__ import annotations

import math
from typing import Any

from ssem_advisor.measurement.prediction import Comparison
from ssem_advisor.measurement.spread import Measured, Spread
from ssem_advisor.measurement.structure import Structure
from ssem_advisor.measurement.verdict import SpreadVerdict, class_collapse, judge_spread

# Where theory says that collapse is the optimum, a within-class share this low is on its way there.
_UNDER_WAY = 0.25
# Networks start with all embeddings nearly equal; total collapse is called only where they do not leave that state.
_TOTAL_PATIENCE = 10


class Alarm:
    """Judges report after report and warns once.

    patience: bad reports, or measurements that find too little free spread, in a row before the warning.
    verdict: of the last report; None where it had nothing to judge. warning: what was warned about, if anything.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.verdict: SpreadVerdict | None = None
        self.warning: str | None = None
        self._bad, self._lowest = 0, 0.0  # bad reports in a row; the lowest total variance in them
        self._little = 0  # measurements with too little free spread in a row

    def judge(
        self,
        coarse: Spread,
        fresh: Spread | None,
        structure: Structure | None,
        predicted: Comparison | None,
        steps: int,
    ) -> str | None:
        """Take in the report after so many updates; the warning where it is due now, else None.

        coarse: what pair sums tell; fresh: a measurement of the free spread, where one was made for this report,
        and structure: of the classes, measured with it.
        """
        spread, total = coarse.within.value, coarse.within.value + coarse.between.value
        if math.isnan(total):  # no pair of one class, or of two, since the last report; or NaN embeddings
            self.verdict = None
            return None
        found = judge_spread(coarse, predicted)
        if found.name == "cannot tell":
            if fresh is not None:
                self.verdict = judge_spread(fresh, predicted, structure, trained=False)
            elif self.verdict is None or self.verdict.name in ("total collapse", "class structure lost"):
                self.verdict = found
        else:
            self.verdict = found
        verdict = self.verdict if self.verdict is not None else found
        equal = found.name == "total collapse"
        if predicted is not None and predicted.why_collapse and not equal and spread < _UNDER_WAY * total:
            found = class_collapse(coarse, predicted, share=spread / total, under_way=True)
            self.verdict = verdict = found
        starting = equal and self._bad > 0 and total > 1.5 * self._lowest
        bad = found.name in ("total collapse", "class collapse") and not starting
        self._bad = self._bad + 1 if bad else 0
        self._lowest = total if self._bad <= 1 else min(self._lowest, total)
        if fresh is not None:
            self._little = self._little + 1 if verdict.name in ("class collapse", "too little") else 0
        # Where theory says that collapse is coming, a second measurement is no accident.
        enough = min(2, self.patience) if predicted is not None and predicted.why_collapse else self.patience
        late = self._bad >= (_TOTAL_PATIENCE if equal else self.patience) or self._little >= enough
        if self.warning is not None or not late:
            return None
        self.warning = _line(verdict, predicted, steps)
        return self.warning

    def state_dict(self) -> dict[str, Any]:
        return {"warning": self.warning, "bad": self._bad, "lowest": self._lowest, "little": self._little}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.warning, self._bad, self._lowest = state["warning"], state["bad"], state["lowest"]
        self._little = state.get("little", 0)


def _line(verdict: SpreadVerdict, predicted: Comparison | None, steps: int) -> str:
    """The warning: what happened, the number to set where one is known, and why."""
    said = f"{verdict.name} after {steps} updates"
    if predicted is None or not verdict.number:
        return f"{said}: {verdict.remedy} ({verdict.meaning})"
    setting = predicted.setting
    now = f"alpha={setting.alpha:.3g}" if setting.alpha is not None else "plain SupCon"
    why = f"{predicted.why_collapse}; " if predicted.why_collapse else ""
    return f"{said}: set {verdict.number} (now {now} at temperature {setting.temperature:.3g}); {why}{verdict.meaning}"


def undivided(within: float, between: float, classes: int, dim: int) -> Spread:
    """The spread as far as pair sums tell it: neither view noise nor confusion."""

    def exactly(value: float) -> Measured:
        return Measured(value, value, value)

    return Spread(
        classes=classes,
        dim=dim,
        instances=0,
        common_mean=exactly(1 - within - between),
        between=exactly(between),
        within=exactly(within),
        view_noise=None,
        confusion=None,
        free_spread=None,
        reliability=None,
        directions=exactly(math.nan),
        free_by_class={},
        missing="the free spread has not been measured yet",
    )
