"""Whatever a config says, a check gives an answer, and a fix mends or refuses."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ssem_advisor.config import Document, TrainingRun, Trap, Value
from ssem_advisor.config.model import Location
from ssem_advisor.lint import Policy, Report, Session, all_rules, check_document
from ssem_advisor.lint.exceptions import comments
from ssem_advisor.lint.fix import mend
from ssem_advisor.report.findings import FORMATS, render

COUNTS = st.integers(1, 10) | st.integers(1, 10**12) | st.sampled_from([2, 10, 100, 1000, 8142])
VALUES = {
    "temperature": st.floats(1e-300, 1e300) | st.floats(0.01, 2.0),
    "alpha": st.floats(0, 1),
    "classes": COUNTS,
    "dim": COUNTS,
    "batch_size": COUNTS,
    "views": st.integers(1, 5) | COUNTS,
    "world_size": st.integers(1, 64),
    "classes_per_batch": COUNTS,
    "instances_per_class": COUNTS,
    "class_counts": st.lists(st.integers(1, 10**9), min_size=2, max_size=12).map(tuple),
    "base_temperature": st.floats(1e-9, 10.0),
    "sampler": st.sampled_from(["random", "balanced", "full"]),
    "loss": st.sampled_from(["supcon", "ssem", "l_spread", "l_in"]),
    "precision": st.sampled_from(["fp16", "bf16", "fp32"]),
    "gather": st.booleans(),
    "batch_scope": st.sampled_from(["device", "total"]),
}
ORIGINS = st.sampled_from(["stated", "inferred", "assumed"])
PLACES = st.none() | st.builds(lambda line: Location(line, 1, 0, 3), st.integers(1, 9))


@st.composite
def documents(draw):
    fields = draw(st.fixed_dictionaries({}, optional=VALUES))
    values = {name: Value(value, draw(ORIGINS), name, draw(PLACES), str(value)) for name, value in fields.items()}
    kind = draw(st.sampled_from(["supcon", "supcon+self", "supcon+self", "ce+supcon", "self-only", "unknown"]))
    traps = draw(
        st.lists(st.builds(Trap, st.sampled_from(["queue", "string-number", "no-shuffle"]), st.text()), max_size=2)
    )
    return Document(
        Path("made.yaml"), draw(st.text(max_size=40)), "yaml", [TrainingRun(kind, "made", values, [], traps)]
    )


def a_run(**fields):
    values = {name: Value(value, "stated", name, None, str(value)) for name, value in fields.items()}
    return Document(Path("made.yaml"), "", "yaml", [TrainingRun("supcon+self", "made", values, [], [])])


@given(documents(), st.sampled_from([None, "transfer", "classification"]))
@example(a_run(temperature=1e-300, alpha=0.5, classes=2, batch_size=2, class_counts=(1, 2)), None)
@example(a_run(temperature=1e-4, alpha=0.5, classes=2, batch_size=2, class_counts=(1, 2)), None)
@settings(max_examples=150, deadline=None)
def test_every_run_gets_an_answer(document, goal):
    result = check_document(document, Policy(goal=goal))
    run = document.runs[0]
    if run.kind == "supcon+self" and not run.fields.keys() >= {"temperature", "alpha"}:
        assert result.undecided or any(finding.rule.code == "SSM103" for finding in result.findings)
    for form in FORMATS:
        text = render(Report([result]), form)
        if form in ("json", "sarif"):
            json.loads(text)


TEXT = """\
temperature: {tau}
alpha: {alpha}
n_augment: 2
balanced_batch: {balanced}
batch_size: {batch}
dim: {dim}
num_classes: {classes}
"""


@given(
    tau=st.floats(0.005, 30.0),
    alpha=st.floats(0.0, 1.0),
    classes=st.integers(2, 60),
    each=st.integers(1, 40),
    dim=st.integers(60, 512),
    balanced=st.booleans(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_fix_mends_or_refuses_and_a_second_one_changes_nothing(tau, alpha, classes, each, dim, balanced):
    text = TEXT.format(
        tau=tau, alpha=alpha, classes=classes, batch=classes * each, dim=dim, balanced=str(balanced).lower()
    )
    session = Session()
    path = Path("nowhere/train.yaml")
    fixed = mend(session.read(path, text), session)
    after = session.read(path, fixed.text)
    left = [finding for finding in session.check(after).active if finding.rule.fixable]
    assert bool(left) == bool(fixed.refusals)
    if not fixed.changes:
        assert fixed.text == text
    assert mend(after, session).text == fixed.text
    assert fixed.text.splitlines()[2:] == text.splitlines()[2:]


@given(st.text(alphabet="#ssem: ignorefl-[]SM120,\\\n\t x", max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_has_its_comments_read(text):
    for comment in comments(text):
        assert 1 <= comment.first <= (comment.last or comment.first) <= text.count("\n") + 1
        assert list(comment.problems(all_rules()))
