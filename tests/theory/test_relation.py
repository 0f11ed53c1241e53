"""The balance of the two losses against its own slopes: value, derivative, and how often Newton's method asks."""

import numpy as np
import pytest

from ssem_advisor import NotCovered, Setting, collapse_threshold, optimal_variance
from ssem_advisor.theory.extensions import (
    Weighed,
    contrastive_threshold,
    cross_entropy_threshold,
    error_probability,
    extended_limits,
    extended_relation,
    hardest_pull,
    queue_as_batch,
)
from ssem_advisor.theory.relation import Smooth, geometry_of, own_view_weight, relation_of

BATCHES = [
    {"sampler": "full", "instances_per_class": 12},
    {"sampler": "balanced", "batch_size": 20},
    {"batch_size": 11},
    {"batch_size": 30, "instances_per_class": 9},
]


@pytest.mark.parametrize("batch", BATCHES, ids=str)
@pytest.mark.parametrize("loss", ["supcon", "ssem", "l_spread"])
@pytest.mark.parametrize("temperature", [0.02, 0.4, 5.0])
def test_the_balance_is_the_log_ratio_of_its_pulls_and_knows_its_derivative(batch, loss, temperature):
    relation, geometry = relation_of(Setting(classes=5, temperature=temperature, loss=loss, **batch))
    assert isinstance(relation, Smooth)
    for part in (0.0, 0.03, 0.4, 1.0):
        y = np.atleast_1d(part * geometry.furthest)
        pull, push = relation.slopes(y)
        assert relation.weight(y) == pytest.approx(np.where(push + pull > 0, pull / (pull + push), np.inf), rel=1e-9)
        for alpha in (0.1, 0.5, 0.9, 0.999):
            value, slope = relation.balance(y, np.asarray(alpha))
            # slope of the loss: (1 - alpha) pull - alpha push; at the weight of y the two sides are equal
            assert np.sign(value) == np.sign(alpha - relation.weight(y)) or abs(value) < 1e-9
            step = 1e-6 * (1 + y)
            ahead, behind = (relation.balance(y + h, np.asarray(alpha))[0] for h in (step, -step))
            assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-7)
            assert slope < 0


@pytest.mark.parametrize("loss", ["supcon", "ssem", "l_spread"])
def test_the_optimum_is_found_in_few_steps(loss, monkeypatch):
    asked = []
    for alpha in (0.3, 0.7, 0.99, 1.0):
        for batch in BATCHES:
            relation, geometry = relation_of(Setting(classes=5, temperature=0.2, loss=loss, **batch))
            original = type(relation).balance
            with monkeypatch.context() as patch:
                patch.setattr(type(relation), "balance", lambda *given, f=original: asked.append(1) or f(*given))
                relation.solve(np.array([alpha]), np.atleast_1d(geometry.furthest))
    assert len(asked) <= 16 * 6.5


def test_no_arithmetic_warning_at_the_ends_of_the_domain():
    """Warnings of the package are errors here: logarithms of nothing and quotients of nothing are meant."""
    for loss in ("supcon", "ssem", "l_spread"):
        for views in (1, 2) if loss == "ssem" else (2,):
            for temperature in (1e-12, 1e-3, 1e3, 1e12):
                for alpha in (0.0, 0.5, 1.0):
                    for batch in (*BATCHES, {"sampler": "balanced", "batch_size": 5}, {"batch_size": 2}):
                        setting = Setting(
                            classes=5, temperature=temperature, loss=loss, views=views, alpha=alpha, **batch
                        )
                        assert 0.0 <= optimal_variance(setting) <= 1.0
                        assert collapse_threshold(setting) >= 0.0


def test_the_share_of_own_views():
    assert own_view_weight(Setting(classes=3, views=4)) == 0.75
    assert own_view_weight(Setting(classes=3, loss="ssem")) == 1.0
    assert own_view_weight(Setting(classes=3, views=1)) == 0.0
    for extra in ({"queue": 5}, {"loss": "l_in"}, {"features": "non-negative"}):
        with pytest.raises(NotCovered, match=r"^this answer: not covered, because it assumes:"):
            own_view_weight(Setting(classes=3, **extra))
    geometry = geometry_of(Setting(classes=3, temperature=0.5, instances_per_class=4))
    assert (geometry.rho, geometry.shrink, geometry.log_r) == (0.375, 0.75, -3.0)
    assert geometry.furthest == pytest.approx(1 / 0.375)
    assert geometry.variance(geometry.y(np.array([0.0, 0.3, 1.0]))) == pytest.approx([0.0, 0.3, 1.0])
    assert geometry.variance(np.array([99.0])) == 1.0


# -- settings past the basic theory ------------------------------------------------------------------------------------


