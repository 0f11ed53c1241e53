"""Each format's reader against the parser that training programs use, and its positions against the text."""

import json
import shlex
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssem_advisor.config import (
    OwnConfig,
    from_json,
    from_python,
    from_shell,
    from_toml,
    from_yaml,
    read,
    read_setting,
    scalars,
)
from ssem_advisor.config.tree import UNKNOWN, Text
from ssem_advisor.domain import AdvisorError

yaml = pytest.importorskip("yaml")


def flat(node, path=()):
    if isinstance(node, dict):
        return {key: value for name, inner in node.items() for key, value in flat(inner, (*path, name)).items()}
    if isinstance(node, list):
        return {key: value for i, inner in enumerate(node) for key, value in flat(inner, (*path, i)).items()}
    return {path: node}


def leaves_of(leaves, text):
    for leaf in leaves:
        place = leaf.location
        assert text[place.start : place.end] == leaf.raw
    return {leaf.path: leaf.value for leaf in leaves}


# -- YAML ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "1e-1",
        "1.0e-1",
        "1.e-1",
        "1e5",
        "1.0e5",
        "1.5e+3",
        ".5",
        "-.5",
        "5.",
        "0.1",
        "+1",
        "-0",
        "1_000",
        "1_0.5",
        "on",
        "Off",
        "YES",
        "no",
        "y",
        "N",
        "True",
        "FALSE",
        "tRue",
        "~",
        "null",
        "Null",
        "nULL",
        ".inf",
        "-.INF",
        ".nan",
        "nan",
        "inf",
        "0.1.2",
        "1e",
        "e1",
        "--1",
        "01.5",
        "1__0",
        "_1",
        "0",
        "00.1",
    ],
)
def test_plain_scalars_are_those_of_pyyaml(text):
    want, got = yaml.safe_load(text), scalars.yaml(text)[0]
    assert type(got) is type(want)
    assert got == want or got != got


@given(st.text("0123456789eE+-._:xobnaftrulsy", min_size=1, max_size=8))
def test_no_scalar_is_read_otherwise_than_by_pyyaml(text):
    try:
        want = yaml.load(f"k: {text}", yaml.SafeLoader)["k"]
    except (yaml.YAMLError, ValueError, TypeError):
        return
    got = scalars.yaml(text)[0]
    if got is not UNKNOWN and isinstance(want, (str, bool, int, float, type(None))):
        assert type(got) is type(want)
        assert got == want or got != got


@pytest.mark.parametrize(
    ("text", "quirk"),
    [
        ("1e-1", "string-number"),
        ("-.5", "string-number"),
        ("on", "word-bool"),
        ("010", "odd-number"),
        ("1:30", "odd-number"),
        ("0.1", ""),
        ("true", ""),
    ],
)
def test_what_parsers_disagree_about_is_marked(text, quirk):
    assert scalars.yaml(text)[1] == quirk


YAML = """\
a: &a {x: 1, y: [2, 'three', "four"]}
b:
  <<: *a
  x: 10
c: [*a, {<<: [*a, {z: 5}]}]
"d e": |
  long
  text
f: >-
  folded
  text
g: !!str 5
h: !!float 3
i:
? j
: k
l: -1.5   # comment
"""


def test_yaml_documents_are_those_of_pyyaml():
    ((leaves, traps),) = from_yaml.read(Text(YAML))
    assert {leaf.path: leaf.value for leaf in leaves} == flat(yaml.safe_load(YAML))
    assert traps == []


def test_custom_tags_build_nothing():
    ((leaves, _),) = from_yaml.read(Text("a: !!python/object/apply:os.system ['touch /tmp/x']\nb: !ENV ${T}\n"))
    assert {leaf.path: leaf.value for leaf in leaves} == {("a", 0): "touch /tmp/x", ("b",): UNKNOWN}


# -- JSON and TOML ------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text(max_size=5), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=5), values, min_size=1, max_size=3),
    st.sampled_from([None, 2, "\t"]),
    st.booleans(),
)
def test_json_is_that_of_the_standard_library(data, indent, ascii_only):
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only)
    leaves, _ = from_json.read(Text(text))
    assert leaves_of(leaves, text) == {path: value for path, value in flat(json.loads(text)).items() if path}


