"""Every output format: valid, complete, escaped, and the same findings in each."""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from typer.testing import CliRunner

from ssem_advisor.advice import recommend
from ssem_advisor.cli import app
from ssem_advisor.config import Document, TrainingRun, Value
from ssem_advisor.config.model import Location
from ssem_advisor.domain import Setting
from ssem_advisor.lint import Finding, Report, Result, Session, all_rules
from ssem_advisor.lint.core import Suppression
from ssem_advisor.report.findings import FORMATS, render, sarif
from ssem_advisor.report.findings.text import summary

HERE = Path(__file__).parent
SARIF = json.loads((HERE / "data" / "sarif-schema-2.1.0.json").read_text())
OURS = json.loads((HERE.parents[1] / "ssem_advisor" / "schemas" / "check.schema.json").read_text())

FILES = {
    "collapse.yaml": "temperature: 0.5\nalpha: 0.1\nn_augment: 2\nbalanced_batch: true\nbatch_size: 250\n"
    "num_classes: 10\n",
    "plain.yaml": "method: supcon  # ssem: ignore[SSM201] an ablation\ntemperature: 0.1\n",
    "two.sh": "python main_supcon.py --method SupCon --temp 0.1 --batch_size 256\n"
    "python main_supcon.py --method SupCon --temp 0.2 --batch_size 256\npython main_linear.py --lr 5\n",
    "open.yaml": "temperature: 0.5\nalpha: 0.1\nn_augment: 2\nbalanced_batch: true\nbatch_size: 250\n",
    "broken.yaml": "supcon: [\n",
    "other.yaml": "name: something else\n",
    "tricky name, 100%: é.yaml": "method: supcon\n",
}


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return Session().check_paths(["."])


def hostile():
    """A finding made of everything that has to be escaped."""
    nasty = "a%b\r\n::error::x,y:z <b>\"&'\x00\x1b[31m \udc80 ünï"
    place = Location(3, 5, 10, 12)
    finding = Finding(all_rules()[0], nasty, "error", "stated", nasty, nasty, nasty, nasty, place, 0)
    value = Value([math.nan, (math.inf, {1})], "stated", nasty, place)
    document = Document(Path("x"), "", "yaml", [TrainingRun("supcon", "made", {"temperature": value})], error=nasty)
    silenced = replace(finding, suppressed=Suppression("comment", nasty))
    return Report([Result(nasty, document, [finding, silenced], [nasty]), Result(nasty, None, [finding])])


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_survives_anything(form):
    told = render(hostile(), form).encode("utf-8", "backslashreplace").decode()
    assert told.endswith("\n")
    if form in ("json", "sarif"):
        json.loads(told, parse_constant=pytest.fail)
    if form == "junit":
        ET.fromstring(told)
    if form == "text":
        assert "\x1b" not in told
        assert len(told.splitlines()) == 3 * len(hostile().active)
    if form == "github":
        *lines, last = told.splitlines()
        assert len(lines) == len(hostile().active)
        assert all(line.startswith("::error file=") for line in lines)
        assert last.startswith("::notice title=ssem-advisor::")


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_to_say(form):
    text = render(Report([]), form)
    assert text == "" if form in ("text", "github") else text.endswith("\n")


# -- SARIF --------------------------------------------------------------------------------------------------------


def test_sarif_is_valid(report):
    for each in (report, Report([])):
        jsonschema.Draft4Validator(SARIF).validate(json.loads(render(each, "sarif")))


def test_sarif_says_it_all(report):
    (run,) = json.loads(render(report, "sarif"))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in all_rules()]
    assert all("## Use instead" in rule["help"]["markdown"] for rule in rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert set(result["partialFingerprints"]) == {"primaryLocationLineHash", "ruleAndKeyPath/v1"}
        (place,) = result["locations"]
        region = place["physicalLocation"]["region"]
        assert region["startLine"] >= 1
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]}
    assert "tricky%20name%2C%20100%25%3A%20%C3%A9.yaml" in uris
    (silenced,) = [result for result in run["results"] if "suppressions" in result]
    assert silenced["suppressions"] == [{"kind": "inSource", "justification": "an ablation"}]
    notes = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert any("cannot decide: needs classes" in note for note in notes)
    assert any("could not be read" in note for note in notes)


