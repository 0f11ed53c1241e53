"""`recommend` and `explain` as a user meets them: answers, JSON, errors, rounding, start-up."""

import json
import math
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ssem_advisor import Setting, SettingError, collapse_threshold, recommend
from ssem_advisor.advice import SAFE_SPREAD, WANTED, Code, aims, judge
from ssem_advisor.catalogue import find
from ssem_advisor.cli import app
from ssem_advisor.report.advice import to_dict, to_text
from ssem_advisor.report.words import words
from ssem_advisor.rounding import above, below, inward, within
from ssem_advisor.theory.network import PERFECT, Network, expected_free_spread
from ssem_advisor.theory.regime import collapse_limits
from ssem_advisor.theory.registry import theorems

SCHEMA = json.loads((Path(__file__).parents[2] / "ssem_advisor" / "schemas" / "recommend.schema.json").read_text())
runner = CliRunner()


def run(*arguments, code=0):
    result = runner.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def answer(*arguments):
    data = json.loads(run("recommend", *arguments, "--format", "json").stdout)
    jsonschema.validate(data, SCHEMA)
    return data


def codes(data):
    return {note["code"] for note in data["notes"]}


def test_nothing_but_classes_and_dim():
    data = answer("--classes", 100, "--dim", 128)
    assert {"batch_size", "sampler", "views", "loss"} <= set(data["setting"]["assumed"])
    assert data["setting"]["batch_size"] == 512
    assert data["temperature"]["recommended"] == 0.1
    low, high = data["alpha"]["safe"]
    assert data["alpha"]["collapse_threshold"] < low < data["alpha"]["recommended"] < high <= 1
    assert data["network"]["origin"] == "typical"
    assert 0.0999 <= data["predicted"]["free_spread"] <= 0.25  # the least of crowded dimensions is asked for
    assert data["recommended"]["state"] == "safe"
    assert set(data["theorems"]) <= set(theorems())


def test_limits_name_the_temperature_they_hold_at():
    """The one given is too warm for any weight, so the answer moves it: both temperatures have their own limits."""
    data = answer("--classes", 20, "--dim", 8, "--temperature", 2, "--alpha", 0.1)
    setting = Setting(**{name: value for name, value in data["setting"].items() if name not in ("assumed", "alpha")})
    assert data["limits"]["temperature"] == data["temperature"]["recommended"] < 2
    assert data["given_limits"]["temperature"] == 2
    for shown in (data["limits"], data["given_limits"]):
        known = collapse_limits(setting.with_(temperature=shown["temperature"]))
        for name in ("collapse_up_to", "collapse_error", "open_above", "error", "kind"):
            assert shown[name] == getattr(known, name)
    assert answer("--classes", 20, "--dim", 8)["given_limits"] is None


def test_what_is_numerical_is_not_said_as_if_it_were_proven():
    """The first weight shown lies before the true one by its error; both errors stand in the note."""
    for setting, said in (
        (Setting(classes=20, dim=8), True),
        (Setting(class_counts=(12, 7, 5, 3), sampler="full"), False),
    ):
        advice = recommend(setting)
        text = " ".join(to_text(advice, details=True).split())
        first = advice.limits.collapse_up_to
        assert (f"full collapse gives way at alpha {below(first)} at the earliest" in text) is said
        assert f"full collapse gives way at alpha {below(first)}" in text
        error = above(advice.limits.collapse_error, 2)
        assert (f"the one at which full collapse gives way to within {error}" in text) is said


def test_at_least_four_instances_of_each_class_are_assumed():
    assert answer("--classes", 1000, "--dim", 2048)["setting"]["batch_size"] == 4000


def test_the_text_fits_eighty_columns_and_names_what_was_assumed():
    text = run("recommend", "--classes", 100, "--dim", 128).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "Assumed" in text
    assert "Set   alpha = 0.373" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("alpha", "state"), [(0.004, "collapse"), (0.05, "too little"), (0.4, "safe"), (0.9, "too much")]
)
def test_a_given_point_gets_its_verdict(alpha, state):
    data = answer(
        "--classes", 5, "--batch-size", 250, "--sampler", "balanced", "--dim", 32, "--tau", 0.1, "--alpha", alpha
    )
    assert data["given"]["state"] == state
    if state == "safe":
        assert data["alpha"]["recommended"] == alpha  # nothing to change
    assert data["alpha"]["collapse_threshold"] == pytest.approx(0.010125, abs=1e-5)


