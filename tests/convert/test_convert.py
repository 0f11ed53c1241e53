"""Each public form is the mixture that `convert` says it is: values and gradients."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from ssem_advisor.convert import FORMS, to_alpha, to_weights
from ssem_advisor.domain import NotCovered, Setting, SettingError
from ssem_advisor.losses import supervised_contrastive_loss
from ssem_advisor.theory import collapse_threshold
from ssem_advisor.theory.regime import collapse_limits

TAU = 0.2


def batch(classes=4, each=3, views=2, dim=6, seed=0):
    z = torch.randn(classes * each, views, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return F.normalize(z, dim=-1), torch.arange(classes * each) % classes


def setting_of(labels, views=2, classes=4):
    return Setting(classes=classes, views=views, temperature=TAU, batch_size=len(labels), sampler="balanced")


# -- public code, written again from its definition ------------------------------------------------------------------


def supcontrast(z, labels=None, base_temperature=TAU, reduce=torch.mean):
    """SupContrast's SupConLoss on (batch, views, dim), with labels or without."""
    b, p, _ = z.shape
    rows = torch.cat(torch.unbind(z, 1))
    same = torch.eye(b, dtype=z.dtype) if labels is None else (labels[:, None] == labels[None]).to(z.dtype)
    others = 1 - torch.eye(b * p, dtype=z.dtype)
    positive = same.repeat(p, p) * others
    logits = rows @ rows.T / TAU
    log_prob = logits - torch.log((torch.exp(logits) * others).sum(1, keepdim=True))
    return reduce(-(TAU / base_temperature) * (positive * log_prob).sum(1) / positive.sum(1))


def log_of_sum(z, indexes):
    """solo-learn's simclr_loss_func: rows with the same index are positives, summed inside the logarithm."""
    rows, index = torch.cat(torch.unbind(z, 1)), indexes.repeat(z.shape[1])
    positive = (index[:, None] == index[None]).to(z.dtype) - torch.eye(len(rows), dtype=z.dtype)
    negative = (index[:, None] != index[None]).to(z.dtype)
    weight = torch.exp(rows @ rows.T / TAU)
    pulled = (weight * positive).sum(1)
    return -torch.log(pulled / (pulled + (weight * negative).sum(1))).mean()


def metric_learning(z, labels, w):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    rows = z.flatten(0, 1)
    instance = torch.arange(z.shape[0]).repeat_interleave(z.shape[1])
    merged = losses.SupConLoss(temperature=TAU)(rows, labels.repeat_interleave(z.shape[1]))
    return (1 - w) * merged + w * losses.NTXentLoss(temperature=TAU)(rows, instance)


def summed_metric_learning(z, labels, w):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    from pytorch_metric_learning.reducers import SumReducer

    rows = z.flatten(0, 1)
    instance = torch.arange(z.shape[0]).repeat_interleave(z.shape[1])
    merged = losses.SupConLoss(temperature=TAU, reducer=SumReducer())(rows, labels.repeat_interleave(z.shape[1]))
    return (1 - w) * merged + w * losses.NTXentLoss(temperature=TAU, reducer=SumReducer())(rows, instance)


def l_spread(z, labels, a, b):
    def part(alpha):
        return supervised_contrastive_loss(z, labels, alpha, TAU, loss="l_spread")

    return a * part(0.0) + b * part(1.0)


WRITTEN = {
    "alpha": lambda z, y, w: (
        (1 - w) * supervised_contrastive_loss(z, y, 0.0, TAU) + w * supervised_contrastive_loss(z, y, 1.0, TAU)
    ),
    "mixed": lambda z, y, w: (1 - w) * supcontrast(z, y) + w * supcontrast(z),
    "lambda-self": lambda z, y, w: supcontrast(z, y) + w * supcontrast(z),
    "lambda-supcon": lambda z, y, w: supcontrast(z) + w * supcontrast(z, y),
    "two-weights": lambda z, y, a, b: a * supcontrast(z, y) + b * supcontrast(z),
    "sums": lambda z, y, w: (1 - w) * supcontrast(z, y, reduce=torch.sum) + w * supcontrast(z, reduce=torch.sum),
    "cross-entropy": lambda z, y, a, b: a * supcontrast(z, y) + b * supcontrast(z),
    "supcontrast": lambda z, y, w: (1 - w) * supcontrast(z, y, 0.07) + w * supcontrast(z, base_temperature=0.07),
    "pytorch-metric-learning": metric_learning,
    "l-spread": l_spread,
}
NUMBERS = {1: [(0.05,), (0.4,), (1.0,)], 2: [(1.0, 0.3), (0.2, 2.0)]}


def same(one, two, z):
    for loss, other in zip(*(value_and_gradient(f, z) for f in (one, two)), strict=True):
        torch.testing.assert_close(loss, other, rtol=1e-10, atol=1e-12)


