"""Classes of different sizes in fewer dimensions than classes: batches in closed form, the search, what it costs."""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor

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
    ("number", "dim", "batch"),
    [
        (3, 2, {"batch_size": 4}),
        (4, 3, {"sampler": "balanced", "batch_size": 4, "classes_per_batch": 2}),
        (4, 2, {"sampler": "balanced", "batch_size": 4, "classes_per_batch": 2, "loss": "ssem"}),
    ],
)
def test_equal_classes_open_where_the_mean_loss_over_all_batches_says(number, dim, batch):
    """Not where a batch with the expected number of every class would: that is up to 7 % higher."""
    setting = Setting(classes=number, instances_per_class=4, dim=dim, temperature=1.0, **batch)
    found, errors = classes.thresholds_and_errors(setting)
    labels, loss = np.repeat(np.arange(number), 4), batch.get("loss", "supcon")
    if "sampler" in batch:  # two of the classes, two instances of each
        two = list(itertools.combinations(range(4), 2))
        batches = [
            [4 * a + i for i in first] + [4 * b + i for i in second]
            for a, b in itertools.combinations(range(number), 2)
            for first, second in itertools.product(two, two)
        ]
    else:
        batches = batches_of(labels, 4, "random")
    vectors = Crowd(setting.with_(class_counts=(4,) * number, instances_per_class=None)).minima()[0]
    base = np.repeat(vectors[labels][:, None], 2, axis=1)

    def mean_loss(z, alpha):
        return np.mean([loss_and_gradient(z[b].reshape(-1, dim), labels[b], 2, alpha, 1.0, loss)[0] for b in batches])

    def curvature(alpha, tangent):
        z = [base.copy(), base, base.copy()]
        for sign, moved in ((1.0, z[0]), (-1.0, z[2])):
            moved[0] += sign * 1e-3 * tangent
            moved[1] -= sign * 1e-3 * tangent
        ahead, here, behind = (mean_loss(x / np.linalg.norm(x, axis=-1, keepdims=True), alpha) for x in z)
        return ahead - 2 * here + behind

    tangents = np.linalg.svd(vectors[:1])[2][1:]
    assert dim in (2, number - 1)  # one tangent direction, or all of a simplex alike
    for alpha, opens in ((found.min() - errors.first - 1e-3, False), (found.max() + errors.last + 1e-3, True)):
        assert (curvature(alpha, tangents[0]) < 0) == opens


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
    found, errors = classes.thresholds_and_errors(setting)
    found = np.minimum(found, 1.0)  # beyond 1 there are no weights to tell apart
    problem = Crowd(setting)
    tried = [problem.minimum(0.5, unit(np.random.default_rng(50 + k), len(counts), dim), 1e-7) for k in range(12)]
    lowest = min(tried, key=lambda v: problem.value_and_gradient(v, 0.5)[0])
    exact, _ = fixed_points(lambda alpha: problem._turns(problem.minimum(alpha, lowest, 1e-8)), 1e-4)
    assert abs(np.nanmin(found) - np.nanmin(exact)) <= errors.first < 0.25 * np.nanmin(found)
    assert abs(np.nanmax(found) - np.nanmax(exact)) <= errors.last < 0.25


def multinomial(problem, own, sizes, copies):
    """The same batches composition by composition: `fewer` draws with replacement, the others at their mean."""
    tables = []
    for i, row in enumerate(problem.share):
        lines = []
        for weight, mates, draws, random in zip(
            problem.weight[i], problem.mates[i], problem.draws[i], np.round(problem.fewer[i]).astype(int), strict=True
        ):
            for drawn in itertools.product(range(random + 1), repeat=len(row)):
                if sum(drawn) == random:
                    ways = math.factorial(random) / math.prod(map(math.factorial, drawn))
                    counts = copies * (np.array(drawn) + (draws - random) * row)
                    lines.append((weight * ways * np.prod(row ** np.array(drawn)), mates, counts))
        tables.append(lines)
    most = max(map(len, tables))
    padded = [[*lines, *[(0.0, 1.0, np.zeros(len(sizes)))] * (most - len(lines))] for lines in tables]
    weight, mates, counts = (np.array([[line[part] for line in lines] for lines in padded]) for part in range(3))
    return Listed(own, sizes, weight, mates, counts)


