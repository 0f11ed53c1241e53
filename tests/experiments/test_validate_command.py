"""`validate` as a user meets it: exit codes, folders, interruptions."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import jsonschema
import pytest
import torch
from typer.testing import CliRunner

from ssem_advisor.cli import app
from ssem_advisor.domain import AdvisorError
from ssem_advisor.experiments import store, study
from ssem_advisor.experiments.claims import Claim
from ssem_advisor.experiments.intervals import Outcome
from ssem_advisor.experiments.pool import Processes
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.study import run_study

SCHEMA = json.loads((Path(__file__).parents[2] / "ssem_advisor/schemas/validate.schema.json").read_text())
TINY = (
    "--suite",
    "digits",
    "--epochs",
    "2",
    "--seeds",
    "2",
    "--alphas",
    "0.5,1",
    "--temperatures",
    "0.5",
    "--jobs",
    "0",
)
PROTOCOL = Protocol.default(
    "digits", epochs=1, seeds=2, alphas=(0.5,), temperatures=(0.5,), hidden=(32,), batch_size=50
)


def validate(*arguments):
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


def numbers(folder):
    """Everything recorded except the wall time."""
    lines = [json.loads(line) for line in (Path(folder) / "runs.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_json_follows_the_schema_and_stdout_is_json_alone(tmp_path):
    result = validate(*TINY, "--format", "json", "--output", tmp_path / "run")
    report = json.loads(result.stdout)
    jsonschema.validate(report, SCHEMA)
    assert result.exit_code == report["exit_code"]
    assert {"config.json", "environment.json", "runs.jsonl", "report.json", "report.txt", "report.html"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }
    assert json.loads((tmp_path / "run/report.json").read_text()) == report
    alphas = {r["alpha"] for r in report["suites"][0]["runs"]}
    assert {0.0, 0.5, 1.0} < alphas  # alpha 0, the control, and the recommended weight are always trained
    for record in report["suites"][0]["runs"]:
        assert 0 <= record["reliability"] <= 1
        assert record["effective_dim"] >= 1


def test_embeddings_are_confirmed():
    result = validate(
        "--suite", "embeddings", "--loss", "supcon", "--temperatures", "0.5", "--batch-size", "50", "--jobs", "0"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("CONFIRMED")
    assert "on cpu, 1 process of 1 thread" in " ".join(result.stdout.split())
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "mnist"], "must be one of embeddings"),
        (["--suite", "digits", "--classes", "3"], "2, 5 or 10"),
        (["--suite", "digits", "--instances-per-class", "9"], "its data fix the classes and instances"),
        (["--suite", "digits", "--instances", "9"], "its data fix the classes and instances"),  # its former name
        (["--suite", "digits", "--temperatures", "hot"], "--temperatures 'hot'"),
        (["--suite", "digits", "--temperatures", "-1"], "temperature=-1.0"),
        (["--suite", "digits", "--alphas", "2"], "alpha=2.0: must be a number in [0, 1]"),
        (["--suite", "digits", "--loss", "triplet"], "loss='triplet': must be one of supcon, ssem, l_spread\n"),
        (["--suite", "digits", "--loss", "l_in"], "loss='l_in': not covered, because"),
        (["--suite", "digits", "--device", "abacus"], "--device abacus"),
        (["--suite", "digits", "--class-counts", "5,5"], "its data fix the classes"),
        (["--suite", "synthetic", "--class-counts", "5,1"], "must be integers >= 2"),
        (["--suite", "synthetic", "--class-counts", "5,4", "-n", "3"], "leave --classes and --instances-per-class out"),
        (["--suite", "synthetic", "--class-counts", "missing.csv"], "cannot read missing.csv"),
        (["--suite", "cifar10"], "needs --data-root"),
        (["--suite", "cifar10", "--data-root", "/nowhere"], "no such folder"),
        (["--config", "/nowhere.yaml"], "no such file"),
        (["--suite", "digits", "--config", "x.yaml"], "give one of the two"),
        (["--suite", "digits", "--executor", "ray"], "--executor ray"),
    ],
)
def test_misuse_is_one_line_and_exit_code_two(arguments, message):
    result = validate(*arguments, "--jobs", "0")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_class_counts_come_from_a_file_as_in_the_other_commands(tmp_path):
    from ssem_advisor.cli.validate import _sizes

    (tmp_path / "counts.csv").write_text("class,images\nowl,9\ncat,4\nhen,2\n")
    found = [_sizes("synthetic", None, None, None, Path(given)) for given in ("9,4,2", tmp_path / "counts.csv")]
    assert found == [{"class_counts": (9, 4, 2), "classes": 3}] * 2


@pytest.mark.parametrize("option", ["--output", "-o", "--out"])  # the last one is its former name
def test_a_folder_holds_one_run(tmp_path, option):
    run_study([PROTOCOL], out=tmp_path, device="cpu", jobs=0)
    result = validate(*TINY, option, tmp_path)
    assert result.exit_code == 2
    assert "another protocol" in result.stderr


def test_protocol_file_gives_the_same_run(tmp_path):
    path = tmp_path / "protocol.yaml"
    path.write_text(
        "validate:\n  suite: digits\n  epochs: 1\n  seeds: 2\n  alphas: [0.5]\n  temperatures: [0.5]\n"
        "  hidden: [32]\n  batch_size: 50\n"
    )
    result = validate("--config", path, "--jobs", "0", "--format", "json")
    protocol = json.loads(result.stdout)["suites"][0]["protocol"]
    assert protocol == json.loads(json.dumps(PROTOCOL.to_dict()))


@pytest.mark.parametrize(
    ("line", "message"), [("epoks: 3", "unknown key 'epoks'"), ("epochs: many", "epochs: 'many' is not of type int")]
)
def test_protocol_errors_name_the_place(tmp_path, line, message):
    path = tmp_path / "protocol.yaml"
    path.write_text(f"validate:\n  suite: digits\n  {line}\n")
    result = validate("--config", path)
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert message in result.stderr


def test_training_config_gets_a_proxy(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(
        "dataset: cifar10\nmodel: resnet18\nmethod: supcon\nloss:\n  name: supcon\n  temperature: 0.2\n  alpha: 0.3\n"
        "projection_dim: 16\nbatch_size: 40\nn_views: 2\n"
    )
    result = validate("--config", path, "--jobs", "0", "--format", "json", "--epochs", "1", "--seeds", "1")
    protocol = json.loads(result.stdout)["suites"][0]["protocol"]
    assert protocol["suite"] == "synthetic"
    assert protocol["classes"] == 10
    assert protocol["batch_size"] == 40
    assert protocol["temperatures"] == [0.2]


def test_stacks_and_processes_give_the_same_numbers(tmp_path):
    run_study([PROTOCOL], out=tmp_path / "here", device="cpu", jobs=0)
    run_study([PROTOCOL], out=tmp_path / "there", device="cpu", jobs=1)
    assert numbers(tmp_path / "here") == numbers(tmp_path / "there")


class Mortal:
    """A pool whose worker dies with the first `deaths` tasks."""

    def __init__(self, deaths):
        self.deaths = deaths

    def submit(self, fn, *args):
        job = concurrent.futures.Future()
        if self.deaths:
            self.deaths -= 1
            job.set_exception(BrokenProcessPool("a process died"))
        else:
            job.set_result(fn(*args))
        return job


def test_the_task_of_a_dead_worker_is_done_again_and_it_is_said(tmp_path, monkeypatch):
    run_study([PROTOCOL], out=tmp_path / "straight", device="cpu", jobs=0)
    said = []
    monkeypatch.setattr(study, "executor_of", lambda *_: contextlib.nullcontext(Mortal(2)))
    run_study([PROTOCOL], out=tmp_path / "mortal", device="cpu", warn=said.append)
    assert numbers(tmp_path / "mortal") == numbers(tmp_path / "straight")
    assert said
    assert all("a worker process died" in message and "digits" in message for message in said)
    monkeypatch.setattr(study, "executor_of", lambda *_: contextlib.nullcontext(Mortal(100)))
    with pytest.raises(AdvisorError, match="its process died 3 times"):
        run_study([PROTOCOL], out=tmp_path / "doomed", device="cpu")


def test_processes_start_again_after_one_of_them_died():
    processes = Processes(1)
    try:
        with pytest.raises(BrokenProcessPool):
            processes.submit(os._exit, 1).result()
        assert processes.submit(abs, -1).result() == 1
    finally:
        processes.shutdown()


# a checkpoint at every step, in worker processes too: they import the script anew
LONG = """
import sys
from pathlib import Path
from ssem_advisor.experiments import store, study
from ssem_advisor.experiments.claims import Claim
from ssem_advisor.experiments.intervals import Outcome
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.study import run_study

