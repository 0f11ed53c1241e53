"""Every theorem object: its sympy form at 50 digits against its numpy form, and what all theorems must have."""

import random
import re
from pathlib import Path

import pytest
import sympy as sp

from ssem_advisor import AdvisorError, Setting, collapse_threshold, optimal_variance
from ssem_advisor.theory import class_thresholds
from ssem_advisor.theory.numbers import numbers_of
from ssem_advisor.theory.registry import theorem, theorems

DOCS = Path(__file__).parents[2] / "docs"
ALL = list(theorems().values())


def sample(rng):
    m, n, p = rng.choice([2, 3, 10, 50]), rng.choice([2, 5, 50]), rng.choice([2, 3, 8])
    drawn = rng.randint(2, m)
    return {
        "m": m, "n": n, "p": p, "N": rng.choice([n, 500]), "k": n - 1, "P": drawn, "o": (drawn - 1) * n,
        "c": rng.choice([1, 0.5]), "B": rng.choice([4, 9, 16]), "tau": rng.choice([0.05, 0.1, 0.5, 2.0]),
        "alpha": rng.choice([0.6, 0.9]), "v": rng.choice([0.05, 0.25, 0.5]), "D": rng.choice([3, 28]),
        "R": rng.choice([0.5, 0.9]), "Q": rng.choice([4, 15]), "tau_2": rng.choice([0.1, 0.3, 1.0]),
        "w": rng.choice([0.5, 2.0]), "s": rng.choice([1.0, 5.0]), "q": 0.01, "F": -0.1, "lambda_i": 0.02,
    }  # fmt: skip


def in_domain(key, point):
    if key == "TEMPERATURE":  # a finite critical temperature exists
        P, own = point["o"] / (point["k"] + 1) + 1, (point["p"] - 1) / point["p"]
        rho = (1 - 1 / point["N"]) / (point["m"] - 1)
        reach, others = point["alpha"] * (own + point["k"]) - own, point["o"] * (1 + rho - point["alpha"])
        return 0 < reach < others and point["m"] >= P and point["N"] > point["k"]
    if key == "OPTIMUM":  # above the threshold
        s = Setting(classes=point["m"], instances_per_class=point["n"], views=point["p"], temperature=point["tau"],
                    sampler="full")  # fmt: skip
        return point["alpha"] > collapse_threshold(s)
    if key == "TIGHT":
        return point["m"] > 2
    return True


@pytest.mark.parametrize("thm", ALL, ids=lambda t: t.key)
def test_numeric_form_is_the_symbolic_form(thm):
    rng, formula, tried = random.Random(thm.key), thm.formula(), 0
    while tried < 6:
        full = sample(rng)
        point = {name: value for name, value in full.items() if name in thm.symbols}
        if not in_domain(thm.key, point):
            continue
        tried += 1
        numbers = {
            sp.Symbol(k, positive=True): sp.Rational(v) if isinstance(v, int) else sp.Float(v, 50)
            for k, v in point.items()
        }
        value = thm.numeric(**point)
        if thm.implicit:
            exact = formula.subs({**numbers, sp.Symbol(thm.implicit, positive=True): sp.Float(value, 50)}).evalf(50)
            assert abs(exact) < 1e-13
        else:
            exact = formula.subs(numbers).evalf(50)
            assert value == pytest.approx(float(exact), rel=1e-10, abs=0)


def test_thresholds_follow_from_the_slopes_by_sympy():
    """alpha_c, derived: solve (1-alpha)(g-1) + alpha g = 0 at x = 1 with g as SLOPES states it."""
    symbols = {name: sp.Symbol(name, positive=True) for name in ("m", "N", "k", "o", "c", "tau")}
    slope = theorem("SLOPES").symbolic(sp, **symbols, v=sp.Integer(0))
    alpha = sp.Symbol("alpha")
    derived = sp.solve((1 - alpha) * (slope - 1) + alpha * slope, alpha)[0]
    assert sp.simplify(derived - theorem("THRESHOLD").symbolic(sp, **symbols)) == 0


