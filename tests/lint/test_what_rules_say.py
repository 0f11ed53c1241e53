"""What each rule says, word for word and where, at both sides of each of its conditions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from ssem_advisor import Setting
from ssem_advisor.advice import Basis, Point, State
from ssem_advisor.config import Document, Location, TrainingRun, Value
from ssem_advisor.config.model import Trap
from ssem_advisor.lint import all_rules
from ssem_advisor.lint.core import Case, Says, Verdict

RULES = {rule.code: rule for rule in all_rules()}
MIXTURE, SUPERVISED = "supcon+self", ("supcon", "supcon+self", "ce+supcon")


def says(code, kind="supcon", traps=(), goal=None, doubt="", known=None, **fields):
    """The sentences of a rule on a run made by hand; `known`: what the case has worked out, as its verdict."""
    values = {name: v if isinstance(v, Value) else Value(v, "stated", name) for name, v in fields.items()}
    run = TrainingRun(kind, "made", values, traps=list(traps), doubt=doubt, witness="made by hand")
    case = Case(Document(Path("made.yaml"), "", "yaml", [run]), run, goal)
    vars(case).update(known or {})
    return list(RULES[code].check(case))


@pytest.mark.parametrize("code", RULES)
def test_a_rule_is_silent_where_nothing_is_known_or_the_loss_is_in_doubt(code):
    assert says(code, "unknown") == says(code, MIXTURE) == []
    everything = {"alpha": 0.1, "temperature": 0.01, "precision": "fp16", "views": 1, "classes": 9, "dim": 3,
                  "world_size": 2, "gather": False, "base_temperature": 0.1, "batch_size": 8}  # fmt: skip
    names = ("queue", "no-shuffle", "relu-last", "string-number", "odd-number", "word-bool")
    traps = [Trap(name, "") for name in names]
    for kind in ("self-only", "not-contrastive", "unknown"):
        assert says(code, kind, traps, known={"lonely_share": 0.5}, **everything) == []
    if code != "SSM204":  # one view is none, whatever the loss is
        assert says(code, MIXTURE, traps, doubt="two losses", known={"lonely_share": 0.5}, **everything) == []


# -- the weight ---------------------------------------------------------------------------------------------------

FACTS = {"temperature": 0.5, "classes": 10, "batch_size": 250, "dim": 9}
AT = Setting(**FACTS, sampler="balanced", alpha=0.1)
RECOMMEND = "lower the temperature and raise alpha (ssem-advisor recommend gives both)"


def judged(code, verdict):
    return says(code, MIXTURE, known={"verdict": verdict}, alpha=verdict.setting.alpha, **FACTS)


@pytest.mark.parametrize(
    ("threshold", "critical", "extra", "what", "remedy"),
    [
        (0.5684, 0.2216, {}, "minimises", "raise alpha above 0.569, or lower the temperature below 0.221"),
        (0.7995, 0.2216, {}, "minimises", "raise alpha above 0.8, or lower the temperature below 0.221"),
        (0.8, 0.2216, {}, "minimises", "lower the temperature below 0.221"),
        (0.8, None, {}, "minimises", RECOMMEND),
        (0.1, None, {}, "minimises", "raise alpha above 0.1"),
        (0.2, None, {"loss": "l_in"}, "is a local minimum of", "raise alpha above 0.2"),
        (0.2, None, {"queue": 64}, "is a local minimum of", "raise alpha above 0.2"),
        (0.2, None, {"self_temperature": 0.3}, "minimises", "raise alpha above 0.2"),
        (0.2, None, {"features": "non-negative"}, "minimises", "raise alpha above 0.2"),
        (0.2, None, {"cross_entropy": 0.3}, "minimises", "raise alpha above 0.2"),
    ],
)
def test_collapse_is_told_with_what_would_end_it(threshold, critical, extra, what, remedy):
    from ssem_advisor.rounding import above

    verdict = Verdict(AT.with_(**extra), threshold, threshold, critical)
    told = (
        f"class collapse {what} the loss: alpha 0.1 is at or below its threshold {above(threshold)} at temperature "
        "0.5, classes 10, batch_size 250"
    )
    assert judged("SSM101", verdict) == [Says("alpha", told, remedy)]


def test_above_the_threshold_or_with_unequal_classes_collapse_is_told_elsewhere():
    for alpha in (None, math.nextafter(0.3, 1)):
        for code in ("SSM101", "SSM103", "SSM403"):
            assert judged(code, Verdict(AT.with_(alpha=alpha), 0.3, 0.3, 0.2)) == []
    sizes = Setting(class_counts=(50, 20), temperature=0.5, batch_size=20, alpha=0.3)
    assert judged("SSM101", Verdict(sizes, 0.3004, 0.3004)) == []
    remedy = "raise alpha above 0.301, or draw balanced batches"
    told = (
        "alpha 0.3 is at or below 0.301, and only above it no class is known to stay collapsed (class sizes 20 to 50)"
    )
    assert judged("SSM403", Verdict(sizes, 0.3004, 0.3004)) == [Says("alpha", told, remedy)]
    told = "alpha 0.3: no weight is known to open every class (class sizes 20 to 50)"
    unknown = Says("alpha", told, "draw balanced batches, or use more dimensions", "warning")
    for beyond in (1.0, math.inf):
        assert judged("SSM403", Verdict(sizes, beyond, beyond)) == [unknown]
    assert judged("SSM403", Verdict(sizes, 0.2996, 0.2996)) == []
    assert judged("SSM403", Verdict(AT, 0.3, 0.3)) == []  # of one size


def test_the_critical_temperature_is_the_other_remedy():
    told = "temperature 0.5 is at or above 0.221, its critical value at alpha 0.1, classes 10"
    assert judged("SSM103", Verdict(AT, 0.1, 0.1, 0.2216)) == [
        Says("temperature", told, "lower the temperature below 0.221")
    ]
    assert judged("SSM103", Verdict(AT, 2.0, 2.0)) == []  # a weight is known: the other rule speaks


def test_without_a_weight_a_temperature_at_which_none_would_do_is_an_error():
    told = "at temperature 0.5 class collapse minimises the loss whatever the weight alpha"
    unknown = AT.with_(alpha=None)
    assert judged("SSM103", Verdict(unknown, 1.0, 1.0)) == [Says("temperature", told, "lower the temperature", "error")]
    assert judged("SSM103", Verdict(unknown, 0.999, 0.999)) == []


def expected(state, spread, alpha=0.4, basis=Basis.estimate, safe=(0.3456, 0.7018), **limits):
    setting = AT.with_(alpha=alpha)
    known = {"threshold": 0.2018, "open_above": 0.2018} | limits
    return Verdict(setting, **known, point=Point(alpha, 0.5, state, spread, basis=basis), safe=safe,
                   safe_spread=(0.0986, 0.2464))  # fmt: skip


@pytest.mark.parametrize(
    ("basis", "kind"),
    [
        (Basis.exact, "exact"),
        (Basis.rough, "a rough estimate"),
        (Basis.estimate, "an estimate"),
        (Basis.minimiser, "an estimate"),
    ],
)
def test_too_little_and_too_much_spread_are_told_with_the_safe_weight(basis, kind):
    little = expected(State.too_little, 0.01234, basis=basis)
    told = (
        "alpha 0.4 is above its collapse threshold 0.201, but a typical network keeps little free spread: about 0.012 "
        f"({kind}), and 0.099 is safe, at temperature 0.5, classes 10"
    )
    assert judged("SSM102", little) == [Says("alpha", told, "raise alpha to 0.346 or more")]
    assert judged("SSM102", replace(little, safe=None)) == [Says("alpha", told, RECOMMEND)]
    assert judged("SSM104", little) == []
    much = expected(State.too_much, 0.2567, basis=basis)
    told = (
        f"the self-supervised term takes over: a typical network reaches a free spread of about 0.26 ({kind}), and up "
        "to 0.25 is safe, at alpha 0.4, temperature 0.5, classes 10"
    )
    assert judged("SSM104", much) == [Says("alpha", told, "lower alpha to 0.701 or less")]
    assert judged("SSM104", replace(much, safe=None)) == [Says("alpha", told, RECOMMEND)]
    assert judged("SSM102", much) == []


def test_a_large_weight_is_too_much_whatever_the_spread():
    told = (
        "the self-supervised term takes over: above 0.8 too little is left of the supervised one, at alpha 0.9, "
        "temperature 0.5, classes 10"
    )
    for spread in (0.2, 0.2464):
        large = expected(State.too_much, spread, alpha=0.9)
        assert judged("SSM104", large) == [Says("alpha", told, "lower alpha to 0.701 or less")]
    (beyond,) = judged("SSM104", expected(State.too_much, 0.24641, alpha=0.9))
    assert "free spread of about 0.25" in beyond.message


@pytest.mark.parametrize("code", ["SSM102", "SSM104"])
def test_what_is_safe_or_not_known_is_not_told(code):
    for state in (State.safe, State.not_covered):
        assert judged(code, expected(state, 0.15)) == []
    for state in (State.too_little, State.too_much):
        verdict = expected(state, 0.5)
        assert judged(code, replace(verdict, point=None)) == judged(code, replace(verdict, safe_spread=None)) == []
    assert judged("SSM104", expected(State.too_much, None)) == []


def test_between_the_limits_of_collapse_it_may_stay():
    told = (
        "alpha 0.4 is above 0.201, up to which collapse is proven to be the optimum, but {} in exactly classes - 1 "
        "dimensions (dim 9, classes 10)"
    )
    stays = told.format("collapse stays a minimum up to 0.563")
    known = expected(State.may_collapse, None, open_above=0.5623)
    assert judged("SSM102", known) == [Says("alpha", stays, "raise alpha above 0.563, or use more dimensions")]
    unknown = replace(known, open_above=math.inf)
    assert judged("SSM102", unknown) == [
        Says("alpha", told.format("no weight is known to end it"), "use more dimensions")
    ]
    assert judged("SSM102", replace(known, open_above=0.4)) == [Says("alpha", told.format(
        "collapse stays a minimum up to 0.4"), "raise alpha above 0.4, or use more dimensions")]  # fmt: skip
    assert judged("SSM102", replace(known, open_above=math.nextafter(0.4, 0))) == []


# -- the form of the loss -----------------------------------------------------------------------------------------

KNOWN = {"temperature": 0.1, "classes": 10, "dim": 128, "batch_size": 256, "views": 2, "loss": "supcon"}
COMMAND = "ssem-advisor recommend --config made.yaml"
ADD = "add a self-supervised term, L = (1-alpha) L_sup + alpha L_self"
OUTSIDE = f"average over the positives outside the logarithm, and {ADD}"
PURE = {
    "SSM201": ("supcon", "supcon",
               "plain supervised contrastive loss: class collapse minimises it at every temperature", ADD),
    "SSM202": ("ce+supcon", "supcon",
               "cross-entropy with a supervised contrastive loss: class collapse minimises both, whatever their "
               "weights", ADD),
    "SSM203": ("supcon", "l_in",
               "supervised contrastive loss with the sum over positives inside the logarithm: it collapses at every "
               "temperature, and a mixture with it has a local threshold only (recommend --loss l_in)", OUTSIDE),
}  # fmt: skip


@pytest.mark.parametrize("code", PURE)
def test_a_loss_that_collapses_at_any_temperature_is_told_with_the_command(code):
    kind, loss, told, remedy = PURE[code]
    for goal, severity in ((None, "warning"), ("transfer", "error"), ("classification", "note")):
        (said,) = says(code, kind, goal=goal, **KNOWN | {"loss": loss})
        assert said[:4] == ("loss", told, f"{remedy}; for alpha: {COMMAND}", severity)
        facts = "temperature 0.1, classes 10, dim 128, batch_size 256, views 2"
        assert said.because in (f"made by hand; {facts}", facts)
        assert said.numbers.startswith("with 10 classes in random batches of 256 at temperature 0.1: alpha") is (
            loss == "supcon"
        )
    (said,) = says(code, kind, **KNOWN | {"loss": loss, "views": 1})
    assert said.help == f"use two views, and {remedy}; for alpha: {COMMAND}"
    (said,) = says(code, kind, loss=loss, temperature=0.1)
    assert said.help == (
        f"{remedy}; for alpha, once you know the number of classes and the batch size: {COMMAND} --classes CLASSES "
        "--batch-size BATCH_SIZE"
    )
    (said,) = says(code, kind, loss=loss, temperature=0.1, batch_size=64)
    assert said.help == f"{remedy}; for alpha, once you know the number of classes: {COMMAND} --classes CLASSES"


def test_each_form_of_the_loss_has_one_rule():
    for kind in ("supcon", "ce+supcon", "supcon+self", "self-only", "unknown"):
        for loss in ("supcon", "ssem", "l_in"):
            found = [code for code in PURE if says(code, kind, **KNOWN | {"loss": loss})]
            if kind not in ("supcon", "ce+supcon"):
                assert found == []
            else:
                assert found == ["SSM203" if loss == "l_in" else "SSM201" if kind == "supcon" else "SSM202"]
    assert [code for code in PURE if says(code, "supcon", doubt="two losses", loss="l_in")] == []


def test_a_self_supervised_term_needs_a_second_view():
    told = Says("views", "the self-supervised term has no positives: there is one view of each instance",
                "use two augmented views")  # fmt: skip
    assert says("SSM204", MIXTURE, views=1) == says("SSM204", MIXTURE, views=1, alpha=0.001) == [told]
    assert says("SSM204", MIXTURE, views=1, alpha=0) == says("SSM204", MIXTURE, views=2, alpha=0.5) == []
    assert says("SSM204", "supcon", views=1, alpha=0.5) == says("SSM204", MIXTURE, alpha=0.5) == []


# -- the batch ----------------------------------------------------------------------------------------------------


def test_lonely_anchors_are_told_from_a_tenth_on():
    facts = {"classes": 100, "batch_size": 256}
    told = (
        "10% of the anchors have no other instance of their class in the batch (batch_size 256, classes 100, sampler "
        "random (assumed))"
    )
    remedy = "draw several instances of each class (a balanced or P x K sampler), or use a larger batch"
    for kind in SUPERVISED:
        found = says("SSM301", kind, known={"lonely_share": 0.101}, sampler=Value("random", "assumed"), **facts)
        assert found == [Says("batch_size", told, remedy)]
    for share in (0.1, 0.0, None):
        assert says("SSM301", known={"lonely_share": share}, **facts) == []
    queue = [Trap("queue", "--moco-k = 4096")]
    assert says("SSM301", traps=queue, known={"lonely_share": 0.5}, **facts) == []
    assert says("SSM301", traps=[Trap("autocast", "")], known={"lonely_share": 0.5}, **facts)


def test_several_devices_without_a_gather():
    told = "the loss sees the batch of one device only: batch_size 64, world_size 2, no gather"
    remedy = "gather the embeddings of all devices (with gradient), or plan with the batch of one device"
    assert says("SSM302", batch_size=64, world_size=2, gather=False) == [Says("world_size", told, remedy)]
    for facts in ({"world_size": 1, "gather": False}, {"gather": False}, {"world_size": 2, "gather": True},
                  {"world_size": 2}):  # fmt: skip
        assert says("SSM302", batch_size=64, **facts) == []


TOLD_OF_TRAPS = {
    "SSM303": ("gather-without-gradient", "the gather across devices cuts the gradient",
               "use a gather that passes the gradient (torch.distributed.nn.all_gather)"),
    "SSM305": ("no-shuffle", "the training data is not reshuffled: every epoch has the same batches",
               "turn shuffling on"),
    "SSM404": ("relu-last", "the embedding passes a ReLU before the loss", "end the projection with a linear layer"),
}  # fmt: skip


@pytest.mark.parametrize("code", TOLD_OF_TRAPS)
def test_what_the_reader_found_is_told_where_it_stands(code):
    name, told, remedy = TOLD_OF_TRAPS[code]
    traps = [Trap(name, "", f"key{i}", Location(i, 1, 0, 3)) for i in (4, 2)]
    assert says(code, traps=[*traps, Trap("autocast", "")]) == [Says(trap, told, remedy) for trap in traps]
    assert says(code, traps=[Trap("typo", "")]) == []


@pytest.mark.parametrize(
    ("detail", "facts", "what", "shared", "command"),
    [
        ("--moco-k = 65536", {}, "--moco-k = 65536", "", f"{COMMAND} --classes CLASSES --queue 65536"),
        ("--moco-k = 65_536", KNOWN, "--moco-k = 65_536", "; about 6554 of the keys share the class of an anchor",
         f"{COMMAND} --queue 65536"),
        ("bank: true", KNOWN, "bank: true", "", "ssem-advisor recommend --queue KEYS"),
        ("", KNOWN, "a memory bank", "", "ssem-advisor recommend --queue KEYS"),
    ],
)  # fmt: skip
def test_a_queue_is_told_with_the_command_for_its_threshold(detail, facts, what, shared, command):
    trap = Trap("queue", detail)
    (said,) = says("SSM304", traps=[trap], **{"temperature": 0.1, "batch_size": 256} | facts)
    assert said == Says(
        trap,
        f"{what}: the threshold of the batch does not hold with keys that are stale and without gradient{shared}",
        f"for the local threshold: {command}; check the trained embedding with ssem-advisor measure",
    )


# -- the space ----------------------------------------------------------------------------------------------------


def test_the_dimension_against_the_number_of_classes():
    below = Says("dim", "classes 10 cannot be equally far apart in dim 8", "use at least 10 dimensions")
    tight = Says("dim", "dim 9 is exactly classes - 1 (classes 10): collapse stays a local minimum above its threshold",
                 "use at least 10 dimensions")  # fmt: skip
    for kind in SUPERVISED:
        assert says("SSM401", kind, dim=8, classes=10) == [below]
        assert says("SSM402", kind, dim=9, classes=10) == [tight]
        for dim, classes in ((10, 10), (128, 10), (None, 10), (8, None), ("wide", 10), (9, "ten")):
            assert (
                says("SSM401", kind, dim=dim, classes=classes) == says("SSM402", kind, dim=dim, classes=classes) == []
            )
    assert says("SSM401", dim=9, classes=10) == says("SSM402", dim=8, classes=10) == []


# -- numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "least", "harm"),
    [
        ("fp16", 0.1202, "exp(-2/temperature) underflows"),
        ("bf16", 0.0976, "rounding alone changes a softmax weight by more than 2 %"),
    ],
)
def test_the_least_temperature_of_half_precision(precision, least, harm):
    remedy = "compute the loss in float32 (cast the embeddings before it)"
    cold = least - 0.0001
    assert says("SSM501", precision=precision, temperature=cold) == [
        Says("temperature", f"temperature {cold} in {precision}: {harm}", remedy)
    ]
    for given in ({"temperature": least}, {"temperature": "cold"}, {}):
        assert says("SSM501", precision=precision, **given) == []
    assert says("SSM501", precision="fp32", temperature=0.01) == says("SSM501", temperature=0.01) == []
    assert says("SSM501", precision=precision, temperature=0)  # an integer is a number as well
    autocast = says("SSM501", traps=[Trap("autocast", "")], precision=precision, temperature=cold)
    assert bool(autocast) is (precision == "bf16")


def test_the_least_temperatures_are_where_the_numbers_end():
    """2**-24 is the least float16; 2**-9 is what rounding to bfloat16 moves a similarity near 1."""
    assert 2 / (24 * math.log(2)) == pytest.approx(0.1202, abs=5e-5)
    assert 2**-9 / math.log(1.02) / 0.0976 == pytest.approx(1, abs=0.02)


def test_a_base_temperature_alone_is_told():
    remedy = "set the temperature; leave base_temperature equal to it unless the learning rate is to change"
    told = "base_temperature 0.07 only scales the loss; the temperature of the softmax is not set"
    assumed = Value(0.1, "assumed", "temperature")
    for given in ({}, {"temperature": assumed}):
        assert says("SSM502", base_temperature=0.07, **given) == [Says("base_temperature", told, remedy)]
    assert says("SSM502", base_temperature=0.07, temperature=0.1) == says("SSM502", temperature=assumed) == []
    assert says("SSM502", base_temperature=Value(0.07, "assumed", "base_temperature")) == []


def test_values_that_parsers_disagree_on():
    traps = [Trap("word-bool", "on"), Trap("string-number", "1e-1"), Trap("odd-number", "010"), Trap("typo", "tau")]
    plain, word = "write the number in plain decimals, without quotes", "write true or false"
    assert says("SSM503", traps=traps) == [
        Says(traps[1], "1e-1", plain),
        Says(traps[2], "010", plain),
        Says(traps[0], "on", word, "note"),
    ]
