"""Every statistic against its definition in plain loops, the verdicts, and the ways in which input can be wrong."""

import itertools
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from ssem_advisor.domain import AdvisorError, Setting
from ssem_advisor.measurement import Measurement, measure
from ssem_advisor.measurement import rows as rows_module
from ssem_advisor.theory.regime import collapse_limits


def unit(z):
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def by_definition(z, y):
    """All statistics of (instances, views, dim) straight from their definitions."""
    z = unit(np.asarray(z, dtype=float))
    n, p, d = z.shape
    classes = np.unique(y)
    m = len(classes)
    groups = [z[y == c].reshape(-1, d) for c in classes]
    means = np.array([g.mean(axis=0) for g in groups])
    covariances = [np.cov(g.T, bias=True) for g in groups]
    within = np.mean([1 - mu @ mu for mu in means])
    total = 1 - means.mean(axis=0) @ means.mean(axis=0)
    centred = means - means.mean(axis=0)
    gram = centred @ centred.T
    simplex = np.eye(m) - 1 / m
    averaged = z.mean(axis=1)
    inner = averaged @ averaged.T
    same, other = {c: [] for c in classes}, {}
    for i, j in itertools.permutations(range(n), 2):
        if y[i] == y[j]:
            same[y[i]].append(inner[i, j])
        else:
            other.setdefault((y[i], y[j]), []).append(inner[i, j])
    x = np.mean([np.mean(values) for values in same.values()])
    s = np.mean([np.mean(values) for values in other.values()])
    residual_within = np.mean([np.mean((np.array(v) - x) ** 2) for v in same.values()])
    residual_between = np.mean([np.mean((np.array(v) - s) ** 2) for v in other.values()])
    shared = own = 0.0
    views = []
    for i in range(n):
        e = z[i] - means[np.searchsorted(classes, y[i])]
        for a, b in itertools.permutations(range(p), 2):
            shared += e[a] @ e[b] / (p - 1)
            views.append(z[i, a] @ z[i, b])
        own += (e**2).sum()
    values = np.linalg.eigvalsh(np.mean(covariances, axis=0) + centred.T @ centred / m)
    sizes = np.sqrt(values[values > 1e-14 * values[-1]])
    share = sizes / sizes.sum()
    pairs = [
        (np.trace(covariances[a]) + np.trace(covariances[b])) / 2 / ((means[a] - means[b]) ** 2).sum()
        for a, b in itertools.permutations(range(m), 2)
    ]
    return {
        "within_class_variance": within,
        "between_class_variance": total - within,
        "total_variance": total,
        "class_variances": {c: 1 - mu @ mu for c, mu in zip(classes.tolist(), means, strict=True)},
        "nc1": np.trace(np.mean(covariances, axis=0) @ np.linalg.pinv(centred.T @ centred / m, rcond=1e-10)) / m,
        "class_distance_variance": np.mean(pairs),
        "etf_deviation": np.linalg.norm(gram / np.linalg.norm(gram) - simplex / np.linalg.norm(simplex)),
        "x": x,
        "s": s,
        "residual": np.sqrt(residual_within / 2 + residual_between / 2),
        "effective_rank": np.exp(-(share * np.log(share)).sum()),
        "effective_dimension": np.mean([np.trace(c) ** 2 / np.trace(c @ c) for c in covariances]),
        "view_reliability": shared / own if p > 1 else np.nan,
        "alignment": 2 - 2 * (np.mean(views) if p > 1 else x),
    }


