"""The names at the top level: all there, typed, lazy."""

import subprocess
import sys

import pytest

import ssem_advisor

WRONG = [
    "ssem_advisor.recomend",
    "a: int = ssem_advisor.recommend(ssem_advisor.Setting(classes=3, dim=8))  # E: Advice is no int",
    'ssem_advisor.recommend("nonsense")  # E: a str is no Setting',
    "ssem_advisor.recommend(ssem_advisor.Setting(classes=3), foo=3)  # E: no such argument",
    "ssem_advisor.measure([[1.0]], [0]).verdict + 1  # E: a verdict is text",
]
RIGHT = [
    "b: ssem_advisor.Advice = ssem_advisor.recommend(ssem_advisor.Setting(classes=3, dim=8))",
    "m: ssem_advisor.Measurement = ssem_advisor.measure([[1.0]], [0])",
]


def test_every_public_name_loads():
    for name in ssem_advisor.__all__:
        assert getattr(ssem_advisor, name) is not None
    assert set(ssem_advisor._HOME) | {"__version__"} == set(ssem_advisor.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        ssem_advisor.nonsense  # noqa: B018


def test_importing_the_package_loads_no_library():
    code = "import ssem_advisor, sys; print([m for m in ('numpy', 'torch', 'sympy', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_type_checker_sees_the_types(tmp_path):
    """Each wrong line is an error of its own, each right line none: nothing at the top level is Any."""
    script = tmp_path / "use.py"
    script.write_text("\n".join(["import ssem_advisor", *WRONG, *RIGHT]) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--ignore-missing-imports", "--follow-imports=silent",
         f"--cache-dir={tmp_path}", str(script)],
        capture_output=True, text=True,
    )  # fmt: skip
    lines = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert lines == set(range(2, 2 + len(WRONG))), done.stdout + done.stderr
