"""Without the packages of an extra everything else works, and what needs them says so in one line."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ssem_advisor.extras import EXTRAS

ROOT = Path(__file__).parents[2]

# A Python in which some packages are not there, as for whoever installed the plain package.
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {absent!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {absent!r} else found(name, package)
sys.meta_path.insert(0, Absent())
sys.argv = ['ssem-advisor', *{arguments!r}]
"""
ABSENT = ("torch", "sklearn", "jinja2", "PIL", "pyarrow", "safetensors", "matplotlib", "sympy", "mpmath")


def python(program, arguments=()):
    code = WITHOUT.format(absent=ABSENT, arguments=[str(a) for a in arguments]) + program
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)


def command(*arguments):
    return python("from ssem_advisor.cli import main; main()", arguments)


def test_extras_are_those_of_the_project():
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        listed = [name for entry in stated[extra] for name in ([*stated["torch"]] if "[torch]" in entry else [entry])]
        assert {name.partition(">")[0] for name in listed} == set(modules.values())


def test_the_plain_package_answers_explains_checks_and_measures(tmp_path):
    import numpy as np

    z = np.random.default_rng(0).standard_normal((40, 8))
    np.savez(tmp_path / "z.npz", embeddings=z, labels=np.repeat([0, 1], 20))
    (tmp_path / "c.yaml").write_text("loss: supcon\ntemperature: 0.1\n")
    for arguments in (
        ("recommend", "--classes", 10, "--dim", 32),
        ("explain", "RANDOM-BATCH", "--classes", 10),
        ("check", tmp_path / "c.yaml", "--exit-zero"),
        ("measure", tmp_path / "z.npz"),
    ):
        done = command(*arguments)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "packages"),
    [
        (("validate",), "torch scikit-learn jinja2 pillow"),
        (("plot", "--classes", 10, "-o", "a.png"), "matplotlib"),
        (("measure", "z.parquet"), "pyarrow safetensors"),
        (("measure", "z.safetensors"), "pyarrow safetensors"),
        (("measure", "z.pt"), "torch"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_command_without_its_packages_is_one_line(arguments, packages, tmp_path):
    for ending in ("parquet", "safetensors", "pt"):
        (tmp_path / f"z.{ending}").write_bytes(b"PAR1")
    given = [tmp_path / a if str(a).startswith(("z.", "a.")) else a for a in arguments]
    done = command(*given)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"pip install {packages} " in done.stderr


@pytest.mark.parametrize("module", ["ssem_advisor.losses", "ssem_advisor.training", "ssem_advisor.training.monitor"])
def test_importing_the_torch_rooms_without_torch_says_what_to_install(module):
    done = python(f"import {module}")
    assert "needs torch, which is not installed: pip install torch" in done.stderr.splitlines()[-1]
    assert "No module named" not in done.stderr