def assert_same(measured: Measurement, expected: dict) -> None:
    expected = dict(expected)
    assert measured.ssem.within_similarity == pytest.approx(expected.pop("x"), abs=1e-12)
    assert measured.ssem.between_similarity == pytest.approx(expected.pop("s"), abs=1e-12)
    assert measured.ssem.residual == pytest.approx(expected.pop("residual"), rel=1e-9)
    if measured.view_reliability is None:
        assert np.isnan(expected.pop("view_reliability"))
    for name, value in expected.items():
        assert getattr(measured, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("dim", [12, 3, 200])  # 3 < classes: no simplex fits; 200: more dimensions than rows
def test_statistics_are_their_definitions(clustered, views, dim):
    z, y = clustered(instances=60, views=views, dim=max(dim, 4))
    z = z[..., :dim]
    assert_same(measure(z, y), by_definition(z, y))


def test_classes_larger_than_a_block_change_nothing(clustered, monkeypatch):
    z, y = clustered(instances=80)
    expected = by_definition(z, y)
    monkeypatch.setattr(rows_module, "BLOCK", 5 * z.shape[2])
    assert_same(measure(z, y), expected)


def test_row_order_labels_and_layout_do_not_matter(clustered):
    z, y = clustered()
    one = measure(z, y)
    shuffled = np.random.default_rng(1).permutation(z.shape[0] * z.shape[1])
    flat = z.reshape(-1, z.shape[2])[shuffled] * 7.0  # lengths do not matter either
    names = np.array(["ant", "bee", "cat", "dog"])[np.repeat(y, z.shape[1])[shuffled]]
    other = measure(flat, names, instance_ids=np.repeat(np.arange(len(z)), z.shape[1])[shuffled] * 10)
    for name in ("within_class_variance", "nc1", "view_reliability", "effective_rank", "ssem", "etf_deviation"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-9), name
    assert list(other.class_variances) == ["ant", "bee", "cat", "dog"]
    assert any("unit length" in note for note in other.notes)


def test_instances_with_different_numbers_of_views():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(9, 5)) + 1
    ids = np.array([0, 0, 0, 1, 2, 2, 3, 4, 4])
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    m = measure(z, y, instance_ids=ids)
    u = unit(z)
    means = {c: u[y == c].mean(axis=0) for c in (0, 1)}
    shared = own = 0.0
    for i in (0, 2, 4):  # the instances with at least two views
        e = u[ids == i] - means[y[ids == i][0]]
        shared += sum(a @ b for a, b in itertools.permutations(e, 2)) / (len(e) - 1)
        own += (e**2).sum()
    assert m.view_reliability == pytest.approx(shared / own)
    averaged = np.array([u[ids == i].mean(axis=0) for i in range(5)])
    x = np.mean([averaged[0] @ averaged[1], np.mean([averaged[a] @ averaged[b] for a, b in [(2, 3), (2, 4), (3, 4)]])])
    assert m.ssem.within_similarity == pytest.approx(x)


@pytest.mark.parametrize("x", [1.0, 0.9, 0.3, -1 / 19])
def test_simplex_family_is_fitted_exactly(simplex_family, x):
    m, n = 4, 5
    z, y = simplex_family(m, n, x)
    fit = measure(z, y).ssem
    v = (n - 1) / n * (1 - x)
    assert fit.within_similarity == pytest.approx(x, abs=1e-12)
    assert fit.between_similarity == pytest.approx(-(1 + (n - 1) * x) / ((m - 1) * n), abs=1e-12)
    assert fit.delta == pytest.approx(v * (m * n - 1) / (m * (n - 1)), abs=1e-12)
    assert fit.residual < 1e-7
    assert measure(z, y).within_class_variance == pytest.approx(v, abs=1e-12)


def test_variance_near_collapse_keeps_its_digits():
    z = np.repeat(np.eye(3), 2, axis=0)
    z[::2, 0] += 1e-9  # each pair parts by about 1e-9: 1 - |mean|^2 would be 0 in float64
    spread = [0.0, 2.5e-19, 2.5e-19]
    assert list(measure(z, np.repeat([0, 1, 2], 2)).class_variances.values()) == pytest.approx(
        spread, rel=1e-6, abs=1e-25
    )


def test_uniformity_is_the_gaussian_potential_of_different_instances(clustered):
    z, y = clustered(instances=40, views=1)
    u = unit(z[:, 0])
    distance = ((u[:, None] - u) ** 2).sum(axis=-1)
    exact = np.log(np.exp(-2 * distance[~np.eye(40, dtype=bool)]).mean())
    m = measure(z, y, pairs=200_000)
    assert m.uniformity == pytest.approx(exact, abs=0.02)
    assert m.uniformity_pairs == 200_000
    assert measure(z, y, seed=1).uniformity != measure(z, y).uniformity == measure(z, y).uniformity


