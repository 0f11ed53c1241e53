"""The numbers that a setting puts into a theorem: its symbols, its formula at them, and means where these differ."""

import dataclasses
import importlib
import inspect
import json
import math
import pkgutil

import numpy as np
import pytest
import sympy as sp

import ssem_advisor.theory
from ssem_advisor import (
    AdvisorError,
    Setting,
    class_thresholds,
    collapse_threshold,
    expected_variance,
    optimal_variance,
)
from ssem_advisor.report.theorems import json_one, text_one
from ssem_advisor.theory import alpha_for_expected_variance
from ssem_advisor.theory.batches import batch_of
from ssem_advisor.theory.extensions import extended_limits, hardest_pull
from ssem_advisor.theory.network import directions_left, typical
from ssem_advisor.theory.numbers import OPTIONS, numbers_of
from ssem_advisor.theory.registry import covered, symbol_values, theorem, theorems

WHOLE = Setting(
    classes=4, dim=40, instances_per_class=9, temperature=0.3, alpha=0.6, views=3, sampler="full",
)  # fmt: skip
SETTINGS = {
    "full": WHOLE,
    "full ssem": WHOLE.with_(loss="ssem"),
    "full l_spread": WHOLE.with_(loss="l_spread"),
    "balanced": WHOLE.with_(sampler="balanced", batch_size=12),
    "P x K": WHOLE.with_(sampler="balanced", batch_size=12, classes_per_batch=3),
    "l_in": WHOLE.with_(loss="l_in"),
    "relu": WHOLE.with_(features="non-negative"),
    "two temperatures": WHOLE.with_(self_temperature=0.7),
    "cross-entropy": WHOLE.with_(cross_entropy=0.8),
    "queue": Setting(classes=4, dim=40, temperature=0.3, alpha=0.6, views=3, queue=7),
    "infinite": Setting(classes=4, dim=40, temperature=0.3, alpha=0.6, views=3, batch_size=12),
    "tight": WHOLE.with_(dim=3),
    "few dimensions": WHOLE.with_(dim=2),
}


def test_the_symbols_of_a_setting():
    known = symbol_values(SETTINGS["P x K"])
    assert known == {
        "m": 4, "N": 9, "p": 3, "c": pytest.approx(2 / 3), "B": 12, "P": 3, "d": 40, "tau": 0.3, "alpha": 0.6,
        "rho": pytest.approx(8 / 27), "Q": None, "tau_2": 0.3, "w": 0, "s": None, "k": 3, "o": 8, "n": 4,
    }  # fmt: skip
    assert symbol_values(SETTINGS["full"]) | {"B": 36, "k": 8, "o": 27, "n": 9, "P": None} == symbol_values(WHOLE)
    assert symbol_values(SETTINGS["full"])["B"] == 36
    assert symbol_values(SETTINGS["full ssem"])["c"] == 1
    bare = symbol_values(Setting(classes=5))
    assert bare == dict.fromkeys(known) | {"m": 5, "N": math.inf, "p": 2, "c": 0.5, "rho": 0.25, "w": 0}
    assert symbol_values(Setting(classes=5, sampler="full"))["B"] is None
    queue = symbol_values(SETTINGS["queue"])
    assert (queue["Q"], queue["c"], queue["k"], queue["o"], queue["n"]) == (7, 1, None, None, None)
    random = symbol_values(SETTINGS["infinite"])
    assert (random["k"], random["n"], random["B"]) == (None, None, 12)
    unequal = symbol_values(Setting(class_counts=(5, 3), sampler="full"))
    assert (unequal["k"], unequal["o"], unequal["n"]) == (None, None, None)
    assert symbol_values(SETTINGS["two temperatures"])["tau_2"] == 0.7
    with_classifier = symbol_values(SETTINGS["cross-entropy"])
    assert with_classifier["w"] == 0.8
    assert with_classifier["s"] == pytest.approx(1 + hardest_pull(4))


ONE_NUMBER = [(name, key) for name, setting in SETTINGS.items() for key in covered(setting)]


