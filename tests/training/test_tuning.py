import optuna
import pytest

from ssem_advisor import AdvisorError, NotCovered, Setting, class_thresholds, collapse_threshold, recommend
from ssem_advisor.advice import judge
from ssem_advisor.theory.regime import collapse_limits
from ssem_advisor.training import suggest

optuna.logging.set_verbosity(optuna.logging.WARNING)
SETTING = Setting(classes=10, dim=64, batch_size=100, sampler="balanced")


def test_a_study_stays_in_the_safe_range_with_a_static_space():
    advice = recommend(SETTING)

    def objective(trial):
        setting = suggest(trial, SETTING)
        point = judge(setting)
        assert point.state == "safe"
        assert point.free_spread == trial.user_attrs["free_spread"]
        assert collapse_threshold(setting) == trial.user_attrs["collapse_threshold"] < setting.alpha < 1
        return (point.free_spread - advice.wanted) ** 2

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, multivariate=True))
    study.optimize(objective, n_trials=25)
    spaces = {tuple(sorted((name, str(d)) for name, d in trial.distributions.items())) for trial in study.trials}
    assert len(spaces) == 1
    assert list(study.trials[0].params) == ["temperature", "alpha_fraction"]
    temperatures = study.trials[0].distributions["temperature"]
    assert 0.05 <= temperatures.low < advice.temperature.recommended < temperatures.high <= 0.2
    assert study.best_value < 1e-3


def test_temperatures_at_which_no_weight_helps_are_cut_off():
    setting = Setting(classes=100, batch_size=800, sampler="balanced", temperature=0.1)
    assert recommend(setting.with_(temperature=2.0)).temperature.recommended < 2.0
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        trial = study.ask()
        assert judge(suggest(trial, setting, temperature=(0.05, 2.0))).state == "safe"
    assert trial.distributions["temperature"].low == 0.05
    assert trial.distributions["temperature"].high < 0.3
    with pytest.raises(NotCovered, match="no alpha is safe at temperatures"):
        suggest(study.ask(), setting, temperature=(5.0, 10.0))
    with pytest.raises(ValueError, match="0 < low < high"):
        suggest(study.ask(), setting, temperature=(0.2, 0.1))


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_unequal_classes_start_where_the_last_class_opens(fraction):
    setting = Setting(class_counts=(5, 3, 2), dim=20, sampler="full")
    trial = optuna.trial.FixedTrial({"temperature": 0.3, "alpha_fraction": fraction})
    chosen = suggest(trial, setting, temperature=(0.05, 0.5))
    opened = collapse_limits(chosen).open_above
    assert trial.user_attrs["collapse_threshold"] == opened > class_thresholds(chosen).max()
    assert chosen.alpha > opened


def test_missing_facts_are_one_line():
    with pytest.raises(AdvisorError, match="batch_size"):
        suggest(optuna.trial.FixedTrial({"temperature": 0.5, "alpha_fraction": 0.5}), Setting(classes=10))