def test_bootstrap_intervals_hold_the_population_value():
    """Coverage over fresh samples: a 95% interval misses rarely, and is narrow enough to miss at all."""
    rng = np.random.default_rng(0)
    dim, n = 8, 40

    def sample(n):
        z = np.repeat(np.eye(dim)[:3], n, axis=0) + 0.3 * rng.normal(size=(3 * n, dim))
        return z, np.repeat(np.arange(3), n)

    population = measure(*sample(50_000), bootstrap=0).within_class_variance * (n - 1) / n
    intervals = [measure(*sample(n), pairs=10).intervals["within_class_variance"] for _ in range(120)]
    covered = np.mean([low <= population <= high for low, high in intervals])
    assert 0.85 <= covered <= 0.99


def test_bootstrap_on_a_subsample_is_scaled_to_the_whole(clustered, monkeypatch):
    z, y = clustered(instances=4000, views=1)
    whole = measure(z, y, pairs=10).intervals["within_class_variance"]
    monkeypatch.setattr("ssem_advisor.measurement.embeddings._BOOTSTRAP_INSTANCES", 800)
    part = measure(z, y, pairs=10).intervals["within_class_variance"]
    assert part[1] - part[0] == pytest.approx(whole[1] - whole[0], rel=0.3)


# -- verdicts -------------------------------------------------------------------------------------------------------


def _cloud(classes=5, per_class=60, dim=32, spread=0.6, common=0.0, between=1.0, seed=0):
    rng = np.random.default_rng(seed)
    means = between * (np.eye(dim)[:classes] - np.eye(dim)[:classes].mean(axis=0))
    y = np.repeat(np.arange(classes), per_class)
    offset = common * np.eye(dim)[-1]
    # Not symmetric about the class mean: else one view could not tell it from noise.
    return means[y] + offset + spread * (rng.exponential(size=(len(y), dim)) - 1) / np.sqrt(dim), y


@pytest.mark.parametrize(
    ("verdict", "options"),
    [
        ("healthy", {}),
        ("class collapse", {"spread": 0.05}),
        ("total collapse", {"common": 30.0}),
        ("healthy", {"common": 2.0}),  # shares are of what the common mean leaves
        ("class structure lost", {"between": 0.05}),  # hardly better than chance
        ("healthy", {"between": 0.22}),  # 90% of the variance inside classes, and their means tell them apart
        (
            "class structure lost",
            {"between": 0.0, "per_class": 4},
        ),  # few rows a class look like structure; they are not
        ("class collapse", {"spread": 0.05, "common": 2.0}),  # the graver of the two
    ],
)
def test_verdict(verdict, options):
    m = measure(*_cloud(**options), bootstrap=0, pairs=100)
    assert m.verdict == verdict
    assert m.meaning
    assert m.remedy


def test_all_rows_equal():
    m = measure(np.ones((20, 4)), np.arange(20) % 2)
    assert m.verdict == "total collapse"
    assert m.total_variance == pytest.approx(0, abs=1e-15)
    assert np.isnan(m.nc1)
    assert np.isnan(m.etf_deviation)
    assert np.isnan(m.effective_dimension)


# -- theory ---------------------------------------------------------------------------------------------------------


def _setting(**changes):
    defaults = {"classes": 5, "dim": 32, "temperature": 0.1, "alpha": 0.1, "batch_size": 250, "sampler": "balanced"}
    return Setting(**{**defaults, **changes})


def test_compared_with_the_setting(clustered):
    z, y = clustered(instances=500, views=2, dim=32, classes=5)
    t = measure(z, y, setting=_setting()).theory
    assert t.optimum == pytest.approx(0.238, abs=0.001)  # the digits setting: optimum, then the finite dimension
    assert t.finite_dimension == pytest.approx(0.159, abs=0.001)
    assert t.network is not None
    assert t.share_of_optimum == pytest.approx(measure(z, y).spread.free_spread.value / t.optimum)