@pytest.mark.parametrize(("name", "key"), ONE_NUMBER)
def test_a_formula_is_evaluated_at_the_symbols_shown(name, key):
    """By sympy, for every theorem that applies; where anchors differ there is a mean instead, and it says so."""
    found, stated, setting = numbers_of(theorem(key), SETTINGS[name]), theorem(key), SETTINGS[name]
    assert set(found.symbols) <= set(stated.symbols)
    for symbol, value in symbol_values(setting).items():
        if symbol in stated.symbols and value is not None:
            assert found.symbols[symbol] == value
    if found.missing or found.refused:
        assert found.results == {}
        assert bool(found.refused) != bool(found.missing)
        if found.refused:
            assert name in ("l_in", "cross-entropy", "queue", "unequal")
            assert "v" not in found.symbols
            return
        assert set(found.missing) <= {OPTIONS.get(s) for s in stated.symbols if s not in found.symbols}
        return
    if set(found.symbols) != set(stated.symbols):
        assert found.varies == tuple(s for s in stated.symbols if s not in found.symbols)
        assert found.note
        assert name in ("infinite", "queue") or key == "UNEQUAL"
        return
    assert found.varies == ()
    if found.note:
        assert key in ("RANDOM-BATCH", "CE-SUPCON")
        return
    (result,) = found.results.values()
    if math.isinf(result):
        assert math.isinf(found.symbols["N"])
        return
    point = {
        sp.Symbol(s, positive=True): (sp.Integer(int(v)) if v % 1 == 0 else sp.Float(v, 40))
        if v < 1e15
        else sp.Float(1e20, 40)
        for s, v in found.symbols.items()
    }
    formula = stated.formula()
    if stated.implicit:
        assert list(found.results) == [stated.implicit]
        assert abs(formula.subs({**point, sp.Symbol(stated.implicit, positive=True): sp.Float(result, 40)})) < 1e-9
        return
    assert list(found.results) == [stated.left]
    value = formula.subs(point).doit()
    if result == 0:
        assert abs(float(value)) < 1e-12
    else:
        assert result == pytest.approx(float(value.evalf(30)), rel=1e-9)


def test_variances_that_formulas_are_evaluated_at():
    """Theorems and estimates at the minimum; class means need no room for that of theorems."""
    for name in ("full", "few dimensions"):
        assert numbers_of(theorem("GEOMETRY"), SETTINGS[name]).symbols["v"] == optimal_variance(WHOLE)
    setting = WHOLE.with_(dim=12)
    found = numbers_of(theorem("FINITE"), setting)
    assert found.symbols["v"] == expected_variance(setting, effective_dim=directions_left(setting)) > 0
    assert found.symbols["D"] == directions_left(setting)
    assert numbers_of(theorem("RELIABILITY"), setting).symbols["R"] == typical(setting).view_reliability
    assert "v" not in numbers_of(theorem("GEOMETRY"), setting.with_(alpha=None)).symbols
    assert numbers_of(theorem("GEOMETRY"), setting.with_(alpha=None)).missing == ("--alpha",)
    assert numbers_of(theorem("GEOMETRY"), setting.with_(temperature=None)).missing == ("--alpha",)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"loss": "l_in"}, "not covered, because away from collapse it is not convex"),
        ({"queue": 100}, "not covered, because it assumes: the loss compares current embeddings"),
        ({"cross_entropy": 1.0}, "not covered, because it assumes: no cross-entropy"),
    ],
    ids=str,
)
def test_a_variance_that_nobody_works_out_is_not_asked_for_by_an_option(changes, why):
    setting = Setting(classes=5, temperature=0.2, alpha=0.3, batch_size=30, instances_per_class=50, **changes)
    found = numbers_of(theorem("GEOMETRY"), setting)
    assert (found.missing, found.results, found.symbols) == ((), {}, {"m": 5.0, "N": 50.0})
    assert why in found.refused
    shown = " ".join(text_one(theorem("GEOMETRY"), setting).split())
    assert why in shown
    assert "--alpha" not in shown
    here = json.loads(json_one(theorem("GEOMETRY"), setting))["here"]
    assert here["values"] is None
    assert here["value"] is None


@pytest.mark.parametrize("symbol", OPTIONS)
def test_an_option_that_would_fill_a_symbol_is_named(symbol):
    bare, asked = Setting(classes=4), [t for t in theorems().values() if symbol in t.symbols]
    wanted = {
        "tau": "--temperature", "alpha": "--alpha", "v": "--alpha", "B": "--batch-size", "d": "--dim", "D": "--dim",
        "n": "--instances-per-class", "Q": "--queue", "s": "--cross-entropy",
    }  # fmt: skip
    assert wanted == OPTIONS
    for stated in asked:
        setting = bare.with_(sampler="full") if symbol == "n" else bare
        found = numbers_of(stated, setting)
        assert wanted[symbol] in found.missing
        assert len(set(found.missing)) == len(found.missing)
        assert found.results == {}
        assert found.varies == ()
    if symbol == "n":  # in random batches it differs: no option fills it
        assert "--instances-per-class" not in numbers_of(theorem("PLAIN-SUPCON"), bare).missing