def value_and_gradient(function, z):
    leaf = z.clone().requires_grad_()
    value = function(F.normalize(leaf, dim=-1))
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def package(mixture, labels, loss="supcon"):
    return lambda z: (
        mixture.scale * supervised_contrastive_loss(z, labels, mixture.alpha, TAU, loss=loss, normalize=False)
    )


PATCHES = dict(re.findall(r"^# --mix (\S+)\n(.+)$", Path("docs/which-loss.md").read_text(), re.MULTILINE))


def test_the_forms_of_one_criterion_have_a_patch():
    assert set(PATCHES) == set(FORMS) - {"alpha", "pytorch-metric-learning", "solo-learn", "l-spread"}


@pytest.mark.parametrize("name", PATCHES)
def test_the_patch_of_the_page_is_the_mixture(name):
    z, labels = batch()
    numbers = dict(zip(FORMS[name].weights, (0.3, 0.8), strict=False))
    base = {"supcontrast": 0.07}.get(name, TAU)
    reduce = (lambda x: x) if name == "sums" else torch.mean

    def patched(z):
        names = {"criterion": lambda f, y=None: supcontrast(f, y, base, reduce), "features": z, "labels": labels}
        exec(PATCHES[name], names | numbers | {"cross_entropy": 0.0}, found := {})
        return found["loss"]

    mixture = to_alpha(name, tuple(numbers.values()), setting_of(labels))
    same(patched, package(mixture, labels), z)


def test_every_form_is_tested():
    assert set(WRITTEN) | {"solo-learn"} == set(FORMS)


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("name", WRITTEN)
def test_value_and_gradient_are_those_of_the_mixture(name, views):
    form = FORMS[name]
    if form.two_views and views > 2:
        with pytest.raises(NotCovered, match="two views only"):
            to_alpha(form, 0.3, setting_of(range(12), views))
        return
    z, labels = batch(views=views)
    for weights in NUMBERS[len(form.weights)]:
        mixture = to_alpha(form, weights, setting_of(labels, views))
        assert mixture.exact
        same(lambda z, w=weights: WRITTEN[name](z, labels, *w), package(mixture, labels, form.loss), z)


def test_the_self_supervised_term_of_metric_learning_is_no_mean_over_positives_with_three_views():
    """Why the form asks for two views: its NT-Xent leaves the other positives out of each denominator."""
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    z, labels = batch(views=3)
    theirs = losses.NTXentLoss(temperature=TAU)(z.flatten(0, 1), torch.arange(12).repeat_interleave(3))
    assert float(theirs) < float(supervised_contrastive_loss(z, labels, 1.0, TAU)) - 1e-3


def test_sums_of_metric_learning_are_the_form_of_sums():
    z, labels = batch()
    mixture = to_alpha("sums", 0.3, setting_of(labels))
    same(lambda z: summed_metric_learning(z, labels, 0.3), package(mixture, labels), z)


def test_a_term_with_a_factor_of_its_own():
    """A sum in one term and a mean in the other: the factor moves alpha, not the learning rate alone."""
    z, labels = batch()
    mixture = to_alpha("mixed", 0.3, setting_of(labels), supervised_factor=24.0)
    same(lambda z: 0.7 * supcontrast(z, labels, reduce=torch.sum) + 0.3 * supcontrast(z), package(mixture, labels), z)
    (w,) = to_weights("mixed", mixture.alpha, setting_of(labels), supervised_factor=24.0)
    assert w == pytest.approx(0.3, rel=1e-12)


def test_the_sum_inside_the_logarithm_agrees_to_second_order_at_the_collapsed_point():
    labels = torch.arange(12) % 4
    means = F.normalize(
        torch.eye(4, 8, dtype=torch.float64) - 0.25 * torch.eye(4, 8, dtype=torch.float64).sum(0), dim=-1
    )
    means[:, 4:] = 0
    away = torch.randn(12, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).expand(12, 2, 8)
    mixture = to_alpha("solo-learn", 0.3, setting_of(labels))
    assert not mixture.exact

    def at(loss, step):
        z = F.normalize(means[labels][:, None] + step * away, dim=-1)
        return float(loss(z))

    def theirs(z):
        return 0.7 * log_of_sum(z, labels) + 0.3 * log_of_sum(z, torch.arange(12))

    curvature = [at(f, 1e-3) + at(f, -1e-3) - 2 * at(f, 0.0) for f in (theirs, package(mixture, labels))]
    assert curvature[0] == pytest.approx(curvature[1], rel=1e-3)
    assert at(theirs, 0.5) - at(theirs, 0.0) != pytest.approx(
        at(package(mixture, labels), 0.5) - at(package(mixture, labels), 0.0), rel=1e-3
    )


# -- both ways -------------------------------------------------------------------------------------------------------