@pytest.mark.parametrize(
    ("setting", "low", "high", "less_trained"),
    [
        (Setting(classes=2, dim=64, batch_size=400, sampler="balanced"), 0.2, 0.5, 1.0),
        (Setting(classes=5, dim=64, batch_size=400, sampler="balanced"), 0.2, 0.5, 0.6),
        (Setting(classes=10, dim=64, batch_size=400, sampler="balanced"), 0.174, 0.5, 0.8),
        (Setting(classes=20, dim=64, batch_size=400, sampler="balanced"), 0.28, 0.6, 0.6),
        (Setting(classes=50, dim=64, batch_size=400, sampler="balanced"), 0.3, 0.5, 0.65),
        (Setting(classes=100, dim=128, batch_size=512), 0.2, 0.692, 0.8),
    ],
)
def test_the_default_is_what_trained_best_on_real_images(setting, low, high, less_trained):
    """Recorded at temperature .1: from low to high probes are within .01 of their best; above less_trained accuracy on
    the trained labels is below that of plain SupCon."""
    advice = recommend(setting)
    assert advice.temperature.recommended == 0.1
    assert low < advice.alpha.recommended < high
    assert advice.alpha.safe[1] < less_trained
    assert advice.recommended.free_spread == pytest.approx(advice.wanted)


def test_less_is_wanted_where_class_means_take_most_directions():
    for classes, share in ((5, 60 / 64), (20, 45 / 64), (50, 0.25), (64, 0.25), (100, 0.25)):
        wanted, (low, high) = aims(Setting(classes=classes, dim=64))
        assert wanted == pytest.approx(WANTED * share**0.5)
        assert (low, high) == pytest.approx([end * share**0.5 for end in SAFE_SPREAD])
        assert (
            aims(Setting(classes=classes, dim=64), PERFECT) == aims(Setting(classes=classes)) == (WANTED, SAFE_SPREAD)
        )
    crowded = Setting(classes=100, dim=128, batch_size=512)
    assert recommend(crowded, free_spread=0.2).wanted == 0.2  # a wish is heard
    with pytest.raises(SettingError, match="free_spread"):
        recommend(crowded, free_spread=0.3)


def test_the_network_moves_the_answer():
    setting = Setting(classes=5, dim=32, batch_size=250, sampler="balanced", temperature=0.1)
    perfect, typical = recommend(setting, network=PERFECT), recommend(setting)
    measured = recommend(setting, network=Network(0.8, 20.0))
    assert (perfect.origin, typical.origin, measured.origin) == ("perfect", "typical", "measured")
    assert perfect.alpha.recommended < measured.alpha.recommended < typical.alpha.recommended
    for advice in (perfect, typical, measured):
        assert advice.recommended.free_spread == pytest.approx(advice.wanted)
    command = ("--classes", 5, "--dim", 32, "--batch-size", 250, "--sampler", "balanced", "--tau", 0.1)
    assert answer(*command, "--network", "perfect")["alpha"]["recommended"] == perfect.alpha.recommended
    assert answer(*command, "--network", "typical") == answer(*command)


def test_reliable_views_bear_a_warmer_temperature():
    """Digits: reliability .8 at temperature .1, and probes gain .04 from .1 to .3. Real images: .5 and no gain."""
    digits = Setting(classes=5, dim=32, batch_size=250, sampler="balanced")
    warm = recommend(digits, network=Network(0.8, 20.0))
    assert warm.temperature.recommended == 0.3
    assert Code.warmer_for_reliable_views in {note.code for note in warm.notes}
    assert recommend(digits, network=Network(0.35, 20.0)).temperature.recommended < 0.3
    assert recommend(digits).temperature.recommended == 0.1


@pytest.mark.parametrize(("classes", "dims"), [(128, range(126, 131)), (10, (8, 9, 10, 11, 12, 16, 17, 40, 41))])
def test_the_answer_changes_steadily_with_dim_or_says_why(classes, dims):
    before, previous = None, None
    for dim in dims:
        advice = recommend(Setting(classes=classes, dim=dim, batch_size=512, sampler="random"))
        here = advice.recommended
        codes = {note.code for note in advice.notes}
        if before and here and previous == dim - 1 and before.temperature == here.temperature:
            assert here.alpha == pytest.approx(before.alpha, abs=0.06)
        if here is None or here.temperature != 0.1:
            assert codes & {Code.out_of_reach, Code.another_temperature, Code.not_covered}
        if dim < classes + 2:
            assert codes & {Code.crowded, Code.tight, Code.shared_directions, Code.out_of_reach}
        before, previous = here, dim