def test_json_comments_and_repeated_keys():
    leaves, traps = from_json.read(Text('{"a": {"b": 1}, // one\n "a": {"c": 2}, /* two */ "d": [1, 2,],}'))
    assert {leaf.path: leaf.value for leaf in leaves} == {("a", "c"): 2, ("d", 0): 1, ("d", 1): 2}
    assert [trap.name for trap in traps] == ["duplicate-key"]


TOML = '''\
title = "a # not a comment"
[loss] # comment
"temperature" = 1_000.5
name = 'su"pcon'
many = [ 1, 2, # two
  [3, "]"], { a = 1, b.c = true } ]
long = """
a " quote ""
"""
raw = \'\'\'x'y\'\'\'
when = 1979-05-27 07:32:00
inf = -inf
[a."b c".d]
e.f = 1
[[run]]
t = 0.1
[[run]]
t = 0.2
  [run.sub]
  u = 3
  [[run.deep]]
  v = 1
  [[run.deep]]
  v = 2
'''


def test_toml_is_that_of_the_standard_library():
    assert leaves_of(from_toml.read(Text(TOML)), TOML) == flat(tomllib.loads(TOML))


# -- shell --------------------------------------------------------------------------------------------------------


def launches(text, **options):
    return list(from_shell.read(Text(text), Path("x.sh"), **options))


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0\r\n", codec="ascii"), min_size=1, max_size=6),
        min_size=1,
        max_size=4,
    )
)
def test_quoted_words_are_those_of_the_shell(words):
    text = "python x.py " + " ".join(f"--k{i}={shlex.quote(word)}" for i, word in enumerate(words))
    (tree,) = launches(text)
    assert [leaf.value for leaf in tree.leaves] == [
        scalars.word(w) if not w.startswith("[") else UNKNOWN for w in words
    ]


@pytest.mark.parametrize(
    ("line", "script"),
    [
        ("python a/b/train.py", "train"),
        ("python3.11 -u -m pkg.sub.train", "train"),
        ("CUDA_VISIBLE_DEVICES=0 nohup python train.py", "train"),
        ("srun --gres gpu:1 python train.py", "train"),
        ("torchrun --nproc_per_node 4 train.py", "train"),
        ("python -m torch.distributed.launch --nproc_per_node=2 --use_env train.py", "train"),
        ("accelerate launch --config_file a.yaml -m pkg.train", "train"),
        ("poetry run python train.py", "train"),
        ("$ python train.py", "train"),
        ("cd x && python train.py | tee log", "train"),
        ("if true; then python train.py; fi", "train"),
        ("./train.py", "train"),
        ("/usr/bin/env python train.py", "train"),
    ],
)
def test_launch_lines_are_recognised(line, script):
    assert [tree.script for tree in launches(f"{line} --temp 0.1")] == [script]


@pytest.mark.parametrize(
    "line",
    [
        "echo python",
        "python -c 'import x'",
        "pip install supcon",
        "python --version",
        "# python a.py --temp 1",
        "python",
    ],
)
def test_other_lines_start_nothing(line):
    assert launches(line) == []


