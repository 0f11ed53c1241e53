"""The script behind the counts of right verdicts: what it asks for, what it counts, and a run of it from end to end."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ssem_advisor.experiments.data import synthetic

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def judge():
    spec = importlib.util.spec_from_file_location("judge_of_verdicts", ROOT / "validation" / "verdicts" / "judge.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def rows(*probes):
    """Rows of (weight, fine, coarse)."""
    return [{"alpha": alpha, "probe_fine": fine, "probe_coarse": coarse} for alpha, fine, coarse in probes]


def test_what_probes_ask_of_a_verdict(judge):
    found = judge.due(
        rows(
            (0, 0.30, 0.50), (0.1, 0.33, 0.50), (0.3, 0.40, 0.51), (0.5, 0.38, 0.485), (0.8, 0.38, 0.470), (1, 0.3, 0.4)
        ),
        tests=100_000,
    )
    assert found == {0: "collapse", 0.1: None, 0.3: "healthy", 0.5: None, 0.8: "loose", 1: "loose"}


def test_few_test_images_decide_less(judge):
    """On 100 images a standard error is 0.05: a gain and a loss of 0.08 are chance."""
    probes = rows((0, 0.30, 0.50), (0.3, 0.38, 0.50), (1, 0.30, 0.42))
    assert judge.due(probes, tests=100) == {0: "collapse", 0.3: None, 1: None}
    assert judge.due(probes, tests=100_000) == {0: "collapse", 0.3: "healthy", 1: "loose"}


def test_seeds_are_averaged(judge):
    probes = rows((0, 0.3, 0.5), (0, 0.3, 0.5), (0.3, 0.5, 0.5), (0.3, 0.1, 0.5), (0.5, 0.4, 0.5), (0.5, 0.4, 0.5))
    assert judge.due(probes, tests=100_000) == {0: "collapse", 0.3: None, 0.5: "healthy"}


@pytest.mark.parametrize(
    ("verdict", "asked", "expected"),
    [
        ("class collapse", "collapse", "right"),
        ("healthy", "collapse", "wrong"),
        ("too loose", "collapse", "wrong"),
        ("class structure lost", "loose", "right"),
        ("too little", "loose", "wrong"),
        ("healthy", "healthy", "right"),
        ("too loose", "healthy", "wrong"),
        ("cannot tell", "healthy", "cannot tell"),
        ("healthy", None, "not counted"),
    ],
)
def test_outcomes(judge, verdict, asked, expected):
    assert judge.outcome(verdict, asked) == expected


def test_end_to_end_and_from_what_is_trained(judge, tmp_path, monkeypatch, capsys):
    """A short training on Gaussians is written, judged again without training to the same bytes, and counted."""
    monkeypatch.setattr(judge, "HERE", tmp_path)
    monkeypatch.setattr(judge, "data_of", lambda *_: synthetic((20,) * 8))
    short = replace(judge.STUDIES["gaussians"], alphas=(0, 0.3), epochs=2, batch=80, seeds=2)
    monkeypatch.setattr(judge, "STUDIES", {"gaussians": short})
    judge.study_again("gaussians", None, tmp_path)
    written = (tmp_path / "gaussians.json").read_text()
    networks = json.loads(written)["networks"]
    assert [(r["seed"], r["alpha"]) for r in networks] == [(0, 0), (0, 0.3), (1, 0), (1, 0.3)]
    assert networks[0]["probe_fine"] != networks[2]["probe_fine"]
    parts = [sum(r[k] for k in ("common_mean", "between", "view_noise", "confusion", "free_spread")) for r in networks]
    assert parts == pytest.approx([1] * 4, abs=0.02)

    monkeypatch.setattr(judge.Stack, "step", lambda *_: pytest.fail("trained again"))
    judge.study_again("gaussians", None, tmp_path)
    assert (tmp_path / "gaussians.json").read_text() == written
    judge.count()
    assert "| gaussians |" in capsys.readouterr().out


def test_kept_networks_of_other_weights_are_trained_again(judge, tmp_path):
    data, study = synthetic((20,) * 8), replace(judge.STUDIES["gaussians"], epochs=1, batch=80)
    stacks = [judge.trained(study, data, 0, alphas, 0.1, tmp_path / "kept.pt") for alphas in ((0, 0.3), (0, 0.5))]
    first, second = (stack.embed(data.x.flatten(1), 1) for stack in stacks)
    assert not torch.equal(first, second)


def test_the_page_shows_what_is_counted(judge, capsys):
    judge.count()
    page = (ROOT / "validation" / "verdicts" / "README.md").read_text()
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line for line in table if line not in page] == []
