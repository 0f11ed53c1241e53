"""The folder of a run: damaged, shared by two processes, read-only, full, killed again and again."""

import json
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from standard_files import cifar10
from typer.testing import CliRunner

from ssem_advisor.cli import app
from ssem_advisor.domain import AdvisorError
from ssem_advisor.experiments import study
from ssem_advisor.experiments.images import patches, readers
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.store import Store
from ssem_advisor.experiments.study import run_study

PROTOCOL = Protocol.default(
    "digits", epochs=1, seeds=2, alphas=(0.5,), temperatures=(0.5,), hidden=(32,), batch_size=50
)
CONFIG = (
    "validate:\n  suite: digits\n  epochs: 1\n  seeds: 2\n  alphas: [0.5]\n  temperatures: [0.5]\n  hidden: [32]\n"
    "  batch_size: 50\n"
)


def numbers(folder):
    """Everything recorded except the wall time."""
    lines = [json.loads(line) for line in (Path(folder) / "runs.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    run_study([PROTOCOL], out=folder, device="cpu", jobs=0)
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(finished, tmp_path / "run")


def first_result(folder):
    return min((folder / "results").iterdir())


def _other_number(text):
    records = json.loads(text)
    records[0]["variance"] = "much"
    return json.dumps(records)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "null",
        lambda text: "[]",
        lambda text: "[1, 2]",
        lambda text: '[{"suite": "digits"}]',
        lambda text: "[" * 100_000,
        lambda text: text.replace('"digits"', '"synthetic"'),
        lambda text: text.replace('"variance"', '"variation"'),
        lambda text: text.replace('"classes": 5', '"classes": -5'),
        _other_number,
    ],
)
def test_a_damaged_result_is_said_and_made_again(copy, finished, damage):
    path = first_result(copy)
    path.write_text(damage(path.read_text()))
    warned = []
    report = run_study([PROTOCOL], out=copy, device="cpu", jobs=0, warn=warned.append)
    assert any(str(path) in warning and "done again" in warning for warning in warned)
    assert report["ended"] == "complete"
    assert numbers(copy) == numbers(finished)


def test_bytes_that_are_no_text_and_a_torn_last_line(copy, finished):
    path = first_result(copy)
    path.write_bytes(b"\xff\xfe" + path.read_bytes())
    lines = (copy / "runs.jsonl").read_bytes()
    (copy / "runs.jsonl").write_bytes(lines[: len(lines) - 40])
    (copy / "progress" / "x").write_text("nan")
    run_study([PROTOCOL], out=copy, device="cpu", jobs=0)
    assert numbers(copy) == numbers(finished)


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "\0", ""])
def test_a_damaged_config_of_a_folder_is_one_line(copy, content):
    (copy / "config.json").write_text(content)
    with pytest.raises(AdvisorError, match=r"config.json: not readable .*remove it or give another --output"):
        run_study([PROTOCOL], out=copy, device="cpu", jobs=0)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "other", "harmful"])
def test_a_damaged_checkpoint_starts_its_task_again(tmp_path, finished, damage, monkeypatch):
    store = Store(tmp_path)
    store.open({"version": 1, "protocols": [PROTOCOL.to_dict()]})
    key = first_result(finished).stem
    store.save(key, {"alphas": [0.0, 0.5], "step": 3})
    store.close()
    path = tmp_path / "checkpoints" / key
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "other":
        torch.save([1, 2, 3], path)
    else:
        changed = {"flipped": bytes(data), "cut": data[:-50], "empty": b"", "harmful": pickle.dumps(Trap(tmp_path))}
        path.write_bytes(changed[damage])
    warned = []
    run_study([PROTOCOL], out=tmp_path, device="cpu", jobs=0)  # the task warns in its own process
    store.warn = warned.append
    path.write_bytes(bytes(data))
    assert store.restore(key, [0.0, 0.5]) is None
    assert "starts again" in warned[0]
    assert numbers(tmp_path) == numbers(finished)
    assert not (tmp_path / "trapped").exists()


