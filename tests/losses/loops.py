"""The losses as nested loops, straight from their definitions: slow, and nothing shared with the package."""

from __future__ import annotations

import torch
from torch import Tensor


def loop_loss(z, labels, ids, alpha, temperature, loss, reduction="anchors"):
    """z: (embeddings, dim), labels and ids: lists as long. Returns the scalar and its two terms."""
    z = z / z.norm(dim=-1, keepdim=True)
    terms = _spread_terms if loss == "l_spread" else _softmax_terms
    sup, own = zip(*(terms(a, z @ z.T / temperature, labels, ids, loss) for a in range(len(z))), strict=True)
    l_sup, l_self = _mean(sup, reduction), _mean(own, reduction)
    if alpha is None:
        return _mean([[*s, *o] for s, o in zip(sup, own, strict=True)], reduction), l_sup, l_self
    return (1 - alpha) * l_sup + alpha * l_self, l_sup, l_self


def _mean(terms: list[list[Tensor]], reduction: str) -> Tensor:
    """Over the positives of each anchor, then over the anchors, one without positives counting 0; or over all pairs."""
    if reduction == "pairs":
        flat = [t for row in terms for t in row]
        return sum(flat) / len(flat) if flat else torch.tensor(0.0)
    return sum(sum(row) / len(row) if row else torch.tensor(0.0) for row in terms) / len(terms)


def _softmax_terms(a, s, labels, ids, loss):
    everyone = [b for b in range(len(s)) if loss == "ssem" or b != a]
    denominator = sum(torch.exp(s[a, b]) for b in everyone)
    surprise = {b: -torch.log(torch.exp(s[a, b]) / denominator) for b in everyone}
    sup = [surprise[b] for b in everyone if labels[b] == labels[a] and ids[b] != ids[a]]
    own = [surprise[b] for b in everyone if ids[b] == ids[a]]
    return sup, own


def _spread_terms(a, s, labels, ids, loss):
    view = [sum(ids[c] == ids[b] for c in range(b)) for b in range(len(s))]
    sup, own = [], []
    for v in sorted(set(view) - {view[a]}):
        across = [b for b in range(len(s)) if view[b] == v]
        kin = [b for b in across if labels[b] == labels[a]]
        negatives = sum(torch.exp(s[a, b]) for b in across if labels[b] != labels[a])
        sup += [-torch.log(torch.exp(s[a, b]) / (torch.exp(s[a, b]) + negatives)) for b in kin]
        class_sum = sum(torch.exp(s[a, b]) for b in kin)
        own += [-torch.log(torch.exp(s[a, b]) / class_sum) for b in kin if ids[b] == ids[a]]
    return sup, own
