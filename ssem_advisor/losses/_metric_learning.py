"""The loss under the calling convention of pytorch-metric-learning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ssem_advisor.domain import SettingError
from ssem_advisor.losses._loss import SupervisedContrastiveLoss


class MetricLearningLoss(nn.Module):
    """A :class:`SupervisedContrastiveLoss` that is called as pytorch-metric-learning calls its losses.

    loss: the loss to compute; it keeps its weight, temperature and gather.
    """

    def __init__(self, loss: SupervisedContrastiveLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Any = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
        *,
        instance_ids: Tensor | None = None,
    ) -> Any:
        """The loss of one batch.

        embeddings: (rows, dim), labels: (rows,). ref_emb: (rows, dim), a second view of the same instances in the same
        order, which joins the batch (in that library it would be a set of keys alone). Or instance_ids: (rows,), equal
        for the views of one instance; without either every row is an instance with one view, and alpha must be 0 or
        None. ref_labels: as labels, if given. indices_tuple: of a miner; the theorems speak of whole batches, so none
        is taken.
        """
        if indices_tuple is not None:
            raise SettingError("indices_tuple: mined pairs are no batch that a theorem speaks of; leave the miner out")
        if ref_emb is None:
            if ref_labels is not None:
                raise SettingError("ref_labels: go with ref_emb, the second view")
            if instance_ids is None:
                return self.loss(embeddings[:, None], labels)
            return self.loss(embeddings, labels, instance_ids)
        if instance_ids is not None:
            raise SettingError("instance_ids: ref_emb says which rows are views of one instance; give one of the two")
        if ref_emb.shape != embeddings.shape:
            raise SettingError(
                f"ref_emb of shape {tuple(ref_emb.shape)}: must be the second view of the same instances, of shape "
                f"{tuple(embeddings.shape)}"
            )
        if ref_labels is not None and not torch.equal(ref_labels, labels):
            raise SettingError("ref_labels: differ from labels; ref_emb must hold the same instances in the same order")
        return self.loss(torch.stack([embeddings, ref_emb], dim=1), labels)