def test_only_code_blocks_of_a_page_are_read():
    text = (
        "python a.py --t 1\n\n```bash\n$ python b.py --t 2\n```\n\n    python c.py --t 3\n\n    python d.py\n"
        "```yaml\npython e.py\n```\n~~~~\npython f.py\n~~~\n~~~~\n- item\n\n"
    )
    assert [tree.script for tree in launches(text, markdown=True)] == ["b", "c", "d", "f"]


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("T=0.1\npython x.py --t $T", 0.1),
        ("export T='0.1'\npython x.py --t \"${T}\"", 0.1),
        ("T=0.1\nT=0.2\npython x.py --t $T", UNKNOWN),
        ("T=$1\npython x.py --t $T", UNKNOWN),
        ("T=0.1 python x.py --t $T", UNKNOWN),
        ("if x; then\nT=0.1\nfi\npython x.py --t $T", UNKNOWN),
        ("for T in 1 2; do python x.py --t $T; done", UNKNOWN),
        ("f() {\nT=0.1\n}\npython x.py --t $T", UNKNOWN),
        ("read T\npython x.py --t $T", UNKNOWN),
        ("T=0.1\npython x.py --t ${T:-0.5}", UNKNOWN),
        ("T=0.1\npython x.py --t 1$T", UNKNOWN),
        ("python x.py --t $(cat t)", UNKNOWN),
        ("python x.py --t '$T'", "$T"),
        ("T=0.1\nwhile true; do T=0.2; done\npython x.py --t $T", UNKNOWN),
        ("python x.py --t $T\nT=0.1", 0.1),
    ],
)  # fmt: skip
def test_variables(script, value):
    (tree,) = launches(script)
    assert tree.leaves[-1].value is value or tree.leaves[-1].value == value


# -- Python -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "path", "value"),
    [
        ("T = 0.1", ("T",), 0.1),
        ("T: float = -0.1", ("T",), -0.1),
        ("T = 2 ** 10 // 4", ("T",), 256),
        ("T = 9 ** 9 ** 9", ("T",), UNKNOWN),
        ("T = 1 / 0", ("T",), UNKNOWN),
        ("T = 0.1\nT = 0.2", ("T",), UNKNOWN),
        ("T = 0.1\nT += 0.2", ("T",), UNKNOWN),
        ("T = 0.1\nfor T in x: pass", ("T",), UNKNOWN),
        ("T = 0.1\ndef f():\n    global T\n    T = 2", ("T",), UNKNOWN),
        ("T = float('0.1')", ("T", "__call__"), "float"),
        ("T = 0.1\nc = dict(a=dict(t=T))", ("c", "a", "t"), 0.1),
        ("c = {'a': [1, {'t': 2}]}", ("c", "a", 1, "t"), 2),
        ("c = dict(t=0.1)\nl = SupConLoss(temperature=c['t'])", ("SupConLoss", "temperature"), 0.1),
        ("from losses import SupConLoss\nl = SupConLoss(0.3)", ("SupConLoss", "temperature"), 0.3),
        ("p.add_argument('-t', '--my-temp', type=float, default='1e-1')", ("my_temp",), 0.1),
        ("p.add_argument('--t', dest='tau', default=1)", ("tau",), 1),
        ("p.add_argument('--t', action='store_true')", ("t",), False),
        ("p.add_argument('--t', default=1)\nq.add_argument('--t', default=2)", ("t",), UNKNOWN),
        ("p.add_argument('--t', default=1)\np.set_defaults(t=2)", ("t",), 2),
        ("p.add_argument('--t', default=0.1)\nSupConLoss(temperature=args.t)", ("SupConLoss", "temperature"), 0.1),
        ("p.add_argument('--t', required=True)", ("t",), UNKNOWN),
    ],
)  # fmt: skip
def test_python_by_its_syntax_alone(source, path, value):
    found = leaves_of(from_python.read(Text(source)), source)
    assert found[path] is value or found[path] == value


def test_python_is_never_run(tmp_path):
    marker = tmp_path / "ran"
    from_python.read(Text(f"open({str(marker)!r}, 'w')\nloss = SupConLoss(temperature=open({str(marker)!r}, 'w'))\n"))
    assert not marker.exists()


def test_commands_inside_quotes_are_read():
    text = 'CMD="python a.py --t 0.1"\nbash -c \'cd x && python -m p.b --t 0.2\'\necho "python c.py --t 0.3"\n'
    trees = launches(text)
    assert [tree.script for tree in trees] == ["a", "b"]
    for tree in trees:
        assert leaves_of(tree.leaves, text)