def test_one_view_has_no_network_estimate(clustered):
    z, y = clustered(views=1, dim=32, classes=5)
    assert measure(z, y, setting=_setting()).theory.network is None


def test_collapse_below_the_threshold_names_threshold_and_weight():
    m = measure(*_cloud(spread=0.02), setting=_setting(temperature=0.5, alpha=0.1))
    assert "threshold 0.319" in m.remedy
    assert "alpha=" in m.remedy


def test_collapse_above_the_threshold_blames_the_weight_only_where_it_is_too_small():
    safe = measure(*_cloud(spread=0.02), setting=_setting(temperature=0.2, alpha=0.6)).remedy
    assert "does not ask for it" in safe
    small = measure(*_cloud(spread=0.02), setting=_setting(temperature=0.2, alpha=0.05)).remedy
    assert "above the threshold 0.0197, but a typical network keeps a free spread of 0.0" in small
    assert "raise alpha, the weight of the self-supervised term: alpha=" in small
    warm = measure(*_cloud(spread=0.02), setting=_setting(temperature=0.5, alpha=0.6)).remedy
    assert "change weight and temperature: alpha=0.528 at temperature 0.1;" in warm  # no weight is enough at 0.5


def test_setting_that_cannot_be_compared_is_a_note():
    m = measure(*_cloud(), setting=_setting(temperature=None))
    assert m.theory is None
    assert any("temperature: missing" in note for note in m.notes)
    mismatch = measure(*_cloud(classes=4), setting=_setting())
    assert any("classes=5" in note for note in mismatch.notes)


# -- input ----------------------------------------------------------------------------------------------------------

Z, Y = _cloud(classes=3, per_class=4)


def _with(row, value):
    z = Z.copy()
    z[row] = value
    return z


@pytest.mark.parametrize(
    ("z", "y", "says"),
    [
        (_with(7, np.nan), Y, "row 7 holds NaN"),
        (_with(2, np.inf), Y, "row 2 holds NaN or infinity"),
        (_with(5, 0), Y, "row 5 is zero"),
        (Z, Y[:-1], "11 for 12 rows"),
        (Z, np.zeros(12, int), "single class"),
        (Z, np.arange(12), "no class has two instances"),
        (Z, np.array([0, 0, *range(1, 11)]), "only one class has two instances"),
        (Z, np.where(np.arange(12) == 3, np.nan, Y), "position 3 is not a number"),
        (Z[0], Y, "shape (32,)"),
        (Z[:0], Y[:0], "shape (0, 32)"),
        (Z.astype(object), Y, "Python objects"),
        (Z.astype(complex), Y, "must be real"),
        ([[1.0, 2.0], [1.0]], [0, 1], "not a rectangular array"),
        (Z, np.stack([Y, Y]), "one label for each"),
        (Z, np.stack([Y, Y], axis=1), "of one for each view take labels[:, 0]"),
        (Z, np.eye(Y.max() + 1)[Y], "of one-hot rows take labels.argmax(axis=1)"),
        (np.stack([Z, _with(7, np.nan)], axis=1), Y, "embeddings[7, 1] holds NaN"),
        (np.stack([Z, Z]), Y, "turn the embeddings round with z.swapaxes(0, 1)"),
        ("z.npz", Y, "a path; read the file first: ssem_advisor.measurement.load('z.npz')"),
        (Z, None, "labels: None; give an array"),
    ],
)
def test_bad_input_is_one_line(z, y, says):
    with pytest.raises(AdvisorError) as caught:
        measure(z, y)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("seed", -1), ("seed", 0.5), ("bootstrap", -1), ("pairs", 0), ("pairs", True)]
)
def test_bad_options_are_named(name, value):
    with pytest.raises(AdvisorError, match=f"^{name}={value}: must be an integer >= "):
        measure(Z, Y, **{name: value})


def test_bad_instance_ids():
    with pytest.raises(AdvisorError, match="instance 0 has two labels"):
        measure(Z, Y, instance_ids=np.arange(12) % 4)
    with pytest.raises(AdvisorError, match="5 for 12 rows"):
        measure(Z, Y, instance_ids=np.arange(5))
    with pytest.raises(AdvisorError, match="views axis"):
        measure(Z[:, None], Y, instance_ids=np.arange(12))


