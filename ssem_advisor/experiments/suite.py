"""What a study reports of one suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ssem_advisor.experiments.claims import Claim, judge_claims
from ssem_advisor.experiments.curves import CurvePoint, points_of, predicted_curves
from ssem_advisor.experiments.intervals import Outcome, overall
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.record import Record

if TYPE_CHECKING:
    from ssem_advisor.documents import CurveShown, Suite


@dataclass(frozen=True)
class SuiteReport:
    """The records of one suite, judged. planned, done: its tasks. curves: the predictions, finely, for pictures."""

    protocol: Protocol
    records: list[Record]
    planned: int
    done: int
    stopped_early: bool
    claims: list[Claim]
    points: list[CurvePoint]
    curves: list[CurveShown]

    @classmethod
    def of(
        cls, protocol: Protocol, records: Sequence[Record], planned: int, done: int, stopped_early: bool = False
    ) -> SuiteReport:
        records = list(records)
        return cls(
            protocol, records, planned, done, stopped_early, judge_claims(protocol, records), points_of(records),
            predicted_curves(records),
        )  # fmt: skip

    @property
    def verdict(self) -> Outcome:
        return overall(claim.verdict for claim in self.claims)

    def to_dict(self) -> Suite:
        """JSON-ready."""
        return {
            "suite": self.protocol.suite,
            "protocol": self.protocol.to_dict(),
            "verdict": self.verdict.word,
            "claims": [claim.to_dict() for claim in self.claims],
            "tasks": {"planned": self.planned, "done": self.done},
            "stopped_early": self.stopped_early,
            "curves": self.curves,
            "points": [point.to_dict() for point in self.points],
            "runs": [record.to_dict() for record in self.records],
        }
