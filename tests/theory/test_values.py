"""Reference values of the loss: public stuck values, the real losses at the three states, what is not covered."""

import math

import numpy as np
import pytest
from brute import batches_of, loss_and_gradient, minimise
from scipy import optimize

from ssem_advisor import Setting, SettingError, reference_losses
from ssem_advisor.theory import equivalent_alpha


@pytest.mark.parametrize(
    ("batch", "base", "seen"),
    [(64, 0.07, 6.920), (256, 0.07, 8.909), (4, None, 1.9459)],  # values that public reports call stuck
)
def test_stuck_values_are_total_collapse(batch, base, seen):
    setting = Setting(classes=2, batch_size=batch, temperature=0.1 if base else 1.0)
    total = reference_losses(setting, base_temperature=base).total_collapse
    assert abs(total - seen) < 10.0 ** -(3 if base else 4)


@pytest.mark.parametrize("loss", ["supcon", "ssem", "l_spread"])
@pytest.mark.parametrize("alpha", [0.2, 0.7])
def test_the_real_losses_take_these_values(loss, alpha):
    m, n, views, tau = 3, 4, 2, 0.5
    setting = Setting(
        classes=m, instances_per_class=n, sampler="full", views=views, loss=loss, temperature=tau, alpha=alpha
    )
    values, labels = reference_losses(setting), np.repeat(range(m), n)
    equal = np.tile([[1.0] + [0.0] * 10], (m * n * views, 1))
    assert loss_and_gradient(equal, labels, views, alpha, tau, loss)[0] == pytest.approx(
        values.total_collapse, rel=1e-12
    )
    angles = 2 * np.pi * np.arange(m) / m
    simplex = np.column_stack([np.cos(angles), np.sin(angles)])[np.repeat(labels, views)]
    collapsed = loss_and_gradient(simplex, labels, views, alpha, tau, loss)[0]
    assert collapsed == pytest.approx(values.class_collapse, rel=1e-12)
    _, lowest = minimise(labels, views, 11, alpha, tau, loss)
    assert lowest == pytest.approx(values.optimum, rel=1e-9)
    assert values.optimum <= values.class_collapse < values.total_collapse


def test_plain_supcon_has_no_optimum_below_collapse():
    values = reference_losses(Setting(classes=10, batch_size=500, sampler="balanced", temperature=0.1))
    assert values.total_collapse == pytest.approx(math.log(2 * 500 - 1))
    assert values.optimum == values.class_collapse


def test_arrays_and_base_temperature():
    tau = np.array([0.07, 0.1])
    setting = Setting(classes=10, batch_size=500, sampler="balanced", temperature=tau, alpha=0.3)
    scaled, plain = reference_losses(setting, base_temperature=0.07), reference_losses(setting)
    for a, b in zip(scaled, plain, strict=True):
        assert a == pytest.approx(b * tau / 0.07)
    with pytest.raises(SettingError, match="base_temperature"):
        reference_losses(setting, base_temperature=0.0)
    with pytest.raises(SettingError, match="alpha"):
        reference_losses(setting.with_(alpha=None, loss="ssem"))


@pytest.mark.parametrize("alpha", [None, 0.4])
def test_only_the_plateau_is_known_without_a_simplex(alpha):
    for fields in ({"classes": 10, "dim": 3}, {"class_counts": (80, 15, 5), "dim": 2}):
        values = reference_losses(Setting(**fields, batch_size=40, temperature=0.1, alpha=alpha))
        assert math.isnan(values.class_collapse)
        assert math.isnan(values.optimum)
        if alpha is None:
            assert values.total_collapse == pytest.approx(math.log(79))