@given(
    name=st.sampled_from([name for name in FORMS if name != "l-spread"]),
    u=st.floats(0, 0.999),
    tau=st.floats(0.01, 2),
    each=st.integers(2, 50),
)
def test_weights_of_alpha_give_alpha_back(name, u, tau, each):
    form = FORMS[name]
    setting = Setting(classes=10, temperature=tau, batch_size=10 * each, sampler="balanced")
    least = 0.0 if name == "alpha" else 1 / (2 * each - 1)
    alpha = least + (1 - least) * max(u, 1e-6)
    mixture = to_alpha(form, to_weights(form, alpha, setting), setting)
    assert mixture.alpha == pytest.approx(alpha, rel=1e-9)


def test_the_usual_patch_already_holds_plain_supcon():
    setting = Setting(classes=100, temperature=0.1, batch_size=500, sampler="balanced")
    assert to_alpha("mixed", 0.05, setting).alpha == pytest.approx(0.05 + 0.95 / 9, abs=1e-12)  # .1556
    with pytest.raises(NotCovered, match=r"0\.1111 by itself"):
        to_weights("mixed", 0.05, setting)


def test_random_batches_are_exact_where_no_anchor_is_alone():
    """The threshold on w, from its own slope at the collapsed point, is that of alpha where no anchor is alone."""
    two = Setting(classes=2, temperature=0.5, batch_size=40, sampler="random", instances_per_class=30)
    mixture = to_alpha("mixed", 0.3, two)
    assert mixture.exact  # 30 of one class leave at least 10 of the other
    assert to_weights("mixed", collapse_threshold(two), two)[0] == pytest.approx(weight_at_threshold(two), rel=1e-10)
    many = Setting(classes=50, temperature=0.5, batch_size=100, sampler="random", instances_per_class=500)
    assert not to_alpha("mixed", 0.3, many).exact
    estimate, true = to_weights("mixed", collapse_threshold(many), many)[0], weight_at_threshold(many)
    assert estimate == pytest.approx(true, abs=0.05)
    assert estimate != pytest.approx(true, rel=1e-6)


@pytest.mark.parametrize(
    ("classes", "size", "tau"), [(10, 256, 0.1), (100, 512, 0.2), (100, 128, 0.1), (1000, 4096, 0.1)]
)
def test_the_estimate_in_random_batches_is_near_the_theorem(classes, size, tau):
    """SupCon with a self-supervised term beside it has the threshold of the log of the sum, which is exact there."""
    random = Setting(classes=classes, dim=2 * classes, temperature=tau, batch_size=size)
    exact = collapse_limits(random.with_(loss="l_in")).open_above
    assert to_weights("mixed", float(collapse_threshold(random)), random)[0] == pytest.approx(exact, rel=0.02)
    equal = Setting(classes=classes, dim=2 * classes, temperature=tau, batch_size=4 * classes, sampler="balanced")
    exact = collapse_limits(equal.with_(loss="l_in")).open_above
    for form in ("mixed", "solo-learn"):
        assert to_weights(form, float(collapse_threshold(equal)), equal)[0] == pytest.approx(exact, rel=1e-9)


def weight_at_threshold(setting):
    """The w at which the slope of (1-w) SupCon + w SimCLR vanishes at collapse: by enumeration of the batch."""
    from scipy.stats import hypergeom

    m, n, b, p, tau = (
        setting.classes,
        setting.instances_per_class,
        setting.batch_size,
        setting.views,
        setting.temperature,
    )
    k = np.arange(0, b)
    q = hypergeom(m * n - 1, n - 1, b - 1).pmf(k)
    o, rho, r = b - 1 - k, (n - 1) / ((m - 1) * n), math.exp(-m / ((m - 1) * tau))
    g = (k - o * rho * r) / ((p - 1) / p + k + o * r)
    # Each anchor pulls with the share of its positives that are other instances.
    return 1 - (q * g).sum() / (q * (k * p / (k * p + p - 1))).sum()


# -- what is no such mixture -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "weights", "changes", "error", "message"),
    [
        ("mixd", 0.1, {}, SettingError, "did you mean mixed"),
        ("mixed", 1.1, {}, SettingError, "must be in"),
        ("mixed", math.nan, {}, SettingError, "must be in"),
        ("two-weights", (0.0, 0.0), {}, SettingError, "nothing is left"),
        ("two-weights", 0.3, {}, SettingError, "takes 2 numbers"),
        ("mixed", 0.1, {"views": 1}, NotCovered, "views"),
        ("mixed", 0.1, {"batch_size": 4}, NotCovered, "no anchor has another"),
        ("supcontrast", 0.1, {"temperature": None}, SettingError, "temperature: missing"),
        ("mixed", 0.1, {"class_counts": (30, 20, 10, 5), "sampler": "random"}, NotCovered, "unequal classes"),
    ],
)
def test_what_has_no_alpha_says_why(form, weights, changes, error, message):
    with pytest.raises(error, match=message):
        to_alpha(form, weights, setting_of(range(12)).with_(**changes))


def test_this_packages_form_has_an_alpha_for_unequal_classes():
    setting = Setting(class_counts=(30, 20, 10, 5), temperature=TAU, batch_size=20, sampler="random")
    assert to_alpha("alpha", 0.3, setting).alpha == 0.3