def test_sarif_regions_point_at_the_value(report):
    (run,) = json.loads(render(report, "sarif"))["runs"]
    result = next(r for r in run["results"] if r["ruleId"] == "SSM101")
    region = result["locations"][0]["physicalLocation"]["region"]
    text = FILES["collapse.yaml"]
    assert text[region["charOffset"] :][: region["charLength"]] == "0.1"
    assert text.splitlines()[region["startLine"] - 1][region["startColumn"] - 1 :] == "0.1"


def test_sarif_keeps_the_severest_when_it_must_cut(monkeypatch):
    monkeypatch.setattr(sarif, "MOST_RESULTS", 3)
    rule = all_rules()[0]
    made = [
        Finding(rule, "a.yaml", severity, "stated", f"m{i}", "h", location=Location(1, 1, i, i + 1))
        for i, severity in enumerate(("note", "warning", "error", "note", "error"))
    ]
    made[4] = replace(made[4], suppressed=Suppression("baseline", ""))
    (run,) = json.loads(render(Report([Result("a.yaml", None, made)]), "sarif"))["runs"]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note"]
    assert "2 results left out" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_paths_outside_the_working_folder_are_absolute_uris(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "a.yaml").write_text("method: supcon\n")
    monkeypatch.chdir(tmp_path / "work")
    (run,) = json.loads(render(Session().check_paths([str(tmp_path / "a.yaml")]), "sarif"))["runs"]
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == (tmp_path / "a.yaml").as_uri()


# -- JSON ---------------------------------------------------------------------------------------------------------


def test_json_is_valid_by_its_own_schema(report):
    jsonschema.Draft202012Validator.check_schema(OURS)
    for each in (report, Report([])):
        jsonschema.Draft202012Validator(OURS).validate(json.loads(render(each, "json")))


def test_the_schema_can_fail():
    broken = json.loads(render(Report([]), "json")) | {"version": 2}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(OURS).validate(broken)


def test_json_per_file(report):
    files = {file["path"]: file for file in json.loads(render(report, "json"))["files"]}
    assert files.keys() == FILES.keys()
    collapse = files["collapse.yaml"]
    assert collapse["kind"] == "supcon+self"
    assert {"value": 0.1, "origin": "stated", "line": 2, "column": 8}.items() <= collapse["fields"]["alpha"].items()
    assert collapse["fields"]["views"]["origin"] == "assumed"
    assert {finding["code"] for finding in collapse["findings"]} == {"SSM101", "SSM103"}
    assert "runs" not in collapse
    assert files["open.yaml"]["missing"] == ["classes"]
    assert files["open.yaml"]["findings"] == []
    assert [f["suppressed"]["reason"] for f in files["plain.yaml"]["suppressed"]] == ["an ablation"]
    empty = {"fields": {}, "missing": [], "not_covered": [], "findings": [], "suppressed": [], "error": None}
    empty |= {"doubts": [], "remarks": [], "witness": ""}
    assert files["other.yaml"] == {"path": "other.yaml", "kind": "not-contrastive"} | empty
    assert files["broken.yaml"]["kind"] == "unknown"
    assert files["broken.yaml"]["error"]


def test_json_merges_what_the_runs_of_a_file_agree_on(report):
    two = next(file for file in json.loads(render(report, "json"))["files"] if file["path"] == "two.sh")
    assert two["kind"] == "supcon"
    assert two["fields"]["batch_size"]["value"] == 256
    assert "temperature" not in two["fields"]
    assert [run["fields"]["temperature"]["value"] for run in two["runs"][:2]] == [0.1, 0.2]


# -- text, GitHub, JUnit ------------------------------------------------------------------------------------------


def test_text_reads_well(report):
    lines = render(report, "text").splitlines()
    start = next(i for i, line in enumerate(lines) if "SSM101" in line)
    assert lines[start].startswith("collapse.yaml:2:8: SSM101 error: class collapse minimises the loss: alpha 0.1 is ")
    assert lines[start + 1 : start + 3] == ["  2 | alpha: 0.1", "    |        ^^^"]
    assert lines[start + 3].startswith("    because: ")
    assert "views 2 (assumed)" in lines[start + 3]
    assert lines[start + 4].startswith("    help: raise alpha above 0.5")