@pytest.mark.parametrize("copies", [1.0, 4.0])
@pytest.mark.parametrize("fewer", [0.0, 0.5, 1.0])
def test_averages_are_sums_over_every_composition_drawn_with_replacement(copies, fewer, monkeypatch):
    """To nine digits where the integrals over t are taken finely."""
    monkeypatch.setattr(crowd, "_STEP", 0.2)
    rng, own, sizes = np.random.default_rng(0), 0.5, np.array([30.0, 20.0, 25.0])
    vectors = unit(rng, 3, 2)
    near = np.exp((vectors @ vectors.T - 1.0) / 0.3)
    np.fill_diagonal(near, 0.0)
    share = np.array([[0.0, 0.3, 0.7], [0.6, 0.0, 0.4], [0.2, 0.8, 0.0]])
    weight = np.array([[0.2, 0.15], [0.3, 0.05], [0.2, 0.1]])
    mates, draws = np.array([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0]]), np.array([[2.0, 4.0], [4.0, 4.0], [2.0, 4.0]])
    problem = Averaged(own, sizes, weight, mates, draws, np.full(3, 1e15), share, copies)
    assert problem.fewer == pytest.approx(draws)
    problem.fewer = fewer * draws
    exact = multinomial(problem, own, sizes, copies)
    for found in (problem, exact):
        assert found.paired == pytest.approx(weight[:, 0])
        assert found.alone == pytest.approx(weight[:, 1])
    for alpha in (0.0, 0.6):
        value, pull = problem.value_and_pull(near, alpha)
        wanted, by_log = exact.value_and_pull(near, alpha)
        assert value == pytest.approx(wanted, abs=1e-9)
        assert pull == pytest.approx(by_log, abs=1e-9)
        for part, of_all in zip(
            problem.curvature(near, vectors, alpha), exact.curvature(near, vectors, alpha), strict=True
        ):
            assert part == pytest.approx(of_all, abs=3e-9)
    mean = problem.expected()
    assert isinstance(mean, Listed)
    assert mean.weight == pytest.approx(weight)
    assert mean.counts == pytest.approx(copies * draws[:, :, None] * share[:, None, :])
    assert mean.same == pytest.approx(mates)
    assert mean.paired == pytest.approx(problem.paired)


def test_drawing_without_replacement_spreads_like_fewer_draws():
    """Of 11 instances 11 draws leave nothing to chance, one leaves all."""
    table = np.ones((1, 1))
    for draws, fewer in ((1.0, 1.0), (6.0, 3.0), (11.0, 0.0)):
        made = Averaged(0.5, np.ones(1), table, table, draws * table, np.array([11.0]), table, 1.0)
        assert made.fewer == pytest.approx(fewer)