@given(
    classes=st.integers(2, 60),
    spare=st.integers(0, 100),
    each=st.integers(2, 60),
    tau=st.one_of(st.none(), st.floats(0.02, 0.8)),
    alpha=st.one_of(st.none(), st.floats(0.01, 1.0)),
    reliability=st.one_of(st.none(), st.floats(0.15, 1.0)),
)
@settings(max_examples=25, deadline=None)
def test_the_recommendation_lies_in_its_ranges_and_the_plan_is_safe(classes, spare, each, tau, alpha, reliability):
    setting = Setting(
        classes=classes, dim=max(2, classes - 1 + spare), batch_size=classes * each, sampler="balanced",
        temperature=tau, alpha=alpha,
    )  # fmt: skip
    network = None if reliability is None else Network(reliability, 10.0)
    advice = recommend(setting, network=network)
    if advice.recommended is None:
        assert advice.plan == ()
        return
    point, weights, temperatures = advice.recommended, advice.alpha.safe, advice.temperature.safe
    assert weights[0] <= point.alpha <= weights[1]
    assert temperatures[0] <= point.temperature <= temperatures[1]
    assert 1 <= len(advice.plan) <= 5
    assert advice.plan[0].point == point
    for trial in advice.plan:
        assert trial.point.state == "safe"
        at = advice.setting.with_(alpha=trial.point.alpha, temperature=trial.point.temperature)
        assert judge(at, advice.network).state == "safe"
        assert trial.point.alpha > collapse_threshold(at)
    for end in temperatures:
        spread = expected_free_spread(advice.setting.with_(alpha=point.alpha, temperature=end), advice.network)
        assert advice.safe_spread[0] * (1 - 1e-6) <= spread <= advice.safe_spread[1] * (1 + 1e-6)


def test_target_and_safe_range_are_the_users():
    data = answer("--classes", 10, "--dim", 64, "--free-spread", 0.1, "--safe-spread", "0.08,0.2")
    assert data["predicted"]["free_spread"] == pytest.approx(0.1, rel=1e-6)
    assert data["safe_free_spread"] == [0.08, 0.2]


@given(
    classes=st.integers(2, 200),
    spare=st.integers(1, 300),
    batch=st.integers(8, 2000),
    tau=st.one_of(st.none(), st.floats(0.01, 1.0)),
    loss=st.sampled_from(["supcon", "ssem", "l_spread"]),
    target=st.floats(0.1, 0.25),
)
@settings(max_examples=25, deadline=None)
def test_what_is_recommended_is_safe_and_the_printed_ends_are_inside(classes, spare, batch, tau, loss, target):
    setting = Setting(classes=classes, dim=classes - 1 + spare, batch_size=batch, temperature=tau, loss=loss)
    advice = recommend(setting, free_spread=target)
    to_text(advice)
    jsonschema.validate(to_dict(advice), SCHEMA)
    if advice.recommended is None:
        assert words(advice.notes[0]).startswith(("No safe setting", "Not covered"))
        return
    point = advice.recommended
    at = advice.setting.with_(alpha=point.alpha, temperature=point.temperature)
    assert point.alpha > collapse_threshold(at)
    assert advice.safe_spread[0] - 1e-9 <= point.free_spread <= advice.safe_spread[1] + 1e-9
    low, high = (float(end) for end in inward(*advice.alpha.safe))
    assert advice.alpha.safe[0] <= low <= high <= advice.alpha.safe[1]
    assert advice.alpha.safe[0] <= float(within(point.alpha, advice.alpha.safe)) <= advice.alpha.safe[1]
    if loss != "l_spread":
        for end in (low, high):
            expected = expected_free_spread(at.with_(alpha=end), advice.network)
            assert advice.safe_spread[0] - 1e-9 <= expected <= advice.safe_spread[1] + 1e-9
    if advice.temperature.safe is not None:
        for end in advice.temperature.safe:
            assert collapse_threshold(at.with_(temperature=end)) < point.alpha


@given(st.floats(1e-8, 1e3), st.integers(2, 6))
def test_rounding_lands_on_the_safe_side(value, digits):
    assert float(above(value, digits)) >= value
    assert float(below(value, digits)) <= value
    assert float(above(value, digits)) <= value * (1 + 10.0 ** (1 - digits)) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--classes", 10, "--views", 1), "Use two views"),
        (("--classes", 100, "--batch-size", 100, "--sampler", "balanced"), "alone with its class"),
        (("--classes", 10, "--dim", 1), "cannot spread"),
        (("--classes", 2, "--dim", 1, "--batch-size", 10), "cannot spread"),
        (("--classes", 8, "--dim", 3, "--loss", "l_spread", "--batch-size", 64), "assumes: the loss is supcon or ssem"),
    ],
)
def test_where_nothing_is_safe_it_says_why_and_what_would_help(arguments, words):
    data = answer(*arguments)
    assert data["alpha"]["recommended"] is None
    assert data["alpha"]["safe"] is None
    assert any(words in note["text"] for note in data["notes"])


