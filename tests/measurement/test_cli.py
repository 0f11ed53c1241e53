"""`ssem-advisor measure` as a user sees it: text, JSON against its schema, exit codes, one line on stderr."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner

from ssem_advisor import Setting, measure
from ssem_advisor.cli import app
from ssem_advisor.measurement import Comparison
from ssem_advisor.report.measurement import where_the_variance_went

SCHEMA = json.loads((Path(__file__).parents[2] / "ssem_advisor" / "schemas" / "measure.schema.json").read_text())
DIGITS = ["-t", 0.1, "-a", 0.1, "-b", 250, "--sampler", "balanced"]


def run(*arguments):
    return CliRunner().invoke(app, ["measure", *map(str, arguments)])


def as_json(*arguments):
    result = run(*arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    jsonschema.validate(data, SCHEMA)
    return data


@pytest.fixture
def file(tmp_path, clustered):
    z, y = clustered(instances=400, views=2, dim=32, classes=5)
    np.savez(tmp_path / "z.npz", embeddings=z, labels=y)
    return tmp_path / "z.npz"


def test_text(file):
    result = run(file, *DIGITS)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith("healthy\n")
    assert "% of the optimal free spread" in result.stdout
    assert "free spread: optimum 0.2384, finite dimension 0.1593, reliability" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_json_holds_the_numbers_unrounded(file):
    data = as_json(file, *DIGITS)
    archive = np.load(file)
    m = measure(archive["embeddings"], archive["labels"])
    assert data["verdict"] == m.verdict
    assert data["within_class_variance"] == m.within_class_variance
    assert [row["within_class_variance"] for row in data["per_class"]] == list(m.class_variances.values())
    assert data["theory"]["share_of_optimum"] == pytest.approx(m.spread.free_spread.value / data["theory"]["optimum"])
    assert as_json(file)["theory"] is None
    assert data["spread"]["free_spread"]["value"] == m.spread.free_spread.value
    assert data["spread"]["view_reliability"]["interval"] == list(m.spread.reliability[1:])


def test_the_next_step_names_the_file_and_a_weight(tmp_path, clustered):
    z, y = clustered(instances=400, views=2, dim=32, classes=5, spread=0.12, noise=0.2)
    np.savez(tmp_path / "my z.npz", embeddings=z, labels=y)
    data = as_json(tmp_path / "my z.npz")
    assert data["verdict"] == "class collapse"
    assert f"recommend --from '{tmp_path / 'my z.npz'}'" in data["remedy"]
    assert "alpha=0." in data["remedy"]


def test_undefined_statistics_are_null(tmp_path):
    np.savez(tmp_path / "z.npz", embeddings=np.ones((12, 3)), labels=np.arange(12) % 3)
    data = as_json(tmp_path / "z.npz")
    assert data["verdict"] == "total collapse"
    assert data["nc1"] is None
    assert "undefined" in run(tmp_path / "z.npz").stdout


def test_many_classes_fit_on_the_screen(tmp_path, clustered):
    z, y = clustered(instances=2000, views=1, dim=64, classes=50)
    np.savez(tmp_path / "z.npz", embeddings=z, labels=y)
    result = run(tmp_path / "z.npz")
    assert "by class: least" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        "--loss-value 6.920 --batch-size 64 --temperature 0.1 --base-temperature 0.07",
        "--loss-value 8.909 --batch-size 256 --temperature 0.1 --base-temperature 0.07",
        "--loss-value 1.9459 --batch-size 4",
        "--loss-value 6.92",
        "--loss-value 6.92 --batch-size 64 --classes 10 --temperature 0.1 --base-temperature 0.07",
    ],
)
def test_public_stuck_values(arguments):
    data = as_json(*arguments.split())
    assert data["loss_value"]["verdict"] == "total collapse"
    assert run(*arguments.split()).stdout.startswith("loss ")


def test_loss_and_file_together(file):
    data = as_json(file, "--loss-value", 4.85, *DIGITS)
    assert data["loss_value"]["position"] is not None
    assert data["verdict"] == "healthy"


@pytest.mark.parametrize("known", [["--classes", 5, *DIGITS], ["-b", 250]])
def test_a_loss_beside_embeddings_does_not_ask_to_measure_them(file, known):
    alone = as_json("--loss-value", 5.5, *known)["loss_value"]
    beside = as_json(file, "--loss-value", 5.5, *known)["loss_value"]
    assert "measure embeddings" in alone["remedy"]
    assert "measure embeddings" not in beside["remedy"]
    assert beside["verdict"] == alone["verdict"]


def test_a_config_without_the_weight_leaves_theory_out_and_measures(file, tmp_path):
    (tmp_path / "mix.yaml").write_text("losses: [supcon, simclr]\ntemperature: 0.1\nbatch_size: 64\nnum_classes: 5\n")
    result = run(file, "--config", tmp_path / "mix.yaml", "--format", "json")
    assert result.exit_code == 0
    assert "which needs --alpha" in result.stderr
    assert json.loads(result.stdout)["theory"] is None
    assert as_json(file, "--config", tmp_path / "mix.yaml", "--alpha", 0.3)["theory"]["alpha"] == 0.3
    assert "give --alpha" in run("--loss-value", 3, "--config", tmp_path / "mix.yaml").stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("missing.npy", "missing.npy: no such file"),
        ("--loss-value 6 --base-temperature 0.07", "temperature: missing"),
        ("--loss-value 6 --batch-size 0", "batch_size=0"),
        ("--loss-value nan", "diverged"),
        ("FILE --base-temperature 0.07", "give --loss-value"),
        ("FILE --alpha 2", "alpha=2.0"),
        ("", "give a FILE of embeddings, or --loss-value"),
        ("--labels y.npy --loss-value 3", "--labels goes with a FILE"),
    ],
)
def test_misuse_exits_2_with_one_line(file, arguments, says):
    result = run(*(file if word == "FILE" else word for word in arguments.split()))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_negative_seed_is_no_error_of_the_program(file):
    result = run(file, "--seed", "-1")
    assert result.exit_code == 2
    assert result.stderr.strip() == "ssem-advisor: seed=-1: must be an integer >= 0"


def test_numpy_alone_is_enough(file):
    """The whole command with torch, pyarrow and safetensors made impossible to import."""
    program = (
        "import sys\n"
        "for name in ('torch', 'pyarrow', 'safetensors'): sys.modules[name] = None\n"
        f"sys.argv = ['ssem-advisor', 'measure', {str(file)!r}]\n"
        "from ssem_advisor.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("healthy")


def test_missing_reader_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "z.parquet").write_bytes(b"PAR1")
    result = run(tmp_path / "z.parquet")
    assert result.exit_code == 2
    assert "pip install pyarrow" in result.stderr


def test_the_sentence_of_the_variance():
    theory = Comparison(Setting(classes=5), 0.01, 0.2372, 0.1589, 0.0721, 0.0612)
    assert where_the_variance_went(theory, 0.63, 13.3) == (
        "optimum 0.2372, finite dimension 0.1589, reliability 0.63 and 13 effective directions 0.0721, measured 0.0612"
    )


@pytest.mark.parametrize(("asked", "threads"), [(None, 1), ("2", 2), ("2,1", 2)])
def test_the_threads_that_are_said_are_those_of_numpy(file, asked, threads):
    """One thread unless the user says how many: threads of busy processes wait for each other."""
    script = (
        "import contextlib, io, json, sys\n"
        "from threadpoolctl import threadpool_info; from ssem_advisor.cli import app\n"
        "with contextlib.redirect_stdout(out := io.StringIO()): app(sys.argv[1:], standalone_mode=False)\n"
        "print(json.loads(out.getvalue())['threads'], *{p['num_threads'] for p in threadpool_info()"
        " if p['user_api'] == 'blas' and 'numpy' in p['filepath']})"
    )
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in names} | (
        {"OMP_NUM_THREADS": asked} if asked else {}
    )
    got = subprocess.run(
        [sys.executable, "-c", script, "measure", str(file), "--format", "json"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said, *real = map(int, got.stdout.split())
    assert said == threads
    if real and hasattr(os, "sched_getaffinity"):  # numpy's library here is one that tells
        assert real == [min(threads, len(os.sched_getaffinity(0)))]