def test_lonely_classes_are_left_out_with_a_note():
    y = np.where(np.arange(12) == 11, 99, Y)
    m = measure(Z, y)
    assert m.classes == 3
    assert m.rows == 11
    assert any("99" in note for note in m.notes)
    assert m.within_class_variance == pytest.approx(measure(Z[:11], Y[:11]).within_class_variance)


def test_extreme_lengths_neither_over_nor_underflow():
    scale = np.logspace(-300, 300, 12)[:, None]
    assert measure(Z * scale, Y).within_class_variance == pytest.approx(measure(Z, Y).within_class_variance)


def test_few_rows_of_many_dimensions_take_memory_in_proportion():
    """A square of the dimension would be 800 MB."""
    z = np.random.default_rng(0).normal(size=(60, 10_000)).astype(np.float32)
    tracemalloc.start()
    try:
        few = measure(z, np.arange(60) % 3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert few.dim == 10_000
    assert peak < 20 * z.nbytes + 8 * rows_module.BLOCK


def test_memory_map_is_not_loaded(tmp_path):
    """80 MB of float32 on disk, measured in a process that may grow by less than half of that."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "z.npy", rng.normal(size=(160_000, 128)).astype(np.float32))
    np.save(tmp_path / "y.npy", rng.integers(0, 50, 160_000))
    program = f"""
import resource, sys, numpy as np
from ssem_advisor.measurement import load, measure
tiny = np.random.default_rng(0).normal(size=(40, 128)); measure(tiny, np.arange(40) % 4)
def anonymous():  # pages of the file itself do not count: the kernel drops them at will
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
before = anonymous()
found = load({str(tmp_path / "z.npy")!r}, {str(tmp_path / "y.npy")!r})
peak = 0
import threading, time
done = False
def watch():
    global peak
    while not done:
        peak = max(peak, anonymous()); time.sleep(0.005)
thread = threading.Thread(target=watch); thread.start()
measure(found.embeddings, found.labels)
done = True; thread.join()
assert "torch" not in sys.modules
print((peak - before) / 1024)
"""
    grown = float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
    assert grown < 80, f"{grown:.0f} MB"


def test_fewer_dimensions_than_classes_still_gets_the_estimates():
    m = measure(*_cloud(classes=12, dim=8 + 8), setting=_setting(classes=12, dim=6, batch_size=240))
    assert m.theory.optimum is None
    assert m.theory.threshold == pytest.approx(collapse_limits(m.theory.setting).open_above)
    assert 0 < m.theory.finite_dimension < 1
    assert np.isnan(m.theory.share_of_optimum)


def test_unequal_classes_have_a_threshold_and_no_common_optimum():
    setting = Setting(class_counts=(50, 30, 10, 6, 4), temperature=0.5, alpha=0.1, batch_size=40)
    z, y = _cloud()
    m = measure(z, y, setting=setting)
    assert m.theory.optimum is None
    there = setting.with_(dim=z.shape[-1])  # the embeddings say in how many dimensions they lie
    assert m.theory.threshold == collapse_limits(there).open_above > collapse_limits(setting).open_above
    assert any("no optimum" in note and "all classes have the same size" in note for note in m.notes)


def test_plain_supcon_is_said_to_collapse_at_every_temperature():
    m = measure(*_cloud(spread=0.02), setting=_setting(alpha=None))
    assert m.theory.optimum == 0
    assert "plain SupCon" in m.remedy


def test_many_classes_sample_the_class_pairs(clustered, monkeypatch):
    z, y = clustered(instances=900, views=1, dim=40, classes=30)
    exact = measure(z, y).class_distance_variance
    monkeypatch.setattr("ssem_advisor.measurement.moments.BLOCK", 70)  # two classes at a time
    assert measure(z, y).class_distance_variance == pytest.approx(exact, rel=1e-12)
    monkeypatch.setattr("ssem_advisor.measurement.moments._ANCHOR_CLASSES", 10)
    assert measure(z, y).class_distance_variance == pytest.approx(exact, rel=0.1)