def test_a_checkpoint_of_other_weights_is_not_taken_up(tmp_path):
    store = Store(tmp_path)
    store.open({})
    store.save("task", {"alphas": [0.0, 0.5], "step": 3})
    assert store.restore("task", (0.0, 0.5)) == {"alphas": [0.0, 0.5], "step": 3}
    assert store.restore("task", (0.0, 0.6)) is None
    store.close()


def test_stop_that_cannot_be_removed_is_one_line(copy):
    (copy / "stop").mkdir()
    with pytest.raises(AdvisorError, match="`stop` in it cannot be removed"):
        run_study([PROTOCOL], out=copy, device="cpu", jobs=0)


def test_tasks_that_somebody_stopped_are_not_complete(tmp_path, monkeypatch):
    def asked_to_stop(task, folder):
        Store(folder).ask_to_stop()

    monkeypatch.setattr(study, "execute", asked_to_stop)
    report = run_study([PROTOCOL], out=tmp_path, device="cpu", jobs=0)
    assert report["ended"] == "interrupted"
    assert report["verdict"] == "undecided"


def test_damaged_features_are_computed_anew(tmp_path, monkeypatch):
    cifar10(tmp_path / "data")
    protocol = Protocol.default("cifar10", data_root=str(tmp_path / "data"))
    data, path = readers.load(protocol), tmp_path / "features-0.pt"
    shape = {"x": (50,), "x_test": (50,), "trained": (50, patches.TRAINED_VIEWS), "held": (50, patches.HELD_VIEWS)}
    whole = {name: torch.zeros(*size, patches.FEATURES) for name, size in shape.items()}
    torch.save(whole, path)
    assert patches.cached(data, path).keys() == whole.keys()
    for content in (path.read_bytes()[:1000], b"", pickle.dumps(Trap(tmp_path))):
        path.write_bytes(content)
        assert patches.cached(data, path) is None
    for other in ({**whole, "x": whole["x"][1:]}, [], {"x": 3}):
        torch.save(other, path)
        assert patches.cached(data, path) is None
    assert not (tmp_path / "trapped").exists()


class Trap:
    """Pickles into a command that leaves a file."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.system, (f"touch {self.folder}/trapped",)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_batches_are_one_line(tmp_path, seed):
    """Bytes flipped, cut and replaced, and contents of other types: an answer or one line, and nothing is run."""
    cifar10(tmp_path)
    path, rng = tmp_path / "cifar-10-batches-py/data_batch_2", random.Random(seed)
    batch = pickle.loads(path.read_bytes(), encoding="bytes")
    odd = [None, Trap(tmp_path), [], "x", b"x", 3, [1.5] * 10, [10**30] * 10, [-1] * 10, [[1]] * 10, {}, [True] * 10]
    if seed % 2:
        batch[rng.choice((b"data", b"labels"))] = rng.choice(odd)
        path.write_bytes(pickle.dumps(batch, protocol=rng.choice((2, 4, 5))))
    else:
        data = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(min(len(data), 400))] = rng.randrange(256)
        path.write_bytes(bytes(data[: rng.choice((len(data), 300, rng.randrange(len(data))))]))
    found = refused = None
    try:
        found = readers.load(Protocol.default("cifar10", data_root=str(tmp_path)))
    except AdvisorError as error:
        refused = str(error)
    assert found.x.shape == (50, 3, 32, 32) if refused is None else re.fullmatch(".*data_batch_2.*", refused)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_batches_of_every_pickle_protocol_are_read_alike(tmp_path, protocol):
    cifar10(tmp_path)
    before = readers.load(Protocol.default("cifar10", data_root=str(tmp_path)))
    for path in (tmp_path / "cifar-10-batches-py").iterdir():
        batch = pickle.loads(path.read_bytes(), encoding="bytes")
        path.write_bytes(pickle.dumps(batch, protocol=protocol))
    after = readers.load(Protocol.default("cifar10", data_root=str(tmp_path)))
    assert torch.equal(before.x, after.x)
    assert torch.equal(before.fine, after.fine)


# -- processes -------------------------------------------------------------------------------------------------------

# A checkpoint at every step; the second argument bounds the size of every file, as a full disk would.
WORKER = """
import resource, sys
from pathlib import Path
from ssem_advisor.experiments import store
from ssem_advisor.experiments.protocol import Protocol
from ssem_advisor.experiments.study import run_study

