"""No command answers any input with a traceback, a hang, an escape sequence or NaN; every past finding stays mended."""

from __future__ import annotations

import pytest
from hostile import kept_seeds, run


@pytest.mark.parametrize("seed", kept_seeds())
def test_a_finding_stays_mended(seed):
    assert run(seed) is None


@pytest.mark.parametrize("block", range(8))
def test_fresh_input(block):
    failed = {seed: wrong for seed in range(10_000 + 40 * block, 10_040 + 40 * block) if (wrong := run(seed))}
    assert failed == {}
