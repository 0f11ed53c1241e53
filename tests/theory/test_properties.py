"""Properties that hold for every setting: inverses, monotony, limits, invariances, broadcasting."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ssem_advisor import (
    NotCovered,
    Setting,
    SettingError,
    alpha_for_variance,
    collapse_threshold,
    critical_temperature,
    expected_variance,
    optimal_variance,
)
from ssem_advisor.theory import alpha_for_expected_variance, equivalent_alpha
from ssem_advisor.theory.classes import class_thresholds


@st.composite
def any_setting(draw, losses=("supcon", "ssem", "l_spread"), samplers=("full", "balanced", "pk", "random")):
    m, n = draw(st.integers(2, 300)), draw(st.integers(2, 40))
    fields = {
        "classes": m,
        "loss": draw(st.sampled_from(losses)),
        "views": draw(st.sampled_from([2, 3, 8])),
        "temperature": 10 ** draw(st.floats(-2, 1)),
    }
    sampler = draw(st.sampled_from(samplers))
    extra = draw(st.sampled_from([None, 1, 7]))
    fields["instances_per_class"] = None if extra is None and sampler != "full" else n * (extra or 1)
    if sampler == "full":
        return Setting(**fields, sampler="full")
    if sampler == "random":
        return Setting(**fields, batch_size=min(max(2, n * m), 400, m * (fields["instances_per_class"] or 10**9)))
    drawn = m if sampler == "balanced" else draw(st.integers(2, m))
    return Setting(**fields, sampler="balanced", batch_size=n * drawn,
                   classes_per_batch=None if sampler == "balanced" else drawn)  # fmt: skip


@given(any_setting(), st.floats(0.01, 0.9))
def test_variance_undoes_weight(setting, variance):
    alpha = alpha_for_variance(setting, variance)
    assume(alpha < 1 - 1e-9 and alpha > collapse_threshold(setting) * (1 + 1e-6))
    assert optimal_variance(setting.with_(alpha=alpha)) == pytest.approx(variance, rel=1e-6)


@given(any_setting(), st.floats(0.02, 0.98))
def test_threshold_undoes_critical_temperature(setting, alpha):
    critical = critical_temperature(setting.with_(alpha=alpha))
    assume(0 < critical < math.inf)
    assert collapse_threshold(setting.with_(temperature=critical)) == pytest.approx(alpha, rel=1e-9)


@given(any_setting())
def test_threshold_rises_with_temperature(setting):
    thresholds = collapse_threshold(setting.with_(temperature=np.geomspace(1e-3, 1e3, 60)))
    assert np.all(np.diff(thresholds) >= -1e-14 * thresholds[1:])


@given(any_setting())
def test_variance_rises_with_the_weight(setting):
    variances = optimal_variance(setting.with_(alpha=np.linspace(0, 1, 40)))
    assert np.all(np.diff(variances) >= -1e-12)
    assert np.all((variances >= 0) & (variances <= 1))


@given(any_setting(samplers=("full", "balanced", "pk", "random")))
def test_keeping_the_anchor_needs_the_larger_weight(setting):
    masked = collapse_threshold(setting.with_(loss="supcon"))
    if masked <= 1:
        assert collapse_threshold(setting.with_(loss="ssem")) >= masked * (1 - 1e-14)


@given(any_setting(losses=("supcon",), samplers=("full", "balanced", "pk")))
def test_plain_supcon_is_below_every_threshold(setting):
    drawn = setting.classes_per_batch or setting.classes
    n = setting.instances_per_class if setting.sampler == "full" else setting.batch_size // drawn
    alpha = equivalent_alpha(n - 1, setting.views)
    # At small temperatures the two agree to the last digits.
    assert alpha <= collapse_threshold(setting) * (1 + 1e-14)
    assert optimal_variance(setting.with_(alpha=alpha)) < 1e-12


@given(any_setting(samplers=("balanced",)))
def test_a_balanced_batch_is_pk_with_all_classes(setting):
    same = setting.with_(classes_per_batch=setting.classes)
    assert collapse_threshold(same) == collapse_threshold(setting)


@given(st.integers(2, 50), st.integers(2, 30), st.floats(0.02, 5))
def test_the_whole_data_set_is_also_a_balanced_and_a_random_batch(m, n, tau):
    full = Setting(classes=m, instances_per_class=n, sampler="full", temperature=tau)
    for sampler in ("balanced", "random"):
        same = Setting(classes=m, instances_per_class=n, sampler=sampler, batch_size=m * n, temperature=tau)
        assert collapse_threshold(same) == pytest.approx(collapse_threshold(full), rel=1e-12)


def test_limits_of_the_full_batch():
    for n in (2, 10, 100):
        cold = Setting(classes=7, instances_per_class=n, sampler="full", temperature=1e-3, loss="ssem")
        assert collapse_threshold(cold) == pytest.approx(1 / n, rel=1e-14)
        assert collapse_threshold(cold.with_(temperature=1e6)) == pytest.approx(1, abs=1e-5)
        assert collapse_threshold(cold.with_(loss="supcon")) == pytest.approx(1 / (2 * n - 1), rel=1e-14)
        assert collapse_threshold(cold.with_(loss="l_spread")) < 1e-300
    # pure self-supervision in full batch: the regular simplex of all instances, v = m (N-1) / (mN-1)
    pure = Setting(classes=4, instances_per_class=6, sampler="full", temperature=0.3, alpha=1.0)
    assert optimal_variance(pure) == pytest.approx(4 * 5 / 23, rel=1e-14)


def test_arrays_broadcast_and_agree_with_scalars():
    tau, alpha = np.geomspace(0.05, 2, 7)[:, None], np.linspace(0.1, 1, 5)[None, :]
    for sampler, batch in (("balanced", 60), ("random", 60)):
        grid = Setting(classes=6, batch_size=batch, sampler=sampler, temperature=tau, alpha=alpha)
        found = optimal_variance(grid)
        assert found.shape == (7, 5)
        for i in range(7):
            for j in range(5):
                one = grid.with_(temperature=float(tau[i, 0]), alpha=float(alpha[0, j]))
                assert found[i, j] == pytest.approx(optimal_variance(one), rel=1e-12, abs=0)
    many = Setting(
        classes=np.array([2, 10, 100]), batch_size=np.array([64, 640, 6400]), sampler="balanced", temperature=0.1
    )
    assert collapse_threshold(many).shape == (3,)
    large = Setting(classes=10, batch_size=100, sampler="balanced", temperature=np.geomspace(0.01, 1, 20_000))
    assert collapse_threshold(large)[::5000] == pytest.approx(
        [collapse_threshold(large.with_(temperature=float(t))) for t in large.temperature[::5000]], rel=1e-15
    )


@given(any_setting(losses=("supcon", "ssem")), st.integers(2, 2000), st.floats(0.0, 1.0))
def test_the_estimate_never_passes_the_optimum(setting, dim, alpha):
    assume(dim >= setting.classes)
    at = setting.with_(dim=dim, alpha=alpha)
    assert 0 <= expected_variance(at) <= optimal_variance(at) + 1e-12


@given(any_setting(losses=("supcon", "ssem")), st.integers(1, 500), st.floats(0.05, 0.95), st.floats(0.3, 1.0))
def test_expected_variance_undoes_its_weight(setting, spare, part, reliability):
    at = setting.with_(dim=setting.classes - 1 + spare)
    lowest = alpha_for_expected_variance(at, 0.0, view_reliability=reliability)
    alpha = lowest + part * (1 - min(lowest, 1))
    variance = expected_variance(at.with_(alpha=min(alpha, 1.0)), view_reliability=reliability)
    if lowest >= 1:
        assert variance == 0
    elif 1e-3 < variance < 1:
        back = alpha_for_expected_variance(at, variance, view_reliability=reliability)
        assert back == pytest.approx(alpha, rel=1e-6)


def test_estimates_of_trained_networks():
    """The table of trained digits networks: per-view variance from reliability and effective dimension."""
    setting = Setting(classes=5, batch_size=250, sampler="balanced", temperature=0.1, dim=32)
    rows = [(0.02, 0.34, 11.6, 0.004), (0.1, 0.63, 13.3, 0.072), (0.2, 0.73, 21.4, 0.248), (0.5, 0.78, 26.1, 0.554)]
    for alpha, reliability, dimension, want in rows:
        found = expected_variance(setting.with_(alpha=alpha), reliability, dimension)
        assert found == pytest.approx(want, abs=2e-3)
    plain = expected_variance(setting.with_(alpha=np.array([0.02, 0.1, 0.5])))
    assert plain == pytest.approx([0.021, 0.159, 0.456], abs=6e-4)


def test_one_view_has_no_weight_that_helps():
    setting = Setting(classes=10, batch_size=100, sampler="balanced", views=1, temperature=0.1, alpha=0.99)
    assert collapse_threshold(setting) == 1.0
    assert optimal_variance(setting) == 0.0
    assert critical_temperature(setting) == 0.0
    assert collapse_threshold(setting.with_(loss="ssem")) < 1  # ssem keeps the anchor's own view


def test_lonely_batches_cannot_be_saved():
    setting = Setting(classes=100, batch_size=100, sampler="balanced", temperature=0.1, alpha=1.0)
    assert collapse_threshold(setting) == math.inf
    assert optimal_variance(setting) == 0.0


def test_outside_the_theorems_is_said_to_be_outside():
    with pytest.raises(NotCovered, match="dim >= classes - 1"):
        collapse_threshold(Setting(classes=10, dim=3, batch_size=100, sampler="balanced", temperature=0.1))
    with pytest.raises(NotCovered, match="the same size"):
        optimal_variance(Setting(class_counts=(5, 3), batch_size=4, temperature=0.1, alpha=0.5))
    with pytest.raises(NotCovered, match="the loss is supcon or ssem"):
        class_thresholds(Setting(class_counts=(5, 3), sampler="full", temperature=0.1, loss="l_spread"))
    with pytest.raises(NotCovered, match="the loss is supcon or ssem"):
        expected_variance(Setting(classes=5, batch_size=50, temperature=0.1, alpha=0.5, dim=8, loss="l_spread"), 0.5)


def test_missing_fields_are_named():
    with pytest.raises(SettingError, match="temperature"):
        collapse_threshold(Setting(classes=5, batch_size=10))
    with pytest.raises(SettingError, match="batch_size"):
        collapse_threshold(Setting(classes=5, temperature=0.1))
    with pytest.raises(SettingError, match="instances_per_class"):
        collapse_threshold(Setting(classes=5, temperature=0.1, sampler="full"))
    with pytest.raises(SettingError, match=r"variance=1\.2"):
        alpha_for_variance(Setting(classes=5, temperature=0.1, batch_size=10), 1.2)
