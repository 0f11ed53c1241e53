"""One threshold: everything that judges a weight agrees on many settings, drawn at random over the whole domain."""

import json
import random
import shutil
import subprocess

import numpy as np
import optuna
import pytest
from typer.testing import CliRunner

from ssem_advisor import Setting, assert_safe, measure, recommend
from ssem_advisor.advice import aims, judge, outlook_of
from ssem_advisor.cli import app
from ssem_advisor.config import OwnConfig, read
from ssem_advisor.domain import FIELDS, NotCovered
from ssem_advisor.lint.core import Case, verdict_on
from ssem_advisor.measurement.prediction import compare
from ssem_advisor.report import explorer, plots
from ssem_advisor.report.plots import phase
from ssem_advisor.report.plots.canvas import PAPER
from ssem_advisor.report.plots.shown import shown_outlook
from ssem_advisor.rounding import below, inward, within
from ssem_advisor.theory.numbers import numbers_of
from ssem_advisor.theory.regime import Regime, collapse_limits
from ssem_advisor.theory.registry import theorem
from ssem_advisor.training import suggest

optuna.logging.set_verbosity(optuna.logging.WARNING)

SETTINGS = {
    "spare": Setting(classes=10, dim=64, batch_size=200, sampler="balanced", temperature=0.3),
    "random": Setting(classes=20, dim=128, batch_size=300, temperature=0.2),
    "exact": Setting(classes=4, dim=40, instances_per_class=8, sampler="full", temperature=0.5),
    "tight": Setting(classes=8, dim=7, batch_size=160, sampler="balanced", temperature=0.4),
    "crowded": Setting(classes=12, dim=9, batch_size=120, sampler="balanced", temperature=0.3),
    "unequal": Setting(class_counts=(5, 3, 2), dim=4, sampler="full", temperature=0.5),
    "ssem": Setting(classes=5, dim=32, batch_size=100, sampler="balanced", temperature=0.5, loss="ssem"),
    "alone": Setting(class_counts=(4, 3, 1), dim=16, sampler="full", temperature=0.5),
    "alone in a batch": Setting(class_counts=(9, 6, 1), dim=16, batch_size=8, temperature=0.4),
}


def drawn(seed):
    """A setting of any kind: losses, samplers, views, dimensions on all sides of the number of classes, class sizes."""
    rng = random.Random(seed)
    m = rng.choice((2, 3, 5, 8, 12))
    dim = rng.choice((m - 1, m, m + 3, 64, 512, None))
    temperature = round(10 ** rng.uniform(-1.2, 0), 3)
    known = {"dim": dim, "temperature": temperature, "loss": rng.choice(("supcon", "supcon", "ssem", "l_spread"))}
    known["views"] = rng.choice((2, 2, 3, 5))
    if rng.random() < 0.35 and known["loss"] != "l_spread" and m <= 5:
        known["class_counts"] = tuple(rng.randint(1, 9) for _ in range(m))
        known["sampler"] = rng.choice(("full", "random"))
        if known["sampler"] == "random":
            known["batch_size"] = rng.randint(2, sum(known["class_counts"]))
        return Setting(**known)
    known["sampler"] = rng.choice(("full", "balanced", "random"))
    each = rng.randint(2, 12)
    if known["sampler"] == "full":
        return Setting(classes=m, instances_per_class=each, **known)
    if rng.random() < 0.3 and known["loss"] != "l_spread" and m > 3:
        known["dim"] = m - 2
    instances = rng.choice((None, 20 * each))
    return Setting(classes=m, batch_size=each * m, instances_per_class=instances, **known)


def covered_settings(number):
    """As many random settings as asked for that a theorem speaks about; a few of unequal classes: they are slow."""
    found, seed, unequal = {}, 0, 0
    while len(found) < number:
        setting, seed = drawn(seed), seed + 1
        unequal += setting.unequal
        if setting.unequal and 6 * unequal > number:
            continue
        try:
            limits = collapse_limits(setting)
        except NotCovered:
            continue
        if limits.threshold > 1e-3:
            found[f"seed {seed - 1}"] = setting
    return found


RANDOM = covered_settings(100)
MANY = [
    *SETTINGS, *(pytest.param(name, marks=[pytest.mark.slow] * (number >= 18)) for number, name in enumerate(RANDOM)),
]  # fmt: skip
ALL = SETTINGS | RANDOM


NAMES = {"temperature": "temperature", "dim": "embedding_dim", "batch_size": "batch_size", "views": "num_views"}


