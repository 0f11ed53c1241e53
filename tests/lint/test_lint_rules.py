"""What every rule owes: a code, a page, a theorem, one example that fires and one that is silent."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from ssem_advisor.config import Document, OwnConfig, TrainingRun, Value, read
from ssem_advisor.lint import Policy, Session, all_rules, check_document, pages, rules_matching
from ssem_advisor.theory import registry

RULES = all_rules()
NAMES = {"yaml": "train.yaml", "sh": "run.sh", "json": "train.json", "toml": "train.toml", "python": "train.py"}
ABOUT_FILES = [rule for rule in RULES if rule.code.startswith("SSM9")]
ABOUT_RUNS = [rule for rule in RULES if rule not in ABOUT_FILES]


def check(text, name="train.yaml", **policy):
    return check_document(read(Path(name), None, text), Policy(**policy), name)


def codes(text, name="train.yaml", **policy):
    return [finding.rule.code for finding in check(text, name, **policy).active]


def test_codes_and_names_are_unique_and_well_formed():
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert re.fullmatch(r"SSM[1-9]\d\d", rule.code)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.name)


ALL = "alpha temperature classes batch_size views sampler classes_per_batch instances_per_class class_counts dim"
# Codes, names, severities and what may be mended are the interface: whoever changes one says so in the changelog.
TABLE = {
    "SSM101": ("collapse-is-optimal", "error", "THRESHOLD", True, ALL),
    "SSM102": ("close-to-collapse", "warning", "RELIABILITY", True, ALL),
    "SSM103": ("temperature-above-critical", "warning", "TEMPERATURE", True, ALL),
    "SSM104": ("too-much-variance", "warning", "RELIABILITY", True, ALL),
    "SSM201": ("plain-supcon", "warning", "PLAIN-SUPCON", False, "loss"),
    "SSM202": ("cross-entropy-plus-supcon", "warning", "CE-SUPCON", False, "loss"),
    "SSM203": ("log-of-sum-form", "warning", "L-IN", False, "loss"),
    "SSM204": ("self-term-without-second-view", "error", "THRESHOLD", False, "alpha views"),
    "SSM301": ("few-positives", "warning", "BATCH", False, "classes batch_size sampler"),
    "SSM302": ("per-device-batch", "warning", "BATCH", False, "batch_size world_size gather"),
    "SSM303": ("gather-without-gradient", "warning", "BATCH", False, "gather"),
    "SSM304": ("memory-bank", "warning", "BATCH", False, ""),
    "SSM305": ("no-reshuffling", "warning", "BATCH", False, ""),
    "SSM401": ("dimension-below-simplex", "warning", "DIMENSION", False, "dim classes"),
    "SSM402": ("dimension-exactly-simplex", "warning", "TIGHT", False, "dim classes"),
    "SSM403": ("small-class-collapses", "error", "UNEQUAL", True, "alpha temperature class_counts classes views dim"),
    "SSM404": ("relu-before-loss", "warning", "GEOMETRY", False, ""),
    "SSM501": ("half-precision-temperature", "warning", "", False, "precision temperature"),
    "SSM502": ("base-temperature-only", "warning", "REFERENCE", False, "base_temperature temperature"),
    "SSM503": ("value-parsers-disagree-on", "warning", "", False, ""),
    "SSM901": ("unused-suppression", "warning", "", False, ""),
    "SSM902": ("unknown-own-key", "error", "", False, ""),
    "SSM903": ("stale-exception", "warning", "", False, ""),
}  # fmt: skip


def test_rules_are_those_that_users_rely_on():
    found = {rule.code: (rule.name, rule.severity, rule.theorem, rule.fixable, " ".join(rule.uses)) for rule in RULES}
    assert found == TABLE


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_has_a_whole_page_and_a_known_theorem(rule):
    headings = re.findall(r"^## (.+)$", rule.page, re.M)
    assert headings == ["What it does", "Why is this bad", "Example", "Use instead", "When to ignore"]
    assert rule.summary.endswith(".")
    assert "```" in rule.page
    assert not rule.theorem or rule.theorem in registry.theorems()


@pytest.mark.parametrize("rule", ABOUT_RUNS, ids=lambda rule: rule.code)
def test_the_example_fires_and_its_remedy_is_silent(rule):
    form, bad, form_of_good, good = rule.examples
    fired = [finding for finding in check(bad, NAMES[form]).findings if finding.rule is rule]
    assert fired
    for finding in fired:
        assert 1 <= finding.location.line <= bad.count("\n")
        assert finding.message
        assert finding.help
    remedied = check(good, NAMES[form_of_good])
    assert rule not in [finding.rule for finding in remedied.findings]
    assert remedied.document.error is None
    assert remedied.document.runs, "the remedy must still be read as a run"


@pytest.mark.parametrize("rule", ABOUT_FILES, ids=lambda rule: rule.code)
def test_the_example_of_a_rule_about_files_fires_and_its_remedy_is_silent(rule, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.yaml").write_text("method: simclr\ntemperature: 0.1\nbatch_size: 256\n")
    form, bad, _, good = rule.examples
    path = tmp_path / ("pyproject.toml" if form == "toml" else NAMES[form])
    fired = []
    for text in (bad, good):
        path.write_text(text)
        fired.append([finding for finding in Session().check_paths(["."]).active if finding.rule is rule])
    assert [finding.path for finding in fired[0]] == [path.name]
    assert fired[1] == []


def test_selectors():
    assert rules_matching("ALL") == RULES
    assert [rule.code for rule in rules_matching("plain-supcon")] == ["SSM201"]
    assert {rule.code for rule in rules_matching("ssm1")} == {"SSM101", "SSM102", "SSM103", "SSM104"}
    assert rules_matching("") == rules_matching("SSM8") == ()


# -- severity and confidence --------------------------------------------------------------------------------------

PLAIN = "method: supcon\ntemperature: 0.1\nbatch_size: 256\n"


@pytest.mark.parametrize(("goal", "severity"), [(None, "warning"), ("transfer", "error"), ("classification", "note")])
def test_the_goal_decides_how_bad_plain_supcon_is(goal, severity):
    (finding,) = check(PLAIN, goal=goal).findings
    assert (finding.rule.code, finding.severity) == ("SSM201", severity)


MIX = """\
temperature: {tau}
alpha: {alpha}
n_augment: 2
balanced_batch: true
batch_size: 250
dim: 128
num_classes: 10
"""


def test_confidence_is_that_of_the_least_certain_value():
    text = MIX.format(tau=0.5, alpha=0.1)
    by_name = text.replace("num_classes: 10", "dataset: cifar10")
    without_dim = by_name.replace("dim: 128\n", "")
    confidence = [check(each).findings[-1].confidence for each in (by_name, without_dim)]
    assert confidence == ["assumed", "assumed"]  # the reference code fixes its two views, whatever is written


def test_the_message_says_what_is_wrong_where_and_what_to_do():
    finding = next(f for f in check(MIX.format(tau=0.5, alpha=0.1)).findings if f.rule.code == "SSM101")
    assert (finding.location.line, finding.location.column, finding.key) == (2, 8, "alpha")
    assert "alpha 0.1 is at or below its threshold 0.569" in finding.message
    assert finding.help == "raise alpha above 0.569, or lower the temperature below 0.221"
    assert "views 2 (assumed)" in finding.because


def test_shown_bounds_are_on_the_safe_side():
    from ssem_advisor import Setting, collapse_threshold, critical_temperature
    from ssem_advisor.rounding import above, below

    setting = Setting(classes=10, temperature=0.5, alpha=0.1, batch_size=250, sampler="balanced", loss="ssem")
    for digits in (1, 2, 3, 6):
        assert float(above(collapse_threshold(setting), digits)) >= collapse_threshold(setting)
        assert float(below(critical_temperature(setting), digits)) <= critical_temperature(setting)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 2e-7, 1e-12, 0.99999999, 1.0, 123456.789])
def test_rounding_goes_one_way_and_stays_a_plain_number(value):
    from ssem_advisor.rounding import above, below

    assert float(below(value)) <= value <= float(above(value))
    assert float(above(value)) - float(below(value)) <= 0.011 * value
    if 1e-6 < value < 1e15:
        assert "e" not in (above(value) + below(value)).lower()


# -- what is decided, and what is not -----------------------------------------------------------------------------


def test_a_missing_fact_is_named_and_is_no_finding():
    result = check(MIX.format(tau=0.5, alpha=0.1).replace("num_classes: 10\n", ""))
    assert result.findings == []
    assert result.missing == ["classes"]


def document(kind="supcon+self", **fields):
    values = {name: Value(value, "stated", name) for name, value in fields.items()}
    return Document(Path("made.yaml"), "", "yaml", [TrainingRun(kind, "made", values)])


@pytest.mark.parametrize(("tau", "classes", "decided"), [(0.1, 10, False), (50.0, 1000, True)])
def test_an_unknown_weight_is_a_missing_fact_unless_no_weight_would_do(tau, classes, decided):
    facts = {"batch_size": 2 * classes, "sampler": "balanced", "views": 2, "loss": "supcon"}
    result = check_document(document(temperature=tau, classes=classes, **facts), Policy())
    assert [finding.rule.code for finding in result.active] == (["SSM103"] if decided else [])
    assert result.missing == ([] if decided else ["alpha"])


def test_the_threshold_itself_is_collapse():
    from ssem_advisor import Setting, collapse_threshold

    facts = {"temperature": 0.3, "classes": 10, "batch_size": 250, "views": 2, "sampler": "balanced", "loss": "supcon"}
    edge = collapse_threshold(Setting(**facts))

    def found(alpha):
        return {f.rule.code for f in check_document(document(alpha=alpha, **facts), Policy()).active}

    assert "SSM101" in found(edge)
    assert found(math.nextafter(edge, 1)) == {"SSM102"}


@pytest.mark.parametrize(
    ("facts", "needs"),
    [
        ({"world_size": 8}, ["batch_scope", "gather"]),
        ({"world_size": 8, "batch_scope": "device"}, ["gather"]),
        ({"world_size": 8, "batch_scope": "device", "gather": False}, []),
    ],
)
def test_what_the_loss_sees_must_be_known(facts, needs):
    known = {"temperature": 0.1, "alpha": 0.3, "classes": 10, "batch_size": 250, "views": 2, "sampler": "balanced"}
    assert check_document(document(**(known | facts)), Policy()).missing == needs


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"views": 1}, "with one view alpha weighs a term without positives"),
        ({"batch_size": 255}, "batch_size=255: a balanced batch needs a multiple of classes=10"),
        ({"classes": 1000, "batch_size": 2000, "dim": 128}, "thresholds of so many classes, one by one, take long"),
    ],
)
def test_what_no_theorem_covers_is_said(facts, why):
    known = {"temperature": 0.1, "alpha": 0.3, "classes": 10, "batch_size": 250, "views": 2, "sampler": "balanced"}
    result = check_document(document(**(known | facts)), Policy())
    assert (len(result.not_covered), result.missing) == (1, [])
    assert result.not_covered[0].startswith(why)
    assert result.undecided == result.not_covered[0]


def test_a_pure_loss_needs_no_number():
    result = check("method: supcon\n")
    assert [finding.rule.code for finding in result.findings] == ["SSM201"]
    assert result.missing == []


@pytest.mark.parametrize(
    "text",
    [
        "teacher: resnet50\nkd_T: 4\nalpha: 0.9\ntemperature: 4\n",
        "mixup: {alpha: 0.2}\nmodel: resnet18\nbatch_size: 256\n",
        "loss: {type: FocalLoss, alpha: 0.25, gamma: 2}\n",
        "lora_alpha: 16\nlora_r: 8\ntemperature: 0.7\n",
        "generation_kwargs: {temperature: 0.7, top_p: 0.9}\n",
        "algo: sac\nalpha: 0.2\ntau: 0.005\n",
        "services: {web: {image: nginx, environment: {TEMPERATURE: '0.1'}}}\n",
    ],
    ids=["distillation", "mixup", "focal", "lora", "sampling", "sac", "compose"],
)
def test_look_alikes_get_nothing(text):
    result = check(text)
    assert (result.findings, result.missing) == ([], [])


def test_the_same_value_in_several_runs_is_reported_once():
    text = "for seed in 1 2 3; do\n  python main_supcon.py --method SupCon --temp 0.1 --seed $seed\ndone\n"
    assert codes(text, "run.sh") == ["SSM201"]


def test_findings_of_one_rule_in_several_commands_keep_their_own_fingerprints():
    line = "python main_supcon.py --method SupCon --temp 0.1 --batch_size 256\n"
    findings = check(line * 3, "run.sh").findings
    assert len({finding.fingerprint for finding in findings}) == len(findings) == 3
    moved = check("# a comment\n\n" + line * 3, "run.sh").findings
    assert [f.fingerprint for f in moved] == [f.fingerprint for f in findings]


def test_fingerprints_do_not_depend_on_the_value():
    one, other = (check(MIX.format(tau=0.5, alpha=alpha)).findings for alpha in (0.1, 0.2))
    assert [f.fingerprint for f in one] == [f.fingerprint for f in other]


# -- pages --------------------------------------------------------------------------------------------------------


def test_the_pages_in_the_docs_are_not_stale():
    folder = Path(__file__).parents[2] / "docs" / "rules"
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")} == pages.files()


def test_writing_the_pages_removes_those_of_rules_that_are_gone(tmp_path):
    (tmp_path / "SSM999.md").write_text("old")
    pages.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == pages.files().keys()


def test_every_page_names_its_theorem_as_reference():
    for rule in RULES:
        assert ("## References" in pages.page(rule)) == bool(rule.theorem)


def test_a_batch_for_all_devices_is_divided_where_nothing_is_gathered():
    run = TrainingRun("supcon", "made", {
        name: Value(value, "stated", name)
        for name, value in {"batch_size": 512, "world_size": 4, "batch_scope": "total", "gather": False}.items()
    })  # fmt: skip
    assert run.loss_batch == run.known()["batch_size"] == 128
    run.fields["gather"] = Value(True, "stated", "gather")
    assert run.loss_batch == 512


def test_more_instances_of_a_class_than_the_data_hold_are_told_and_not_judged():
    text = (
        "temperature: 0.1\nalpha: 0.5\nn_augment: 2\nbalanced_batch: true\nbatch_size: 150\nnum_classes: 10\n"
        "instances_per_class: 20\nclasses_per_batch: 5\n"
    )
    own = {"instances_per_class": ("instances_per_class",)}
    result = check_document(read(Path("t.yaml"), OwnConfig(fields=own), text), Policy(), "t.yaml")
    assert "asks for 30 instances of each class, the data set has 20" in result.undecided


def test_in_exactly_simplex_dimension_a_weight_is_safe_only_where_collapse_is_no_minimum():
    text = "temperature: 0.7\nalpha: {}\nn_augment: 2\nbalanced_batch: true\nbatch_size: 200\nnum_classes: 4\ndim: 3\n"
    from ssem_advisor.theory.regime import collapse_limits

    limits = collapse_limits(read(Path("t.yaml"), None, text.format(0.6)).runs[0].setting())
    assert limits.collapse_up_to < limits.open_above < 1
    between = (limits.collapse_up_to + limits.open_above) / 2
    assert "SSM102" in codes(text.format(between))
    assert "SSM101" in codes(text.format(limits.collapse_up_to * 0.99))


def test_multi_label_data_and_a_loss_beside_it_are_not_judged():
    many = check("loss: supcon\ntask: multi_label_tags\ntemperature: 0.1\nbatch_size: 64\n")
    assert "one class for each instance" in many.undecided
    beside = check("loss: {supcon_weight: 0.5, recon_weight: 1.0, ce_weight: 1.0, temperature: 0.1}\nbatch_size: 64\n")
    assert "cannot tell" in beside.undecided
    for result in (many, beside):
        assert not [finding for finding in result.active if finding.rule.code.startswith("SSM2")]


def test_autocast_computes_the_softmax_in_single_precision():
    text = "method: supcon\ntemperature: 0.05\nbatch_size: 256\n"
    assert "SSM501" in codes(text + "precision: fp16\n")
    assert "SSM501" not in codes(text + "amp: true\n")


def test_a_pool_of_images_is_no_queue_of_embeddings():
    text = "method: supcon\ntemperature: 0.1\nbatch_size: 256\n"
    assert "SSM304" in codes(text + "moco: {queue_size: 4096}\n")
    assert "SSM304" not in codes(text + "cgan_strategy: {queue_size: 50}\n")
