"""However a mixture is written, SSM101 begins exactly at the threshold that is computed for its numbers."""

from pathlib import Path

import pytest

from ssem_advisor import Setting
from ssem_advisor.config import OwnConfig, read
from ssem_advisor.lint import Policy, check_document
from ssem_advisor.theory.regime import collapse_limits

FACTS = "num_classes: 10\nbatch_size: 256\nn_views: 2\nprojection_dim: 128\ntemperature: {tau}\n"
FORMS = {
    "two weights": "loss: {{name: supcon_simclr_mix, lambda_self: {own}, lambda_sup: {sup}}}\n",
    "share alone": "loss: {{name: supcon_simclr, self_supervised_weight: {share}}}\n",
    "named weights": "supcon_weight: {sup}\nsimclr_weight: {own}\n",
    "named weight and share": "method: supcon\nself_alpha: {share}\n",
    "list of terms": "losses:\n  - {{name: supcon, weight: {sup}}}\n  - {{name: simclr, weight: {own}}}\n",
    "map of terms": "losses:\n  supcon: {{weight: {sup}}}\n  ntxent: {{weight: {own}}}\n",
    "terms by their types": (
        "losses:\n  supervised: {{type: supcon, weight: {sup}}}\n  unsupervised: {{type: nt_xent, weight: {own}}}\n"
    ),
    "loss weights of types": (
        "terms:\n  a: {{loss: supcon, name: supcon, loss_weight: {sup}}}\n"
        "  b: {{loss: simclr, name: simclr, loss_weight: {own}}}\n"
    ),
    "unsupervised": "criterion: SupConLoss\nlambda_unsup: {own}\nlambda_sup: {sup}\n",
}


def codes(text, tau, share, own=None):
    weights = {"share": repr(share), "own": repr(share), "sup": repr(1 - share)}
    text = text.format(**weights) + FACTS.format(tau=tau)
    result = check_document(read(Path("train.yaml"), own or OwnConfig(), text), Policy())
    assert not result.undecided
    return [finding.rule.code for finding in result.active]


def threshold(tau):
    return collapse_limits(Setting(classes=10, batch_size=256, views=2, dim=128, temperature=tau)).collapse_up_to


@pytest.mark.parametrize("tau", [0.1, 0.3])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_one_per_mille_decides(form, tau):
    at = threshold(tau)
    assert "SSM101" in codes(form, tau, at * 0.999)
    assert "SSM101" not in codes(form, tau, at * 1.001)
    assert "SSM102" in codes(form, tau, at * 1.05)


def test_far_above_the_self_supervised_term_takes_over():
    assert codes(FORMS["two weights"], 0.1, 0.99) == ["SSM104"]


def test_a_bare_alpha_is_read_where_the_project_says_what_it_is():
    form, at = "method: supcon\nalpha: {share}\n", threshold(0.1)
    own = OwnConfig(fields={"alpha": ("alpha",)})
    assert "SSM101" in codes(form, 0.1, at * 0.999, own)
    assert "SSM101" not in codes(form, 0.1, at * 1.001, own)


def test_a_bare_alpha_alone_decides_nothing_and_says_how_it_would():
    text = "method: supcon\nalpha: 0.05\n" + FACTS.format(tau=0.1)
    result = check_document(read(Path("train.yaml"), text=text), Policy())
    assert not result.active
    assert result.missing == ["kind", "alpha"]
    assert 'alpha = ["alpha"]  # if it is the share of the self-supervised term' in result.to_add


def test_a_lone_weight_is_named_where_its_share_is_asked_for():
    text = "loss:\n  type: SupCon\n  simclr_weight: 0.05\n" + FACTS.format(tau=0.1)
    result = check_document(read(Path("train.yaml"), text=text), Policy())
    assert result.missing == ["alpha"]
    assert result.to_add[0].endswith(".fields]")
    assert result.to_add[1:] == ['alpha = ["loss.simclr_weight"]  # if it is the share of the self-supervised term']
    own = OwnConfig(fields={"alpha": ("loss.simclr_weight",)})
    assert read(Path("train.yaml"), text=text, own=own).runs[0].get("alpha") == 0.05


def test_a_list_of_weights_is_no_plain_loss_and_the_lines_asked_for_settle_it():
    text = "method: supcon\nalpha: [0, 0.05, 0.3]\n" + FACTS.format(tau=0.1)
    result = check_document(read(Path("train.yaml"), text=text), Policy())
    assert not result.active
    assert [line.partition(" = ")[0] for line in result.to_add[1:]] == ["kind", "alpha"]
    own = OwnConfig(defaults={"kind": "supcon+self", "alpha": 0.3})
    settled = check_document(read(Path("train.yaml"), text=text, own=own), Policy())
    assert (settled.recognised, settled.undecided, settled.to_add) == (True, "", [])
    elsewhere = "method: supcon\nmixup: {alpha: [0.2, 0.4]}\n" + FACTS.format(tau=0.1)
    assert read(Path("train.yaml"), text=elsewhere).runs[0].kind == "supcon"


def test_the_kind_that_is_asked_for_ends_the_doubt():
    text = "method: bayes\nsupcon_alpha: 0.5\n" + FACTS.format(tau=0.1)
    result = check_document(read(Path("train.yaml"), text=text), Policy())
    assert result.doubts
    assert any(line.startswith("kind = ") for line in result.to_add)
    own = OwnConfig(defaults={"kind": "supcon+self", "alpha": 0.3})
    settled = check_document(read(Path("train.yaml"), text=text, own=own), Policy())
    assert (settled.recognised, settled.doubts, settled.to_add) == (True, [], [])


def test_no_value_is_made_up_for_a_fact_that_is_missing():
    result = check_document(read(Path("train.yaml"), text="losses: [supcon, simclr]\nepochs: 5\n"), Policy())
    assert "alpha" in result.missing
    blanks = [line for line in result.to_add if " = " in line]
    assert len(blanks) == len(result.missing)
    assert all(line.partition(" = ")[2].startswith("...  # ") for line in blanks)