def test_a_queue_is_a_batch_of_one_view_and_one_key_more():
    queue = Setting(classes=6, temperature=0.3, views=4, queue=9, instances_per_class=5, alpha=0.4)
    assert queue_as_batch(queue) == Setting(
        classes=6, temperature=0.3, views=1, loss="ssem", batch_size=10, instances_per_class=5, alpha=0.4
    )
    assert queue_as_batch(queue.with_(queue=29)).instances_per_class == 5
    assert queue_as_batch(queue.with_(queue=30)).instances_per_class is None  # it meets instances again
    limits = extended_limits(queue)
    threshold = pytest.approx(collapse_threshold(queue_as_batch(queue)), rel=1e-14)
    assert limits == (threshold, threshold, "local", ("QUEUE",))
    counted = Setting(class_counts=(5, 5, 5), temperature=0.3, queue=4)
    assert queue_as_batch(counted).class_counts is None


@pytest.mark.parametrize(
    ("extra", "kind", "theorem"),
    [
        ({"loss": "l_in"}, "local", "L-IN-MIXED"),
        ({"queue": 9}, "local", "QUEUE"),
        ({"features": "non-negative"}, "exact", "NON-NEGATIVE"),
        ({"self_temperature": 0.5}, "exact", "TWO-TEMPERATURES"),
        ({"cross_entropy": 0.5}, "bound", "CROSS-ENTROPY"),
        ({"cross_entropy": 0.5, "self_temperature": 0.5}, "bound", "TWO-TEMPERATURES"),
    ],
)
def test_kinds_of_limits(extra, kind, theorem):
    limits = extended_limits(Setting(classes=4, temperature=0.3, batch_size=12, **extra))
    assert limits.kind == kind
    assert theorem in limits.theorems
    assert (limits.collapse_up_to < limits.open_above) == (kind == "bound")


def test_cross_entropy_adds_half_its_weight_times_temperature_and_pull():
    setting = Setting(classes=4, temperature=0.3, sampler="full", instances_per_class=5, cross_entropy=0.8)
    alone = collapse_threshold(setting.with_(cross_entropy=0.0))
    for margin in (0.0, 1.0, 3.0):
        pull = margin * 3 / (np.exp(margin) + 3)
        assert error_probability(4, margin) == pytest.approx(3 / (np.exp(margin) + 3))
        assert cross_entropy_threshold(setting, margin) == pytest.approx(alone + 0.5 * 0.8 * 0.8 * 0.3 * pull)
    for endless in (None, 5):
        at = setting.with_(sampler="balanced", batch_size=20, instances_per_class=endless)
        added = 0.5 * 0.8 * (1.0 if endless is None else 0.8) * 0.3 * hardest_pull(4)
        alone = collapse_threshold(at.with_(cross_entropy=0.0))
        assert extended_limits(at) == (pytest.approx(alone), pytest.approx(alone + added), "bound", ("CROSS-ENTROPY",))
    margins = cross_entropy_threshold(setting, np.array([0.0, 1.0]))
    assert margins.shape == (2,)
    with pytest.raises(NotCovered, match=r"the threshold depends on the classifier's margin"):
        contrastive_threshold(setting)


def test_two_temperatures_weigh_each_slope_by_its_own():
    """The relation at two temperatures, from the slopes of two settings of one temperature."""
    for loss in ("supcon", "l_spread"):
        both = Setting(
            classes=4, temperature=0.3, self_temperature=0.8, sampler="full", instances_per_class=5, loss=loss
        )
        relation, geometry = extended_relation(both)
        assert isinstance(relation, Weighed)
        one = [relation_of(both.with_(temperature=t, self_temperature=None))[0] for t in (0.3, 0.8)]
        for part in (0.0, 0.2, 0.9):
            y = np.atleast_1d(part * geometry.furthest)
            pull, push = relation.slopes(y)
            assert pull == pytest.approx(one[0].slopes(y)[0])
            assert push == pytest.approx(0.3 / 0.8 * one[1].slopes(y * 0.3 / 0.8)[1])
            assert relation.weight(y) == pytest.approx(np.where(pull + push > 0, pull / (pull + push), np.inf))
        alpha = relation.weight(np.atleast_1d(0.4 * geometry.furthest))
        assert relation.solve(alpha, np.atleast_1d(geometry.furthest)) == pytest.approx(0.4 * geometry.furthest)
        assert relation.solve(np.array([1.0]), np.atleast_1d(0.1)) == 0.1


def test_away_from_collapse_the_log_of_the_sum_has_no_answer():
    setting = Setting(classes=4, temperature=0.3, batch_size=12, loss="l_in", alpha=0.9)
    with pytest.raises(NotCovered, match=r"^loss='l_in': not covered, because away from collapse it is not convex$"):
        optimal_variance(setting)
    assert optimal_variance(setting.with_(alpha=0.0)) == 0.0