store.Pulse.__init__.__defaults__ = (0.0, 0.0)
small = dict(alphas=(0.5,), temperatures=(0.5,), hidden=(32,), batch_size=50)
protocol = Protocol.default("digits", epochs=4, seeds=3, **small)
if __name__ == "__main__":
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
    print(run_study([protocol], out=Path(sys.argv[1]), device="cpu", jobs=0, warn=print)["ended"])
"""


@pytest.fixture
def worker(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(*arguments, **options):
        return subprocess.Popen(
            [sys.executable, str(script), *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, **options,
        )  # fmt: skip

    return start


def until(condition, process, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def owner(folder):
    """The process that works in a folder, as the lock says."""
    try:
        return (folder / "lock").read_text()
    except FileNotFoundError:
        return ""


def test_a_second_process_is_refused_and_a_killed_one_lets_go(tmp_path, worker):
    folder = tmp_path / "run"
    first = worker(folder)
    until(lambda: owner(folder) == str(first.pid), first)
    first.send_signal(signal.SIGSTOP)
    try:
        second = CliRunner().invoke(app, ["validate", *SAME, "--output", str(folder)])
        assert second.exit_code == 2
        assert f"process {first.pid} works in this folder" in second.stderr
    finally:
        first.kill()
        first.wait()
    third = worker(folder)
    output, _ = third.communicate(timeout=600)
    assert output.splitlines()[-1] == "complete", output


SAME = ("--suite", "digits", "--epochs", "4", "--jobs", "0")


def test_no_room_for_any_file_costs_no_result(tmp_path, worker):
    output, _ = worker(tmp_path / "full", 2000).communicate(timeout=600)
    assert "File too large" in output
    assert "Traceback" not in output
    assert output.splitlines()[-1] == "complete", output


def test_a_folder_that_cannot_be_written_costs_no_result(copy, finished, worker):
    """The results that are there are read, and nothing is written."""
    before = sorted(copy.rglob("*"))
    config = copy.parent / "protocol.yaml"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "ssem_advisor", "validate", "--config", config, "--jobs", "0", "--output", copy]
    if os.geteuid() == 0:  # whom permissions do not bind: a mount does
        mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", mount, copy, *command]
        if subprocess.run([*command[:6], "true"], capture_output=True, check=False).returncode:
            pytest.skip("no mount of one's own here")
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        ended = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    finally:
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert "Traceback" not in ended.stderr
    assert re.search(r"not written \((Permission denied|Read-only file system)\)", ended.stderr)
    assert json.loads(ended.stdout)["ended"] == "complete"
    assert sorted(copy.rglob("*")) == before


@pytest.mark.slow
def test_twenty_kills_at_random_times_resume_to_the_same_numbers(tmp_path, worker):
    straight, killed, rng = tmp_path / "straight", tmp_path / "killed", random.Random(0)
    assert worker(straight).wait() == 0
    kills = 0
    while kills < 20:
        process = worker(killed)
        until(lambda own=process: owner(killed) == str(own.pid), process)
        time.sleep(rng.random() * 0.5)
        if process.poll() is not None:
            assert numbers(killed) == numbers(straight)
            shutil.rmtree(killed)
            continue
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert worker(killed).wait() == 0
    assert numbers(killed) == numbers(straight)
