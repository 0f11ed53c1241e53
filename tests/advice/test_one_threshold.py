"""One threshold: recommend, judge, suggest, assert_safe and the limits of collapse agree on many settings."""

import optuna
import pytest

from ssem_advisor import Setting, assert_safe, recommend
from ssem_advisor.advice import judge
from ssem_advisor.theory.regime import collapse_limits
from ssem_advisor.training import suggest

optuna.logging.set_verbosity(optuna.logging.WARNING)

SETTINGS = {
    "spare": Setting(classes=10, dim=64, batch_size=200, sampler="balanced", temperature=0.3),
    "random": Setting(classes=20, dim=128, batch_size=300, temperature=0.2),
    "exact": Setting(classes=4, dim=40, instances_per_class=8, sampler="full", temperature=0.5),
    "tight": Setting(classes=8, dim=7, batch_size=160, sampler="balanced", temperature=0.4),
    "crowded": Setting(classes=12, dim=9, batch_size=120, sampler="balanced", temperature=0.3),
    "unequal": Setting(class_counts=(5, 3, 2), dim=4, sampler="full", temperature=0.5),
    "ssem": Setting(classes=5, dim=32, batch_size=100, sampler="balanced", temperature=0.5, loss="ssem"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_everything_that_judges_a_weight_asks_one_threshold(name):
    setting = SETTINGS[name]
    limits = collapse_limits(setting)
    shown = limits.open_above if limits.regime.by_class else limits.collapse_up_to
    advice = recommend(setting)
    if advice.temperature.recommended in (None, setting.temperature):
        assert advice.alpha.collapse_threshold == shown
    assert judge(setting.with_(alpha=0.99 * limits.collapse_up_to)).state == "collapse"
    if limits.open_above < 0.99:
        between = 0.5 * (limits.collapse_up_to + limits.open_above)
        if limits.collapse_up_to < between < limits.open_above:
            assert judge(setting.with_(alpha=between)).state == "may collapse"
        assert judge(setting.with_(alpha=1.01 * limits.open_above)).state in ("too little", "safe", "too much")
    for below in (0.99 * limits.collapse_up_to, 0.99 * limits.open_above):
        with pytest.raises(AssertionError, match="not safe"):
            assert_safe(setting.with_(alpha=min(below, 1.0)))


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("alpha", [0.03, 0.2, 0.35, 0.6, 0.9, 0.97])
def test_the_linter_passes_what_the_advice_calls_safe_and_nothing_else(name, alpha):
    setting = SETTINGS[name].with_(alpha=alpha, temperature=0.1)
    state = judge(setting).state
    rule = {
        "collapse": "SSM101|SSM403", "may collapse": "SSM10[12]|SSM403", "too little": "SSM102", "too much": "SSM104",
        "not covered": "cannot decide",
    }  # fmt: skip
    if state == "safe":
        assert_safe(setting)
    else:
        with pytest.raises(AssertionError, match=rule[state]):
            assert_safe(setting)


@pytest.mark.parametrize("name", ["spare", "random", "exact", "ssem"])
def test_no_trial_and_no_recommendation_asks_for_collapse(name):
    setting = SETTINGS[name].with_(temperature=None)
    point = recommend(setting).recommended
    assert point.alpha > collapse_limits(setting.with_(temperature=point.temperature)).open_above
    for fraction in (0.0, 0.5, 1.0):
        chosen = suggest(optuna.trial.FixedTrial({"temperature": 0.1, "alpha_fraction": fraction}), setting)
        assert chosen.alpha > collapse_limits(chosen).open_above
        assert judge(chosen).state == "safe"