def over_batches(key, setting, variance):
    """The formula at every composition, averaged over the anchors."""
    batch, stated, known = batch_of(setting), theorem(key), symbol_values(setting)
    total = 0.0
    for share, k, o in [
        *zip(batch.weight[:, 0], batch.same[:, 0], batch.other[:, 0], strict=True),
        (batch.alone[0], 0.0, batch.alone_other[0]),
    ]:
        values = {**known, "k": k, "o": o, "v": variance}
        with np.errstate(divide="ignore"):  # a batch of one class
            total += share * stated.numeric(**{name: values[name] for name in stated.symbols})
    return total


@pytest.mark.parametrize("instances", [None, 9])
def test_where_anchors_differ_the_number_is_the_mean_over_the_batches(instances):
    setting = SETTINGS["infinite"].with_(instances_per_class=instances)
    for key, loss, result in (("SLOPES", "supcon", "S_self"), ("SLOPES-SPREAD", "l_spread", "S_sup")):
        at = setting.with_(loss=loss)
        found = numbers_of(theorem(key), at)
        assert found.varies == ("k", "o")
        assert found.results == {result: pytest.approx(over_batches(key, at, optimal_variance(at)), rel=1e-9)}
        assert found.note == "From anchor to anchor k and o differ; over the batches drawn it is:"
    batch = batch_of(setting)
    share, k = batch.weight[:, 0], batch.same[:, 0]
    plain = float((share * 2 / ((k + 1) * 3 - 1)).sum() / share.sum())
    found = numbers_of(theorem("PLAIN-SUPCON"), setting)
    assert found.results == {"alpha_eq": pytest.approx(plain, rel=1e-12)}
    assert found.note == "From anchor to anchor n differs; over the batches drawn it is:"
    found = numbers_of(theorem("CE-SUPCON"), setting.with_(dim=2))
    assert found.results == {"alpha_c - alpha_eq": pytest.approx(collapse_threshold(setting) - plain, rel=1e-12)}
    assert found.note == "The formula is for full batches; here it is:"
    found = numbers_of(theorem("RANDOM-BATCH"), setting)
    assert found.results == {"alpha_c": pytest.approx(collapse_threshold(setting), rel=1e-12)}
    assert found.note == ("" if instances is None else "The formula is for an unlimited data set; here it is:")
    assert numbers_of(theorem("DIMENSION"), setting).results == {"alpha_c": collapse_threshold(setting)}
    spread = setting.with_(loss="l_spread", dim=None)
    assert numbers_of(theorem("WEIGHT-SPREAD"), spread).results == {"alpha(v)": pytest.approx(0.6, rel=1e-9)}
    network, roomy = typical(setting), setting.with_(dim=12)
    assert numbers_of(theorem("FINITE"), roomy).results == {"alpha(v)": pytest.approx(roomy.alpha, rel=1e-9)}
    assert numbers_of(theorem("RELIABILITY"), setting).results == {
        "alpha_c(R)": pytest.approx(alpha_for_expected_variance(setting, 0.0, network.view_reliability))
    }
    for key, change in (
        ("L-IN-MIXED", {"loss": "l_in"}), ("NON-NEGATIVE", {"features": "non-negative"}),
        ("TWO-TEMPERATURES", {"self_temperature": 0.7}), ("CROSS-ENTROPY", {"cross_entropy": 0.8}),
    ):  # fmt: skip
        at = setting.with_(**change)
        assert numbers_of(theorem(key), at).results == {theorem(key).left: extended_limits(at).open_above}
    silent = numbers_of(theorem("L-IN"), setting)
    assert (silent.results, silent.varies) == ({}, ("k", "o"))
    assert silent.note == "From anchor to anchor k and o differ, so there is no single number."


@pytest.mark.parametrize(("dim", "count"), [(40, 1), (4, 1), (3, 2), (2, 2)])
def test_equal_classes_have_one_number_where_their_means_have_room(dim, count):
    found = numbers_of(theorem("UNEQUAL"), WHOLE.with_(dim=dim))
    each = class_thresholds(WHOLE.with_(dim=dim))
    assert len(found.results) == count
    assert list(found.results.values()) == pytest.approx([each.min(), each.max()][:count])
    unequal = Setting(class_counts=(6, 3, 1), temperature=0.3, sampler="full")
    found, each = numbers_of(theorem("UNEQUAL"), unequal), class_thresholds(unequal)
    assert found.results == {"least alpha_i": each[0], "largest alpha_i": each[1]}
    assert found.note == "The classes differ, and the number with them:"


# -- what holds for every part of the theory ---------------------------------------------------------------------------