store.Pulse.__init__.__defaults__ = (0.0, 0.0)
small = dict(alphas=(0.5,), temperatures=(0.5,), hidden=(32,), batch_size=50)
if __name__ == "__main__":
    protocol = Protocol.default("digits", epochs=4, seeds=1, **small)
    run_study([protocol], out=Path(sys.argv[1]), device="cpu", jobs=int(sys.argv[2]))
"""


@pytest.mark.parametrize("jobs", ["0", pytest.param("1", marks=pytest.mark.slow)])
def test_killed_runs_resume_to_the_same_numbers(tmp_path, jobs):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    script = tmp_path / "long.py"
    script.write_text(LONG)
    command = [sys.executable, str(script)]
    process = subprocess.Popen([*command, str(tmp_path / "killed"), jobs], env=environment)
    checkpoints = tmp_path / "killed/checkpoints"
    deadline = time.monotonic() + 600
    while not (checkpoints.exists() and any(not p.name.startswith(".") for p in checkpoints.iterdir())):
        assert time.monotonic() < deadline
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.5)  # an orphaned worker looks for its parent every second
    subprocess.run([*command, str(tmp_path / "killed"), jobs], env=environment, check=True)
    subprocess.run([*command, str(tmp_path / "straight"), "0"], env=environment, check=True)
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "straight")


def test_ctrl_c_leaves_a_partial_report(tmp_path):
    command = [sys.executable, "-m", "ssem_advisor", "validate", "--suite", "digits", "--epochs", "500", "--seeds", "2"]
    options = ["--alphas", "0.5", "--temperatures", "0.5", "--jobs", "1", "--output", str(tmp_path / "run")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )  # fmt: skip
    progress = tmp_path / "run/progress"
    deadline = time.monotonic() + 600
    while not (progress.exists() and any(progress.iterdir())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 3, stderr
    assert "Interrupted" in stdout
    assert "Traceback" not in stderr
    assert (tmp_path / "run/report.html").exists()
    assert any((tmp_path / "run/checkpoints").iterdir())


def test_a_process_computes_with_one_thread_and_says_so(tmp_path, monkeypatch):
    seen = []
    whole = study.execute

    def watched(task, folder):
        seen.append(torch.get_num_threads())
        return whole(task, folder)

    monkeypatch.setattr(study, "execute", watched)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        report = run_study([PROTOCOL], device="cpu", jobs=0)
        assert torch.get_num_threads() == 3
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        own = run_study([PROTOCOL], device="cpu", jobs=0)
    finally:
        torch.set_num_threads(before)
    assert report["environment"]["threads"] == {"processes": 1, "each": 1}
    assert own["environment"]["threads"]["each"] == 3  # who says how many gets them
    assert {*seen[: len(seen) // 2]} == {1}
    assert {*seen[len(seen) // 2 :]} == {3}


def test_a_spent_budget_ends_in_a_report():
    report = run_study([PROTOCOL], device="cpu", jobs=0, budget=0.0)
    assert report["ended"] == "budget"
    assert report["verdict"] == "not trained"  # five updates are no training
    jsonschema.validate(report, SCHEMA)


def test_a_full_disk_costs_files_not_results(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    warnings = []
    monkeypatch.setattr(store.os, "replace", full)
    report = run_study([PROTOCOL], out=tmp_path, device="cpu", jobs=0, warn=warnings.append)
    assert len(report["suites"][0]["runs"]) == 6
    assert any("No space left" in w for w in warnings)
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.parent.name != "progress"]
    assert left == [tmp_path / "lock"]


def test_more_seeds_are_not_trained_once_the_verdict_is_certain(monkeypatch):
    certain = [Claim(n, Outcome.CONFIRMED, "") for n in range(1, 6)]
    monkeypatch.setattr(study, "judge_claims", lambda *_: certain)
    report = run_study([PROTOCOL.with_(seeds=6, epochs=1)], device="cpu", jobs=0)
    assert report["suites"][0]["stopped_early"]
    assert {r["seed"] for r in report["suites"][0]["runs"]} == {0, 1, 2}


def test_a_verdict_that_wider_intervals_leave_open_ends_no_suite_early(monkeypatch):
    def judged(protocol, records, stretch=1.0):
        outcome = Outcome.CONFIRMED if stretch < study.CERTAIN else Outcome.UNDECIDED
        return [Claim(n, outcome, "") for n in range(1, 6)]

    assert study.CERTAIN >= 2
    monkeypatch.setattr(study, "judge_claims", judged)
    report = run_study([PROTOCOL.with_(seeds=4, epochs=1)], device="cpu", jobs=0)
    assert not report["suites"][0]["stopped_early"]
    assert {r["seed"] for r in report["suites"][0]["runs"]} == {0, 1, 2, 3}


def test_time_left_is_told(tmp_path):
    told = []
    run_study([PROTOCOL], out=tmp_path, device="cpu", jobs=0, notify=lambda done, left, what: told.append((done, left)))
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any(left is not None for _, left in told)


@pytest.mark.parametrize("executor", ["debug", "local"])
def test_submitit_executors(tmp_path, executor):
    pytest.importorskip("submitit")
    direct = run_study([PROTOCOL], out=tmp_path / "direct", device="cpu", jobs=0)
    run_study([PROTOCOL], out=tmp_path / executor, device="cpu", executor=executor)
    assert numbers(tmp_path / executor) == numbers(tmp_path / "direct")
    assert direct["ended"] == "complete"


def test_page_needs_no_other_file(tmp_path):
    validate(*TINY, "--output", tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<svg" in page
    assert not re.search(r'(?:src|href)="|https?://|@import|url\(', page)
    assert "free spread" in page
    assert page.count("<svg") == page.count("</svg>") >= 3  # the curve, the collapsed and the healthy embedding
