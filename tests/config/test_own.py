"""Our own configuration: found, validated, and applied to the files it names."""

from pathlib import Path

import pytest

from ssem_advisor.config import OwnConfig, own, read
from ssem_advisor.domain import AdvisorError


def write(folder, text, name="pyproject.toml"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_nothing_to_find_gives_an_empty_one(tmp_path):
    assert own.load(write(tmp_path, "[project]\nname = 'x'\n")).fields == {}


def test_the_nearest_file_wins_and_nothing_is_merged(tmp_path):
    write(tmp_path, "[tool.ssem-advisor]\ngoal = 'transfer'\ndefaults.classes = 30\n")
    near = write(tmp_path / "a", "defaults.classes = 5\n", own.FILE_NAME)
    found = own.load(near / "b" / "config.yaml")
    assert (found.goal, dict(found.defaults), found.root) == (None, {"classes": 5}, near)
    assert own.load(tmp_path / "c").goal == "transfer"


def test_a_pyproject_without_our_section_is_passed_over(tmp_path):
    write(tmp_path, "goal = 'transfer'\n", own.FILE_NAME)
    write(tmp_path / "a", "[project]\nname = 'x'\n")
    assert own.load(tmp_path / "a").goal == "transfer"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dialects = ['sololearn']", "unknown dialect sololearn; did you mean solo-learn?"),
        ("goal = 'fame'", "goal = 'fame' must be one of"),
        ("defaults.classes = 1", "defaults.classes = 1 must be an integer >= 2"),
        ("defaults.classes = true", "must be an integer"),
        ("defaults.alpha = 1.5", "defaults.alpha = 1.5 must be a number in [0, 1]"),
        ("defaults.temperature = 0", "must be a number > 0"),
        ("defaults.temperature = nan", "must be a number > 0"),
        ("defaults.loss = 'triplet'", "must be one of"),
        ("defaults.kind = 'unknown'", "must be one of"),
        ("fields.alpha = 3", "must be a string or a list of strings"),
        ("fields = 3", "fields must be a table"),
        ("select = [1]", "select must be a string or a list of strings"),
        ("baseline = 1", "baseline must be the path of a file"),
        ("a = [", "is not valid TOML"),
        ("goal = '" + "x" * 3, "is not valid TOML"),
    ],
)
def test_a_mistake_is_one_line_with_place_and_remedy(tmp_path, text, said):
    write(tmp_path, text, own.FILE_NAME)
    with pytest.raises(AdvisorError) as caught:
        own.load(tmp_path)
    assert said in str(caught.value)
    assert str(tmp_path / own.FILE_NAME) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("feilds.temperature = 'a'", "feilds", "fields"),
        ("fields.temprature = 'a'", "fields.temprature", "temperature"),
        ("defaults.class = 3", "defaults.class", "classes"),
        ("per_file_ignores = {}", "per_file_ignores", "per-file-ignores"),
        ("[per-file.'a/*']\nbaseline = 'x'", 'per-file."a/*".baseline', "known: fields"),
    ],
)
def test_an_unknown_key_is_kept_with_a_hint(tmp_path, text, key, hint):
    found = own.load(write(tmp_path, text, own.FILE_NAME))
    assert hint in found.unknown[key]


def test_not_utf8_is_one_line(tmp_path):
    (tmp_path / own.FILE_NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AdvisorError, match="cannot be read"):
        own.load(tmp_path)


CONFIG = "loss:\n  kind: ours\n  self_weight: 0.2\n  temp_s: 0.1\nbatch_size: 64\n"


def document(tmp_path, text, name="a/train.yaml", config=CONFIG):
    write(tmp_path, text, own.FILE_NAME)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(config)
    return read(path, own.load(tmp_path))


def test_own_fields_make_an_unknown_config_readable(tmp_path):
    assert document(tmp_path, "").runs == []
    (run,) = document(
        tmp_path, "fields.alpha = 'loss.self_weight'\nfields.temperature = ['x', 'loss.temp_s']\ndefaults.classes = 30"
    ).runs
    assert (run.kind, run.missing) == ("supcon+self", ["views"])
    assert (run.get("alpha"), run.get("temperature"), run.get("classes")) == (0.2, 0.1, 30)
    assert (run.fields["alpha"].origin, run.fields["alpha"].location.line) == ("stated", 3)
    assert run.fields["classes"].origin == "assumed"


def test_own_fields_say_what_a_bare_alpha_is(tmp_path):
    config = "method: supcon\nalpha: 0.3\ntemperature: 0.1\n"
    assert document(tmp_path, "", config=config).runs[0].kind == "unknown"
    (run,) = document(tmp_path, "fields.alpha = 'alpha'", config=config).runs
    assert (run.kind, run.get("alpha")) == ("supcon+self", 0.3)
    assert "false-friend" not in {trap.name for trap in run.traps}


