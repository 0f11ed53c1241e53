"""Supervised contrastive losses with a self-supervised term, for training loops."""

from ssem_advisor.losses._dense import dense_loss

__all__ = ["dense_loss"]
