"""`recommend --mix`: the user's weights in, the user's weights out."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from ssem_advisor.cli import app

SETTING = "recommend --classes 100 --dim 128 --batch-size 500 --sampler balanced -t 0.1"


def run(options):
    return CliRunner().invoke(app, [*SETTING.split(), *options.split()])


def test_weights_today_decide_alpha_and_the_advice_comes_in_the_same_words():
    text = run("--mix mixed:0.05").stdout
    assert "Your alpha = 0.155556" in text
    assert "w = 0.05 today is alpha = 0.1556" in text
    assert "start from w = " in text


def test_json_has_the_published_form_and_agrees_with_the_advice():
    data = json.loads(run("--mix two-weights:1,0.3 --format json").stdout)
    schema = json.loads(Path("ssem_advisor/schemas/recommend.schema.json").read_text())
    jsonschema.validate(data, schema)
    assert data["setting"]["alpha"] == pytest.approx(data["mix"]["given"]["alpha"], rel=1e-5)
    assert data["mix"]["given"]["alpha"] == pytest.approx((1 / 9 + 0.3) / 1.3)
    assert data["mix"]["recommended"]["alpha"] == pytest.approx(data["alpha"]["recommended"])
    assert data["mix"]["given"]["learning_rate_factor"] == pytest.approx(1.3)


def test_a_weight_on_the_supervised_term_collapses_from_a_value_on():
    assert "class collapse is the optimum from w = " in run("--mix lambda-supcon").stdout


def test_the_factor_is_that_of_the_temperature_to_set():
    """At temperature 0.2 no weight is safe here and 0.1 is recommended; the code's factor is temperature / 0.07."""
    command = "recommend --classes 100 --dim 256 --batch-size 512 -t 0.2 --mix supcontrast:0.1 --format json"
    mix = json.loads(CliRunner().invoke(app, command.split()).stdout)["mix"]
    assert mix["temperature"] == 0.1
    assert mix["recommended"]["learning_rate_factor"] == pytest.approx(0.1 / 0.07)
    assert mix["given"]["learning_rate_factor"] == pytest.approx(0.2 / 0.07)


def test_the_form_with_the_sum_inside_the_logarithm_takes_the_loss_of_that_name():
    result = run("--mix solo-learn --loss l_in")
    assert result.exit_code == 0
    assert "start from w = " in result.stdout


def test_where_no_alpha_is_recommended_there_is_nothing_to_translate():
    result = run("--mix mixed --queue 4096")
    assert result.exit_code == 2
    assert "mix: goes with a recommended alpha, and with queue only the collapse threshold is known" in result.stderr
    assert "free-spread: goes with" in run("--free-spread 0.2 --loss l_in").stderr


def test_facts_of_a_config_stand_above_a_threshold_too(tmp_path):
    config = tmp_path / "supcon.yaml"
    config.write_text(
        "method: supcon\nmethod_kwargs: {proj_output_dim: 128, temperature: 0.2}\ndata: {dataset: cifar10}\n"
        "optimizer: {batch_size: 256}\nmax_epochs: 5\nbackbone: {name: resnet18}\n"
    )
    text = CliRunner().invoke(app, ["recommend", "--config", str(config)]).stdout
    assert "Read from" in text
    assert "line 2 method_kwargs.temperature" in text
    assert "Local" in text
    data = json.loads(CliRunner().invoke(app, ["recommend", "--config", str(config), "--format", "json"]).stdout)
    assert {"name": "loss", "value": "l_in"}.items() <= next(
        f for f in data["config"]["facts"] if f["name"] == "loss"
    ).items()


def test_all_forms_are_listed():
    assert "two-weights" in CliRunner().invoke(app, ["recommend", "--mix", "list"]).stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--mix mixed:0.05 --alpha 0.2", "give one of the two"),
        ("--mix mixed:x", "write mixed:0.05"),
        ("--mix nothing", "no such form"),
        ("--mix l-spread --loss ssem", "mixes the loss l_spread"),
    ],
)
def test_contradictions_are_one_line(options, message):
    result = run(options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