def test_own_defaults_give_way_to_what_the_file_says(tmp_path):
    config = "method: supcon\ndataset: cifar100\ntemperature: 0.2\n"
    (run,) = document(
        tmp_path, "defaults = {classes = 7, temperature = 0.1, dim = 64, kind = 'supcon'}", config=config
    ).runs
    assert (run.get("classes"), run.get("temperature"), run.get("dim")) == (100, 0.2, 64)


def test_a_default_alpha_makes_a_mixture(tmp_path):
    config = "method: supcon\ntemperature: 0.2\n"
    assert document(tmp_path, "defaults.alpha = 0.2", config=config).runs[0].kind == "supcon+self"


def test_no_default_takes_the_place_of_an_unreadable_value(tmp_path):
    config = "method: supcon\ntemperature: ${oc.env:T}\n"
    assert "temperature" not in document(tmp_path, "defaults.temperature = 0.1", config=config).runs[0].fields


@pytest.mark.parametrize("value", ["${oc.env:T}", "[0.05, 0.1]", "{min: 0.05, max: 0.1}"])
def test_a_default_for_the_file_itself_settles_what_the_file_leaves_open(tmp_path, value):
    config = f"method: supcon\ntemperature: {value}\n"
    text = "[per-file.'train.yaml'.defaults]\ntemperature = 0.1\n"
    (run,) = document(tmp_path, text, config=config).runs
    assert (run.get("temperature"), run.fields["temperature"].origin) == (0.1, "assumed")
    (run,) = document(tmp_path, text.replace("train", "other"), config=config).runs
    assert run.get("temperature") is None
    (run,) = document(tmp_path, text, config="method: supcon\ntemperature: 0.2\n").runs
    assert run.get("temperature") == 0.2


def test_dialects_can_be_limited(tmp_path):
    config = "method: supcon\nmethod_kwargs: {temperature: 0.2}\n"
    assert document(tmp_path, "", config=config).runs[0].dialect == "solo-learn"
    assert document(tmp_path, "dialects = ['generic']", config=config).runs[0].dialect == "generic"


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("a/*", "a/x.yaml", True),
        ("a/**", "a/b/c.yaml", True),
        ("**/c.yaml", "a/b/c.yaml", True),
        ("**/c.yaml", "c.yaml", True),
        ("*.yaml", "a/b/c.yaml", True),
        ("a", "a/b/c.yaml", True),
        ("./a/*", "a/x.yaml", True),
        ("b/*", "a/b/c.yaml", False),
        ("c.yaml", "a/b/c.yaml", True),
        ("*.yml", "a/x.yaml", False),
    ],
)
def test_globs(tmp_path, glob, path, fits):
    config = OwnConfig(path=tmp_path / "pyproject.toml")
    assert config.matches(tmp_path / path, glob) is fits


def test_sections_for_single_files(tmp_path):
    text = """
ignore = ["A1"]
goal = "classification"
defaults = {classes = 3, dim = 8}
[per-file."a/*"]
goal = "transfer"
ignore = "B2"
defaults.classes = 5
[per-file-ignores]
"*.yaml" = ["C3"]
"""
    found = own.load(write(tmp_path, text, own.FILE_NAME))
    section = found.for_file(tmp_path / "a" / "x.yaml")
    assert (section.goal, section.ignore, dict(section.defaults)) == (
        "transfer",
        ("A1", "B2", "C3"),
        {"classes": 5, "dim": 8},
    )
    assert found.for_file(Path("/elsewhere/x.toml")).ignore == ("A1",)


def test_own_fields_give_way_to_the_usual_keys_in_other_files(tmp_path):
    config = "method: supcon\ntemperature: 0.2\n"
    (run,) = document(tmp_path, "fields.temperature = 'model.loss.temp'", config=config).runs
    assert run.get("temperature") == 0.2


LLM = "model: llm\ntemperature: 0.7\ntop_p: 0.9\n"


@pytest.mark.parametrize(
    "text", ["fields.temperature = 'temperature'", "defaults.kind = 'supcon'", "defaults.classes = 30"]
)
def test_own_config_claims_no_stranger(tmp_path, text):
    assert document(tmp_path, text, config=LLM).runs == []


def test_a_default_kind_speaks_where_the_file_does_not(tmp_path):
    config = "temperature: 0.2\nlr: 0.1\nbatch_size: 64\n"
    assert document(tmp_path, "defaults.kind = 'supcon'", config=config).runs[0].kind == "supcon"
    config += "loss: ce+supcon\n"
    assert document(tmp_path, "defaults.kind = 'supcon'", config=config).runs[0].kind == "ce+supcon"
