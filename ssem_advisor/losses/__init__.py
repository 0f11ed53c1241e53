"""Supervised contrastive losses with a self-supervised term, for training loops.

    from ssem_advisor.losses import SupervisedContrastiveLoss

    loss = SupervisedContrastiveLoss(alpha=0.5, temperature=0.1)
    loss(z, labels).backward()  # z: (instances, views, dim), labels: (instances,)

Every loss is (1-alpha) L_sup + alpha L_self. With S_ab = z_a.z_b / temperature of unit rows z, for an anchor a and a
positive b the losses take these -log p, L_sup with the embeddings of other instances of the anchor's class as positives
and L_self with the views of its own instance:

- ``supcon``: -S_ab + log sum_c exp S_ac over all c but a. The form of SupCon and SimCLR code, where a is not its own
  positive. alpha=1 is SimCLR; plain SupCon is the mixture at :func:`plain_supcon_alpha`, or alpha=None in any batch.
- ``ssem``: the same over all c, a included, and a is a positive of itself in L_self. The form of the SSEM paper.
- ``l_spread``: an anchor meets one other view of all instances at a time, its own instance being a positive of L_sup
  too. In L_sup c runs over b and the instances of other classes, in L_self over the instances of the anchor's class.

An anchor without positives counts 0 in L_sup: ``return_parts=True`` tells the share of anchors that have some.

The matrix of similarities is never held: memory is linear in the batch, and values and gradients are exact. Half
precision is computed in float32, at any temperature. Second derivatives in reverse mode, ``torch.func.grad`` and
``vmap`` (over alpha and temperature too) and ``torch.compile`` work; forward mode does not (torch says so). Where torch
traces or maps there are no values to look at, so the checks of values are left out there.
"""

from ssem_advisor.extras import need

need("torch", __name__)

from ssem_advisor.losses._loss import (  # noqa: E402
    LossParts,
    SupervisedContrastiveLoss,
    plain_supcon_alpha,
    supervised_contrastive_loss,
)
from ssem_advisor.losses._metric_learning import MetricLearningLoss  # noqa: E402

__all__ = [
    "LossParts",
    "MetricLearningLoss",
    "SupervisedContrastiveLoss",
    "plain_supcon_alpha",
    "supervised_contrastive_loss",
]
