"""The loss where its users are: called as their libraries call theirs, and equal where theirs is the same."""

from __future__ import annotations

import sys
import types
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ssem_advisor.domain import SettingError
from ssem_advisor.losses import MetricLearningLoss, SupervisedContrastiveLoss

TAU = 0.2


def two_views(instances=12, dim=6):
    z = torch.randn(instances, 2, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return F.normalize(z, dim=-1), torch.arange(instances) % 4


def test_the_interface_of_metric_learning_gives_its_losses():
    theirs = pytest.importorskip("pytorch_metric_learning.losses")
    z, y = two_views()
    one, two = z.unbind(1)
    plain = MetricLearningLoss(SupervisedContrastiveLoss(alpha=None, temperature=TAU))
    both, labels = torch.cat([one, two]), torch.cat([y, y])
    torch.testing.assert_close(
        plain(one, y, ref_emb=two, ref_labels=y), theirs.SupConLoss(temperature=TAU)(both, labels)
    )
    instances = torch.arange(12).repeat(2)
    torch.testing.assert_close(plain(both, labels, instance_ids=instances), plain(one, y, ref_emb=two))
    own = MetricLearningLoss(SupervisedContrastiveLoss(alpha=1.0, temperature=TAU))
    torch.testing.assert_close(
        own(one, y, ref_emb=two), theirs.SelfSupervisedLoss(theirs.NTXentLoss(temperature=TAU))(one, two)
    )


def test_one_view_without_a_self_supervised_term():
    z, y = two_views()
    flat = MetricLearningLoss(SupervisedContrastiveLoss(alpha=0.0, temperature=TAU))(z[:, 0], y)
    torch.testing.assert_close(flat, SupervisedContrastiveLoss(alpha=0.0, temperature=TAU)(z[:, :1], y))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices_tuple": (1, 2, 3)}, "leave the miner out"),
        ({"ref_labels": torch.zeros(12)}, "go with ref_emb"),
        ({"ref_emb": torch.zeros(3, 6)}, "same instances"),
        ({"ref_emb": torch.ones(12, 6), "ref_labels": torch.zeros(12)}, "differ from labels"),
        ({"ref_emb": torch.ones(12, 6), "instance_ids": torch.arange(12)}, "one of the two"),
    ],
)
def test_what_the_interface_does_not_take(changes, message):
    z, y = two_views()
    with pytest.raises(SettingError, match=message):
        MetricLearningLoss(SupervisedContrastiveLoss(0.3, TAU))(z[:, 0], y, **changes)


@pytest.fixture
def lightly(monkeypatch):
    """Losses and heads of lightly. They do not call torchvision, which their package imports and which needs a build
    of its own for every build of torch: where it is not there, names stand in for it."""

    class Missing(types.ModuleType):
        __path__: ClassVar[list[str]] = []

        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return sys.modules.get(f"{self.__name__}.{name}") or type(name, (), {})

    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in ("", ".ops", ".transforms", ".transforms.functional", ".models", ".models.vision_transformer"):
            monkeypatch.setitem(sys.modules, f"torchvision{name}", Missing(f"torchvision{name}"))
    return pytest.importorskip("lightly.loss", reason="lightly is not installed", exc_type=ImportError)


def test_lightly(lightly):
    """The other end of the mixture is lightly's loss, so its training step takes ours with the labels beside."""
    z, y = two_views()
    theirs = lightly.NTXentLoss(temperature=TAU)(*z.unbind(1))
    torch.testing.assert_close(SupervisedContrastiveLoss(alpha=1.0, temperature=TAU)(z, y), theirs)
    # A mixture written with both: L_sup of this package beside lightly's loss is L at alpha.
    own = SupervisedContrastiveLoss(alpha=0.0, temperature=TAU)(z, y)
    torch.testing.assert_close(SupervisedContrastiveLoss(0.3, TAU)(z, y), 0.7 * own + 0.3 * theirs)


def test_the_training_step_of_the_guide_takes_a_batch_of_lightly(lightly):
    """As in docs/guides/libraries.md, on features of lightly's own projection head."""
    heads = pytest.importorskip("lightly.models.modules.heads", exc_type=ImportError)
    torch.manual_seed(0)
    head, criterion = heads.SimCLRProjectionHead(8, 16, 6), SupervisedContrastiveLoss(alpha=0.3, temperature=TAU)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    values = []
    for _ in range(20):
        x, labels = F.one_hot(torch.arange(12) % 4, 8) + 0.1 * torch.randn(2, 12, 8), torch.arange(12) % 4
        (x0, x1), labels, _ = (x[0], x[1]), labels, ["name"] * 12  # what lightly's loader gives
        loss = criterion(torch.stack([head(x0), head(x1)], dim=1), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < values[0]


def test_solo_learn_stacks_its_crops_one_after_the_other():
    """Its z is (crops * batch, dim), crop after crop."""
    z, y = two_views()
    stacked = torch.cat(z.unbind(1))
    by_instance = stacked.view(2, len(y), -1).transpose(0, 1)
    loss = SupervisedContrastiveLoss(0.3, TAU)
    assert loss(by_instance, y) == loss(z, y)
    torch.testing.assert_close(loss(stacked, y.repeat(2), instance_ids=torch.arange(len(y)).repeat(2)), loss(z, y))


class Sentences(nn.Module):
    """As in the guide: a loss for sentence-transformers, every column of text a view."""

    def __init__(self, model: nn.Module, alpha: float | None, temperature: float) -> None:
        super().__init__()
        self.model, self.criterion = model, SupervisedContrastiveLoss(alpha, temperature)

    def forward(self, sentence_features, labels):
        views = [self.model(features)["sentence_embedding"] for features in sentence_features]
        return self.criterion(torch.stack(views, dim=1), labels.view(-1))


def test_sentence_transformers():
    library = pytest.importorskip("sentence_transformers", reason="not installed", exc_type=ImportError)
    tokenizers = pytest.importorskip("tokenizers")
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules", reason="an older library")

    words = ["cat", "dog", "car", "bus", "runs", "stops"]
    vocabulary = tokenizers.models.WordLevel({word: i for i, word in enumerate(["?", *words])}, unk_token="?")
    tokenizer = tokenizers.Tokenizer(vocabulary)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    model = library.SentenceTransformer(modules=[modules.StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
    texts = [f"{noun} {verb}" for noun in words[:4] for verb in words[4:]]
    labels = torch.tensor([0] * 4 + [1] * 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    criterion = Sentences(model, alpha=0.0, temperature=0.5)  # one view
    values = []
    for _ in range(30):
        loss = criterion([model.tokenize(texts)], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert values[-1] < values[0] - 0.5
    z = torch.tensor(model.encode(texts, normalize_embeddings=True))
    assert float((z[:4] @ z[:4].T).mean()) > 0.9 > float((z[:4] @ z[4:].T).mean()) + 0.5
    with pytest.raises(ValueError, match="view"):
        Sentences(model, alpha=0.3, temperature=0.5)([model.tokenize(texts)], labels)
    assert torch.isfinite(Sentences(model, 0.3, 0.5)([model.tokenize(texts)] * 2, labels))
