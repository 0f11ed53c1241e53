"""`recommend` and `explain` as a user meets them: answers, JSON, errors, rounding, start-up."""

import json
import math
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ssem_advisor import Setting, SettingError, collapse_threshold, expected_variance, recommend
from ssem_advisor.cli import app
from ssem_advisor.report.advice import downward, inward, to_dict, to_text, upward
from ssem_advisor.theory.registry import theorems

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "recommend.schema.json").read_text())
runner = CliRunner()


def run(*arguments, code=0):
    result = runner.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def answer(*arguments):
    data = json.loads(run("recommend", *arguments, "--format", "json").stdout)
    jsonschema.validate(data, SCHEMA)
    return data


def test_nothing_but_classes_and_dim():
    data = answer("--classes", 100, "--dim", 128)
    assert {"batch_size", "sampler", "views", "loss"} <= set(data["setting"]["assumed"])
    assert data["setting"]["batch_size"] == 512
    assert data["temperature"]["recommended"] == 0.1
    low, high = data["alpha"]["safe"]
    assert data["alpha"]["collapse_threshold"] < low < data["alpha"]["recommended"] < high <= 1
    assert data["predicted"]["within_class_variance"] == pytest.approx(0.25, rel=1e-9)
    assert set(data["theorems"]) <= set(theorems())


def test_at_least_four_instances_of_each_class_are_assumed():
    assert answer("--classes", 1000, "--dim", 2048)["setting"]["batch_size"] == 4000


def test_the_text_fits_eighty_columns_and_names_what_was_assumed():
    text = run("recommend", "--classes", 100, "--dim", 128).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "Assumed" in text
    assert "alpha = 0.59" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.9])
def test_a_given_point_gets_its_verdict(alpha):
    data = answer(
        "--classes", 5, "--batch-size", 250, "--sampler", "balanced", "--dim", 32, "--tau", 0.5, "--alpha", alpha
    )
    state = {0.3: "collapse", 0.5: "safe", 0.9: "too much"}[alpha]
    assert data["given"]["state"] == state
    if state == "safe":
        assert data["alpha"]["recommended"] == alpha  # nothing to change
    assert data["alpha"]["collapse_threshold"] == pytest.approx(0.318905, abs=1e-6)


def test_measured_networks_move_the_answer():
    """Reliability 0.95 and 4 effective directions, as trained digits have at temperature 0.5, need a larger alpha."""
    setting = ("--classes", 5, "--dim", 32, "--batch-size", 250, "--sampler", "balanced", "--tau", 0.5)
    ideal, network = answer(*setting), answer(*setting, "--view-reliability", 0.95, "--effective-dim", 4)
    assert network["alpha"]["recommended"] > ideal["alpha"]["recommended"]
    assert network["predicted"]["within_class_variance"] == pytest.approx(0.25, rel=1e-6)
    assert ideal["predicted"]["trained_within_class_variance"] < 0.25
    fitted = answer(*setting, "--trained")
    assert ideal["alpha"]["recommended"] < fitted["alpha"]["recommended"] < network["alpha"]["recommended"]
    assert fitted["predicted"]["trained_within_class_variance"] == pytest.approx(0.25, rel=1e-6)
    assert "give one or the other" in run("recommend", *setting, "--trained", "--effective-dim", 4, code=2).stderr
    assert "fitted for" in run("recommend", "--classes", 8, "--dim", 3, "--trained", code=2).stderr
    assert "view_reliability=2" in run("recommend", *setting, "--view-reliability", 2, code=2).stderr


def test_the_fitted_network_is_the_recorded_one():
    """The constants are those that validation/estimate found."""
    import re

    from ssem_advisor.advice import TRAINED_RELIABILITY, TRAINED_TEMPERATURE

    text = (Path(__file__).parents[2] / "validation" / "estimate" / "README.md").read_text()
    assert float(re.search(r"view reliability (0\.\d+) and effective", text).group(1)) == TRAINED_RELIABILITY
    assert float(re.search(r"tau / (0\.\d+)\)", text).group(1)) == TRAINED_TEMPERATURE