@pytest.mark.parametrize(
    ("rest", "complete"),
    [('"$@"', False), ("$*", False), ("${EXTRA[@]}", False), ("--cosine $@", False), ("$DATA", True)],
)
def test_flags_that_the_caller_adds_leave_the_command_incomplete(rest, complete):
    (tree,) = launches(f"python main_supcon.py --temp 0.1 {rest}")
    assert tree.complete is complete


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("torchrun --nproc_per_node 8 train.py --loss supcon", 8),
        ("torchrun --nnodes 2 --nproc_per_node 8 train.py --loss supcon", 16),
        ("torchrun --nnodes $N --nproc_per_node 8 train.py --loss supcon", None),
        ("python train.py --loss supcon --devices 0,1,3", 3),
        ("python train.py --loss supcon --devices -1", None),
    ],
)
def test_devices_of_all_nodes(line, value):
    (run,) = read("-", text=f"#!/bin/sh\n{line}\n").runs
    assert run.get("world_size") == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("temperature", "0"),
        ("temperature", "-0.1"),
        ("temperature", ".inf"),
        ("alpha", "1.5"),
        ("alpha", "-0.1"),
        ("batch_size", "2.5"),
        ("batch_size", "0"),
        ("classes", "1"),
    ],
)
def test_a_value_outside_its_domain_is_unknown_and_said(key, text):
    name = "num_classes" if key == "classes" else key
    config = f"n_augment: 2\nbalanced_batch: true\nepochs: 1\n{name}: {text}\n"
    (run,) = read("x.yaml", text=config).runs
    assert key not in run.fields
    assert "out-of-domain" in {trap.name for trap in run.traps}


def test_read_setting_gives_the_facts_of_the_run_that_matters_most_with_their_places(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(
        "loss: {supcon_weight: 0.7, simclr_weight: 0.3, temperature: 0.2}\nbatch_size: 256\ndataset: cifar100\n"
    )
    found = read_setting(path)
    assert found.run.kind == "supcon+self"
    assert found.run.known().items() >= {"temperature": 0.2, "batch_size": 256, "classes": 100}.items()
    assert found.run.setting().alpha == pytest.approx(0.3)
    assert (found.facts["batch_size"].location.line, found.facts["classes"].origin) == (2, "inferred")
    assert found.missing == ()


TWICE = {
    "x.yaml": "loss: supcon\nbatch_size: 64\ntrain:\n  batch_size: {}\n",
    "x.json": '{{"loss": "supcon",\n"batch_size": 64,\n"train": {{\n"batch_size": {}}}}}',
    "x.toml": "loss = 'supcon'\nbatch_size = 64\n[train]\nbatch_size = {}\n",
    "x.py": "loss = 'supcon'\nbatch_size = 64\ntrain = dict(\n    batch_size={},\n)\n",
}


@pytest.mark.parametrize("name", TWICE)
def test_a_value_taken_against_another_of_the_file_says_so(name):
    (run,) = read(name, text=TWICE[name].format(512)).runs
    found = run.fields["batch_size"]
    assert (found.value, found.location.line, found.contradicted) == (512, 4, True)
    assert found.reason == "line 2 says batch_size = 64"
    (run,) = read(name, text=TWICE[name].format(64)).runs
    assert (run.get("batch_size"), run.fields["batch_size"].contradicted) == (64, False)


@pytest.mark.parametrize(
    ("text", "quantity", "value"),
    [
        ("temperature: 0.5\nsupcon: {temperature: 0.1}\n", "temperature", 0.1),
        ("temperature: 0.5\nloss: {type: SupConLoss, temperature: 0.1}\n", "temperature", 0.1),
        ("loss: supcon\nteacher: {temperature: 4}\ntrain: {temperature: 0.1}\n", "temperature", 0.1),
        ("loss: supcon\neval: {batch_size: 64}\ntrain: {batch_size: 512}\n", "batch_size", 512),
        ("loss: supcon\nlinear_probe: {num_classes: 7}\ntrain: {num_classes: 10}\n", "classes", 10),
        ("loss: supcon\ndim: 2048\nhead: {dim: 128}\n", "dim", 128),
        ("loss: supcon\nbatch_size: ???\ntrain: {batch_size: 512}\n", "batch_size", 512),
    ],
)
def test_a_section_that_decides_is_no_contradiction(text, quantity, value):
    (run,) = read("x.yaml", text=text).runs
    assert (run.get(quantity), run.fields[quantity].contradicted) == (value, False)


def test_a_key_named_by_the_user_is_no_contradiction():
    own = OwnConfig(fields={"batch_size": ("train.batch_size",)})
    (run,) = read("x.yaml", own, TWICE["x.yaml"].format(512)).runs
    assert (run.get("batch_size"), run.fields["batch_size"].contradicted) == (512, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "no such file"), ("supcon: [1\n", "could not be read"), ("optimizer: {lr: 0.1}\n", "no contrastive loss")],
)
def test_read_setting_says_why_there_is_no_setting(tmp_path, text, says):
    path = tmp_path / "train.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AdvisorError, match=says):
        read_setting(path)