def test_warnings_of_the_geometry_and_the_numbers():
    tight = answer("--classes", 6, "--dim", 5, "--batch-size", 60)
    assert tight["regime"] == "tight"
    assert "tight" in codes(tight)
    assert "out-of-reach" in codes(answer("--classes", 8, "--dim", 3, "--batch-size", 64))
    crowded = answer("--classes", 20, "--dim", 16, "--batch-size", 200)
    assert crowded["regime"] == "crowded"
    assert len(crowded["class_thresholds"]) == 20
    assert crowded["alpha"]["safe"][0] >= max(crowded["class_thresholds"])
    lonely = answer("--classes", 100, "--dim", 128, "--batch-size", 64)
    assert "lonely-anchors" in codes(lonely)
    assert {"fp16-overflow", "fp16-underflow"} <= codes(answer("--classes", 10, "--tau", 0.05))


def test_unequal_classes_from_a_file(tmp_path):
    (tmp_path / "counts.csv").write_text("class,count\na,50\nb,30\nc,5\n")
    (tmp_path / "counts.json").write_text('{"a": 50, "b": 30, "c": 5}')
    for name in ("counts.csv", "counts.json"):
        data = answer("--class-counts", tmp_path / name, "--dim", 16, "--batch-size", 40)
        assert data["setting"]["class_counts"] == [50, 30, 5]
        assert data["regime"] == "unequal"
        assert data["alpha"]["safe"][0] >= max(data["class_thresholds"])
    assert answer("--class-counts", "50,30,5", "--dim", 16, "--batch-size", 40) == data


def test_data_sets_and_gather():
    data = answer("--dataset", "CIFAR100", "--dim", 128, "--batch-size", 128, "--world-size", 4, "--gather")
    assert (data["setting"]["classes"], data["setting"]["instances_per_class"]) == (100, 500)
    assert data["setting"]["batch_size"] == 512
    data = answer("--dataset", "cifar100", "--batch-size", 128, "--world-size", 4, "--no-gather")
    assert data["setting"]["batch_size"] == 128


def test_classes_that_are_not_those_of_the_data_set_are_noted():
    told = run("recommend", "--dataset", "cifar10", "--classes", 7, "--dim", 64).stderr
    assert (
        "classes: 7 as given, while cifar10 has 10: a part of it, or coarser labels; taken with 5000 instances of each"
        in told
    )
    told = run("recommend", "--dataset", "cifar100", "--classes", 20, "--instances-per-class", 2500).stderr
    assert "classes: 20 as given, while cifar100 has 100" in told
    assert "of each" not in told
    assert "a part of it, or coarser labels (--dataset cifar100-coarse)\n" in told
    told = run("recommend", "--dataset", "cifar100-coarse", "--classes", 100).stderr
    assert "finer labels (--dataset cifar100); taken with 2500 instances of each" in told
    told = run("recommend", "--dataset", "cifar100", "--classes", 50).stderr
    assert "coarser labels; taken" in told
    told = run("recommend", "--dataset", "banking77", "--classes", 90).stderr  # of classes of unknown size
    assert told == "classes: 90 as given, while banking77 has 77: finer labels\n"
    assert run("recommend", "--dataset", "cifar10", "--classes", 10).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "classes: missing"),
        (("--classes", 1), "classes=1: must be an integer >= 2"),
        (("--classes", 10, "--tau", -0.1), "temperature=-0.1: must be a finite number > 0"),
        (("--classes", 10, "--alpha", 1.5), "alpha=1.5: must be a number in [0, 1]"),
        (("--classes", 10, "--tau", "nan"), "temperature=nan"),
        (("--classes", 10, "--loss", "triplet"), "loss='triplet': must be one of supcon, ssem, l_spread"),
        (("--classes", 10, "--sampler", "balanced", "--batch-size", 512), "use 510 or 520"),
        (("--classes", 10, "--classes-per-batch", 5), "only sampler='balanced'"),
        (("--dataset", "cifar1000"), "did you mean"),
        (("--classes", 10, "--world-size", 4, "--batch-size", 64), "say --gather or --no-gather"),
        (("--classes", 10, "--safe-spread", "0.5"), "safe_spread='0.5'"),
        (("--classes", 10, "--free-spread", 0.9), "must lie in the safe range"),
        (("--class-counts", "nowhere.csv"), "cannot read nowhere.csv: No such file or directory; check the path"),
        (("--class-counts", "7;2;1"), "or a ratio (7:2:1) with --instances N"),
        (("--class-counts", "."), "cannot read .: is a folder; give a JSON or CSV file of sizes"),
        (("--classes", 10, "--format", "yaml"), "is not one of 'text', 'json'"),
    ],
)
def test_bad_input_is_one_line_and_exit_two(arguments, words):
    result = run("recommend", *arguments, code=2)
    assert words in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "content", ["a,b\nc,d\n", "5,x\n", "[1, 2", "[[1], 2]", "3\n", '{"a": 0, "b": 2}', "1.5\n2\n", ""]
)
def test_bad_class_counts_name_the_place(tmp_path, content):
    path = tmp_path / ("counts.json" if content[:1] in "[{" and content else "counts.csv")
    path.write_text(content)
    result = run("recommend", "--class-counts", path, code=2)
    assert "class_counts" in result.stderr