def verdict_on_file(setting, alpha, folder):
    """What `check` makes of a config file; how batches are drawn from what data stands in the own config."""
    known = {name: getattr(setting, name) for name in FIELDS if getattr(setting, name) is not None}
    lines = ["_target_: ssem_advisor.losses.SupervisedContrastiveLoss", f"loss: {setting.loss}", f"alpha: {alpha!r}"]
    lines += [f"{key}: {known[name]}" for name, key in NAMES.items() if name in known]
    path = folder / "train.yaml"
    path.write_text("\n".join(lines) + "\n")
    facts = ("sampler", "classes_per_batch", "instances_per_class", "class_counts")
    defaults = {name: known[name] for name in facts if name in known}
    if setting.class_counts is None:
        defaults["classes"] = setting.classes
    document = read(path, OwnConfig(defaults=defaults))
    (run,) = document.runs
    case = Case(document, run)
    assert case.verdict is not None, (case.missing, case.not_covered)
    return case.verdict


@pytest.mark.parametrize("name", MANY)
def test_everything_that_tells_a_threshold_tells_the_same(name, tmp_path):
    setting = ALL[name]
    limits = collapse_limits(setting)
    advice = recommend(setting)
    if advice.temperature.recommended in (None, setting.temperature):
        assert advice.alpha.collapse_threshold == limits.threshold
        assert advice.limits.open_above == limits.open_above
    at = setting.with_(alpha=0.5)
    assert verdict_on(at).threshold == limits.threshold
    told, _ = compare(at, classes=setting.classes, dim=setting.dim or 4096)
    if setting.dim is not None:
        assert told.threshold == limits.threshold
    for key in limits.theorems:  # what `explain` says of this setting
        explained = theorem(key)
        if explained.left == "alpha_c" and explained.kind == "theorem" and not explained.implicit:
            for value in numbers_of(explained, setting).results.values():
                assert value == pytest.approx(limits.collapse_up_to, rel=1e-9), key
    if not limits.regime.by_class:
        outlook = shown_outlook(setting, PAPER)
        temperatures, (first, last), weights = phase.contours(
            outlook, 3, (setting.temperature / 2, setting.temperature * 2)
        )
        assert temperatures[1] == pytest.approx(setting.temperature)
        closed = {"rel": 1e-9} if limits.regime in (Regime.EXACT, Regime.FINITE) else {"abs": 0.006}
        assert min(first[1], 1.0) == pytest.approx(min(limits.collapse_up_to, 1.0), **closed)
        assert min(last[1], 1.0) == pytest.approx(min(limits.open_above, 1.0), **closed)
        assert weights[0][1] == last[1]


def node():
    """A JavaScript engine: node, or the one that playwright brings along."""
    from playwright._impl._driver import compute_driver_executable

    return shutil.which("node") or compute_driver_executable()[0]


QUESTION = """
const known = ({instances, dim, ...s}) => ({...s, instances: instances ?? Infinity, dim: dim ?? Infinity});
const answer = (s) => SSEM.notCovered(s) ? null
  : {threshold: SSEM.collapseThreshold(s), safe: SSEM.safeWeights(s), best: SSEM.recommendedWeight(s)};
const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answers = asked.map((s) => answer(SSEM.checked({...known(s), network: "typical"})));
console.log(JSON.stringify(answers, (_, value) => value === Infinity ? "none" : value));
"""