def test_text_keeps_to_the_width_of_the_terminal_and_breaks_no_word(report):
    whole, narrow = render(report, "text"), render(report, "text", width=60)
    sentences = [[line for line in told.splitlines() if " | " not in line] for told in (whole, narrow)]
    assert "\n".join(sentences[0]).split() == "\n".join(sentences[1]).split()
    assert all(len(line) <= 60 or " " not in line.strip() for line in narrow.splitlines())


def test_plain_supcon_comes_with_its_witness_and_with_a_weight_or_the_command_that_gives_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = "training: {objective: supcon, temperature: 0.1, batch_size: 128, num_classes: 10}\n"
    (tmp_path / "known.yaml").write_text(known)
    (tmp_path / "open.yaml").write_text("training: {objective: supcon, temperature: 0.1, batch_size: 128}\n")
    known, lacking = Session().check_paths(["known.yaml", "open.yaml"]).active
    assert known.because.startswith("training.objective: supcon; temperature 0.1, classes 10, batch_size 128")
    chosen = recommend(Setting(classes=10, batch_size=128, temperature=0.1)).alpha
    alpha, low, high = map(float, re.search(r"alpha (\S+) \(safe from (\S+) to ([\d.]+)", known.numbers).groups())
    assert chosen.safe[0] <= low <= alpha <= high <= chosen.safe[1]
    assert alpha == pytest.approx(chosen.recommended, rel=0.01)
    assert lacking.numbers == ""
    assert lacking.help.endswith(
        "for alpha, once you know the number of classes: ssem-advisor recommend --config open.yaml --classes CLASSES"
    )
    assert known.help.endswith("for alpha: ssem-advisor recommend --config known.yaml")
    for finding in (known, lacking):  # what is printed works when pasted, and gives that answer
        command = shlex.split(finding.help.rpartition("ssem-advisor ")[2].replace("CLASSES", "10"))
        told = json.loads(CliRunner().invoke(app, [*command, "--format", "json"]).stdout)
        assert told["alpha"]["recommended"] == pytest.approx(chosen.recommended)


def test_a_batch_of_one_of_several_devices_is_asked_for_as_the_loss_sees_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my run.sh").write_text(
        "torchrun --nproc_per_node=4 main_supcon.py --batch_size 256 --dataset cifar10\n"
    )
    (finding,) = Session().check_paths(["my run.sh"]).active
    assert "once you know whether the devices share their embeddings" in finding.help
    assert finding.help.endswith("ssem-advisor recommend --config 'my run.sh' --gather (or --no-gather)")


def test_the_summary_counts_what_was_recognised_in_every_format(report):
    told = "7 files, 5 recognised, 1 cannot tell: needs the number of classes, 1 not read; "
    assert summary(report).startswith(told)
    for form in ("json", "github", "sarif", "junit"):
        assert told in render(report, form)


def test_only_text_is_coloured(report):
    assert "\033[" in render(report, "text", color=True)
    for form in FORMATS:
        assert "\033[" not in render(report, form)
        if form != "text":
            assert render(report, form, color=True) == render(report, form)


def test_github_commands(report):
    *lines, _ = render(report, "github").splitlines()
    assert len(lines) == len(report.active)
    error = next(line for line in lines if "SSM101" in line)
    assert error.startswith("::error file=collapse.yaml,line=2,col=8,title=SSM101 collapse-is-optimal::class collapse ")
    assert any("file=tricky name%2C 100%25%3A é.yaml,line=1" in line for line in lines)


def test_junit_has_a_case_for_every_file_and_rule(report):
    from junitparser import JUnitXml

    xml = JUnitXml.fromstring(render(report, "junit").encode())
    suites = {suite.name: suite for suite in xml}
    assert suites.keys() == FILES.keys()
    assert len(list(suites["open.yaml"])) == len(all_rules())
    (nothing,) = suites["other.yaml"]
    assert nothing.result[0].message == "no contrastive training recognised"
    failed = {
        case.name.split()[0] for case in suites["collapse.yaml"] if case.result and case.result[0]._tag == "failure"
    }
    assert failed == {"SSM101", "SSM103"}
    skipped = {case.name.split()[0] for case in suites["open.yaml"] if case.result and case.result[0]._tag == "skipped"}
    assert skipped == {rule.code for rule in all_rules() if rule.fixable}
    assert suites["broken.yaml"].errors == 1
    assert xml.failures == sum(suite.failures for suite in xml) == len({(f.path, f.rule) for f in report.active})
