"""The verdict on a run from any of its witnesses, and the commands that read a config."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ssem_advisor import recommend
from ssem_advisor.cli import app
from ssem_advisor.convert import to_alpha, to_weights
from ssem_advisor.diagnosis import LossCurve, diagnose
from ssem_advisor.domain import Setting
from ssem_advisor.measurement import measure
from ssem_advisor.rounding import above
from ssem_advisor.theory import collapse_threshold, reference_losses

SETTING = Setting(classes=5, dim=16, temperature=0.2, batch_size=250, sampler="balanced")
THRESHOLD = float(collapse_threshold(SETTING))
LOW, SMALL, HIGH, LARGE = (SETTING.with_(alpha=alpha) for alpha in (0.5 * THRESHOLD, 2 * THRESHOLD, 0.6, 0.95))


def curve(value, first=9.0):
    return LossCurve(Path("log.csv"), "loss", (first, *[value] * 20))


def falling(first, last):
    return LossCurve(Path("log.csv"), "loss", tuple(np.linspace(first, last, 40).tolist()))


def embeddings(noise, dim=16, classes=5):
    y = np.arange(400) % classes
    rng = np.random.default_rng(0)
    means = np.eye(classes, dim) - np.eye(classes, dim).mean(0)
    return measure(means[y] + noise * (rng.exponential(size=(400, dim)) - 1), y)


def total():
    """Every embedding the same, to within a trace of noise."""
    return measure(np.ones((400, 16)) + 1e-4 * np.random.default_rng(0).normal(size=(400, 16)), np.arange(400) % 5)


@pytest.mark.parametrize(
    ("witnesses", "verdict", "first"),
    [
        ({"setting": LOW, "measured": embeddings(0.005)}, "collapsed, as the loss asks", "raise alpha"),
        ({"setting": SMALL, "measured": embeddings(0.005)}, "collapsed, at too small a weight", "raise alpha"),
        ({"setting": HIGH, "measured": embeddings(0.005)}, "collapsed in training", "train longer"),
        ({"measured": embeddings(0.005)}, "collapsed", "raise alpha"),
        ({"setting": LOW}, "on the way to collapse", "raise alpha"),
        ({"setting": SMALL}, "on the way to too little spread", "raise alpha"),
        ({"setting": SMALL, "curve": falling(6.0, 5.8)}, "on the way to too little spread", "raise alpha"),
        ({"setting": SMALL, "curve": curve(reference_losses(SMALL).optimum)}, "too little spread", "raise alpha"),
        ({"setting": SMALL, "curve": curve(0.1)}, "cannot tell", "check batch size"),
        ({"setting": SMALL, "measured": embeddings(0.15)}, "healthy", "nothing"),
        ({"setting": HIGH, "measured": embeddings(0.15)}, "healthy", "nothing"),
        ({"setting": HIGH, "measured": total()}, "has not started", "warm"),
        ({"setting": HIGH, "curve": curve(math.log(499))}, "has not started", "warm"),
        ({"setting": HIGH, "curve": curve(reference_losses(HIGH).optimum)}, "healthy", "nothing"),
        (
            {"setting": LOW, "curve": curve(reference_losses(LOW).optimum)},
            "collapsed, as the loss asks",
            "raise",
        ),
        ({"setting": HIGH, "curve": falling(6.0, 5.8)}, "still learning", "keep training"),
        ({"setting": LARGE}, "on the way to too much spread", "lower alpha: start from"),
        ({"setting": LARGE, "curve": curve(reference_losses(LARGE).optimum)}, "too much spread", "lower alpha"),
        ({"setting": LARGE, "curve": falling(6.0, 5.8)}, "still learning", "keep training"),
        ({"setting": LARGE, "measured": embeddings(0.15)}, "healthy", "nothing"),
        ({"setting": LARGE, "measured": embeddings(0.005)}, "collapsed in training", "train longer"),
        ({"setting": HIGH, "curve": curve(5.9)}, "cannot tell", "measure embeddings"),
        ({"setting": HIGH, "curve": curve(0.1)}, "cannot tell", "check batch size"),
        ({"curve": curve(6.92)}, "has not started", "warm"),  # (0.1/0.07) ln(2*64-1), recognised without a batch size
        ({"curve": curve(math.nan)}, "diverged", "look at the steps before"),
        ({"plain": True, "setting": SETTING}, "on the way to collapse", "add a self-supervised term"),
        ({"plain": True, "setting": SETTING, "curve": curve(0.0, 0.0)}, "cannot tell", "check batch size"),
        ({"plain": True, "setting": SETTING, "curve": curve(7.5)}, "cannot tell", "check batch size"),
        ({"setting": LOW, "curve": curve(-1.0)}, "cannot tell", "check batch size"),
    ],
)
def test_verdict_and_what_to_change_first(witnesses, verdict, first):
    found = diagnose(**witnesses)
    assert found.verdict == verdict
    assert found.change[0].startswith(first)
    assert found.reasons


def test_a_loss_that_rises_is_not_in_its_first_steps():
    rising, early = (" ".join(reason.text for reason in diagnose(HIGH, it).reasons) for it in (falling(3, 8), curve(8)))
    assert "training diverges" in rising
    assert "first steps" not in rising
    assert "first steps" in early


@pytest.mark.parametrize(
    ("values", "said"), [((5.0, 4.0), "from 5 to 4 over 2 values"), ((5.0,), "a single value, 5,")]
)
def test_a_curve_of_few_values_is_told_as_it_is(values, said):
    reasons = diagnose(curve=LossCurve(Path("log.csv"), "loss", values)).reasons
    assert any(reason.text.startswith(said) for reason in reasons)


def test_the_threshold_decides_what_the_loss_asks_for():
    for factor, verdict in ((1 - 1e-6, "collapsed, as the loss asks"), (1 + 1e-6, "collapsed, at too small a weight")):
        setting = SETTING.with_(alpha=factor * THRESHOLD)
        assert diagnose(setting, measured=embeddings(0.005)).verdict == verdict


def test_the_safe_range_of_recommend_decides_what_too_small_a_weight_is():
    least = recommend(SETTING).alpha.safe[0]
    for factor, verdict in ((1 - 1e-6, "collapsed, at too small a weight"), (1 + 1e-6, "collapsed in training")):
        assert diagnose(SETTING.with_(alpha=factor * least), measured=embeddings(0.005)).verdict == verdict


def test_the_weight_to_start_from_is_that_of_recommend():
    """At this temperature no weight is safe, so that another temperature belongs to the weight."""
    setting = SETTING.with_(temperature=0.5)
    point = recommend(setting).recommended
    assert point.temperature != 0.5
    assert diagnose(setting.with_(alpha=0.75)).change[0].startswith("change weight and temperature: start from")
    change = diagnose(setting, plain=True).change[0]
    assert f"alpha = {point.alpha:.3g} at temperature {point.temperature:.3g} " in change


def test_embeddings_of_another_layer_do_not_decide():
    found = diagnose(HIGH, measured=embeddings(0.005, dim=64))
    assert found.verdict == "cannot tell"
    assert "another layer" in " ".join(reason.text for reason in found.reasons)
    assert "dim 16" in found.missing[0]


def test_embeddings_of_another_step_than_the_loss():
    found = diagnose(HIGH, curve(math.log(499)), embeddings(0.15))
    assert found.verdict == "has not started"
    assert "of another step or layer" in " ".join(reason.text for reason in found.reasons)


@pytest.mark.parametrize(
    "options",
    [
        "--class-counts 50,20,10 --sampler balanced --batch-size 3 --dim 2",
        "--class-counts 50,20,10,7 --sampler balanced --batch-size 4 --dim 2",
        "--classes 10 --sampler balanced --batch-size 10 --dim 5",
        "--classes 10 --views 1 --batch-size 64 --dim 64",
    ],
)
def test_where_no_weight_prevents_collapse_it_is_said_so(options):
    """The thresholds are 1 or infinite there, and `recommend` has no weight to give."""
    found = run("diagnose", *options.split(), "--temperature", "0.1", "--alpha", "0.3")
    assert found.exit_code == 0, found.output
    text = " ".join(found.output.split())
    assert "setting: class collapse is the optimum at every weight" in text
    assert "do: no alpha and temperature are known to be safe: ssem-advisor recommend" in text


def test_a_threshold_that_is_not_known_is_no_number():
    found = diagnose(Setting(classes=2, dim=1, batch_size=64, temperature=0.1, alpha=0.3))
    (reason,) = found.reasons
    assert found.verdict == "cannot tell"
    assert reason.text.startswith("alpha = 0.3 is above 0.0158, up to which collapse is the optimum, but no weight is")


def test_the_command_for_a_weight_runs_as_it_is_printed():
    found = diagnose(measured=embeddings(0.005))
    command = found.change[0].partition(": ssem-advisor ")[2].removesuffix(" gives the weight")
    assert command == "recommend --classes 5 --dim 16"
    assert run(*command.split()).exit_code == 0
    assert "--classes" not in found.missing[0]
    assert "recommend --classes 7 gives" in diagnose(Setting(classes=7), plain=True).change[0]
    assert "--classes CLASSES" in diagnose(plain=True, curve=curve(4.0)).change[0]


def test_a_curve_without_the_batch_size_says_what_is_missing():
    found = diagnose(curve=curve(3.21))
    assert found.verdict == "cannot tell"
    assert any(item.startswith("--batch-size") for item in found.missing)


def test_the_dimension_of_the_embeddings_is_that_of_every_number():
    """What the network keeps, where that is safe and what to set are of one setting."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(5), 60)
    z = np.eye(5, 12)[y][:, None] + 0.03 * rng.normal(size=(300, 1, 12)) + 0.02 * rng.normal(size=(300, 2, 12))
    measured = measure(z, y, bootstrap=0, pairs=10)
    assert measured.pilot is not None
    for given in ({"alpha": 0.08}, {"alpha": 0.9, "temperature": 0.5}):
        said, unsaid = (diagnose(SETTING.with_(dim=d, **given), measured=measured) for d in (12, None))
        assert said == unsaid
    # No weight is safe at so high a temperature: where another one is safe is not said of this one.
    assert "safe" not in " ".join(reason.text for reason in unsaid.reasons)


