"""`--fix`: what is written, what stays byte for byte, and what is refused."""

from __future__ import annotations

import os
import re
import stat

import pytest
from typer.testing import CliRunner

from ssem_advisor.cli import app
from ssem_advisor.domain import AdvisorError
from ssem_advisor.files import write_atomically
from ssem_advisor.lint import Session
from ssem_advisor.lint.fix import mend

SHAPES = {
    "train.yaml": """\
# our run
seed: 1   # keep
temperature: {tau}   # softmax

alpha:   {alpha}  # weight of the self-supervised term
n_augment: 2
balanced_batch: true
batch_size: 250
dim: 128
num_classes: 10
""",
    "train.toml": """\
# our run
n_augment = 2
balanced_batch = true
temperature = {tau} # softmax
alpha =    {alpha}
batch_size = 250
dim = 128
num_classes = 10
""",
    "train.json": """\
{{
\t"temperature": {tau}, "alpha" : {alpha},
\t"n_augment": 2, "balanced_batch": true,
\t"batch_size": 250, "dim": 128, "num_classes": 10
}}
""",
    "run.sh": """\
#!/bin/bash
export CUDA_VISIBLE_DEVICES=0   # one device
python main.py --alpha={alpha} \\
    --temperature {tau} --n_augment 2 --balanced_batch \\
    --batch_size 250 --dim 128 --n_label 10
""",
    "train.py": """\
config = dict(
    temperature={tau},  # softmax
    alpha={alpha},
    n_augment=2,
    balanced_batch=True,
    batch_size=250,
    dim=128,
    num_classes=10,
)
""",
}

REST = "n_augment: 2\nbalanced_batch: true\nbatch_size: 250\ndim: 128\nnum_classes: 10\n"
ARGS = "n_augment=2, balanced_batch=True, batch_size=250, dim=128, num_classes=10)\n"
FLAGS = "--n_augment 2 --balanced_batch --batch_size 250 --dim 128 --n_label 10\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fixed(path):
    session = Session()
    return mend(session.read(path), session)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("tau", "alpha"), [(0.5, 0.1), (0.5, 0.58), (0.2, 0.95), (0.1, 0.01), (40.0, 0.5)])
def test_after_a_fix_the_file_is_clean_and_all_else_unchanged(folder, name, tau, alpha):
    before = SHAPES[name].format(tau=tau, alpha=alpha)
    path = folder / name
    path.write_bytes(before.encode())
    change = fixed(path)
    assert change.changes
    assert not change.refusals
    change.write()
    after = path.read_text()
    assert Session().check_paths([name]).active == []
    run = Session().read(path).runs[0]
    assert after == SHAPES[name].format(tau=run.fields["temperature"].raw, alpha=run.fields["alpha"].raw)
    assert fixed(path).text == after


@pytest.mark.parametrize("tau", [0.03, 0.07, 0.1, 0.13, 0.2])
def test_the_weight_that_is_written_is_the_one_that_recommend_prints(folder, tau):
    (folder / "train.yaml").write_text(SHAPES["train.yaml"].format(tau=tau, alpha=0.001))
    told = CliRunner().invoke(app, f"recommend --config train.yaml --temperature {tau}".split()).stdout
    session = Session()
    mended = mend(session.read(folder / "train.yaml"), session)
    assert re.search(r"^Set +(alpha = \S+)", told, re.M)[1] == mended.changes[0].partition(" (")[0]


def test_alpha_alone_is_set_where_that_is_enough(folder):
    (folder / "train.yaml").write_text(SHAPES["train.yaml"].format(tau=0.1, alpha=0.01))
    (change,) = fixed(folder / "train.yaml").changes
    assert change.startswith("alpha = ")
    assert change.endswith("(line 5)")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_newlines_encoding_and_permissions_stay(folder, newline, encoding):
    text = SHAPES["train.yaml"].format(tau=0.5, alpha=0.1).replace("our run", "Träining ∀").replace("\n", newline)
    path = folder / "train.yaml"
    path.write_bytes(text.encode(encoding))
    path.chmod(0o640)
    change = fixed(path)
    change.write()
    assert path.read_bytes() == change.text.encode(encoding)
    assert path.read_bytes().decode(encoding).replace(newline, "").count("\n") == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(folder) == ["train.yaml"]


def test_a_link_stays_a_link(folder):
    (folder / "real.yaml").write_text(SHAPES["train.yaml"].format(tau=0.5, alpha=0.1))
    (folder / "train.yaml").symlink_to("real.yaml")
    fixed(folder / "train.yaml").write()
    assert (folder / "train.yaml").is_symlink()
    assert Session().check_paths(["real.yaml"]).active == []


def test_quotes_and_signs_around_a_number_stay(folder):
    text = SHAPES["run.sh"].format(tau=0.2, alpha=0.02).replace("--temperature 0.2", "--temperature '0.2'")
    (folder / "run.sh").write_text(text)
    assert "--temperature '0.2'" in fixed(folder / "run.sh").text


