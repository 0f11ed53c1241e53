import optuna
import pytest

from ssem_advisor import AdvisorError, NotCovered, Setting, collapse_threshold, optimal_variance
from ssem_advisor.training import suggest

optuna.logging.set_verbosity(optuna.logging.WARNING)
SETTING = Setting(classes=10, dim=64, batch_size=100, sampler="balanced")


def test_a_study_stays_inside_the_safe_region_with_a_static_space():
    def objective(trial):
        setting = suggest(trial, SETTING)
        assert collapse_threshold(setting) < setting.alpha < 1
        assert trial.user_attrs["optimal_variance"] == optimal_variance(setting) > 0
        return (optimal_variance(setting) - 0.25) ** 2

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, multivariate=True))
    study.optimize(objective, n_trials=40)
    spaces = {tuple(sorted((name, str(d)) for name, d in trial.distributions.items())) for trial in study.trials}
    assert len(spaces) == 1
    assert list(study.trials[0].params) == ["temperature", "alpha_fraction"]
    assert study.best_value < 1e-3


def test_temperatures_at_which_no_weight_helps_are_cut_off():
    setting = Setting(classes=100, batch_size=200, sampler="balanced", temperature=0.1)
    assert collapse_threshold(setting.with_(temperature=2.0)) > 1
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask()
        assert suggest(trial, setting, temperature=(0.05, 2.0)).alpha < 1
    assert trial.distributions["temperature"].high < 2.0
    with pytest.raises(NotCovered, match="no alpha prevents class collapse"):
        suggest(study.ask(), setting, temperature=(5.0, 10.0))


def test_unequal_classes_use_the_largest_class_threshold():
    setting = Setting(class_counts=(5, 3, 2), dim=4, sampler="full")
    trial = optuna.trial.FixedTrial({"temperature": 0.5, "alpha_fraction": 0.5})
    chosen = suggest(trial, setting)
    assert trial.user_attrs["collapse_threshold"] == pytest.approx(0.518270, abs=1e-5)
    assert chosen.alpha == pytest.approx((1 + 0.518270) / 2, abs=1e-5)


def test_missing_facts_are_one_line():
    with pytest.raises(AdvisorError, match="batch_size"):
        suggest(optuna.trial.FixedTrial({"temperature": 0.5, "alpha_fraction": 0.5}), Setting(classes=10))
