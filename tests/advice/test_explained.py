"""Every theorem that an answer cites explains itself with the numbers of the setting."""

import itertools
import math
import warnings

import pytest
from typer.testing import CliRunner

from ssem_advisor import NotCovered, Setting, SettingError, collapse_threshold, recommend
from ssem_advisor.cli import app
from ssem_advisor.theory.network import PERFECT
from ssem_advisor.theory.numbers import numbers_of
from ssem_advisor.theory.regime import collapse_limits
from ssem_advisor.theory.registry import theorem, theorems


def settings():
    dims = itertools.cycle((None, 64, 6, 5, 4, 300, 7))
    losses, samplers = ("supcon", "ssem", "l_spread"), ("random", "balanced", "full")
    for loss, sampler, size, tau in itertools.product(losses, samplers, (None, 40), (None, 0.3)):
        dim = next(dims)
        if sampler == "full" and size is None:
            continue
        batch = None if sampler == "full" else 30
        yield {"classes": 6, "dim": dim, "temperature": tau, "loss": loss, "sampler": sampler, "batch_size": batch,
               "instances_per_class": size, "views": 2 if loss == "supcon" else 3}  # fmt: skip
    yield {"classes": 20, "dim": 40, "sampler": "balanced", "batch_size": 40, "classes_per_batch": 10}
    yield {"class_counts": (30, 20, 5), "classes": None, "dim": 16, "batch_size": 20}


def test_every_cited_theorem_has_its_numbers():
    cited = 0
    for given in settings():
        setting = Setting(**{name: value for name, value in given.items() if value is not None})
        for network in (None, PERFECT):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                advice = recommend(setting, network=network)
            point = advice.recommended or advice.given
            at = advice.setting.with_(temperature=advice.setting.temperature or 0.1)
            if point is not None:
                at = at.with_(alpha=point.alpha, temperature=point.temperature)
            for key in advice.theorems:
                cited += 1
                found = numbers_of(theorem(key), at)
                assert found.results, (key, given)
                assert not found.missing
                assert not any(math.isnan(value) for value in found.results.values()), (key, given)
    assert cited > 100


@pytest.mark.parametrize(
    "extra",
    [{"loss": "l_in"}, {"queue": 100}, {"features": "non-negative"}, {"self_temperature": 0.5}, {"cross_entropy": 1}],
    ids=str,
)
@pytest.mark.parametrize("sampler", ["random", "balanced"])
def test_losses_past_the_basic_ones_as_well(extra, sampler):
    setting = Setting(classes=5, dim=64, temperature=0.2, batch_size=30, sampler=sampler, **extra)
    try:
        limits = collapse_limits(setting)
    except (NotCovered, SettingError):
        pytest.fail("these are covered")
    for key in limits.theorems:
        found = numbers_of(theorem(key), setting)
        assert found.results[theorem(key).left] == pytest.approx(limits.open_above, rel=1e-9)


def explain(key, *options):
    done = CliRunner().invoke(app, ["explain", key, *map(str, options)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_random_batches_of_a_finite_data_set_give_the_threshold_of_recommend():
    setting = Setting(classes=10, dim=64, temperature=0.2, batch_size=60, instances_per_class=30)
    for key in ("RANDOM-BATCH", "DIMENSION"):
        assert numbers_of(theorem(key), setting).results == {"alpha_c": pytest.approx(collapse_threshold(setting))}
    unlimited = setting.with_(instances_per_class=None)
    assert numbers_of(theorem("RANDOM-BATCH"), unlimited).results["alpha_c"] == pytest.approx(
        collapse_threshold(unlimited)
    )


def test_the_numbers_of_fixed_batches_are_the_means_of_the_engine():
    """Two roads: the formula with its k and o, and the engine over all anchors."""
    from ssem_advisor.theory import numbers

    setting = Setting(
        classes=6, dim=64, temperature=0.3, alpha=0.6, batch_size=30, sampler="balanced", instances_per_class=40
    )
    seen = 0
    for key, mean in numbers._ENGINE.items():
        found = numbers_of(theorem(key), setting) if not theorem(key).broken(setting) else None
        if found is not None and not found.varies and not found.missing and key != "UNEQUAL":
            seen += 1
            assert found.results == {name: pytest.approx(value, rel=1e-6) for name, value in mean(setting).items()}, key
    assert seen >= 4


def test_the_finite_dimension_is_that_of_the_statement_and_its_weight_the_one_given():
    """Not the directions of a typical network: 28 beside five class means in 32, three quarters of 11 beside one."""
    for classes, dim, directions in ((5, 32, 28.0), (10, 12, 8.25)):
        setting = Setting(classes=classes, dim=dim, instances_per_class=40, sampler="full", temperature=0.5, alpha=0.8)
        found = numbers_of(theorem("FINITE"), setting)
        assert found.symbols["D"] == directions
        assert found.results["alpha(v)"] == pytest.approx(0.8, rel=1e-6)


def test_the_command_fills_in_what_recommend_would_set_or_names_what_is_missing():
    text = explain("FINITE", "--classes", 100, "--dim", 128)
    assert "alpha(v) = " in text
    assert (
        "alpha 0.373, as recommended" in CliRunner().invoke(app, ["explain", "FINITE", "-m", "100", "-d", "128"]).stderr
    )
    assert "give --dim as well" in explain("FINITE", "--classes", 100)
    assert "give --alpha as well" in explain(
        "NON-NEGATIVE-OPTIMUM",
        "--classes",
        10,
        "--features",
        "non-negative",
        "--sampler",
        "balanced",
        "--batch-size",
        100,
    )
    assert "least alpha_i" in explain("UNEQUAL", "--class-counts", "30,20,5", "--dim", 16, "--batch-size", 20)


@pytest.mark.parametrize("key", list(theorems()))
def test_no_theorem_speaks_of_open_symbols(key):
    for sampler in ("random", "balanced"):
        text = explain(
            key, "--classes", 10, "--dim", 64, "--batch-size", 100, "--sampler", sampler, "-t", 0.2, "-a", 0.5
        )
        assert any(part in text for part in ("Not covered, because", " as well", " = ", "no single number"))
        assert "symbol open" not in text