def test_several_commands_are_mended_one_by_one(folder):
    command = SHAPES["run.sh"].format(tau="{}", alpha="{}").partition("\n")[2].partition("\n")[2]
    text = command.format(0.1, 0.5) + "# second\n" + command.format(0.02, 0.1) + command.format(0.3, 0.1)
    (folder / "run.sh").write_text(text)
    change = fixed(folder / "run.sh")
    change.write()
    assert Session().check_paths(["run.sh"]).active == []
    assert change.text.count("# second\n") == 1
    assert change.text.endswith(command.format(0.3, 0.1))


def test_a_suppressed_finding_is_left_alone(folder):
    text = SHAPES["train.yaml"].format(tau=0.1, alpha=0.01).replace("# weight", "# ssem: ignore[SSM1] on purpose")
    text = text.replace("# softmax", "# ssem: ignore[SSM103] on purpose")
    (folder / "train.yaml").write_text(text)
    assert fixed(folder / "train.yaml").text == text


def refusals(folder, name, text):
    (folder / name).write_text(text)
    change = fixed(folder / name)
    assert change.text == text
    assert change.changes == []
    return change.refusals


def test_a_weight_that_is_concluded_from_others_is_refused_politely(folder):
    text = """\
loss: {supcon_weight: 99.0, simclr_weight: 1.0, temperature: 0.5}
data: {num_classes: 10, batch_size: 256, n_views: 2}
model: {projection_dim: 128}
"""
    (refusal,) = refusals(folder, "train.yaml", text)
    assert refusal == "train.yaml:1: SSM101 not fixed: alpha is inferred, not written in the file"


def test_values_that_the_code_assumes_are_refused_politely(folder):
    text = "n_augment: 2\nbalanced_batch: true\nbatch_size: 400\ndim: 256\nnum_classes: 200\n"
    (refusal,) = refusals(folder, "train.yaml", text)
    assert refusal.endswith(
        "not fixed: alpha is assumed, not written in the file; temperature is assumed, not written in the file"
    )


def test_a_fix_that_would_cause_another_finding_is_refused(folder):
    text = (
        SHAPES["train.yaml"]
        .format(tau=2.0, alpha=0.1)
        .replace("dim: 128", "dim: 2048")
        .replace("batch_size: 250", "batch_size: 4000")
        .replace("num_classes: 10", "num_classes: 1000\nprecision: fp16")
    )
    (refusal,) = refusals(folder, "train.yaml", text)
    assert refusal.endswith("no recommended value mends it")
    (folder / "train.yaml").write_text(text.replace("fp16", "fp32"))
    assert fixed(folder / "train.yaml").changes


def test_a_value_of_an_included_file_is_not_written_through_the_including_one(folder):
    (folder / "base.yaml").write_text(SHAPES["train.yaml"].format(tau=0.5, alpha=0.1))
    (refusal,) = refusals(folder, "child.yaml", "_base_: base.yaml\nepochs: 3\n")
    assert refusal.startswith("base.yaml:3: SSM103, SSM101 not fixed: alpha stands in base.yaml, which has to be given")
    fixed(folder / "base.yaml").write()
    assert Session().check_paths(["."]).active == []


def test_a_constant_is_mended_where_it_stands(folder):
    text = SHAPES["train.py"].format(tau=0.2, alpha="WEIGHT")
    (folder / "train.py").write_text("WEIGHT = 0.02  # of the self-supervised term\n" + text)
    change = fixed(folder / "train.py")
    assert change.text.partition("\n")[2] == text
    assert re.match(r"WEIGHT = 0\.[1-9]\d*  # of the self-supervised term\n", change.text)


SHARED = {
    "anchor.yaml": "optimizer:\n  lr: &w {alpha}\ntemperature: &t {tau}\nmargin: *t\nalpha: *w\n" + REST,
    "same_name.yaml": "teacher: {{alpha: &w {alpha}, T: &t {tau}}}\nalpha: *w\ntemperature: *t\n" + REST,
    "reference.yaml": "lr: {alpha}\nkd: {tau}\nalpha: ${{lr}}\ntemperature: ${{kd}}\n" + REST,
    "asked.yaml": "alpha: {alpha}\ntemperature: {tau}\nlr: ${{alpha}}\nkd: {{T: '${{mul:${{temperature}},2}}'}}\n"
    + REST,
    "merge.yaml": "base: &base {{alpha: {alpha}, temperature: {tau}}}\n<<: *base\nother: *base\n" + REST,
    "constant.py": "W = {alpha}\nT = {tau}\noptimizer = dict(lr=W, wd=T)\nconfig = dict(alpha=W, temperature=T, "
    + ARGS,
    "unseen.py": "W = {alpha}\nT = {tau}\nstep(W * T)\nconfig = dict(alpha=W, temperature=T, " + ARGS,
    "keyword.py": "alpha = {alpha}\ntemperature = {tau}\nSGD(lr=alpha, wd=temperature)\n"
    "config = dict(alpha=alpha, temperature=temperature, " + ARGS,
    "flags.sh": "W={alpha}\nT={tau}\npython main.py --lr $W --wd $T --alpha $W --temperature $T " + FLAGS,
    "echo.sh": "W={alpha}\nT={tau}\necho $W ${{T}} > log\npython main.py --alpha $W --temperature $T " + FLAGS,
    "exported.sh": "export W={alpha} T={tau}\npython main.py --alpha $W --temperature $T " + FLAGS,
}


