"""Suppression comments, per-file ignores, the baseline, and when each of them is stale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssem_advisor.config import read
from ssem_advisor.domain import AdvisorError
from ssem_advisor.lint import Policy, Session, check_document
from ssem_advisor.lint.exceptions import _lines_beyond_comments, comments

PLAIN = "method: supcon{}\ntemperature: 0.1\nbatch_size: 256\n"


def check(text, name="train.yaml", **policy):
    return check_document(read(Path(name), None, text), Policy(**policy), name)


def split(result):
    return [f.rule.code for f in result.active], [f.rule.code for f in result.suppressed]


@pytest.mark.parametrize("selector", ["SSM201", "plain-supcon", "SSM2", "ssm201 , SSM304"])
def test_a_comment_on_the_line_silences(selector):
    active, suppressed = split(check(PLAIN.format(f"  # ssem: ignore[{selector}] an ablation")))
    assert suppressed == ["SSM201"]
    assert active == (["SSM901"] if "," in selector else [])


def test_a_comment_above_silences_and_its_reason_is_kept():
    result = check("# ssem: ignore[SSM201] collapse is the subject\n" + PLAIN.format(""))
    assert split(result) == ([], ["SSM201"])
    assert result.suppressed[0].suppressed.reason == "collapse is the subject"


def test_a_comment_above_skips_other_comments_and_covers_continuation_lines():
    command = "python main_supcon.py --method SupCon \\\n  --batch_size 256 \\\n  --temp 0.05 --precision fp16\n"
    active, suppressed = split(check("# ssem: ignore[SSM501, SSM201]\n# more\n" + command, "run.sh"))
    assert (active, suppressed) == ([], ["SSM201", "SSM501"])


def test_a_comment_covers_no_more_than_its_own_command():
    command = "python main_supcon.py --method SupCon --temp 0.1\n"
    result = check("# ssem: ignore[SSM201] the first alone\n" + command * 3, "run.sh")
    assert split(result) == (["SSM201", "SSM201"], ["SSM201"])
    assert result.suppressed[0].location.line == 2


def test_a_comment_two_lines_away_does_not():
    active, suppressed = split(check(PLAIN.format("").replace("temperature", "# ssem: ignore[SSM201]\ntemperature")))
    assert (sorted(active), suppressed) == (["SSM201", "SSM901"], [])


def test_the_file_wide_form():
    assert split(check(PLAIN.format("") + "# ssem: ignore-file[SSM201] legacy\n")) == ([], ["SSM201"])


@pytest.mark.parametrize(
    ("comment", "problem"),
    [
        ("# ssem: ignore[SSM101]", "silences nothing"),
        ("# ssem: ignore[SSM777]", "unknown rule"),
        ("# ssem: ignore", "names no rule"),
        ("# ssem: ignore[]", "names no rule"),
    ],
)
def test_a_comment_that_does_nothing_is_a_finding(comment, problem):
    result = check(PLAIN.format(f"  {comment}"))
    stale = [f for f in result.active if f.rule.code == "SSM901"]
    assert len(stale) == 1
    assert problem in stale[0].message
    assert stale[0].location.line == 1
    assert split(result)[0].count("SSM201") == 1


def test_a_rule_that_did_not_run_leaves_its_comment_unjudged():
    assert split(check(PLAIN.format("  # ssem: ignore[SSM101]"), ignore=("SSM101",))) == (["SSM201"], [])


def test_an_undecided_file_leaves_its_comments_unjudged():
    text = "alpha: 0.1  # ssem: ignore[SSM101] on purpose\ntemperature: 0.5\nn_augment: 2\n"
    result = check(text + "balanced_batch: true\nbatch_size: 250\n")
    assert result.missing == ["classes"]
    assert result.findings == []


# -- per-file ignores and the baseline ----------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    for name in "ab":
        (tmp_path / "configs" / f"{name}.yaml").write_text(PLAIN.format(""))
    return tmp_path


def own(project, text):
    (project / "pyproject.toml").write_text("[tool.ssem-advisor]\n" + text)


def test_per_file_ignores_suppress_and_stay_in_the_report(project):
    own(project, '[tool.ssem-advisor.per-file-ignores]\n"configs/a.yaml" = ["SSM2"]\n')
    report = Session().check_paths(["."])
    assert [f.path for f in report.active] == ["configs/b.yaml"]
    (silenced,) = [f for f in report.findings if f.suppressed]
    assert (silenced.path, silenced.suppressed.kind) == ("configs/a.yaml", "per-file-ignores")


def test_a_stale_per_file_ignore_is_found_where_it_stands(project):
    own(project, '[tool.ssem-advisor.per-file-ignores]\n"configs/*.yaml" = ["SSM101"]\n"gone/*" = ["SSM2"]\n')
    stale = [f for f in Session().check_paths(["."]).active if f.rule.code == "SSM903"]
    assert [(f.path, f.location.line) for f in stale] == [("pyproject.toml", 3), ("pyproject.toml", 4)]
    assert "silences nothing" in stale[0].message
    assert "matches no file" in stale[1].message


def test_part_of_a_project_does_not_make_exceptions_stale(project):
    own(project, '[tool.ssem-advisor.per-file-ignores]\n"configs/b.yaml" = ["SSM2"]\n')
    report = Session().check_paths(["configs/a.yaml"])
    assert [f.rule.code for f in report.active] == ["SSM201"]


def baseline_of(project, *paths):
    session = Session(use_baseline=False)
    return session.write_baseline(session.check_paths(list(paths)))


def test_the_baseline_accepts_what_is_there_and_nothing_more(project):
    own(project, 'baseline = "accepted.json"\n')
    path = baseline_of(project, ".")
    assert path == project / "accepted.json"
    assert not Session().check_paths(["."]).active
    (project / "configs" / "c.yaml").write_text(PLAIN.format(""))
    assert [f.path for f in Session().check_paths(["."]).active] == ["configs/c.yaml"]


def test_a_baseline_counts(project):
    own(project, 'baseline = "accepted.json"\n')
    line = "python main_supcon.py --method SupCon --temp 0.1 --batch_size 256\n"
    script = project / "run.sh"
    script.write_text(line)
    baseline_of(project, ".")
    script.write_text(line * 2)
    assert len(Session().check_paths(["run.sh"]).active) == 1


def test_a_mended_file_makes_its_entry_stale(project):
    own(project, 'baseline = "accepted.json"\n')
    baseline_of(project, ".")
    (project / "configs" / "a.yaml").write_text("method: simclr\ntemperature: 0.1\nbatch_size: 256\n")
    (project / "configs" / "b.yaml").unlink()
    (a_alone,) = Session().check_paths(["configs/a.yaml"]).active
    assert (a_alone.rule.code, a_alone.path) == ("SSM903", "accepted.json")
    lines = (project / "accepted.json").read_text().split("\n")
    assert "configs/a.yaml" in lines[a_alone.location.line - 1]
    assert len(Session().check_paths(["."]).active) == 2


def test_writing_again_keeps_the_entries_of_other_files(project):
    own(project, 'baseline = "accepted.json"\n')
    baseline_of(project, ".")
    baseline_of(project, "configs/a.yaml")
    assert not Session().check_paths(["."]).active


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 2, "findings": []}', '{"version": 1, "findings": [1]}']
)
def test_a_broken_baseline_is_one_clear_line(project, content):
    (project / "bad.json").write_text(content)
    with pytest.raises(AdvisorError, match=r"bad\.json: not a baseline; create it anew") as raised:
        Session(baseline=Path("bad.json")).check_paths(["."])
    assert "\n" not in str(raised.value)


def test_a_missing_baseline_is_one_clear_line(project):
    with pytest.raises(AdvisorError, match="--write-baseline"):
        Session(baseline=Path("none.json")).check_paths(["."])


def test_the_baseline_is_the_same_from_any_folder(project, monkeypatch):
    own(project, 'baseline = "accepted.json"\n')
    baseline_of(project, ".")
    monkeypatch.chdir(project / "configs")
    assert not Session().check_paths(["."]).active
    assert {e["path"] for e in json.loads((project / "accepted.json").read_text())["findings"]} == {
        "configs/a.yaml",
        "configs/b.yaml",
    }


# -- the own configuration ----------------------------------------------------------------------------------------


def test_an_unknown_own_key_is_found_where_it_stands_and_the_rest_counts(project):
    own(project, 'gaol = "transfer"\ngoal = "classification"\n\n[tool.ssem-advisor.defaults]\nclases = 3\n')
    report = Session().check_paths(["configs/a.yaml"])
    unknown = [f for f in report.active if f.rule.code == "SSM902"]
    assert [(f.path, f.location.line, f.key, f.help) for f in unknown] == [
        ("pyproject.toml", 2, "gaol", "did you mean goal?"),
        ("pyproject.toml", 6, "defaults.clases", "did you mean classes?"),
    ]
    assert [f.severity for f in report.active if f.rule.code == "SSM201"] == ["note"]


def test_the_nearest_own_configuration_counts_alone(project):
    own(project, 'goal = "transfer"\nignore = ["SSM9"]\n')
    (project / "configs" / "ssem-advisor.toml").write_text('goal = "classification"\n')
    assert {f.severity for f in Session().check_paths(["."]).active} == {"note"}


@pytest.mark.parametrize("selector", ["SSM8", "nothing", "SSM2011"])
def test_an_unknown_selector_is_refused(project, selector):
    with pytest.raises(AdvisorError, match="rule --all"):
        Session(select=(selector,)).check_paths(["."])


def test_many_suppression_comments_take_steps_in_proportion():
    """A block of comments is passed over once, not once for each of them."""

    class Counted(str):
        looks = 0

        def lstrip(self, *args):
            Counted.looks += 1
            return super().lstrip(*args)

    _lines_beyond_comments([Counted("# ssem: ignore[SSM201]")] * 5000)
    assert Counted.looks == 5000
    found = comments("# ssem: ignore[SSM201]\n" * 3 + "alpha: 0.1\n" + "# ssem: ignore[SSM101]\n")
    assert [(comment.first, comment.last) for comment in found] == [(4, 4)] * 3 + [(6, 6)]