def test_arrays_are_refused_by_recommend():
    import numpy as np

    with pytest.raises(SettingError, match="arrays"):
        recommend(Setting(classes=10, temperature=np.array([0.1, 0.2])))


ALWAYS = ("REDUCTION", "SLOPES", "THRESHOLD", "TEMPERATURE", "PLAIN-SUPCON")
ROOMY = {"classes": 10, "dim": 64, "batch_size": 200, "sampler": "balanced", "temperature": 0.1}
FULL = {"classes": 4, "dim": 64, "instances_per_class": 8, "sampler": "full"}
LINE = {"classes": 2, "dim": 1, "batch_size": 10}


@pytest.mark.parametrize(
    ("setting", "network", "behind"),
    [
        (ROOMY, None, (*ALWAYS, "DIMENSION", "FINITE", "RELIABILITY")),
        (ROOMY, PERFECT, (*ALWAYS, "DIMENSION", "FINITE")),
        (ROOMY | {"dim": None}, None, (*ALWAYS, "RELIABILITY")),
        (ROOMY | {"dim": None}, PERFECT, (*ALWAYS, "WEIGHT")),
        ({"classes": 4, "dim": 64, "instances_per_class": 8, "sampler": "full"}, PERFECT,
         (*ALWAYS, "WEIGHT", "OPTIMUM")),
        (ROOMY | {"views": 1}, None, ("PLAIN-SUPCON",)),
        ({"classes": 100, "dim": 128, "batch_size": 100, "sampler": "balanced"}, None,
         ("THRESHOLD", "PLAIN-SUPCON", "DIMENSION")),
        (ROOMY | {"loss": "ssem"}, None, ("REDUCTION", "SLOPES", "THRESHOLD", "DIMENSION", "FINITE")),
        (ROOMY | {"loss": "l_spread"}, None, ("REDUCTION", "SLOPES-SPREAD")),
        (FULL | {"loss": "l_spread"}, None, ("REDUCTION", "SLOPES-SPREAD", "WEIGHT-SPREAD")),
        (FULL | {"loss": "ssem"}, PERFECT, ("REDUCTION", "SLOPES", "THRESHOLD", "WEIGHT", "TEMPERATURE-SSEM")),
        (FULL, None, (*ALWAYS, "FINITE", "RELIABILITY")),
        (ROOMY | {"sampler": "random"}, None,
         ("REDUCTION", "SLOPES", "RANDOM-BATCH", "PLAIN-SUPCON", "DIMENSION", "FINITE", "RELIABILITY")),
        (ROOMY | {"dim": 7}, None, ("PLAIN-SUPCON", "UNEQUAL")),
        ({"class_counts": (60, 30, 10), "dim": 16, "batch_size": 40}, PERFECT, ("PLAIN-SUPCON", "UNEQUAL")),
        (LINE, None, ("RANDOM-BATCH", "PLAIN-SUPCON")),
        (LINE | {"alpha": 0.5, "temperature": 0.2}, None, ("REDUCTION", "SLOPES", "RANDOM-BATCH", "PLAIN-SUPCON")),
        ({"classes": 8, "dim": 3, "loss": "l_spread", "batch_size": 64}, None, ()),
    ],
)  # fmt: skip
def test_the_theorems_behind_an_answer_are_those_of_its_numbers(setting, network, behind):
    assert set(recommend(Setting(**setting), network=network).theorems) == set(behind)


@pytest.mark.parametrize("key", list(theorems()))
def test_every_theorem_explains_itself(key):
    text = run("explain", key).stdout
    assert theorems()[key].title in text
    assert "Proof: docs/theory/" in text
    assert max(map(len, text.splitlines())) <= 80
    data = json.loads(run("explain", key, "--format", "json").stdout)
    assert data["key"] == key


def test_explain_puts_numbers_in_and_says_what_is_not_covered():
    setting = ("--classes", 10, "--batch-size", 100, "--sampler", "balanced", "--tau", 0.1)
    text = run("explain", "THRESHOLD", *setting).stdout
    assert "alpha_c = 0.0527814251146" in text
    assert "[met]" in text
    assert "Not covered, because" in run("explain", "THRESHOLD", *setting, "--dim", 3).stdout
    assert "Not covered, because" in run("explain", "RANDOM-BATCH", *setting).stdout
    listing = runner.invoke(app, ["explain"], env={"COLUMNS": "120"}).stdout.splitlines()
    assert len(listing) == len(theorems())
    assert "did you mean" in run("explain", "TRESHOLD", code=2).stderr


