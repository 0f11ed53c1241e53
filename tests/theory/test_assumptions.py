"""Assumption by assumption: each theorem falls silent where one of its assumptions fails, and only there."""

import pytest

from ssem_advisor.domain import Setting
from ssem_advisor.theory.registry import theorems

USUAL = Setting(classes=10, dim=64, batch_size=200, sampler="balanced", temperature=0.2, alpha=0.3)
FULL = USUAL.with_(sampler="full", batch_size=None, instances_per_class=20, dim=256)
BREAKS = {
    # theorem, a setting it covers, and changes that each break exactly one assumption
    "THRESHOLD": (USUAL, [{"loss": "l_spread"}, {"sampler": "random"}, {"views": 1}, {"dim": 5}]),
    "BATCH": (USUAL, [{"loss": "l_spread"}, {"sampler": "random"}, {"views": 1}, {"dim": 5}]),
    "RANDOM-BATCH": (USUAL.with_(sampler="random"), [{"loss": "l_spread"}, {"sampler": "balanced"}, {"views": 1}]),
    "FULL-SUPCON": (FULL, [{"loss": "ssem"}, {"views": 1}, {"dim": 5}]),
    "FULL-SSEM": (FULL.with_(loss="ssem"), [{"loss": "supcon"}, {"dim": 5}]),
    "FULL-SPREAD": (FULL.with_(loss="l_spread"), [{"loss": "ssem"}, {"dim": 5}]),
    "DIMENSION": (USUAL, [{"dim": 9}]),
}


@pytest.mark.parametrize("key", BREAKS)
def test_every_assumption_is_asked(key):
    covered, changes = BREAKS[key]
    theorem = theorems()[key]
    assert theorem.broken(covered) == ()
    for change in changes:
        assert len(theorem.broken(covered.with_(**change))) >= 1, change


def test_unequal_classes_have_their_own_theorem():
    unequal = Setting(class_counts=(50, 30, 20), dim=16, sampler="full", temperature=0.2, alpha=0.3)
    for key in ("THRESHOLD", "BATCH", "FULL-SUPCON", "FULL-SSEM", "OPTIMUM", "TEMPERATURE"):
        assert any("same size" in text for text in theorems()[key].broken(unequal)), key
    assert theorems()["UNEQUAL"].broken(unequal) == ()
    assert theorems()["UNEQUAL"].broken(unequal.with_(loss="l_spread"))


@pytest.mark.parametrize("key", theorems())
def test_every_assumption_can_be_asked(key):
    for assumption in theorems()[key].assumptions:
        assert assumption.text
        assert assumption.holds(USUAL) in (True, False, None)
