"""What the losses refuse, and what they say about it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from ssem_advisor.domain import SettingError
from ssem_advisor.losses import (
    LossParts,
    SupervisedContrastiveLoss,
    plain_supcon_alpha,
    supervised_contrastive_loss,
)

LABELS = [0, 0, 1, 1]


def embeddings(*shape):
    return torch.randn(*(shape or (4, 2, 3)), generator=torch.Generator().manual_seed(0))


def spoiled(value):
    z = embeddings()
    z[2, 1] = value
    return z


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 1.5}, "alpha=1.5: must be a number in [0, 1]"),
        ({"alpha": math.nan}, "alpha=nan: must be a number in [0, 1]"),
        ({"alpha": True}, "alpha=True: must be a number in [0, 1]"),
        ({"alpha": torch.tensor(-0.1)}, "must be a number in [0, 1]"),
        ({"alpha": torch.tensor([0.1, 0.2])}, "must be a number in [0, 1]"),
        ({"alpha": None, "loss": "ssem"}, "plain SupCon is the supcon loss"),
        ({"temperature": 0}, "temperature=0: must be a finite number > 0"),
        ({"temperature": math.inf}, "temperature=inf: must be a finite number > 0"),
        ({"temperature": torch.tensor(-1.0)}, "must be a finite number > 0"),
        ({"temperature": "0.1"}, "temperature='0.1': must be a finite number > 0"),
        ({"loss": "simclr"}, "loss='simclr': must be one of supcon, ssem, l_spread"),
        ({"reduction": "mean"}, "reduction='mean': must be one of anchors, pairs"),
        ({"gather": "all"}, "gather='all': must be one of False, True, ddp"),
        ({"chunk": 0}, "chunk=0: must be an integer >= 1, or None"),
    ],
)
def test_settings_outside_their_domain(settings, message):
    with pytest.raises(SettingError) as error:
        SupervisedContrastiveLoss(**{"alpha": 0.2, "temperature": 0.1, **settings})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("z", "labels", "options", "message"),
    [
        ([[1.0]], LABELS, {}, "embeddings: must be a floating-point tensor, not list"),
        (torch.ones(4, 2, 3, dtype=torch.int64), LABELS, {}, "must be a floating-point tensor, not torch.int64"),
        (embeddings(4), LABELS, {}, "embeddings of shape (4,): must be (instances, views, dim)"),
        (embeddings(4, 2, 1, 3), LABELS, {}, "embeddings of shape (4, 2, 1, 3): must be"),
        (embeddings(0, 2, 3), [], {}, "at least two embeddings"),
        (embeddings(4, 2, 0), LABELS, {}, "at least two embeddings"),
        (embeddings(1, 1, 3), [0], {}, "at least two embeddings"),
        (embeddings(4, 3), LABELS, {}, "instance_ids is missing"),
        (embeddings(), LABELS, {"instance_ids": LABELS}, "leave instance_ids out"),
        (embeddings(), [0, 1], {}, "labels of shape (2,): must be (4,), one for each instance"),
        (embeddings(), [[0], [0], [1], [1]], {}, "labels of shape (4, 1): must be (4,)"),
        (embeddings(), [0.0, 0.0, 1.0, 1.0], {}, "labels: must be integers, not torch.float32"),
        (embeddings(4, 3), LABELS, {"instance_ids": [0]}, "instance_ids of shape (1,): must be (4,), one for each emb"),
        (embeddings(4, 3), LABELS, {"instance_ids": [0, 1, 1, 2]}, "views of one instance carry different labels"),
        (embeddings(4, 3), [0] * 4, {"instance_ids": [0, 1, 1, 1], "loss": "l_spread"}, "as many views"),
        (spoiled(math.nan), LABELS, {}, "embeddings[2, 1] holds NaN or infinite values"),
        (spoiled(math.inf), LABELS, {}, "embeddings[2, 1] holds NaN or infinite values"),
        (spoiled(0), LABELS, {}, "embeddings[2, 1] has length 0: a zero vector has no direction"),
        (spoiled(math.nan).flatten(0, 1), [0] * 8, {"instance_ids": [0, 0, 1, 1, 2, 2, 3, 3]}, "embeddings[5] holds"),
        (embeddings(), LABELS, {"normalize": False}, "normalize=False takes rows of length 1"),
        (embeddings(4, 1, 3), LABELS, {}, "views=1 with alpha=0.2: the self-supervised term needs a second view"),
        (embeddings(4, 1, 3), LABELS, {"loss": "ssem"}, "needs a second view"),
        (embeddings(4, 1, 3), LABELS, {"loss": "l_spread"}, "l_spread compares the views of an instance"),
        (embeddings(4, 3), [0] * 4, {"instance_ids": [0, 0, 1, 2]}, "needs a second view of every instance"),
    ],
)
def test_unusable_data_is_one_clear_error(z, labels, options, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is what is tested
        supervised_contrastive_loss(z, labels, 0.2, 0.1, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("z", "labels", "message"),
    [
        (embeddings(), None, "labels: must be a tensor or a list of integers"),
        (embeddings(), ["a", "b", "c", "d"], "labels: must be a tensor or a list of integers"),
        (embeddings(), [[0], [0, 1]], "labels: must be a tensor or a list of integers"),
        (embeddings(), [], "labels of shape (0,): must be (4,)"),
        (embeddings().to_sparse(), LABELS, "embeddings: must be a dense tensor"),
        (1e25 * embeddings().float(), LABELS, "has a length beyond the range of torch.float32"),
        (1e-25 * embeddings().float(), LABELS, "has a length beyond the range of torch.float32"),
    ],
)
def test_odd_input_is_one_clear_error_too(z, labels, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is what is tested
        supervised_contrastive_loss(z, labels, 0.2, 0.1)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("temperature", [10**400, 1e-60, torch.tensor(1e-40)])
def test_temperatures_out_of_range_are_refused(temperature):
    with pytest.raises(SettingError, match="temperature="):
        supervised_contrastive_loss(embeddings().float(), LABELS, 0.2, temperature)


def test_any_kind_of_number_and_of_floating_point():
    expected = supervised_contrastive_loss(embeddings(), LABELS, 0.25, 0.5)
    for number in (Fraction, np.float64):
        assert supervised_contrastive_loss(embeddings(), LABELS, number(0.25), number(0.5)) == expected
    eighth = embeddings().to(torch.float8_e4m3fn)
    assert supervised_contrastive_loss(eighth, LABELS, 0.25, 0.5).dtype == torch.float32


def test_zero_and_nan_of_half_precision_are_seen_too():
    with pytest.raises(ValueError, match="zero vector"):
        supervised_contrastive_loss(spoiled(0).half(), LABELS, 0.2, 0.1)
    with pytest.raises(ValueError, match="NaN or infinite"):
        supervised_contrastive_loss((spoiled(1) * 1e5).half(), LABELS, 0.2, 0.1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_rows_that_are_unit_for_their_precision_are_taken_as_they_are(dtype):
    unit = torch.nn.functional.normalize(embeddings(4, 2, 64), dim=-1).to(dtype)
    taken = supervised_contrastive_loss(unit, LABELS, 0.2, 0.1, normalize=False)
    normalised = supervised_contrastive_loss(unit, LABELS, 0.2, 0.1)
    assert taken.item() == pytest.approx(normalised.item(), abs=0.1 if dtype.itemsize == 2 else 1e-5)
    with pytest.raises(ValueError, match=r"has length 1\.1"):
        supervised_contrastive_loss(1.1 * unit, LABELS, 0.2, 0.1, normalize=False)


def test_one_view_is_fine_without_a_self_supervised_term():
    z = embeddings(4, 1, 3)
    without = supervised_contrastive_loss(z, LABELS, 0.0, 0.1)
    assert without.item() == pytest.approx(supervised_contrastive_loss(z, LABELS, None, 0.1).item())
    assert without == supervised_contrastive_loss(z, LABELS, torch.tensor(0.0), 0.1)


def test_module_and_function_say_the_same():
    module = SupervisedContrastiveLoss(0.3, 0.2, loss="ssem", reduction="pairs", return_parts=True)
    parts = module(embeddings(), torch.tensor(LABELS))
    assert isinstance(parts, LossParts)
    scalar = supervised_contrastive_loss(embeddings(), LABELS, 0.3, 0.2, loss="ssem", reduction="pairs")
    assert scalar == parts.loss == module(embeddings(), LABELS, return_parts=False)
    assert parts.loss.item() == pytest.approx(0.7 * parts.l_sup.item() + 0.3 * parts.l_self.item())


def test_the_module_tells_what_it_computes():
    text = repr(SupervisedContrastiveLoss(None, 0.1))
    assert "plain SupCon: (views-1) / (instances_per_class*views-1)" in text
    assert "alpha=0.25, temperature=0.1, loss=supcon" in repr(SupervisedContrastiveLoss(0.25, 0.1))


def test_learned_settings_are_parameters_of_the_module():
    alpha, temperature = (torch.nn.Parameter(torch.tensor(x)) for x in (0.3, 0.2))
    module = SupervisedContrastiveLoss(alpha, temperature)
    assert dict(module.named_parameters()).keys() == {"alpha", "temperature"}
    module(embeddings(), LABELS).backward()
    assert alpha.grad.abs() > 0
    assert temperature.grad.abs() > 0


@pytest.mark.parametrize("arguments", [(0,), (2.5,), (math.nan,), (3, 0), (True,), ("2",), (1, 1)])
def test_plain_supcon_alpha_refuses_what_is_no_batch(arguments):
    with pytest.raises(SettingError):
        plain_supcon_alpha(*arguments)


def test_plain_supcon_alpha():
    assert plain_supcon_alpha(50) == 1 / 99
    assert plain_supcon_alpha(1) == 1
    assert plain_supcon_alpha(50, views=1) == 0