TORCH_FREE = "import sys; {}; sys.exit('torch' in sys.modules)"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("import ssem_advisor.cli, ssem_advisor.advice, ssem_advisor.theory.registry, ssem_advisor.lint", 0),
        ("from ssem_advisor import *", 0),
        ("import ssem_advisor.losses", 1),  # the check itself can fail
    ],
)
def test_nothing_but_the_torch_rooms_loads_torch(statement, code):
    assert subprocess.run([sys.executable, "-c", TORCH_FREE.format(statement)], check=False).returncode == code


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], ("numpy", "rich", "sympy", "scipy", "pydantic")),
        (["recommend", "--classes", "100", "--dim", "128"], ("rich", "sympy", "scipy", "pydantic", "matplotlib")),
    ],
)
def test_commands_load_only_what_they_need(arguments, absent):
    program = (
        "import sys\nfrom ssem_advisor.cli import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"sys.exit(', '.join(m for m in {absent!r} if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_infinity_never_reaches_json():
    data = answer("--classes", 100, "--batch-size", 100, "--sampler", "balanced")
    assert data["alpha"]["collapse_threshold"] is None
    assert not any(isinstance(v, float) and not math.isfinite(v) for v in data["predicted"].values() if v is not None)


@pytest.fixture
def pilot(tmp_path):
    """Embeddings of 5 classes with 4 views: own spread about .2, reliability about .5."""
    import numpy as np

    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 60)
    own, noise = rng.standard_normal((300, 1, 64)), rng.standard_normal((300, 4, 64))
    z = 6.0 * np.eye(64)[labels][:, None] + 0.5 * own + 0.5 * noise
    np.savez(tmp_path / "pilot.npz", embeddings=z, labels=labels)
    return tmp_path / "pilot.npz"


def test_a_pilot_run_gives_the_network(pilot, tmp_path):
    setting = ("--classes", 5, "--dim", 64, "--batch-size", 400, "--sampler", "balanced", "--tau", 0.1)
    data = answer(*setting, "--from", pilot)
    assert data["network"]["origin"] == "measured"
    assert data["network"]["view_reliability"] == pytest.approx(0.5, abs=0.06)
    (note,) = [note for note in data["notes"] if note["code"] == "pilot"]
    assert note["values"]["measured_reliability"] == pytest.approx(0.5, abs=0.06)
    assert data["network"]["directions"] == pytest.approx(60, rel=0.15)  # isotropic, less those of the means
    made = Setting(classes=5, dim=64, batch_size=400, sampler="balanced", temperature=0.1)
    known = recommend(made, network=Network(0.5, 60.0)).recommended
    assert data["alpha"]["recommended"] == pytest.approx(known.alpha, rel=0.15)
    assert "leave --network out" in run("recommend", *setting, "--from", pilot, "--network", "typical", code=2).stderr
    import numpy as np

    one = np.load(pilot)
    np.savez(tmp_path / "two.npz", embeddings=one["embeddings"][:, :2], labels=one["labels"])
    two = answer(*setting, "--from", tmp_path / "two.npz")
    assert two["alpha"]["recommended"] == pytest.approx(data["alpha"]["recommended"], rel=0.15)
    np.savez(tmp_path / "one.npz", embeddings=one["embeddings"][:, 0], labels=one["labels"])
    assert "one view of each instance" in run("recommend", *setting, "--from", tmp_path / "one.npz", code=2).stderr


@pytest.mark.parametrize(
    ("rows", "dim", "said"),
    [
        (4, 64, "fewer than two classes have 8 instances or more"),
        (9, 64, "cannot tell how many directions the spread uses: 9 instances of a class are too few"),
        (60, 2, "the means of 5 classes fill all 2 dimensions: no direction lies beside them; measure a projection of"),
    ],
)
def test_a_pilot_that_cannot_tell_says_so_in_one_line(pilot, tmp_path, rows, dim, said):
    import numpy as np

    whole = np.load(pilot)["embeddings"]
    few = np.concatenate([whole[60 * c : 60 * c + rows, :2, :dim] for c in range(5)])
    np.savez(tmp_path / "few.npz", embeddings=few, labels=np.repeat(np.arange(5), rows))
    told = run("recommend", "--from", tmp_path / "few.npz", code=2).stderr
    assert told.count("\n") == 1
    assert said in told
    assert "leave --from out for a typical network" in told


@pytest.mark.parametrize(("apart", "said"), [(0, "total collapse"), (1, "class collapse")])
def test_a_pilot_that_collapsed_says_so(tmp_path, apart, said):
    import numpy as np

    labels = np.repeat(np.arange(5), 60)
    rows = np.ones(16) + apart * np.eye(5, 16)[labels] * 9
    np.savez(tmp_path / "pilot.npz", embeddings=np.stack([rows + np.zeros((300, 16))] * 2, axis=1), labels=labels)
    told = run("recommend", "--from", tmp_path / "pilot.npz", code=2).stderr
    assert told.count("\n") == 1
    assert said in told
    assert "nan" not in told


def test_the_file_of_a_pilot_run_says_classes_and_dim(pilot):
    data = answer("--from", pilot, "--batch-size", 400, "--sampler", "balanced")
    assert (data["setting"]["classes"], data["setting"]["dim"]) == (5, 64)
    told = run("recommend", "--from", pilot, "--classes", 4).stderr
    assert "5 labels, while the loss is told of 4 classes" in told


@pytest.mark.parametrize("dim", [5, 128])
def test_a_pilot_of_another_layer_is_refused(pilot, tmp_path, dim):
    config = tmp_path / "train.yaml"
    config.write_text(f"loss: supcon\ntemperature: 0.1\nnum_classes: 5\nbatch_size: 64\nproj_dim: {dim}\n")
    for source in (["--dim", dim], ["--config", config]):
        refused = run("recommend", "--from", pilot, *source, code=2)
        assert refused.stdout == ""
        assert f"dim 64, while the loss sees dim {dim}: another layer; save the projection" in refused.stderr
    assert f"Read from {config}" in run("recommend", "--from", pilot, "--config", config, "--dim", 64).stdout


def test_where_anchors_are_alone_plain_supcon_has_the_mean_weight_of_all_of_them():
    """Drawn batch by batch: an anchor with k mates and two views has one positive in 2k + 1 that is its own."""
    counts, rng = (90, 40, 10), np.random.default_rng(0)
    labels = np.repeat(np.arange(3), counts)
    setting = Setting(class_counts=counts, dim=32, batch_size=6, temperature=0.1)
    (note,) = (note for note in recommend(setting).notes if note.code is Code.lonely_anchors)
    drawn = []
    for _ in range(20_000):
        batch = labels[rng.permutation(140)[:6]]
        drawn.append(np.mean(1 / (2 * np.bincount(batch)[batch] - 1)))
    assert note.values["plain_network"] == pytest.approx(np.mean(drawn), abs=0.004)
    (note,) = (note for note in recommend(setting.with_(loss="ssem")).notes if note.code is Code.lonely_anchors)
    assert set(note.values) == {"share"}


def test_a_long_tail_is_read_in_brief_and_its_lonely_are_counted_by_size(tmp_path):
    config = tmp_path / "long-tail.yaml"
    config.write_text(
        "method: supcon\ndataset: cifar100-lt\nbatch_size: 64\ntemperature: 0.1\nn_views: 2\nprojection_dim: 128\n"
    )
    text = run("recommend", "--config", config).stdout
    sizes = find("cifar100-lt").class_counts
    total = sum(sizes)
    share = sum(n * math.comb(total - n, 63) / math.comb(total - 1, 63) for n in sizes) / total
    told = f"{share:.0%} of the anchors have no other instance of their class"
    assert told in text
    assert told in run("check", config, code=1).stdout
    assert f"({sizes[0]}, {sizes[1]}, ..., {sizes[-1]})  " in text
    assert max(map(len, text.splitlines()[1:])) <= 80


@pytest.mark.parametrize(
    ("arguments", "to_zero"),
    [
        (("--dataset", "inat2018", "--dim", 128, "--temperature", 0.07), True),
        (("--dataset", "imagenet-lt", "--dim", 128, "--temperature", 0.1), None),
        (("--dataset", "inat2021", "--dim", 128, "--temperature", 0.1), False),
        (("--dataset", "ham10000", "--dim", 5, "--temperature", 0.1), None),
        (("--class-counts", "900,500,5,3,2", "--dim", 16, "--batch-size", 64, "--temperature", 0.05), None),
    ],
)
def test_no_lower_limit_of_collapse_is_negative(arguments, to_zero):
    """An error may be larger than the threshold that it is taken off; the text then names no weight."""
    limits = answer(*arguments)["limits"]
    assert 0 <= limits["collapse_up_to"] < limits["open_above"]
    assert to_zero is None or to_zero is (limits["collapse_up_to"] == 0)
    text = " ".join(run("recommend", *arguments).stdout.split())
    assert "alpha -" not in text
    assert ("may give way at any alpha above 0, and no class" in text) is (limits["collapse_up_to"] == 0)


@pytest.mark.parametrize(("classes", "dim", "batch"), [(2, 2, 512), (4, 3, 8)])
def test_what_is_out_of_reach_is_less_than_what_is_asked(classes, dim, batch):
    notes = recommend(Setting(classes=classes, dim=dim, batch_size=batch)).notes
    (found,) = (note.values for note in notes if note.code is Code.out_of_reach)
    assert found["reach"] < found["least"]


def test_a_number_of_classes_outside_its_domain_is_named_with_its_line(tmp_path):
    (tmp_path / "one.yaml").write_text("loss: supcon\nnum_classes: 1\ntemperature: 0\n")
    told = run("recommend", "--config", tmp_path / "one.yaml", code=2).stderr
    assert "one.yaml, line 2, num_classes: classes = 1 is outside its domain" in told
    assert "does not say" not in told
    shown = run("recommend", "--config", tmp_path / "one.yaml", "--classes", 10).stdout
    assert "line 3, temperature: temperature = 0 is outside its domain" in " ".join(shown.split())


def test_labels_of_a_pilot_may_stand_in_a_file_of_their_own(pilot, tmp_path):
    import numpy as np

    whole = np.load(pilot)
    np.savez(tmp_path / "bare.npz", embeddings=whole["embeddings"])
    np.save(tmp_path / "labels.npy", whole["labels"])
    assert "--labels FILE" in run("recommend", "--from", tmp_path / "bare.npz", code=2).stderr
    beside = answer("--from", tmp_path / "bare.npz", "--labels", tmp_path / "labels.npy")
    assert beside == answer("--from", pilot)
    assert "--from" in run("recommend", "--classes", 5, "--labels", tmp_path / "labels.npy", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--class-counts", "500,200,80,40", "--dim", 3, "--batch-size", 32), "gives way at alpha 0.0257"),
        (("--classes", 10, "--dim", 2, "--temperature", 0.5), "gives way at alpha 0.997"),
        (("--classes", 10, "--dim", 3, "--views", 1, "--batch-size", 8), "collapse is optimal at every alpha"),
        (("--classes", 10, "--dim", 5, "--sampler", "balanced", "--batch-size", 10), "stays a minimum at every alpha"),
    ],
)
def test_no_weight_is_named_above_which_nothing_is_known_or_possible(arguments, told):
    text = " ".join(run("recommend", *arguments).stdout.split())
    assert told in text
    assert "collapsed above" not in text
    assert "no weight prevents collapse" not in text
    assert ("no weight is known to open every class" in text) is ("gives way" in told)


def test_a_weight_above_one_is_no_weight_to_ask_for():
    text = " ".join(run("recommend", "--classes", 4, "--dim", 3).stdout.split())
    assert "At the usual temperature 0.1 the wanted free spread would ask for more than any weight gives;" in text
    assert "1 effective direction." in text
    asked = " ".join(run("recommend", "--classes", 100, "--dim", 128, "--batch-size", 6).stdout.split())
    assert "effective directions." in asked


def test_less_than_wanted_is_said_also_where_the_weight_that_was_given_moves():
    setting = Setting(classes=1000, dim=128, batch_size=4096, temperature=0.1, alpha=0.2)
    advice = recommend(setting)
    assert advice.recommended.free_spread < 0.95 * advice.wanted
    assert Code.less_than_wanted in {note.code for note in advice.notes}


def test_with_one_view_two_are_an_alternative():
    data = json.loads(run("recommend", "--classes", 100, "--dim", 128, "--views", 1, "--format", "json").stdout)
    rows = {row["change"]: row["safe"] for row in data["alternatives"]}
    assert rows["2 views"] is not None
    assert rows["batch 1024"] is None


def test_thresholds_class_by_class_are_worked_out_at_few_temperatures(monkeypatch):
    """They take long: not where the wanted spread asks for too large a weight anyway."""
    from ssem_advisor.advice import outlook

    asked = set()

    def counted(setting):
        asked.add(setting.temperature)
        return collapse_limits(setting)

    monkeypatch.setattr(outlook, "collapse_limits", counted)
    advice = recommend(Setting(class_counts=[90, 60, 40, 30, 20] * 8, dim=16, batch_size=24))
    assert advice.recommended.temperature in asked
    assert len(asked) <= 2 + len(advice.plan)


@pytest.mark.parametrize(
    ("line", "option", "told"),
    [
        ("queue_size: 4096", ("--queue", 4096), "look at line 7, queue_size = 4096: these keys are left out: --queue"),
        ("cross_entropy_weight: 1.0", ("--cross-entropy", 1), "cross-entropy beside it is left out: --cross-entropy"),
    ],
)
def test_what_a_config_has_beside_the_batch_is_said_to_be_left_out(tmp_path, line, option, told):
    config = tmp_path / "train.yaml"
    config.write_text(
        f"method: supcon\nnum_classes: 10\nbatch_size: 64\ntemperature: 0.1\nn_views: 2\nprojection_dim: 128\n{line}\n"
    )
    assert told in " ".join(run("recommend", "--config", config).stdout.split())
    assert "left out" not in run("recommend", "--config", config, *option).stdout
    assert "numbers: with" not in run("check", config, code=1).stdout or "queue" not in line
