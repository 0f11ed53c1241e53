"""`assert_safe` as a unit test of a training project would use it."""

from __future__ import annotations

from collections import UserDict
from types import MappingProxyType

import pytest

from ssem_advisor import AdvisorError, Setting, SettingError, assert_safe

SAFE = {"classes": 10, "dim": 128, "temperature": 0.1, "alpha": 0.3, "batch_size": 250, "sampler": "balanced"}
REFERENCE = {"n_augment": 2, "balanced_batch": True, "batch_size": 250, "dim": 128, "num_classes": 10}


def test_a_safe_setting_passes():
    assert_safe(Setting(**SAFE))
    assert_safe(SAFE)
    assert_safe(MappingProxyType(SAFE))
    assert_safe({key: value for key, value in SAFE.items() if key != "classes"}, classes=10)


@pytest.mark.parametrize("config", [Setting(**SAFE | {"alpha": 0.001}), SAFE | {"alpha": 0.001}])
def test_an_unsafe_setting_fails_with_reason_and_remedy(config):
    with pytest.raises(AssertionError, match=r"SSM101 class collapse minimises the loss: alpha 0\.001 .*; raise alpha"):
        assert_safe(config)


def test_a_missing_fact_fails():
    with pytest.raises(AssertionError, match="cannot decide: needs alpha"):
        assert_safe({key: value for key, value in SAFE.items() if key != "alpha"})


def test_a_mapping_is_read_like_a_file():
    nested = UserDict({"train": UserDict(REFERENCE | {"temperature": 0.1, "alpha": 0.3}), "gpus": (0,)})
    assert_safe(nested)
    nested["train"]["alpha"] = 0.01
    with pytest.raises(AssertionError, match="SSM101"):
        assert_safe(nested)


def test_a_composed_hydra_config():
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create(
        {"train": REFERENCE | {"temperature": 0.5, "alpha": "${weight}"}, "weight": 0.1}
    )
    with pytest.raises(AssertionError, match="SSM101"):
        assert_safe(config)


def test_a_file_with_facts_from_outside(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("temperature: 0.1\nalpha: 0.3\nn_augment: 2\nbalanced_batch: true\nbatch_size: 250\n")
    with pytest.raises(AssertionError, match="needs classes"):
        assert_safe(path)
    assert_safe(str(path), classes=10)
    (tmp_path / "ssem-advisor.toml").write_text("[defaults]\nclasses = 10\n")
    assert_safe(path)
    with pytest.raises(AssertionError, match="multiple of classes=7"):
        assert_safe(path, classes=7)


def test_the_goal():
    plain = {"method": "supcon", "temperature": 0.1}
    for goal in (None, "transfer"):
        with pytest.raises(AssertionError, match="SSM201"):
            assert_safe(plain, goal=goal)
    assert_safe(plain, goal="classification")


def test_a_config_in_which_nothing_is_recognised_does_not_pass():
    with pytest.raises(AssertionError, match="needs kind"):
        assert_safe({"model": "resnet18", "epochs": 3})
    with pytest.raises(AssertionError, match="needs kind"):
        assert_safe({})


@pytest.mark.parametrize(
    ("config", "facts"),
    [(SAFE, {"temperature": -1}), ({"method": "supcon"}, {"temprature": 1}), ({"method": "supcon"}, {"classes": 1})],
)
def test_facts_outside_their_domain_are_named(config, facts):
    with pytest.raises((SettingError, AdvisorError), match=next(iter(facts))):
        assert_safe(config, **facts)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(AdvisorError, match="could not be read"):
        assert_safe(tmp_path / "none.yaml")


def test_a_config_that_states_another_loss_passes_here_as_it_does_in_check(tmp_path):
    path = tmp_path / "ce.yaml"
    path.write_text("loss: cross_entropy\nlr: 0.1\nbatch_size: 64\n")
    assert_safe(path)
    path.write_text("lr: 0.1\nbatch_size: 64\n")
    with pytest.raises(AssertionError, match="needs kind"):
        assert_safe(path)


@pytest.mark.parametrize(
    "extra",
    [
        {"loss": "l_in"},
        {"queue": 4096},
        {"self_temperature": 0.3},
        {"features": "non-negative"},
        {"cross_entropy": 0.5},
    ],
)
def test_losses_past_the_basic_theory_are_decided_by_their_own_limits(extra):
    from ssem_advisor.theory.regime import collapse_limits

    setting = Setting(classes=10, dim=64, batch_size=200, sampler="balanced", temperature=0.3, **extra)
    limits = collapse_limits(setting)
    with pytest.raises(AssertionError, match=r"not safe(?s:.)*collapse"):
        assert_safe(setting.with_(alpha=0.9 * limits.collapse_up_to))
    assert_safe(setting.with_(alpha=min(1.5 * limits.open_above, 0.9)))