def explored(settings):
    """What the explorer's engine says of each setting: threshold, safe weights, best weight; None = not covered."""
    asked = [{short: getattr(s, name) for short, name in explorer._FIELDS.items()} for s in settings]
    script = explorer._constants() + explorer._part("engine.js") + QUESTION
    done = subprocess.run([node(), "-e", script], input=json.dumps(asked), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_explorer_tells_the_same_threshold_and_calls_nothing_safe_that_python_does_not():
    equal = {name: setting.with_(alpha=0.5) for name, setting in ALL.items() if not setting.unequal}
    exact = narrower = 0
    for (name, setting), told in zip(equal.items(), explored(equal.values()), strict=True):
        if told is None:
            assert setting.views == 1 or setting.dim is not None, name
            continue
        limits = collapse_limits(setting)
        threshold = float("inf") if told["threshold"] == "none" else told["threshold"]
        outlook = outlook_of(setting)
        safe, (wanted, _) = outlook.safe_weights(setting.temperature), aims(setting)
        if limits.regime in (Regime.EXACT, Regime.FINITE):
            exact += 1
            assert threshold == pytest.approx(limits.threshold, rel=1e-9), name
            assert (told["safe"] is None) == (safe is None), name
            if safe is not None:
                assert told["safe"] == pytest.approx(safe, rel=1e-6), name
                assert told["best"] == pytest.approx(outlook.best_weight(wanted, setting.temperature), rel=1e-6), name
        else:
            assert threshold >= min(limits.open_above, 1.0), name
            if told["safe"] is not None:
                narrower += 1
                assert safe is not None, name
                assert safe[0] * (1 - 1e-9) <= told["safe"][0] < told["safe"][1] <= safe[1] * (1 + 1e-6), name
        for weight in told["safe"] or ():  # the ends themselves are inside; a hair further in no rounding can matter
            assert judge(setting.with_(alpha=weight + 1e-6 * (told["best"] - weight))).state == "safe", name
    assert exact > 50
    assert narrower > 2


ONE_VIEW = {
    "supcon": Setting(classes=10, dim=64, batch_size=200, sampler="balanced", temperature=0.1, views=1),
    "tight": Setting(classes=8, dim=7, batch_size=160, sampler="balanced", temperature=0.1, views=1),
    "crowded": Setting(classes=12, dim=9, batch_size=120, sampler="balanced", temperature=0.1, views=1),
    "unequal": Setting(class_counts=(5, 3, 2), dim=4, sampler="full", temperature=0.1, views=1),
    "l_spread": Setting(classes=10, dim=64, batch_size=200, temperature=0.1, views=1, loss="l_spread"),
}


@pytest.mark.parametrize("name", ONE_VIEW)
def test_with_one_view_nothing_is_safe_for_anybody(name):
    setting = ONE_VIEW[name]
    assert recommend(setting).recommended is None
    with pytest.raises(NotCovered):
        suggest(optuna.trial.FixedTrial({"temperature": 0.1, "alpha_fraction": 0.5}), setting)
    with pytest.raises(NotCovered, match="not covered"):
        plots.phase_diagram(setting, "nowhere.png")
    if not setting.unequal:
        (told,) = explored([setting.with_(alpha=0.5)])
        assert told is None or told["safe"] is None
    for alpha in (0.02, 0.4, 0.99):
        at = setting.with_(alpha=alpha)
        assert judge(at).state in ("collapse", "may collapse", "not covered")
        with pytest.raises(AssertionError):
            assert_safe(at)
        told, _ = compare(at, classes=setting.classes, dim=setting.dim)
        assert told is None or told.why_collapse


@pytest.mark.parametrize("name", MANY)
def test_everything_that_judges_a_weight_judges_alike(name, tmp_path):
    setting = ALL[name]
    limits = collapse_limits(setting)
    below, above = 0.98 * limits.collapse_up_to, limits.open_above + limits.error + 0.02
    if below < 1:
        assert judge(setting.with_(alpha=below)).state == "collapse"
        told, _ = compare(setting.with_(alpha=below), classes=setting.classes, dim=setting.dim or 4096)
        assert told is None or told.why_collapse
    if limits.open_above < 0.97:
        between = 0.5 * (limits.collapse_up_to + limits.open_above)
        if limits.collapse_up_to < between < limits.open_above:
            assert judge(setting.with_(alpha=between)).state == "may collapse"
        assert judge(setting.with_(alpha=above)).state in ("too little", "safe", "too much", "not covered")
        told, _ = compare(setting.with_(alpha=above), classes=setting.classes, dim=setting.dim or 4096)
        assert told is None or not told.why_collapse
    for weight in (below, 0.98 * limits.open_above):
        with pytest.raises(AssertionError, match=r"not safe|cannot decide"):
            assert_safe(setting.with_(alpha=min(weight, 1.0)))
    if setting.loss in ("supcon", "ssem") and setting.views == 2:
        for weight, asked in ((below, True), (above, False)):
            if weight <= 1:
                verdict = verdict_on_file(setting, weight, tmp_path)
                assert verdict.threshold == limits.threshold
                assert verdict.collapses is asked


@pytest.mark.parametrize("name", ["spare", "tight", "crowded", "unequal", "alone"])
def test_measure_holds_embeddings_to_the_same_threshold(name):
    setting = SETTINGS[name].with_(alpha=0.5)
    counts = [max(n, 2) for n in setting.class_counts or (12,) * setting.classes]
    labels = np.repeat(np.arange(setting.classes), counts)
    rows = np.random.default_rng(0).normal(size=(len(labels), 2, setting.dim))
    told = measure(rows, labels, setting=setting).theory.threshold
    assert told == collapse_limits(setting).threshold


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("alpha", [0.03, 0.2, 0.35, 0.6, 0.9, 0.97])
def test_the_linter_passes_what_the_advice_calls_safe_and_nothing_else(name, alpha):
    setting = SETTINGS[name].with_(alpha=alpha, temperature=0.1)
    state = judge(setting).state
    rule = {
        "collapse": "SSM101|SSM403", "may collapse": "SSM10[12]|SSM403", "too little": "SSM102", "too much": "SSM104",
        "not covered": "cannot decide",
    }  # fmt: skip
    if state == "safe":
        assert_safe(setting)
    else:
        with pytest.raises(AssertionError, match=rule[state]):
            assert_safe(setting)


@pytest.mark.parametrize("name", MANY)
def test_no_trial_and_no_recommendation_asks_for_collapse(name):
    setting = ALL[name].with_(temperature=None)
    point = recommend(setting).recommended
    if point is not None:
        assert point.alpha > collapse_limits(setting.with_(temperature=point.temperature)).open_above
    for fraction in (0.0, 1.0):
        trial = optuna.trial.FixedTrial({"temperature": 0.1, "alpha_fraction": fraction})
        try:
            chosen = suggest(trial, setting)
        except (NotCovered, ValueError):
            continue
        limits = collapse_limits(chosen)
        assert chosen.alpha > limits.open_above
        assert judge(chosen).state == "safe"
        said = ""
        try:
            assert_safe(chosen)
        except AssertionError as warned:
            said = str(warned)
        assert "SSM1" not in said  # it may warn of the dimension or the batch, never of the weight


GOALS = {None: "warning", "transfer": "error", "classification": "note"}
# Temperature and weight are left to the answer; a typical network's views would bear a warmer temperature in the first.
WEIGHTS = {
    "cifar10": Setting(classes=10, dim=128, batch_size=512),
    "two classes": Setting(classes=2, dim=64, batch_size=512),
    "cifar100": Setting(classes=100, dim=128, batch_size=512),
    "balanced": Setting(classes=20, dim=64, batch_size=400, sampler="balanced"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_command_names_one_weight_whatever_the_goal(name, tmp_path):
    """`check --goal` says how severe a finding is, and no other command takes a goal: weight, safe range and threshold
    are those of `recommend` in pictures, on the page, in a search and in what `check` helps with."""
    setting = WEIGHTS[name]
    best, temperature = recommend(setting).recommended.alpha, recommend(setting).recommended.temperature
    at = setting.with_(temperature=temperature)
    answer = recommend(at)
    safe, threshold = answer.alpha.safe, answer.alpha.collapse_threshold
    assert answer.recommended.alpha == best
    (marked,) = (point for point in phase._points(setting, None, PAPER) if point.label.startswith("recommended"))
    assert marked.label == f"recommended: α {best:.3g}, τ {temperature:g}"
    (page,) = explored([at.with_(alpha=0.5)])
    assert [page["best"], page["threshold"], *page["safe"]] == pytest.approx([best, threshold, *safe], rel=1e-6)
    ends = [
        suggest(optuna.trial.FixedTrial({"temperature": temperature, "alpha_fraction": fraction}), setting).alpha
        for fraction in (0.0, 1.0)
    ]
    assert ends == pytest.approx(safe)
    file = tmp_path / "train.yaml"
    file.write_text(
        f"method: supcon\nnum_classes: {setting.classes}\ntemperature: {temperature}\nn_views: 2\n"
        f"batch_size: {setting.batch_size}\nprojection_dim: {setting.dim}\n"
    )
    (tmp_path / "pyproject.toml").write_text(f'[tool.ssem-advisor.defaults]\nsampler = "{setting.sampler}"\n')
    runner, helped = CliRunner(), set()
    for goal, severity in GOALS.items():
        options = [] if goal is None else ["--goal", goal]
        done = runner.invoke(app, ["check", str(file), "--format", "json", *options])
        (finding,) = (f for f in json.loads(done.stdout)["files"][0]["findings"] if f["code"] == "SSM201")
        assert finding["severity"] == severity
        helped.add(finding["numbers"])
    (numbers,) = helped
    shown = f"alpha {within(best, safe)} (safe from {' to '.join(inward(*safe))}, collapse up to {below(threshold)})"
    assert shown in numbers


@pytest.mark.parametrize("command", ["recommend", "explain", "plot", "explore", "measure", "diagnose"])
def test_only_check_takes_a_goal(command):
    refused = CliRunner().invoke(app, [command, "--goal", "transfer"])
    assert refused.exit_code == 2
    assert "--goal" in refused.stderr
