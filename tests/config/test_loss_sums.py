"""A training script that calls one supervised contrastive loss with labels and without: a mixture, or none."""

from pathlib import Path

import pytest

from ssem_advisor.config import read

HEAD = """\
import argparse
from losses import SupConLoss
parser = argparse.ArgumentParser()
parser.add_argument("--batch_size", default=256)
parser.add_argument("--lam", type=float, default=0.5)
parser.add_argument("--none", type=float, default=0.0)
args = parser.parse_args()
crit = SupConLoss(temperature=0.1).cuda()
other = torch.nn.MSELoss()
def train(loader, epoch, weight):
    for x, y in loader:
"""

MIXTURES = {
    "a weight": ("loss = crit(z, y) + 0.25 * crit(z)", 0.2),
    "an argument": ("loss = crit(z, labels=y) + args.lam * crit(z)", 1 / 3),
    "shares": ("loss = (1 - args.lam) * crit(z, y) + crit(features=z) * args.lam", 0.5),
    "the other order": ("loss = 0.3 * crit(z) + 0.7 * crit(z, y)", 0.3),
    "halves": ("loss = (crit(z, y) + crit(z)) / 2", 0.5),
    "half of one": ("loss = crit(z, y) + crit(z, None) / 4", 0.2),
    "names": ("own = crit(z)\nlam = 0.25\nsup = crit(z, y)\nloss = (1 - lam) * sup + lam * own", 0.25),
    "added": ("loss = crit(z, y)\nloss += args.lam * crit(z)", 1 / 3),
    "added to nothing": ("loss = 0\nloss += crit(z, y)\nloss = loss + args.lam * crit(z)", 1 / 3),
    "a condition that holds": ("loss = crit(z, y)\nif args.lam > 0:\n    loss += args.lam * crit(z)", 1 / 3),
    "a choice that is made": ("loss = crit(z, y) + (crit(z) if args.lam >= 0.5 else 0)", 0.5),
    "returned": ("return crit(z, y).mean() + crit(z).mean()", 0.5),
    # cannot be told
    "a schedule": ("loss = crit(z, y) + ramp(epoch) * crit(z)", None),
    "a parameter": ("loss = crit(z, y) + weight * crit(z)", None),
    "a third term": ("loss = crit(z, y) + crit(z) + other(z, x)", None),
    "later epochs": ("loss = crit(z, y)\nif epoch > 10:\n    loss += crit(z)", None),
    "one of two sums": ("if epoch > 10:\n    loss = crit(z, y) + crit(z)\nelse:\n    loss = crit(z, y)", None),
    "each of several": ("loss = crit(z, y)\nfor v in z:\n    loss += crit(v)", None),
    "on top of a choice": ("if epoch:\n    loss = crit(z, y)\nelse:\n    loss = other(z, x)\nloss += crit(z)", None),
    "a name that is set sometimes": ("if epoch:\n    own = crit(z)\nloss = crit(z, y) + own", None),
    "two weights": ("loss = crit(z, y) + crit(z)\nagain = crit(z, y) + 2 * crit(z)", None),
    "a difference": ("loss = crit(z, y) - crit(z)", None),
}
PLAIN = {
    "one call": "loss = crit(z, y)",
    "finer labels": "loss = crit(z, y) + args.lam * crit(z, fine)",
    "no weight": "loss = crit(z, y) + args.none * crit(z)",
    "a condition that fails": "loss = crit(z, y)\nif args.none > 0:\n    loss += crit(z)",
    "another loss": "loss = crit(z, y) + other(z)",
    "a mask": "loss = crit(z, y) + crit(z, mask=m)",
    "alternatives": "if epoch:\n    loss = crit(z, y)\nelse:\n    loss = crit(z)\nlog(loss + 1)\nloss.backward()",
    "a measurement": "loss = crit(z, y)\nlog(crit(z))",
    "another name": "loss = crit(z, y) + criterion(z)",
}


def run_of(body, head=HEAD):
    text = head + "".join(f"        {line}\n" for line in body.split("\n"))
    (run,) = read(Path("train.py"), text=text).runs
    return run


@pytest.mark.parametrize(("body", "alpha"), MIXTURES.values(), ids=MIXTURES)
def test_a_sum_of_the_loss_with_and_without_labels_is_a_mixture(body, alpha):
    run = run_of(body)
    assert run.kind == "supcon+self"
    assert run.get("alpha") == (None if alpha is None else pytest.approx(alpha))
    assert ("alpha" in run.missing) == (alpha is None)


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN)
def test_calls_that_are_not_summed_are_no_mixture(body):
    assert run_of(body).kind == "supcon"


def test_the_finding_points_at_the_sum():
    run = run_of("loss = crit(z, y) + 0.25 * crit(z)")
    assert run.fields["alpha"].raw == "crit(z, y) + 0.25 * crit(z)"
    assert run.fields["alpha"].location.line == 12


def test_a_name_that_holds_another_loss_too_is_not_taken_for_it():
    head = HEAD.replace("def train", "def second():\n    crit = CrossEntropyLoss()\ndef train")
    assert run_of("loss = crit(z, y) + crit(z)", head).kind == "ce+supcon"


def test_a_loss_held_by_the_object_and_one_that_is_a_function():
    head = HEAD.replace("crit = ", "self.crit = ")
    assert run_of("loss = self.crit(z, y) + self.crit(z)", head).get("alpha") == 0.5
    assert run_of("loss = supcon_loss(z, y) + supcon_loss(z)").get("alpha") == 0.5
    assert run_of("loss = SupConLoss(0.1)(z, y) + SupConLoss(0.1)(z)").get("alpha") == 0.5