@pytest.mark.parametrize(
    ("counts", "batch"),
    [
        ((90, 60, 40, 30, 20, 15, 12, 9, 6, 4, 4, 3), {"batch_size": 40}),
        ((90, 60, 40, 30, 20, 15, 12, 9, 6, 4, 4, 1), {"batch_size": 40, "loss": "ssem"}),
        ((7, 6, 4), {"batch_size": 6}),
        ((7, 6, 4), {"sampler": "full"}),
        ((9, 7, 6, 5, 4, 3), {"sampler": "balanced", "batch_size": 6, "classes_per_batch": 3}),
        (tuple(range(4, 44)), {"sampler": "balanced", "batch_size": 30, "classes_per_batch": 15}),
    ],
)
def test_what_the_anchors_of_a_class_meet_on_average(counts, batch):
    """Shares of the anchors, mates and others by class: the means of drawing without replacement."""
    setting = Setting(class_counts=counts, dim=2, temperature=0.3, **batch)
    problem, sizes = Crowd(setting), np.array(counts, dtype=float)
    batches, total = problem.batches, sizes.sum()
    assert batches.own == (1.0 if setting.loss == "ssem" else 0.5)
    weight, mates = batches.weight, batches.same if isinstance(batches, Listed) else batches.mates
    others = (
        batches.counts
        if isinstance(batches, Listed)
        else batches.copies * batches.draws[:, :, None] * batches.share[:, None, :]
    )
    share = np.full(len(sizes), 1 / len(sizes)) if setting.sampler == "balanced" else sizes / total
    assert problem.share == pytest.approx(share)
    assert batches.paired + batches.alone == pytest.approx(share)
    met = (weight[:, None, :] @ others)[:, 0, :] / share[:, None]
    mean_mates = (weight * mates).sum(axis=1) / share
    away = 1.0 - np.eye(len(sizes))
    if setting.sampler == "full":
        assert mean_mates == pytest.approx(sizes - 1)
        assert met == pytest.approx(sizes * away)
    elif setting.sampler == "balanced":
        each = setting.batch_size / setting.classes_per_batch
        assert mean_mates == pytest.approx(each - 1)
        assert met == pytest.approx(each * (setting.classes_per_batch - 1) / (len(sizes) - 1) * away)
    else:
        draws = (setting.batch_size - 1) / (total - 1)
        assert mean_mates == pytest.approx(draws * (sizes - 1), abs=1e-9)
        assert met == pytest.approx(draws * sizes * away, rel=0.06)
        squares = (weight * mates**2).sum(axis=1) / share  # of the hypergeometric law
        spread = (
            draws * (sizes - 1) * (1 - (sizes - 1) / (total - 1)) * (total - setting.batch_size) / max(total - 2, 1)
        )
        assert squares - mean_mates**2 == pytest.approx(spread, rel=1e-6, abs=1e-9)
    if isinstance(batches, Averaged) and setting.sampler == "balanced":
        left = len(sizes) - 1.0
        assert batches.fewer == pytest.approx(14.0 * (left - 14.0) / (left - 1.0))
    if isinstance(batches, Averaged) and setting.sampler == "random":
        seen = batches.weight > 0
        rest = (total - sizes)[:, None]
        assert (batches.draws + batches.mates)[seen] == pytest.approx(setting.batch_size - 1.0)
        assert batches.fewer[seen] == pytest.approx((batches.draws * (rest - batches.draws) / (rest - 1.0))[seen])


# -- what the search itself does, with minima and turning weights that are given ---------------------------------------


class Given(Crowd):
    """A problem whose minima are numbers, and whose turning weights at minimum k and weight alpha are given."""

    def __init__(self, sizes, turns, small=True, lonely=False, closed=False):
        self.sizes, self.small, self.turns = np.array(sizes, dtype=float), small, turns
        self.precision, self.calls = (1e-9 if small else 3e-6), []
        self.batches = Averaged.__new__(Averaged) if closed else Listed.__new__(Listed)
        self.batches.alone = np.full(len(sizes), 0.1 if lonely else 0.0)

    def minima(self, closer):
        return [(k, 0.5) for k in range(4)]

    def minimum(self, alpha, vectors, precision):
        self.calls.append((alpha, vectors, precision))
        return (vectors[0], alpha)

    def _turns(self, vectors):
        return np.asarray(self.turns(*vectors), dtype=float)


def test_thresholds_of_a_settled_problem_have_no_error_and_single_instances_none():
    problem = Given((5, 1, 3, 2), lambda k, alpha: [0.2, 0.5, 0.4, 1.3])
    found, errors = problem.thresholds()
    assert found == pytest.approx([0.2, np.nan, 0.4, np.inf], nan_ok=True)
    assert errors == (0.0, 0.0)
    assert problem.calls == [(0.5, (0, 0.5), 1e-9)]  # one minimum serves all weights where every anchor has a mate


