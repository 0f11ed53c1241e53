"""The forms of public repositories: what the reader makes of them stays at least as good as it is."""

import public
import pytest


@pytest.mark.parametrize("case", public.cases(), ids=lambda case: case["name"])
def test_no_false_alarm_and_no_wrong_number(case):
    found = public.outcome(case)
    assert not (found["flagged"] and found["flag"] is False)
    assert not [name for name in found["fields"] if name.startswith("wrong")]


def test_kinds_and_findings():
    result = public.score()
    assert result["kinds"] >= 0.95 * result["cases"]
    assert result["flags"]["true alarm"] >= 0.9 * (result["flags"]["true alarm"] + result["flags"]["false silence"])