@pytest.mark.parametrize(
    "script",
    [
        'FLAGS="--temp 0.2 --batch_size 64"\npython train.py --loss supcon $FLAGS\n',
        'FLAGS=(--temp 0.2 --batch_size 64)\npython train.py --loss supcon "${FLAGS[@]}"\n',
        "PYTHON=/opt/bin/python3\n${PYTHON} -m pkg.train --loss supcon --temp 0.2 --batch_size 64\n",
        "python train.py --config conf/a.yaml --loss supcon --batch_size 64\n",
        "python train.py -c conf/a.yaml --batch_size 64 --loss supcon\n",
    ],
)
def test_variables_arrays_and_config_files_of_a_launch_line_are_read(tmp_path, script):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.yaml").write_text("loss: {temperature: 0.2}\nbatch_size: 32\n")
    (tmp_path / "run.sh").write_text(script)
    (run,) = read(tmp_path / "run.sh").runs
    assert (run.kind, run.get("temperature"), run.get("batch_size")) == ("supcon", 0.2, 64)


def test_a_config_file_outside_the_project_is_not_opened(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "setup.py").write_text("")
    (tmp_path / "secret.yaml").write_text("loss: {temperature: 0.2}\n")
    (project / "run.sh").write_text("python train.py --config ../secret.yaml --loss supcon --batch_size 64\n")
    (run,) = read(project / "run.sh").runs
    assert run.get("temperature") is None


@pytest.mark.parametrize(
    ("body", "temperature"),
    [
        ("config.loss.name = 'supcon'\nconfig.loss.temperature = 0.2\nconfig.batch_size = 64\n", 0.2),
        ("_C.LOSS.NAME = 'SupCon'\n_C.LOSS.TEMPERATURE = 0.2\n_C.BATCH_SIZE = 64\n", 0.2),
        ("def get_config():\n    return dict(loss='supcon', temperature=0.2, batch_size=64)\n", 0.2),
        ("if __name__ == '__main__':\n    loss = 'supcon'\n    temperature = 0.2\n    batch_size = 64\n", 0.2),
        ("A = 0\nbsz = 64\nif A:\n    c = SupConLoss(1)\nelse:\n    c = SupConLoss(temperature=0.2)\n", 0.2),
    ],
)  # fmt: skip
def test_python_configs_in_objects_functions_and_branches(body, temperature):
    (run,) = read(Path("config.py"), text=body).runs
    assert (run.kind, run.get("temperature"), run.get("batch_size")) == ("supcon", temperature, 64)


@pytest.mark.parametrize("default", ["False", "None", "0"])
def test_a_loss_behind_a_flag_that_is_off_is_not_the_loss(default):
    text = f"USE = {default}\nbatch_size = 64\nlr = 0.1\nif USE:\n    c = SupConLoss(temperature=0.2)\n"
    assert read(Path("train_x.py"), text=text).runs == []


@pytest.mark.parametrize(
    ("text", "alpha"),
    [
        ("loss: {name: supcon_simclr_mix, lambda_self: 0.3, lambda_sup: 1.0, temperature: 0.1}\n", 0.3 / 1.3),
        ("loss: {name: supcon, self_supervised_weight: 0.6, temperature: 0.1}\nbatch_size: 64\n", 0.6),
        ("loss: {name: supcon, self_weight: 1.0, temperature: 0.1}\nbatch_size: 64\n", None),
    ],
)
def test_a_weight_of_a_self_supervised_term_makes_a_mixture(text, alpha):
    (run,) = read(Path("train.yaml"), text=text).runs
    assert run.kind == "supcon+self"
    assert run.get("alpha") == (None if alpha is None else pytest.approx(alpha))