@pytest.mark.parametrize("loss", ["supcon", "ssem"])
@pytest.mark.parametrize(
    ("sizes", "batch", "alpha"), [((4, 2, 2), None, 0.1), ((4, 2, 2), None, 0.7), ((3, 2), 3, 0.6)]
)
def test_classes_of_different_sizes_take_these_values(loss, sizes, batch, alpha):
    """Against direct minimisation: of everything, and of one point a class."""
    views, tau, labels = 2, 0.4, np.repeat(range(len(sizes)), sizes)
    sampler = "full" if batch is None else "random"
    setting = Setting(
        class_counts=sizes, sampler=sampler, batch_size=batch, loss=loss, temperature=tau, alpha=alpha, views=views
    )
    values = reference_losses(setting)
    batches = None if batch is None else batches_of(labels, batch, "random")
    _, lowest = minimise(labels, views, len(labels) * views, alpha, tau, loss, batches)
    assert values.optimum == pytest.approx(lowest, rel=1e-7)

    def at_points(flat):
        means = flat.reshape(len(sizes), -1)
        means = means / np.linalg.norm(means, axis=1, keepdims=True)
        rows = [range(len(labels))] if batches is None else batches
        points = np.repeat(means[labels], views, axis=0).reshape(len(labels), views, -1)
        parts = ((np.concatenate(points[list(b)]), labels[list(b)]) for b in rows)
        return np.mean([loss_and_gradient(z, mine, views, alpha, tau, loss)[0] for z, mine in parts])

    start = np.random.default_rng(0).standard_normal(len(sizes) * (len(sizes) - 1 or 1))
    best = optimize.minimize(at_points, start, method="BFGS", options={"gtol": 1e-8})
    assert values.class_collapse == pytest.approx(best.fun, rel=1e-7)
    assert values.optimum <= values.class_collapse < values.total_collapse


@pytest.mark.parametrize("sizes", [(4, 2, 2), (5, 1)])
def test_plain_supcon_of_different_sizes_has_no_optimum_below_collapse(sizes):
    """Merged positives at alpha_eq of every anchor: the value at collapse is that of the log of the denominator."""
    setting = Setting(class_counts=sizes, sampler="full", temperature=0.4)
    values = reference_losses(setting)
    assert values.optimum == values.class_collapse
    assert values.class_collapse < values.total_collapse == pytest.approx(math.log(2 * sum(sizes) - 1))


def test_lonely_anchors_of_a_small_class_count_only_their_own_term():
    """Sizes (4, 2), random batches of 3, by enumeration at total collapse."""
    from brute import batches_of

    labels, alpha = np.array([0, 0, 0, 0, 1, 1]), 0.3
    z = np.tile([[1.0, 0.0]], (6, 1))
    batches = batches_of(labels, 3, "random")
    mean = np.mean([
        loss_and_gradient(np.repeat(z[b], 2, axis=0), labels[b], 2, alpha, 0.2, "supcon")[0] for b in batches
    ])  # fmt: skip
    setting = Setting(class_counts=(4, 2), batch_size=3, temperature=0.2, alpha=alpha)
    assert reference_losses(setting).total_collapse == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize(("n", "tau", "alpha"), [(2, 0.2, 0.0), (2, 0.2, 0.15), (2, 0.2, 0.35), (3, 0.15, 0.05)])
def test_below_alpha_view_the_optimum_lets_views_drift(n, tau, alpha):
    setting = Setting(classes=3, instances_per_class=n, sampler="full", temperature=tau, alpha=alpha)
    _, lowest = minimise(np.repeat(range(3), n), 2, 3 * n * 2 - 1, alpha, tau, "supcon", starts=2)
    assert reference_losses(setting).optimum == pytest.approx(lowest, rel=1e-7)


@pytest.mark.parametrize("views", [2, 3])
def test_below_alpha_view_of_random_batches(views):
    setting = Setting(classes=2, instances_per_class=2, batch_size=3, temperature=0.15, alpha=0.1, views=views)
    labels = [0, 0, 1, 1]
    _, lowest = minimise(labels, views, 11, 0.1, 0.15, "supcon", batches_of(labels, 3, "random"), starts=2)
    values = reference_losses(setting)
    assert values.optimum == pytest.approx(lowest, rel=1e-7)
    assert values.optimum < values.class_collapse


def test_one_class_in_a_batch_is_refused():
    with pytest.raises(SettingError, match="classes_per_batch"):
        Setting(classes=4, sampler="balanced", classes_per_batch=1, batch_size=8)


def test_one_view_leaves_plain_supcon_no_self_supervised_share():
    """alpha_eq by counting positives: p - 1 own views of n p - 1."""
    for views in (1, 2, 3, 5):
        for same in (0, 1, 7):
            positives = (same + 1) * views - 1
            assert equivalent_alpha(same, views) == pytest.approx((views - 1) / positives if positives else 0.0)
    np.testing.assert_allclose(equivalent_alpha(np.array([0, 0, 3]), np.array([1, 2, 2])), [0, 1, 1 / 7])