def test_the_errors_are_twice_what_the_three_lowest_minima_differ_by_at_each_end():
    def turns(k, alpha):
        first, last = {0: (0.20, 0.40), 1: (0.21, 0.40), 2: (0.20, 0.43), 3: (0.9, 0.9)}[k]
        return [first, 0.3 + 0.01 * k, last]

    for fields, more in (({}, 0.005), ({"closed": True}, 0.007), ({"small": False}, 0.005)):
        found, errors = Given((5, 3, 2), turns, **fields).thresholds()
        assert found == pytest.approx([0.20, 0.30, 0.40])
        assert errors == pytest.approx((2 * 0.01 + more, 2 * 0.03 + more), abs=1e-9)

    def alike(k, alpha):
        return [0.2, 0.3, 0.4]

    assert Given((5, 3, 2), alike, closed=True).thresholds()[1] == pytest.approx((0.002, 0.002))
    assert Given((5, 3, 2), alike, small=False).thresholds()[1] == pytest.approx((0.005, 0.005))
    beyond = Given((5, 3, 2), lambda k, alpha: [0.2, 0.3, 7.0 + k])
    assert beyond.thresholds()[1] == (0.0, 0.0)  # beyond 1 nothing differs
    small = Given((5, 3, 2), lambda k, alpha: [0.01, 0.3, 0.4], small=False, closed=True)
    assert small.thresholds()[1] == pytest.approx((0.001 + 0.0002, 0.007))  # no more than a share of a small first


def test_where_the_lowest_minimum_may_be_missed_the_highest_counts_and_a_share_of_the_value():
    def turns(k, alpha):
        return [(0.20, 0.21, 0.20, 0.15)[k], 0.3, (0.40, 0.40, 0.43, 0.42)[k]]

    errors = Given((5, 3, 2), turns, small=False).thresholds(unseen=0.01)[1]
    assert errors == pytest.approx((0.06 + 0.005 + 0.002, 2 * 0.03 + 0.005 + 0.004))


@pytest.mark.parametrize("dim", [6, 8])
def test_random_batches_of_many_equal_classes_may_miss_the_lowest_minimum(dim):
    """From 200 coordinates on the error holds the highest minimum found and 1 % of the value more."""
    setting = Setting(classes=30, dim=dim, temperature=0.15, batch_size=120)
    _, errors = classes.thresholds_and_errors(setting)
    alike = Crowd(setting.with_(class_counts=(classes._ENDLESS,) * 30))
    tried = alike.minima()
    ends = np.array([(turns.min(), turns.max()) for turns in map(alike._turns, (tried[0], tried[-1]))])
    needed = np.ptp(ends, axis=0) + 0.01 * ends[0]
    assert np.ptp(ends, axis=0).max() > 0.005
    assert (np.array(errors) >= needed).all() == (dim == 8)


@pytest.mark.parametrize("small", [True, False])
def test_where_anchors_are_alone_the_minimum_follows_the_weight_from_the_nearest_one_known(small):
    def turns(k, alpha):
        return [0.3 + 0.1 * alpha, 0.4 + 0.2 * alpha**2, 0.9 - 0.2 * alpha]

    problem = Given((5, 4, 3), turns, small, lonely=True)
    found, errors = problem.thresholds()
    exact = np.array([0.3 / 0.9, (1 - math.sqrt(1 - 0.32)) / 0.4, 0.9 / 1.2])
    settled = 0.0 if small else 0.005
    assert (np.abs(found - exact)[[0, 2]] <= 1.2 * (np.array(errors) - settled)).all()
    assert (abs(found[1] - exact[1]) <= 1e-6) == small  # in large problems what lies between is not followed
    known = [0.5]
    for alpha, (_, before), precision in problem.calls[1:]:
        assert before == min(known, key=lambda other: abs(other - alpha))
        assert precision == (1e-9 if small else 3e-6)
        known.append(alpha)
    assert 3 <= len(known) <= 12