def test_what_a_balanced_sampler_would_change():
    tail = Setting(class_counts=(500, 100, 20), alpha=0.2, temperature=0.2, batch_size=60, dim=16)
    change = " ".join(diagnose(tail).change)
    assert "balanced batches of 60 (20 of each class)" in change
    even = Setting(classes=3, instances_per_class=200, alpha=0.2, temperature=0.2, batch_size=60, dim=16)
    assert "balanced" not in " ".join(diagnose(even).change)


# -- the commands ---------------------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "train.sh"
    path.write_text("python main_supcon.py --batch_size 1024 --temp 0.1 --cosine --dataset cifar100\n")
    return path


def test_recommend_says_from_which_line_each_fact_comes(config):
    text = run("recommend", "--config", config).stdout
    assert "temperature          0.1       line 1 --temp" in text
    assert "100 classes, dim 128, supcon, 2 views, random batches of 1024" in text


def test_an_option_wins_over_the_config_and_is_said(config):
    text = run("recommend", "--config", config, "--temperature", 0.2, "--alpha", 0.4).stdout
    assert "the command line says otherwise" in text
    assert "temperature = 0.2" in text
    data = json.loads(run("recommend", "--config", config, "--temperature", 0.2, "--format", "json").stdout)
    assert data["setting"]["temperature"] == 0.2
    assert data["config"]["overruled"] == ["temperature"]


