"""The losses as users call them: settings and data checked, processes joined, precision chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from numbers import Real
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ssem_advisor.domain import LOSSES, Loss, SettingError
from ssem_advisor.losses._gather import gather_batch, refuse_batch
from ssem_advisor.losses._groups import Groups
from ssem_advisor.losses._log_sum_exp import default_tile, range_suffices
from ssem_advisor.losses._mixture import MixedLoss, pair_sums
from ssem_advisor.losses._tiled import tiled_pair_sums

Reduction = Literal["anchors", "pairs"]
Gather = Literal[False, True, "ddp"]


class SupervisedContrastiveLoss(nn.Module):
    """(1-alpha) L_sup + alpha L_self, in nats, with memory linear in the batch.

    L_sup pulls an anchor to the other instances of its class, L_self to the other views of its instance; both push it
    from the rest of the batch. The package's docstring states the three losses.

    alpha: weight of L_self in [0, 1]; None = plain SupCon, which averages over both kinds of positives alike (only for
        ``supcon``; see :func:`plain_supcon_alpha`).
    temperature: softmax temperature > 0. It and alpha may be scalar tensors, and learned.
    loss: "supcon" (anchor left out of its denominator), "ssem" (anchor kept) or "l_spread".
    reduction: "anchors" averages over the positives of each anchor, then over all anchors, one without positives
        counting 0; "pairs" averages over all pairs of an anchor and a positive. Equal in balanced batches.
    gather: True computes the loss of the joined batch of all processes of ``torch.distributed``, each of which gets the
        value and its embeddings' gradient of that loss. "ddp" multiplies that gradient by the number of processes, by
        which DistributedDataParallel divides, so that the model trains as in one process.
    chunk: chunk x chunk similarities are held at a time; None = a size that suits the device.
    normalize: divide each embedding by its length; False checks that the lengths are 1.
    return_parts: return :class:`LossParts` instead of the scalar. It and `normalize` can be given by call as well.

    Raises SettingError for arguments outside their domain and ValueError for unusable data: wrong shapes, NaN or
    infinite values, zero vectors, one view per instance with alpha > 0. Anchors without positives are no error.
    """

    def __init__(
        self,
        alpha: float | Tensor | None,
        temperature: float | Tensor,
        loss: Loss = "supcon",
        reduction: Reduction = "anchors",
        gather: Gather = False,
        chunk: int | None = None,
        *,
        normalize: bool = True,
        return_parts: bool = False,
    ) -> None:
        super().__init__()
        _check_settings(alpha, temperature, loss, reduction, gather, chunk)
        self.alpha = alpha
        self.temperature = temperature
        self.options: dict[str, Any] = {
            "loss": loss,
            "reduction": reduction,
            "gather": gather,
            "chunk": chunk,
            "normalize": normalize,
            "return_parts": return_parts,
        }

    def forward(self, z: Tensor, labels: Tensor, instance_ids: Tensor | None = None, **options: bool) -> Any:
        """The loss of one batch.

        z: (instances, views, dim), any real floating type; half precision is computed in float32.
        labels: (instances,) integers.
        Or z: (embeddings, dim), labels: (embeddings,) and instance_ids: (embeddings,), equal for the views of one
        instance (in the joined batch, with `gather`), which may then differ in number; ``l_spread`` compares the views
        by their order and needs equal numbers.
        """
        return supervised_contrastive_loss(
            z, labels, self.alpha, self.temperature, instance_ids=instance_ids, **{**self.options, **options}
        )

    def extra_repr(self) -> str:
        alpha = "None (plain SupCon: (views-1) / (instances_per_class*views-1) of each anchor)"
        settings = {"alpha": alpha if self.alpha is None else self.alpha, "temperature": self.temperature}
        return ", ".join(f"{name}={value}" for name, value in (settings | self.options).items())


class LossParts(NamedTuple):
    """A loss and what it is made of; scalars, the first three differentiable.

    loss: what to minimise. l_sup, l_self: the supervised and the self-supervised term, before weighting.
    positive_share: share of anchors with another instance of their class in the batch, in [0, 1].
    """

    loss: Tensor
    l_sup: Tensor
    l_self: Tensor
    positive_share: Tensor


def supervised_contrastive_loss(
    z: Tensor,
    labels: Tensor,
    alpha: float | Tensor | None,
    temperature: float | Tensor,
    *,
    instance_ids: Tensor | None = None,
    loss: Loss = "supcon",
    reduction: Reduction = "anchors",
    gather: Gather = False,
    chunk: int | None = None,
    normalize: bool = True,
    return_parts: bool = False,
) -> Any:
    """The function behind :class:`SupervisedContrastiveLoss`, which documents the options.

    z: (instances, views, dim), or (embeddings, dim) with `instance_ids`, which rows are views of one instance; without
    them every row is an instance of one view. labels: one integer for each instance, or for each row.
    """
    _check_settings(alpha, temperature, loss, reduction, gather, chunk)
    try:
        labels, instance_ids = _check_shapes(z, labels, instance_ids, gather)
    except ValueError:
        if gather:
            refuse_batch(z)
        raise
    if gather:
        z, labels, instance_ids = gather_batch(z, labels, instance_ids, gradient_scale=gather == "ddp")
        _check_shapes(z, labels, instance_ids, False)
    if instance_ids is not None:
        _check_one_label_each(instance_ids, labels)
        if loss == "l_spread":
            z, labels, instance_ids = *_by_view(z, labels, instance_ids), None

    alpha = float(alpha) if isinstance(alpha, Real) else alpha
    temperature = float(temperature) if isinstance(temperature, Real) else temperature
    device = z.device.type
    with torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext():
        z, lengths = _with_lengths(z, normalize)
        groups = Groups.of(lengths.numel(), labels, instance_ids, z.dtype)
        _check_views(groups, alpha, loss)
        if isinstance(alpha, Tensor):
            alpha = alpha.to(z.dtype)
        if isinstance(temperature, Tensor):
            temperature = temperature.to(z.dtype)
        known = _number(temperature)
        if known is not None and known * torch.finfo(z.dtype).max < 4:
            raise SettingError(f"temperature={known!r}: too small for similarities in {z.dtype}")
        tile = chunk or default_tile(z.device)
        positives = groups.positives(loss)
        if loss == "l_spread":
            unit = z / torch.linalg.vector_norm(z, dim=-1, keepdim=True) if normalize else z
            sums = pair_sums((unit * temperature**-0.5).flatten(0, -2), groups, positives, loss, tile)
        else:
            direct = known is not None and range_suffices(1 / known, z.dtype)
            sums = tiled_pair_sums(
                z, lengths if normalize else None, temperature, groups, positives, loss, direct, tile
            )
        mixture = MixedLoss(groups, positives, alpha, reduction)
        if not return_parts:
            return mixture.total(sums)
        share = ((groups.others() > 0) * groups.views).sum() / groups.embeddings
        l_sup, l_self = mixture.terms(sums).unbind(-1)
        return LossParts(mixture.total(sums), l_sup, l_self, share)


def plain_supcon_alpha(instances_per_class: int, views: int = 2) -> float:
    """The weight at which the ``supcon`` loss is plain SupCon: (views-1) / (instances_per_class*views-1).

    Plain SupCon averages over all positives alike, be they views of the anchor's instance or of others of its class. In
    a batch with as many instances of every class that is a mixture with this weight. In an unbalanced batch every
    anchor has the weight of its own class, which ``alpha=None`` computes. Either way class collapse is the optimum, at
    every temperature.

    instances_per_class: same-class instances in the batch (not views), integer >= 1. views: integer >= 1.
    Raises SettingError outside these domains and for a single embedding per class, which has no positive.
    """
    for name, value in (("instances_per_class", instances_per_class), ("views", views)):
        if isinstance(value, bool) or not isinstance(value, Real) or not value >= 1 or value % 1 != 0:
            raise SettingError(f"{name}={value!r}: must be an integer >= 1")
    if instances_per_class * views == 1:
        raise SettingError(
            "instances_per_class=1, views=1: an anchor without positives has no weight; give more of one"
        )
    return (views - 1) / (instances_per_class * views - 1)


# -- checks -------------------------------------------------------------------------------------------------------


def _check_settings(alpha: Any, temperature: Any, loss: Any, reduction: Any, gather: Any, chunk: Any) -> None:
    _check_one_of("loss", loss, LOSSES)
    _check_one_of("reduction", reduction, ("anchors", "pairs"))
    _check_one_of("gather", gather, (False, True, "ddp"))
    _check_number("temperature", temperature, lambda t: (t > 0) & (t < math.inf), "a finite number > 0")
    if alpha is not None:
        _check_number("alpha", alpha, lambda a: (a >= 0) & (a <= 1), "a number in [0, 1]")
    elif loss != "supcon":
        raise SettingError(f"alpha=None: plain SupCon is the supcon loss, not {loss}; give alpha a number in [0, 1]")
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise SettingError(f"chunk={chunk!r}: must be an integer >= 1, or None")


def _check_one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        raise SettingError(f"{name}={value!r}: must be one of {', '.join(map(str, choices))}")


def _check_number(name: str, value: Any, inside: Callable[[Any], Any], domain: str) -> None:
    if isinstance(value, Tensor):
        ok = value.ndim == 0 and value.is_floating_point() and _holds(inside(value))
    else:
        ok = isinstance(value, Real) and not isinstance(value, bool) and value < 1e300 and inside(value)
    if not ok:
        raise SettingError(f"{name}={value!r}: must be {domain}")


def _check_shapes(z: Any, labels: Any, instance_ids: Any, gather: Gather) -> tuple[Tensor, Tensor | None]:
    """The labels and ids as tensors beside z. With gather, small batches wait for those of the other processes."""
    if isinstance(z, Tensor) and z.layout != torch.strided:
        raise ValueError(f"embeddings: must be a dense tensor, not of layout {z.layout}")
    if not isinstance(z, Tensor) or not z.is_floating_point():
        kind = str(z.dtype) if isinstance(z, Tensor) else type(z).__name__
        raise ValueError(f"embeddings: must be a floating-point tensor, not {kind}")
    shape = tuple(z.shape)
    if z.ndim not in (2, 3):
        raise ValueError(
            f"embeddings of shape {shape}: must be (instances, views, dim), or (embeddings, dim) with instance_ids"
        )
    if (0 in shape or math.prod(shape[:-1]) == 1) and not gather:
        raise ValueError(f"embeddings of shape {shape}: a batch needs at least two embeddings to compare")
    if z.ndim == 2 and instance_ids is None:
        raise ValueError(
            f"embeddings of shape {shape}: instance_ids is missing, so views of one instance cannot be told from "
            "others of its class; give it, or embeddings of shape (instances, views, dim)"
        )
    if z.ndim == 3 and instance_ids is not None:
        raise ValueError(f"embeddings of shape {shape}: the views are in the shape already; leave instance_ids out")
    return _indices("labels", labels, z), None if instance_ids is None else _indices("instance_ids", instance_ids, z)


def _indices(name: str, values: Any, z: Tensor) -> Tensor:
    try:
        values = torch.as_tensor(values, device=z.device)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}: must be a tensor or a list of integers ({error})".split("\n")[0]) from None
    if values.shape != z.shape[:1]:
        each = "instance" if z.ndim == 3 else "embedding"
        raise ValueError(f"{name} of shape {tuple(values.shape)}: must be ({len(z)},), one for each {each}")
    if values.is_floating_point() or values.is_complex():
        raise ValueError(f"{name}: must be integers, not {values.dtype}")
    return values.long()


def _with_lengths(z: Tensor, normalize: bool) -> tuple[Tensor, Tensor]:
    """The embeddings, in float32 at least, and their lengths, keeping the last dimension; without a gradient."""
    low, high, needed = 0.0, math.inf, "a zero vector has no direction"
    if not normalize:
        tolerance = max(1e-4, 4 * torch.finfo(z.dtype).eps)
        low, high, needed = 1 - tolerance, 1 + tolerance, "normalize=False takes rows of length 1"
    if z.element_size() < 4:
        z = z.float()
    lengths = torch.linalg.vector_norm(z.detach(), dim=-1, keepdim=True)
    shortest, longest = map(_number, lengths.aminmax())
    if shortest is None or longest is None or low < shortest <= longest < high:
        return z, lengths
    place = (~((lengths > low) & (lengths < high))).squeeze(-1).nonzero()[0].tolist()
    length = lengths[tuple(place)].item()
    what = f"has length {length:.6g}: {needed}"
    if not torch.isfinite(z[tuple(place)]).all():
        what = "holds NaN or infinite values"
    elif normalize and z[tuple(place)].any():
        what = f"has a length beyond the range of {z.dtype}; rescale the embeddings"
    raise ValueError(f"embeddings[{', '.join(map(str, place))}] {what}")


def _check_one_label_each(instance_ids: Tensor, labels: Tensor) -> None:
    ordered, order = instance_ids.sort()
    if not _holds(((ordered.diff() != 0) | (labels[order].diff() == 0)).all()):
        raise ValueError("instance_ids: views of one instance carry different labels")


def _check_views(groups: Groups, alpha: float | Tensor | None, loss: Loss) -> None:
    if groups.slots is None:
        several = groups.embeddings > len(groups.classes)
    else:
        several = _holds((groups.views != 1).all())
    if several:
        return
    if loss == "l_spread":
        raise ValueError("views=1: l_spread compares the views of an instance; give at least two")
    if alpha is not None and not _holds(alpha == 0):
        raise ValueError(
            f"views=1 with alpha={alpha}: the self-supervised term needs a second view of every instance; "
            "give two views, or alpha=0"
        )


def _by_view(z: Tensor, labels: Tensor, instance_ids: Tensor) -> tuple[Tensor, Tensor]:
    """(embeddings, dim) as (instances, views, dim), the views of an instance in their order of appearance."""
    counts = instance_ids.unique(return_counts=True)[1]
    if (counts != counts[0]).any():
        raise ValueError("instance_ids: l_spread needs as many views of every instance")
    order = instance_ids.argsort(stable=True).view(len(counts), -1)
    return z[order], labels[order[:, 0]]


def _number(x: Any) -> float | None:
    """The value of a number or a scalar tensor; None while torch traces or maps, when there is none to look at."""
    if isinstance(x, Tensor):
        if torch.compiler.is_compiling():
            return None
        try:
            return x.detach().item()
        except RuntimeError:
            return None
    return x


def _holds(condition: Any) -> bool:
    """Whether a condition on the data holds; granted where there is no value to look at."""
    return _number(condition) is not False
