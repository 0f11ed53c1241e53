"""Supervised contrastive losses with a self-supervised term, for training loops."""

from ssem_advisor.losses._loss import SupervisedContrastiveLoss, plain_supcon_alpha, supervised_contrastive_loss
from ssem_advisor.losses._mixture import LossParts, dense_loss

__all__ = ["LossParts", "SupervisedContrastiveLoss", "dense_loss", "plain_supcon_alpha", "supervised_contrastive_loss"]