@pytest.mark.parametrize(("key", "own"), [("FULL-SSEM", lambda p: 1), ("FULL-SUPCON", lambda p: (p - 1) / p)])
def test_full_batch_forms_are_the_general_one(key, own):
    m, n, p, tau = (sp.Symbol(name, positive=True) for name in ("m", "n", "p", "tau"))
    general = theorem("THRESHOLD").symbolic(sp, m=m, N=n, k=n - 1, o=(m - 1) * n, c=own(p), tau=tau)
    given = {"m": m, "n": n, "p": p, "tau": tau}
    special = theorem(key).symbolic(sp, **{name: given[name] for name in theorem(key).symbols})
    assert sp.simplify(general - special) == 0


def test_l_spread_form_follows_from_its_slopes():
    m, n, tau = (sp.Symbol(name, positive=True) for name in ("m", "n", "tau"))
    general = theorem("WEIGHT-SPREAD").symbolic(sp, m=m, N=n, k=n - 1, o=(m - 1) * n, tau=tau, v=sp.Integer(0))
    assert sp.simplify(general - theorem("FULL-SPREAD").symbolic(sp, m=m, n=n, tau=tau)) == 0


def test_slopes_are_the_derivative_of_the_loss():
    """tau d/dx of log(c e^{1/tau} + k e^{x/tau} + o e^{s(x)/tau}), differentiated by sympy."""
    m, N, k, o, c, tau, v = (sp.Symbol(name, positive=True) for name in ("m", "N", "k", "o", "c", "tau", "v"))
    x = sp.Symbol("x")
    s = -(1 / N + (1 - 1 / N) * x) / (m - 1)
    log_sum = sp.log(c * sp.exp(1 / tau) + k * sp.exp(x / tau) + o * sp.exp(s / tau))
    derived = (tau * sp.diff(log_sum, x)).subs(x, 1 - v / (1 - 1 / N))
    stated = theorem("SLOPES").symbolic(sp, m=m, N=N, k=k, o=o, c=c, tau=tau, v=v)
    point = {m: 4, N: 9, k: 3, o: 12, c: sp.Rational(1, 2), tau: sp.Rational(3, 10), v: sp.Rational(1, 5)}
    assert abs((derived - stated).subs(point).evalf(50)) < 1e-45


def test_temperature_undoes_threshold_symbolically():
    m, N, k, o, p, tau = (sp.Symbol(name, positive=True) for name in ("m", "N", "k", "o", "p", "tau"))
    alpha = theorem("THRESHOLD").symbolic(sp, m=m, N=N, k=k, o=o, c=(p - 1) / p, tau=tau)
    back = theorem("TEMPERATURE").symbolic(sp, m=m, N=N, k=k, o=o, p=p, alpha=alpha)
    assert sp.simplify(sp.exp(-1 / back) - sp.exp(-1 / tau)).subs(
        {m: 5, N: 7, k: 3, o: 9, p: 2, tau: sp.Rational(1, 3)}
    ).evalf(30) == pytest.approx(0, abs=1e-25)


@pytest.mark.parametrize("thm", ALL, ids=lambda t: t.key)
def test_every_theorem_says_where_it_comes_from_and_where_it_is_proven(thm):
    assert thm.source in ("paper", "derived here")
    assert thm.kind in ("theorem", "estimate")
    assert ("ESTIMATE" in thm.statement) == (thm.kind == "estimate")
    name, _, anchor = thm.page.partition("#")
    page = (DOCS / name).read_text()
    assert anchor
    assert re.search(r"\{#" + re.escape(anchor) + r"\}", page), f"{thm.page} has no such anchor"


def test_assumptions_are_checked_against_a_setting():
    crowded = Setting(classes=10, dim=4, batch_size=100, sampler="balanced", temperature=0.1)
    assert any("simplex" in text for text in theorem("THRESHOLD").broken(crowded))
    assert theorem("THRESHOLD").broken(crowded.with_(dim=64)) == ()
    assert any("full" in text for text in theorem("FULL-SUPCON").broken(crowded))