@pytest.mark.parametrize("name", SHARED)
def test_a_place_that_another_key_reads_is_never_written(folder, name):
    text = SHARED[name].format(tau=0.5, alpha=0.1)
    (folder / name).write_text(text)
    assert [run.kind for run in Session().read(folder / name).runs] == ["supcon+self"]
    (refusal,) = refusals(folder, name, text)
    assert "is also read by" in refusal
    assert "give alpha a value of its own" in refusal


ELSEWHERE = {
    "hydra group": (
        "config.yaml",
        "defaults:\n  - opt: sgd\n  - _self_\nalpha: {alpha}\ntemperature: {tau}\n" + REST,
        {"opt/sgd.yaml": "lr: ${alpha}\nkd: {T: '${mul:${temperature},2}'}\n"},
    ),
    "the whole asks for the group": (
        "loss/mix.yaml",
        "alpha: {alpha}\ntemperature: {tau}\n" + REST,
        {"config.yaml": "defaults:\n  - loss: mix\nlr: ${loss.alpha}\nkd: ${loss.temperature}\n"},
    ),
    "constant of a module": (
        "base.py",
        "W = {alpha}\nT = {tau}\nconfig = dict(alpha=W, temperature=T, " + ARGS,
        {"train.py": "from base import T, W, config\n\noptimizer = SGD(lr=W, weight_decay=T)\n"},
    ),
    "sourced script": (
        "env.sh",
        "W={alpha}\nT={tau}\npython main.py --alpha $W --temperature $T " + FLAGS,
        {"more.sh": "source env.sh\npython other.py --lr $W --decay ${T}\n"},
    ),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_place_that_another_file_reads_is_never_written(folder, name):
    path, text, others = ELSEWHERE[name]
    text = text.format(tau=0.5, alpha=0.1)
    for other, content in {path: text, **others}.items():
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_text(content)
    (refusal,) = refusals(folder, path, text)
    (other,) = others
    assert f"in {other}; give alpha a value of its own" in refusal
    for other in others:
        (folder / other).unlink()
    if path != "config.yaml":  # which now includes a file that is not there
        assert fixed(folder / path).changes


def test_a_place_of_the_same_name_elsewhere_is_no_reader(folder):
    (folder / "train.yaml").write_text(SHAPES["train.yaml"].format(tau=0.5, alpha=0.1))
    (folder / "other.yaml").write_text("model: {alpha: 3}\nlr: ${model.alpha_scale}\nalpha: ${kd.alpha}\n")
    assert fixed(folder / "train.yaml").changes


def test_a_key_of_its_own_is_written_where_another_is_shared(folder):
    text = SHAPES["train.yaml"].format(tau=0.5, alpha="*weight")
    (folder / "train.yaml").write_text("weight: &weight 0.3\n" + text)
    assert fixed(folder / "train.yaml").text == "weight: &weight 0.3\n" + text.replace("0.5", "0.1")


def test_a_variable_of_one_flag_is_written(folder):
    text = (
        "W={}\npython main.py --alpha $W --temperature 0.2 "
        + FLAGS
        + "python main.py --alpha=$W --temperature 0.2 "
        + FLAGS
    )
    (folder / "run.sh").write_text(text.format(0.02))
    after = fixed(folder / "run.sh").text
    assert after == text.format(after[2 : after.index("\n")])
    assert Session().check(Session().read(folder / "run.sh", after)).active == []


def test_a_file_that_changed_meanwhile_is_not_overwritten(folder):
    path = folder / "train.yaml"
    path.write_text(SHAPES["train.yaml"].format(tau=0.5, alpha=0.1))
    change = fixed(path)
    path.write_text("someone: else\n")
    with pytest.raises(AdvisorError, match="changed while it was checked"):
        change.write()
    assert path.read_text() == "someone: else\n"


def test_the_diff_applies_with_patch(folder):
    import shutil
    import subprocess

    path = folder / "train.yaml"
    path.write_text(SHAPES["train.yaml"].format(tau=0.5, alpha=0.1))
    change = fixed(path)
    assert change.diff().startswith("--- a/train.yaml\n+++ b/train.yaml\n")
    if shutil.which("patch"):
        subprocess.run(["patch", "-p1"], input=change.diff(), text=True, check=True, capture_output=True)
        assert path.read_text() == change.text


def test_writing_into_a_folder_without_permission_is_one_clear_line(folder):
    with pytest.raises(AdvisorError, match="cannot be written"):
        write_atomically(folder / "missing" / "file", b"")
    assert os.listdir(folder) == []