MODULES = [
    importlib.import_module(f"ssem_advisor.theory.{found.name}")
    for found in pkgutil.iter_modules(ssem_advisor.theory.__path__)
]
RECORDS = [
    record
    for module in MODULES
    for _, record in inspect.getmembers(module, dataclasses.is_dataclass)
    if inspect.isclass(record) and record.__module__ == module.__name__
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_what_is_kept_between_answers_cannot_be_changed(record):
    made = object.__new__(record)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(record)[0].name, 1.0)


def test_what_the_paper_has_and_what_is_an_estimate():
    of_the_paper = [key for key, stated in theorems().items() if stated.source == "paper"]
    assert of_the_paper == ["GEOMETRY", "FULL-SSEM", "TEMPERATURE-SSEM"]
    assert [key for key, stated in theorems().items() if stated.kind == "estimate"] == ["FINITE", "RELIABILITY"]
    assert [(key, stated.left) for key, stated in theorems().items() if stated.implicit] == [("OPTIMUM", "0")]
    assert [key for key, stated in theorems().items() if stated.reference] == ["REDUCTION", "OPTIMUM"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("THRESHHOLD", "theorem 'THRESHHOLD': not known; did you mean THRESHOLD?"),
        ("batchs", "theorem 'batchs': not known; did you mean BATCH or RANDOM-BATCH?"),
        ("TEMPERATURES", "theorem 'TEMPERATURES': not known; did you mean TEMPERATURE or TWO-TEMPERATURES or "
                         "TEMPERATURE-SSEM?"),
        ("xyz", "theorem 'xyz': not known; `ssem-advisor explain` lists all"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_answered_with_up_to_three_near_ones(asked, said):
    with pytest.raises(AdvisorError) as refused:
        theorem(asked)
    assert str(refused.value) == said
    assert theorem("full_ssem") is theorem("FULL-SSEM")


# -- types of numbers --------------------------------------------------------------------------------------------------


def answers(setting):
    """Everything that the theory answers for a setting, by question."""
    theory, found = ssem_advisor.theory, {}
    for number, ask in enumerate((
        theory.collapse_threshold, theory.optimal_variance, theory.critical_temperature, theory.expected_variance,
        lambda s: theory.alpha_for_variance(s, 0.25), lambda s: theory.alpha_for_expected_variance(s, 0.25, 0.5, 4),
        lambda s: theory.expected_variance(s, 0.5, 4), lambda s: np.broadcast_arrays(*theory.reference_losses(s)),
        lambda s: np.broadcast_arrays(*theory.reference_losses(s, base_temperature=2)),
        lambda s: list(extended_limits(s)[:2]), theory.class_thresholds, theory.class_openings, theory.class_variances,
        lambda s: [theory.collapse_limits(s).collapse_up_to, theory.collapse_limits(s).open_above],
    )):  # fmt: skip
        try:
            value = np.asarray(ask(setting))
        except AdvisorError:
            continue
        assert value.dtype == np.float64
        found[number] = value
    assert found
    return found


NUMBERS = {"classes": 4, "dim": 8, "temperature": 2, "alpha": 1, "views": 2, "instances_per_class": 100}


@pytest.mark.parametrize(
    "more",
    [
        {"batch_size": 40},
        {"batch_size": 40, "loss": "l_spread"},
        {"batch_size": 40, "loss": "ssem"},
        {"sampler": "balanced", "batch_size": 40},
        {"sampler": "balanced", "batch_size": 40, "classes_per_batch": 2},
        {"sampler": "full"},
        {"sampler": "full", "dim": 2},
        {"sampler": "full", "dim": 3},
        {"batch_size": 40, "loss": "l_in"},
        {"queue": 40},
        {"batch_size": 40, "features": "non-negative"},
        {"batch_size": 40, "self_temperature": 3},
        {"batch_size": 40, "cross_entropy": 2},
        {"class_counts": (100, 50, 20, 2), "classes": None, "instances_per_class": None, "batch_size": 40},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [float, np.float32, np.int16])
def test_whole_numbers_and_single_precision_are_worked_with_in_double_precision(more, kind):
    """Products of small integer types would overflow, half of the digits would be missing."""
    whole, other = ({k: f(v) if isinstance(v, int) else v for k, v in (NUMBERS | more).items()} for f in (int, kind))
    double, single = answers(Setting(**whole)), answers(Setting(**other))
    for question, answer in double.items():
        assert np.array_equal(single[question], answer, equal_nan=True)
    if kind is float or "class_counts" in more:
        return
    arrays = {k: np.array([v, v], dtype=kind) if isinstance(v, int) else v for k, v in (NUMBERS | more).items()}
    for question, answer in answers(Setting(**arrays)).items():
        both = np.stack([double[question], double[question]], axis=-1)
        np.testing.assert_allclose(answer, both, rtol=1e-12, atol=1e-14)