def test_numbers_of_a_setting_give_the_threshold():
    setting = Setting(classes=10, batch_size=100, sampler="balanced", temperature=0.1, instances_per_class=50)
    thm = theorem("THRESHOLD")
    assert numbers_of(thm, setting).results["alpha_c"] == collapse_threshold(setting)


@pytest.mark.parametrize("fields", [{}, {"classes_per_batch": 5}])
def test_numbers_of_balanced_batches_count_the_classes_drawn(fields):
    setting = Setting(classes=10, batch_size=100, sampler="balanced", temperature=0.1, instances_per_class=50, **fields)
    found = numbers_of(theorem("BATCH"), setting)
    assert found.symbols["P"] == fields.get("classes_per_batch", 10)
    assert found.results == {"alpha_c": pytest.approx(collapse_threshold(setting), rel=1e-12)}


def test_numbers_by_class_are_one_for_equal_classes_and_the_ends_for_others():
    equal = Setting(classes=10, dim=64, batch_size=100, sampler="balanced", temperature=0.2)
    assert numbers_of(theorem("UNEQUAL"), equal).results == {"alpha_i": collapse_threshold(equal)}
    unequal = Setting(class_counts=(9, 6, 3), dim=16, sampler="full", temperature=0.3)
    each = class_thresholds(unequal)
    ends = {"least alpha_i": each.min(), "largest alpha_i": each.max()}
    assert numbers_of(theorem("UNEQUAL"), unequal).results == pytest.approx(ends)


def test_small_temperature_limit():
    for tau in (1e-2, 1e-3):
        setting = Setting(classes=5, instances_per_class=20, sampler="full", temperature=tau, alpha=0.6, loss="ssem")
        thm = theorem("SMALL-TEMPERATURE")
        assert optimal_variance(setting) == pytest.approx(numbers_of(thm, setting).results[thm.left], rel=1e-9)


def test_unknown_key_names_the_nearest():
    with pytest.raises(AdvisorError, match="THRESHOLD"):
        theorem("THRESHHOLD")


PACKAGE = DOCS.parent / "ssem_advisor"


def cited(text):
    """Keys after "Source:" in docstrings: words in capitals, up to the first word in small letters."""
    for phrase in re.findall(r"Source: ((?:[A-Z][A-Z-]+(?:, | and |,?\n *)?)+)", text):
        yield from re.findall(r"[A-Z][A-Z-]+", phrase)


def test_every_key_cited_in_a_docstring_or_rule_exists():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for key in [*cited(text), *re.findall(r'theorem="([A-Z-]+)"', text)]:
            found.setdefault(key, path.name)
    assert len(found) > 12
    assert {key: where for key, where in found.items() if key not in theorems()} == {}


def test_what_is_required_says_which_assumption_fails():
    from ssem_advisor import NotCovered
    from ssem_advisor.theory.registry import covered, require

    plain = Setting(classes=10, batch_size=100, sampler="balanced", temperature=0.1, dim=64)
    require(plain, "THRESHOLD", "DIMENSION")
    assert "THRESHOLD" in covered(plain)
    for setting, word in (
        (plain.with_(queue=100), "current embeddings"),
        (plain.with_(self_temperature=0.5), "share one temperature"),
        (plain.with_(features="non-negative"), "either sign"),
        (plain.with_(cross_entropy=1.0), "no cross-entropy"),
        (plain.with_(dim=5), "dim >= classes - 1"),
    ):
        with pytest.raises(NotCovered, match=word):
            require(setting, "THRESHOLD")
        assert "THRESHOLD" not in covered(setting)
        assert "PLAIN-SUPCON" in covered(setting) or setting.queue
    for key in covered(plain.with_(loss="l_in")):
        assert key in ("GEOMETRY", "L-IN", "CE-SUPCON", "L-IN-MIXED", "TWO-TEMPERATURES", "CROSS-ENTROPY-BOUND")