@pytest.mark.parametrize(
    ("classes", "dim", "starts"),
    [(6, 5, 1), (6, 8, 1), (7, 5, 16), (100, 10, 12), (400, 9, 3), (400, 200, 3)],
)
def test_from_how_many_starts_minima_are_looked_for(classes, dim, starts, monkeypatch):
    problem = Crowd(Setting(class_counts=tuple(range(2, classes + 2)), dim=dim, temperature=0.2, sampler="full"))
    asked = []

    def minimum(self, alpha, vectors, precision):
        asked.append((alpha, vectors.shape, precision, float(vectors[0, 0])))
        return np.full((1, 1), float(len(asked)))

    monkeypatch.setattr(Crowd, "minimum", minimum)
    monkeypatch.setattr(Crowd, "value_and_gradient", lambda self, found, alpha: (-found[0, 0], None))
    found = problem.minima()
    assert [float(v[0, 0]) for v in found] == list(range(starts, 0, -1))  # the lowest first
    assert {call[:3] for call in asked} == {
        (0.5, (classes, min(dim, classes)), 1e-9 if classes * min(dim, classes) <= 300 else 1e-5)
    }
    assert len({call[3] for call in asked}) == starts


def test_of_many_compositions_a_small_problem_works_out_the_lowest_minima_and_the_highest(monkeypatch):
    """All starts are searched at the expected batch, to the last digits; three and the highest at all compositions."""
    problem = Crowd(Setting(class_counts=tuple(range(4, 34)), dim=5, temperature=0.3, batch_size=60))
    assert isinstance(problem.batches, Averaged)
    assert problem.small
    asked, minimum = [], Crowd.minimum

    def watched(self, alpha, vectors, precision):
        asked.append((self is problem, precision))
        return minimum(self, alpha, vectors, precision)

    monkeypatch.setattr(Crowd, "minimum", watched)
    found = problem.minima()
    assert asked == [(False, 1e-9)] * 16 + [(True, 1e-9)] * 4
    values = [problem.value_and_gradient(vectors, 0.5)[0] for vectors in found]
    assert values == sorted(values)
    monkeypatch.undo()
    starts = [np.random.default_rng(seed).standard_normal((30, 5)) for seed in range(16)]
    direct = min(problem.value_and_gradient(problem.minimum(0.5, rows, 1e-9), 0.5)[0] for rows in starts)
    assert values[0] == pytest.approx(direct, abs=1e-4)


def test_large_problems_are_searched_at_the_expected_batch():
    """Of many compositions the search takes the mean; what it finds is then refined on all of them."""
    counts = tuple(range(4, 64))
    problem = Crowd(Setting(class_counts=counts, dim=8, temperature=0.3, batch_size=100))
    assert isinstance(problem.batches, Averaged)
    assert not problem.small
    lowest = problem.minima()[0]
    screen = Crowd(problem.setting, problem.batches.expected())
    _, slope = screen.value_and_gradient(lowest, 0.5)
    along = slope - (slope * lowest).sum(axis=1, keepdims=True) * lowest
    assert np.max(np.linalg.norm(along, axis=1) / screen.share) < 1e-2
    fine = problem.minimum(0.5, lowest, 1e-8)
    _, slope = problem.value_and_gradient(fine, 0.5)
    along = slope - (slope * fine).sum(axis=1, keepdims=True) * fine
    assert np.max(np.linalg.norm(along, axis=1) / problem.share) < 1e-6
    assert problem.value_and_gradient(fine, 0.5)[0] < problem.value_and_gradient(lowest, 0.5)[0]


def test_threads_do_not_share_the_memory_of_intermediate_results():
    problem = Crowd(Setting(class_counts=tuple(range(4, 84)), dim=8, temperature=0.3, batch_size=100))
    assert isinstance(problem.batches, Averaged)
    points = [np.random.default_rng(seed).standard_normal((80, 8)) for seed in range(24)]
    points = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in points]
    alone = [problem.value_and_gradient(rows, 0.5)[0] for rows in points]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda rows: problem.value_and_gradient(rows, 0.5)[0], points))
    assert together == alone
