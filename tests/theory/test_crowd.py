"""Classes of different sizes in fewer dimensions than classes: batches in closed form, the search, what it costs."""

import numpy as np
import pytest
from brute import batches_of, loss_and_gradient

from ssem_advisor import Setting
from ssem_advisor.theory import anchors, classes, crowd
from ssem_advisor.theory.crowd import Averaged, Crowd, Listed, _condensed
from ssem_advisor.theory.solve import fixed_points


def unit(rng, *shape):
    rows = rng.standard_normal(shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_points_that_map_to_themselves():
    def function(x):
        return np.array([0.3 + 0.1 * x**2, 0.9 - 0.2 * np.sin(x), -3.0, np.inf, 0.5])

    found, errors = fixed_points(function, 1e-9)
    assert found == pytest.approx([(1 - np.sqrt(1 - 0.12)) / 0.2, 0.9 - 0.2 * np.sin(found[1]), 0.0, 1.0, 0.5])
    assert errors.max() <= 1e-9


def test_a_search_that_may_not_look_again_says_what_is_left_open():
    found, errors = fixed_points(lambda x: np.array([0.2 + 0.5 * x]), 1e-9, most=1)
    assert abs(found[0] - 0.4) <= errors[0]


def test_few_points_with_the_moments_of_many():
    points, probability = np.arange(1.0, 60.0), np.random.default_rng(0).random(59)
    few, weight = _condensed(points, probability)
    assert len(few) < 10
    for power in range(12):
        assert weight @ few**power == pytest.approx(probability @ points**power, rel=1e-9)


@pytest.mark.parametrize(
    "batch", [{"batch_size": 40}, {"sampler": "balanced", "batch_size": 8, "classes_per_batch": 4}]
)
def test_the_gradient_of_averaged_batches(batch):
    setting = Setting(class_counts=(90, 60, 40, 30, 20, 15, 12, 9, 6, 4, 4, 3), dim=4, temperature=0.2, **batch)
    problem, rng = Crowd(setting), np.random.default_rng(1)
    if not isinstance(problem.batches, Averaged):
        listed = problem.batches
        problem = averaged(setting)
        assert isinstance(listed, Listed)
    vectors, along = unit(rng, 12, 4), rng.standard_normal((12, 4))
    _, slope = problem.value_and_gradient(vectors, 0.4)
    ahead, behind = (problem.value_and_gradient(vectors + h * along, 0.4)[0] for h in (1e-5, -1e-5))
    assert (ahead - behind) / 2e-5 == pytest.approx((slope * along).sum(), rel=1e-6)


def averaged(setting):
    """The problem with its batches in closed form, although they could be listed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crowd, "anchors_of", lambda *_, **__: None)
        crowd._batches.cache_clear()
        problem = Crowd(setting)
    crowd._batches.cache_clear()
    assert isinstance(problem.batches, Averaged)
    return problem


@pytest.mark.parametrize(
    ("counts", "dim", "temperature", "batch"),
    [
        ((11, 13, 2, 3, 11), 3, 0.176, {"batch_size": 11}),
        ((11, 5, 7, 11, 3, 5), 3, 0.112, {"batch_size": 4}),
        ((8, 8, 10, 9, 13), 3, 0.4, {"batch_size": 9, "loss": "ssem"}),
        ((9, 7, 6, 5, 4, 3), 3, 0.3, {"sampler": "balanced", "batch_size": 6, "classes_per_batch": 3}),
    ],
)
def test_averaged_batches_are_the_mean_over_listed_ones(counts, dim, temperature, batch, monkeypatch):
    """Value, gradient and cost of a spread of every class, batches drawn without replacement."""
    setting = Setting(class_counts=counts, dim=dim, temperature=temperature, **batch)
    monkeypatch.setattr(anchors, "_LISTED", 6000)
    crowd._batches.cache_clear()
    listed, closed = Crowd(setting), averaged(setting)
    assert isinstance(listed.batches, Listed)
    assert closed.batches.paired == pytest.approx(listed.batches.paired)
    vectors = unit(np.random.default_rng(2), len(counts), dim)
    for alpha in (0.0, 0.6):
        value, slope = listed.value_and_gradient(vectors, alpha)
        near, close = closed.value_and_gradient(vectors, alpha)
        assert near == pytest.approx(value, abs=5e-4)
        assert close == pytest.approx(slope, abs=2e-3)
        assert closed.costs(vectors, alpha) == pytest.approx(listed.costs(vectors, alpha), abs=4e-3)
    # Half of the data set in a batch: drawing with replacement would be off by more.
    if "sampler" not in batch:
        closed.batches.fewer = closed.batches.draws
        assert abs(closed.value_and_gradient(vectors, 0.6)[0] - value) > 3 * abs(near - value)


def test_the_cost_of_a_spread_is_the_curvature_of_the_mean_loss_over_all_batches():
    """By central differences of the loss of every batch, in the least tangent direction of every class."""
    counts, size, temperature, alpha = (4, 3, 3, 2), 5, 0.4, 0.3
    labels, rng = np.repeat(range(4), counts), np.random.default_rng(3)
    problem = Crowd(Setting(class_counts=counts, dim=2, temperature=temperature, batch_size=size))
    vectors = problem.minimum(alpha, unit(rng, 4, 2), 1e-11)
    batches = batches_of(labels, size, "random")

    def loss(z):
        return np.mean([loss_and_gradient(z[b].reshape(-1, 2), labels[b], 2, alpha, temperature, "supcon")[0]
                        for b in batches])  # fmt: skip

    base = np.repeat(vectors[labels][:, None], 2, axis=1)
    for number in range(4):
        rows = np.flatnonzero(labels == number)
        tangent = np.array([-vectors[number][1], vectors[number][0]])

        def moved(step, rows=rows, tangent=tangent):
            z = base.copy()
            for row, sign in zip(rows[:2], (1.0, -1.0), strict=True):
                z[row] += sign * step * tangent
            return loss(z / np.linalg.norm(z, axis=-1, keepdims=True))

        curvature = (moved(1e-3) - 2 * loss(base) + moved(-1e-3)) / 1e-6
        # tau times the loss grows by the cost per anchor and unit of variance; two of N move by `step`.
        share, each = counts[number] / sum(counts), 2.0 / counts[number]
        found = problem.costs(vectors, alpha)[number] * share * each / temperature
        assert found == pytest.approx(0.5 * curvature, rel=2e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("counts", "dim", "temperature", "batch"),
    [
        (tuple(range(4, 34)), 7, 0.15, {"batch_size": 90}),
        ((120, 80, 60, 40, 30, 20, 12, 9, 7, 5, 4, 3, 3), 5, 0.3, {"batch_size": 40}),
        (tuple(range(10, 50, 2)), 9, 0.1, {"sampler": "full"}),
    ],
)
def test_the_ends_hold_against_many_more_starts(counts, dim, temperature, batch):
    setting = Setting(class_counts=counts, dim=dim, temperature=temperature, **batch)
    found, error = classes.thresholds_and_error(setting)
    found = np.minimum(found, 1.0)  # beyond 1 there are no weights to tell apart
    problem = Crowd(setting)
    tried = [problem.minimum(0.5, unit(np.random.default_rng(50 + k), len(counts), dim), 1e-7) for k in range(12)]
    lowest = min(tried, key=lambda v: problem.value_and_gradient(v, 0.5)[0])
    exact, _ = fixed_points(lambda alpha: problem._turns(problem.minimum(alpha, lowest, 1e-8)), 1e-4)
    assert abs(np.nanmax(found) - np.nanmax(exact)) <= error
    assert abs(np.nanmin(found) - np.nanmin(exact)) <= error
    assert error < 0.25
    quick, wider = classes.thresholds_and_error(setting, quick=True)
    assert abs(min(np.nanmax(quick), 1.0) - np.nanmax(exact)) <= wider