def test_target_and_band_are_the_users():
    data = answer("--classes", 10, "--dim", 64, "--target-variance", 0.1, "--band", "0.08,0.2")
    assert data["predicted"]["within_class_variance"] == pytest.approx(0.1, rel=1e-6)


@given(
    classes=st.integers(2, 200),
    spare=st.integers(1, 300),
    batch=st.integers(8, 2000),
    tau=st.one_of(st.none(), st.floats(0.01, 1.0)),
    loss=st.sampled_from(["supcon", "ssem", "l_spread"]),
    target=st.floats(0.06, 0.45),
)
@settings(max_examples=25, deadline=None)
def test_what_is_recommended_is_safe_and_the_printed_ends_are_inside(classes, spare, batch, tau, loss, target):
    setting = Setting(classes=classes, dim=classes - 1 + spare, batch_size=batch, temperature=tau, loss=loss)
    advice = recommend(setting, target_variance=target)
    to_text(advice)
    jsonschema.validate(to_dict(advice), SCHEMA)
    if advice.recommended is None:
        assert advice.notes[0].startswith(("No safe setting", "Not covered"))
        return
    point = advice.recommended
    at = advice.setting.with_(alpha=point.alpha, temperature=point.temperature)
    assert point.alpha > collapse_threshold(at)
    assert advice.band[0] <= point.within_class_variance <= advice.band[1] + 1e-9
    low, high = (float(end) for end in inward(*advice.alpha.safe))
    assert advice.alpha.safe[0] <= low <= high <= advice.alpha.safe[1]
    if loss != "l_spread":
        for end in (low, high):
            expected = expected_variance(at.with_(alpha=end))
            assert advice.band[0] - 1e-9 <= expected <= advice.band[1] + 1e-9
    if advice.temperature.safe is not None:
        for end in advice.temperature.safe:
            assert collapse_threshold(at.with_(temperature=end)) < point.alpha


@given(st.floats(1e-8, 1e3), st.integers(2, 6))
def test_rounding_lands_on_the_safe_side(value, digits):
    assert float(upward(value, digits)) >= value
    assert float(downward(value, digits)) <= value
    assert float(upward(value, digits)) <= value * (1 + 10.0 ** (1 - digits)) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--classes", 10, "--views", 1), "Two views make one"),
        (("--classes", 100, "--batch-size", 100, "--sampler", "balanced"), "alone with its class"),
        (("--classes", 10, "--dim", 1), "cannot spread"),
        (("--classes", 2, "--dim", 1, "--batch-size", 10), "cannot spread"),
        (("--classes", 8, "--dim", 3, "--loss", "l_spread", "--batch-size", 64), "Not covered: l_spread"),
    ],
)
def test_where_nothing_is_safe_it_says_why_and_what_would_help(arguments, words):
    data = answer(*arguments)
    assert data["alpha"]["recommended"] is None
    assert data["alpha"]["safe"] is None
    assert any(words in note for note in data["notes"])


def test_warnings_of_the_geometry_and_the_numbers():
    tight = answer("--classes", 6, "--dim", 5, "--batch-size", 60)
    assert tight["regime"] == "tight"
    assert any("dim = classes - 1" in note for note in tight["notes"])
    crowded = answer("--classes", 8, "--dim", 3, "--batch-size", 64)
    assert crowded["regime"] == "crowded"
    assert len(crowded["class_thresholds"]) == 8
    assert crowded["alpha"]["safe"][0] >= max(crowded["class_thresholds"])
    lonely = answer("--classes", 100, "--dim", 128, "--batch-size", 64)
    assert any("no other instance of their class" in note for note in lonely["notes"])
    assert any("fp16" in note for note in answer("--classes", 10, "--tau", 0.05)["notes"])


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
        (("--classes", 10, "--band", "0.5"), "band='0.5'"),
        (("--classes", 10, "--target-variance", 0.9), "must lie in the safe band"),
        (("--class-counts", "nowhere.csv"), "cannot read nowhere.csv"),
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
    listing = run("explain").stdout.splitlines()
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
