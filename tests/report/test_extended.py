"""`recommend` for settings past the basic theory, and the limits everybody asks for."""

import json

import pytest
from typer.testing import CliRunner

from ssem_advisor import Setting
from ssem_advisor.theory.extensions import extended_limits
from ssem_advisor.theory.regime import collapse_limits

BASE = ["recommend", "--classes", "10", "--dim", "128", "--sampler", "balanced", "--batch-size", "500", "--tau", "0.1"]
OPTIONS = {
    "loss": ["--loss", "l_in"], "queue": ["--queue", "4096"], "features": ["--features", "non-negative"],
    "self_temperature": ["--self-temperature", "0.3"], "cross_entropy": ["--cross-entropy", "1"],
}  # fmt: skip


def run(*arguments):
    from ssem_advisor.cli import app

    return CliRunner().invoke(app, [*BASE, *arguments])


@pytest.mark.parametrize("name", OPTIONS)
def test_recommend_gives_limits_and_their_theorem(name):
    text = run(*OPTIONS[name], "--alpha", "0.9")
    assert text.exit_code == 0, text.output
    data = json.loads(run(*OPTIONS[name], "--alpha", "0.9", "--format", "json").stdout)
    setting = Setting(**{k: v for k, v in data["setting"].items() if k != "assumed"})
    limits = collapse_limits(setting)
    assert (data["collapse_up_to"], data["open_above"]) == (limits.collapse_up_to, limits.open_above)
    assert limits.theorems == extended_limits(setting).theorems
    assert data["given"] == "above"
    assert 0 < data["open_above"] < 0.9
    assert all(key in text.output for key in data["theorems"])
    low = json.loads(run(*OPTIONS[name], "--alpha", "0", "--format", "json").stdout)
    assert low["given"] == "collapse"
    assert (data["optimal_within_class_variance"] is None) == (name in ("loss", "queue", "cross_entropy"))


def test_a_weight_between_the_limits_of_cross_entropy_is_not_covered():
    said = run("--cross-entropy", "1", "--alpha", "0.03")
    assert "not covered" in said.output
    assert run("--cross-entropy", "-1").exit_code == 2
    assert run("--features", "positive").exit_code == 2
    assert run("--queue", "1").exit_code == 2


def test_a_printed_limit_is_on_the_safe_side():
    for value in ("0.05", "0.2", "0.7"):
        said = run("--cross-entropy", "1", "--tau", value).output
        limits = collapse_limits(
            Setting(
                classes=10, dim=128, sampler="balanced", batch_size=500, temperature=float(value), cross_entropy=1.0
            )
        )
        if limits.open_above < 1:
            assert float(said.split("Above alpha ")[1].split()[0]) >= limits.open_above