def test_recommend_from_a_config_is_recommend_from_its_facts(config):
    options = "--dataset cifar100 --dim 128 --views 2 --batch-size 1024 --temperature 0.1 --loss supcon --format json"
    plain = json.loads(run("recommend", *options.split()).stdout)
    read = json.loads(run("recommend", "--config", config, "--format", "json").stdout)
    for part in ("alpha", "temperature", "recommended", "reference_losses"):
        assert read[part] == plain[part]


def test_what_a_config_leaves_open_is_asked_for_by_option(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("loss: supcon\ntemperature: 0.1\n")
    result = run("recommend", "--config", path)
    assert result.exit_code == 2
    assert "classes: missing" in result.stderr
    assert "--batch-size" in run("recommend", "--config", path, "--classes", 10).stdout
    path.write_text("loss: supcon\ntemperature: 0.1\nclass_counts: [500, 200, 80]\nbatch_size: 64\n")
    assert "not in the file: --classes" not in run("recommend", "--config", path).stdout


@pytest.fixture
def devices(tmp_path):
    """Four processes; whether their batches are gathered is not said."""
    path = tmp_path / "lightning.yaml"
    path.write_text(
        "trainer: {devices: 4, strategy: ddp}\n"
        "model: {init_args: {temperature: 0.1, loss: supcon, proj_dim: 128}}\n"
        "data: {dataset: cifar100, batch_size: 128}\n"
    )
    return path


@pytest.mark.parametrize(
    ("options", "batch"),
    [
        ("--gather", 512),
        ("--no-gather", 128),
        ("--gather --world-size 2", 256),
        ("--gather --batch-size 64", 256),
        ("--batch-size 64", 64),
    ],
)
def test_processes_of_the_config_and_of_the_command_line_go_together(devices, options, batch):
    data = json.loads(run("recommend", "--config", devices, *options.split(), "--format", "json").stdout)
    assert data["setting"]["batch_size"] == batch


@pytest.mark.parametrize("own", [[], ["--classes", 100, "--dim", 128, "--batch-size", 128, "--world-size", 4]])
def test_a_picture_of_a_config_joins_the_batches_too(devices, own):
    result = run("plot", "--config", devices, "--terminal", "--gather", *own)
    assert result.exit_code == 0, result.stderr
    assert "random batches of 512" in result.stdout


_EVERY = ["recommend", "diagnose", "explain TOTAL-COLLAPSE", "measure --loss-value 4.5", "plot --terminal", "validate"]


@pytest.mark.parametrize("command", _EVERY)
def test_no_other_batch_stands_in_for_the_one_that_the_file_writes(devices, command):
    refused = run(*command.split(), "--config", devices)
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert f"{devices} says batch size 128 and 4 processes, but not whether the loss gathers" in refused.stderr
    remedy = "--batch-size 512 (gathered) or 128 (not)" if command == "validate" else "give --gather or --no-gather"
    assert refused.stderr.endswith(f"{remedy}\n")


def test_a_queue_and_a_full_batch_need_no_gather(devices):
    assert run("recommend", "--config", devices, "--queue", 4096).exit_code == 0
    assert run("recommend", "--config", devices, "--sampler", "full").exit_code == 0


@pytest.mark.parametrize(("scope", "joint", "own"), [("device", 512, 128), ("total", 128, 32)])
def test_the_question_about_the_gather_counts_the_batch_as_the_file_does(tmp_path, scope, joint, own):
    (tmp_path / "pyproject.toml").write_text(f'[tool.ssem-advisor.defaults]\nbatch_scope = "{scope}"\n')
    path = tmp_path / "run.sh"
    path.write_text("torchrun --nproc_per_node=4 main_supcon.py --batch_size 128 --dataset cifar10\n")
    assert f"it then sees {joint} instances, else {own}" in run("recommend", "--config", path).stderr
    for option, batch in (("--gather", joint), ("--no-gather", own)):
        data = json.loads(run("recommend", "--config", path, option, "--format", "json").stdout)
        assert data["setting"]["batch_size"] == batch


@pytest.mark.parametrize(("gather", "each", "joint"), [("true", 512, 128), ("false", 128, 32)])
def test_a_batch_of_one_process_or_of_all_is_asked_for_by_its_size(tmp_path, gather, each, joint):
    path = tmp_path / "train.yaml"
    path.write_text(f"loss: supcon\nnum_classes: 10\nworld_size: 4\nbatch_size: 128\ngather: {gather}\n")
    refused = run("recommend", "--config", path)
    assert refused.exit_code == 2
    assert refused.stderr.endswith(f"give --batch-size {each} (for each) or {joint} (for all)\n")
    assert run("recommend", "--config", path, "--batch-size", each).exit_code == 0


def test_whether_batches_are_gathered_needs_the_processes(config):
    refused = run("recommend", "--config", config, "--gather")
    assert refused.exit_code == 2
    assert "does not say how many processes there are; give --world-size N as well" in refused.stderr
    assert "--gather or --no-gather" in run("recommend", "--config", config, "--world-size", 2).stderr


@pytest.mark.parametrize("command", ["recommend", "diagnose", "explain", "measure", "plot", "validate"])
def test_every_command_says_what_a_config_says_twice(tmp_path, command):
    path = tmp_path / "train.yaml"
    path.write_text(
        "method: supcon\ndataset: cifar100\ntemperature: 0.07\nprojection_dim: 128\nother:\n  temperature: 0.2\n"
    )
    np.savez(tmp_path / "z.npz", embeddings=np.random.default_rng(0).normal(size=(100, 16)), labels=np.arange(100) % 5)
    rest = {
        "explain": ["PLAIN-SUPCON"],
        "measure": [tmp_path / "z.npz"],
        "plot": ["-o", tmp_path / "p.svg"],
        "validate": ["--epochs", "1", "--seeds", "1", "--budget", "0", "--jobs", "0"],
    }
    told = run(command, "--config", path, *rest.get(command, [])).output
    assert "look at line 3, temperature: temperature stands in several places" in " ".join(told.split())
    if command not in ("validate", "plot"):
        decided = run(command, "--config", path, *rest.get(command, []), "--temperature", 0.1)
        assert decided.exit_code == 0
        assert "look at" not in decided.output


def test_measure_reads_the_setting_from_a_config(config, tmp_path):
    rng = np.random.default_rng(0)
    z = np.eye(16)[np.arange(400) % 5] + 0.005 * rng.normal(size=(400, 16))
    np.savez(tmp_path / "z.npz", embeddings=z, labels=np.arange(400) % 5)
    told = " ".join(run("measure", tmp_path / "z.npz", "--config", config).stdout.split())
    assert "the loss asks for it: plain SupCon" in told
    (tmp_path / "mixed.yaml").write_text("loss: supcon\nalpha: 0.2\nself_weight: x\nnum_classes: 5\n")
    open_weight = run("measure", tmp_path / "z.npz", "--config", tmp_path / "mixed.yaml")
    assert open_weight.exit_code == 0
    assert "does not say the weight of the self-supervised term" in open_weight.stderr
    assert "the loss asks for it" not in open_weight.stdout


def test_diagnose_reads_a_config_and_a_curve(config, tmp_path):
    value = (0.1 / 0.07) * math.log(2047)
    (tmp_path / "log.csv").write_text("step,train/loss\n" + "\n".join(f"{i},{value:.3f}" for i in range(20)))
    result = run("diagnose", "--config", config, "--loss-curve", tmp_path / "log.csv", "--format", "json")
    data = json.loads(result.stdout)
    assert data["verdict"] == "has not started"
    assert data["loss_value"]["scale"] == pytest.approx(0.1 / 0.07)
    assert [reason["source"] for reason in data["reasons"]] == ["setting", "loss curve"]


def test_a_file_of_several_runs_says_so(tmp_path):
    path = tmp_path / "runs.sh"
    line = "python main_supcon.py --batch_size {} --dataset cifar10\n"
    path.write_text(line.format(256) + line.format(512))
    told = " ".join(run("recommend", "--config", path).stdout.split())
    assert "look at 1 more run in the file, at line 2, of which nothing is read here" in told
    path.write_text(line.format(256))
    assert "more run" not in run("recommend", "--config", path).stdout


def test_embeddings_after_a_relu_are_noticed(tmp_path):
    z = np.random.default_rng(0).normal(size=(100, 16))
    setting = [
        "--classes",
        "5",
        "--dim",
        "16",
        "--temperature",
        "0.5",
        "--batch-size",
        "250",
        "--sampler",
        "balanced",
        "--plain",
    ]
    for rows, noticed in ((np.maximum(z, 0), True), (z, False)):
        np.savez(tmp_path / "z.npz", embeddings=rows, labels=np.arange(100) % 5)
        told = run("diagnose", *setting, "--embeddings", tmp_path / "z.npz").stdout
        assert ("after a ReLU" in told) is noticed


def test_plain_supcon_can_be_said_where_no_config_says_it():
    setting = "--classes 5 --dim 16 --temperature 0.5 --batch-size 250 --sampler balanced"
    asked = run("diagnose", *setting.split()).stdout
    assert "--alpha (or --plain: no self-supervised term)" in " ".join(asked.split())
    told = run("diagnose", *setting.split(), "--plain").stdout
    assert told.startswith("on the way to collapse")
    assert "give one of the two" in run("diagnose", *setting.split(), "--plain", "--alpha", 0.2).stderr


MINE = ["--classes", "5", "--dim", "16", "--temperature", "0.2", "--batch-size", "250", "--sampler", "balanced"]


def test_the_weights_of_ones_own_loss_are_judged_as_the_alpha_they_are():
    mine, true = run("diagnose", *MINE, "--mix", "mixed:0.005"), to_alpha("mixed", 0.005, SETTING).alpha
    assert mine.stdout.startswith("on the way to collapse")  # what the first term holds of L_self included
    assert f"alpha = {above(true)} is at or below" in mine.stdout
    start = recommend(SETTING).recommended
    own = to_weights("mixed", start.alpha, SETTING.with_(temperature=start.temperature))[0]
    told = " ".join(mine.stdout.split())
    assert f"start from w = {own:.3g} in (1-w) SupCon(f, y) + w SupCon(f), which is alpha = {start.alpha:.3g}," in told


@pytest.mark.parametrize("form", ["two-weights:3,0.5", "supcontrast:0.1", "sums:0.1"])
def test_the_value_of_ones_own_loss_is_placed_on_its_own_scale(tmp_path, form):
    name, _, weights = form.partition(":")
    scale = to_alpha(name, tuple(map(float, weights.split(","))), SETTING).scale
    assert scale > 2
    (tmp_path / "log.csv").write_text("loss\n" + f"{scale * math.log(499)}\n" * 20)
    assert run("diagnose", *MINE, "--mix", form, "--loss-curve", tmp_path / "log.csv").stdout.startswith(
        "has not started"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mix", "mixed"], "which weights does the run have? write --mix mixed:0.05"),
        (["--mix", "two-weights"], "write --mix two-weights:1,0.3"),
        (["--mix", "mixed:0.1", "--plain"], "give one of the two"),
        (["--mix", "mixed:0.1", "--alpha", 0.2], "the weights of --mix decide it"),
        (["--mix", "cross-entropy:1,0.1", "--loss-curve", "log.csv"], "leave --loss-curve out"),
        (["--mix", "solo-learn:0.1", "--loss-curve", "log.csv"], "leave --loss-curve out"),
    ],
)
def test_a_mixture_that_cannot_be_judged_says_why(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text("loss\n5\n5\n")
    result = run("diagnose", *MINE, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_the_weights_of_a_mixture_mean_depends_on_the_batch():
    for options, missing in (("-t 0.1", "--classes"), ("--classes 5", "--temperature")):
        assert f"give {missing}" in run("diagnose", "--mix", "mixed:0.1", *options.split()).stderr


def test_whether_a_curve_still_falls():
    noise = np.random.default_rng(0).normal(0, 0.02, 200)
    for values, answer in (
        (6 - np.arange(200) / 100 + noise, True),
        (4 + 2 * np.exp(-np.arange(200) / 20) + noise, False),
        (4 + noise, False),
        (6 - np.arange(19) / 10, None),
    ):
        assert LossCurve(Path("log.csv"), "loss", tuple(values.tolist())).falling is answer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "nothing to judge"),
        ("--config nowhere.yaml", "no such file"),
        ("--loss-curve nowhere.csv", "no such file"),
        ("--labels y.npy", "go with --embeddings"),
        ("--column loss", "goes with --loss-curve"),
    ],
)
def test_bad_input_is_one_line(options, message):
    result = run("diagnose", *options.split())
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("7:2:1 --instances 1000", [700, 200, 100]),
        ("7,2,1 --instances 1000", [700, 200, 100]),
        ("70%,20%,10% --instances 999", [699, 200, 100]),
        ("0.7,0.2,0.1 --instances 10", [7, 2, 1]),
        ("500,200,80", [500, 200, 80]),
    ],
)
def test_class_ratios(text, sizes):
    options = ["recommend", "--class-counts", *text.split(), "--dim", 8, "-b", 8, "--format", "json"]
    data = json.loads(run(*options).stdout)
    assert data["setting"]["class_counts"] == sizes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--class-counts 7:2:1", "give --instances N"),
        ("--class-counts 7,2,1 --batch-size 64", "add --instances N"),
        ("--class-counts 70%,20% --instances 100", "adds up to 90%"),
        ("--class-counts 7:0:1 --instances 100", "share above 0"),
        ("--class-counts 99:1 --instances 4", "would be empty"),
        ("--classes 3 --instances 100", "--instances-per-class"),
    ],
)
def test_a_ratio_that_cannot_be_one_says_how(text, message):
    result = run("recommend", *text.split())
    assert result.exit_code == 2
    assert message in result.stderr
