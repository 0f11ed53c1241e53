"""No command asks the network for anything, nor does importing the package."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ssem_advisor.cli import COMMANDS

# Python loads this module before anything else, in worker processes too; what it hears goes into a file.
LISTENER = """
import os, sys
def heard(event, arguments):
    if event.startswith(("socket.connect", "socket.bind", "socket.send", "socket.get", "urllib.", "http.", "ftplib.")):
        if event.startswith(("socket.connect", "socket.bind")) and isinstance(arguments[1], (str, bytes)):
            return  # a socket of this machine
        with open(os.environ["HEARD"], "a") as file:
            file.write(f"{event} {arguments}\\n")
sys.addaudithook(heard)
"""
RUNS = {
    "recommend": ["recommend", "--classes", "10", "--dim", "64", "--plot", "phase.svg"],
    "explain": ["explain"],
    "datasets": ["datasets"],
    "check": ["check", "config.yaml"],
    "rule": ["rule", "SSM201"],
    "measure": ["measure", "z.npz"],
    "diagnose": ["diagnose", "--config", "config.yaml", "--embeddings", "z.npz"],
    "plot": ["plot", "--classes", "10", "-o", "p.png"],
    "explore": ["explore"],
    "validate": ["validate", "--suite", "digits", "--epochs", "1", "--seeds", "1", "--alphas", "0.5", "--temperatures",
                 "0.5", "--jobs", "1"],
}  # fmt: skip


@pytest.fixture
def heard(tmp_path):
    (tmp_path / "listener").mkdir()
    (tmp_path / "listener/sitecustomize.py").write_text(LISTENER)
    (tmp_path / "config.yaml").write_text("method: supcon\ndataset: cifar10\ntemperature: 0.1\nbatch_size: 100\n")
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "z.npz", embeddings=generator.normal(size=(40, 2, 8)), labels=np.arange(40) % 4)
    path = os.pathsep.join(filter(None, (str(tmp_path / "listener"), os.environ.get("PYTHONPATH"))))

    def run(*command):
        """How a command ends, and what it asked the network for. Cut off from it as well, where the system allows."""
        root = str(Path(__file__).parents[2])
        environment = os.environ | {"PYTHONPATH": os.pathsep.join((path, root)), "HEARD": str(tmp_path / "heard")}
        ended = subprocess.run(
            [*_cut_off(), sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        asked = tmp_path / "heard"
        return ended, asked.read_text() if asked.exists() else ""

    return run


def _cut_off():
    """A prefix that runs a command without any network interface; empty where that is not allowed."""
    prefix = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    try:
        allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    return prefix if allowed else []


def test_every_command_is_here():
    assert set(RUNS) == set(COMMANDS)


@pytest.mark.parametrize("command", RUNS)
def test_no_command_asks_the_network(heard, command):
    ended, asked = heard("-m", "ssem_advisor", *RUNS[command])
    assert ended.returncode in (0, 1, 3), ended.stderr
    assert asked == ""


def test_importing_everything_asks_the_network_for_nothing(heard):
    program = (
        "import ssem_advisor, ssem_advisor.losses, ssem_advisor.training, ssem_advisor.lint, ssem_advisor.measurement"
    )
    ended, asked = heard("-c", program)
    assert ended.returncode == 0, ended.stderr
    assert asked == ""


@pytest.mark.parametrize(
    "program",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9), 0.1)",
        "import socket; socket.getaddrinfo('example.org', 80)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
        "import multiprocessing as m; p = m.get_context('spawn').Process(target=__import__('socket').getaddrinfo,"
        " args=('localhost', 1)); p.start(); p.join()",
    ],
)
def test_the_listener_hears(heard, program):
    _, asked = heard("-c", program)
    assert asked != ""