def test_the_own_configuration_may_state_a_share_of_two_weights():
    own = OwnConfig(fields={"alpha": ("loss.b / (loss.a + loss.b)",)})
    text = "loss: {name: supcon, a: 3.0, b: 1.0, temperature: 0.1}\nbatch_size: 64\n"
    (run,) = read(Path("train.yaml"), own, text).runs
    assert (run.kind, run.get("alpha"), run.fields["alpha"].location.line) == ("supcon+self", 0.25, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run_scl.sh", "python run_scl.py --batch_size 64 --temperature 0.1\n"),
        ("a.sh", "python main.py --module supsimclr --batch_size 64 --lr 1\n"),
        ("b.yaml", "model: {loss_type: sg_scl}\nbatch_size: 32\n"),
        ("c.yaml", "sup_t: 0.1\nuns_t: 0.5\nbatch_size: 64\nlr: 0.1\n"),
        ("d.py", "method = 'dualcl'\nbatch_size = 32\nlr = 1\n"),
        ("e.yaml", "losses: {ce: 1.0, contrastive: 0.5}\nbatch_size: 16\nepochs: 3\n"),
    ],
)
def test_a_word_that_may_mean_the_loss_is_no_clean_bill(name, text):
    (run,) = read(Path(name), text=text).runs
    assert run.kind == "unknown"
    assert "does not say which contrastive loss" in run.doubt


@pytest.mark.parametrize("above", ["losses.Spread", "losses.a.b", "model.losses.Spread"])
def test_a_loss_is_seen_at_any_depth_of_the_losses(above):
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(above.split("."))]
    text = "\n".join([*lines, f"{'  ' * len(lines)}type: l_spread", "temp: 0.5", "lr: 1"])
    assert [run.kind for run in read(Path("a.yaml"), text=text).runs] == ["supcon+self"]


@pytest.mark.parametrize("apart", [True, False])
def test_a_self_supervised_loss_built_beside_supcon_is_a_mixture(apart):
    """As the guide for pytorch-metric-learning shows it: its dialect alone would say plain SupCon."""
    built = ("SupConLoss(temperature=0.1)", "NTXentLoss(temperature=0.1)")
    lines = [f"sup = {built[0]}", f"own = {built[1]}"] if apart else [f"sup, own = {built[0]}, {built[1]}"]
    source = "from pytorch_metric_learning.losses import NTXentLoss, SupConLoss\n" + "\n".join(lines) + "\n"
    (run,) = read(Path("train.py"), text=source + "loss = (1 - w) * sup(z, y) + w * own(z, i)\n").runs
    assert run.kind == "supcon+self"
    assert "alpha" in run.missing
    (run,) = read(Path("train.py"), text=source.replace(built[1], "None") + "loss = sup(z, y)\n").runs
    assert run.kind == "supcon"


def test_a_single_value_in_a_search_space_is_no_choice():
    text = "search_space:\n  loss: {loss}\n  temperature: [0.1, 0.2]\nbatch_size: 128\nlr: 0.1\n"
    (run,) = read("a.yaml", text=text.replace("{loss}", "supcon")).runs
    assert (run.kind, run.get("temperature")) == ("supcon", None)
    assert read("a.yaml", text=text.replace("{loss}", "[supcon, ce]")).runs == []


@pytest.mark.parametrize("value", ["010", "1:30", "0x1F"])
def test_a_number_that_parsers_read_differently_is_said_to_be_one(value):
    (run,) = read("a.yaml", text=f"method: supcon\ntemperature: 0.1\nbatch_size: {value}\n").runs
    assert run.get("batch_size") is None
    assert [(trap.name, trap.detail) for trap in run.traps] == [("odd-number", f"parsers disagree about {value}")]
