"""What the pictures of the theory show: which settings they cover, whose free spread, and the words for both."""

from __future__ import annotations

from ssem_advisor.advice import Basis, Outlook, complete, outlook_of
from ssem_advisor.domain import NotCovered, Setting
from ssem_advisor.report.plots.canvas import Paper
from ssem_advisor.theory.network import PERFECT, Network


def need_views(setting: Setting) -> None:
    if setting.views == 1 and setting.loss != "ssem":
        raise NotCovered("views=1: not covered, without a second view the self-supervised term has no positive")


def covered_outlook(setting: Setting, paper: Paper) -> Outlook:
    """What a picture of the free spread shows of a setting, its batch filled in; or NotCovered."""
    need_views(setting)
    outlook = shown_outlook(complete(setting)[0], paper)
    reason = outlook.why_not_covered
    if reason is not None:
        raise NotCovered(reason)
    return outlook


def shown_outlook(setting: Setting, paper: Paper) -> Outlook:
    """What the pictures show: free spread of a typical network, or of the minimiser."""
    return outlook_of(setting, network_of(paper))


def network_of(paper: Paper) -> Network | None:
    """Whose free spread a picture shows, as `recommend` takes it: None is a typical network."""
    return PERFECT if paper.network == "perfect" else None


def most(outlook: Outlook) -> float:
    """The largest free spread that there is."""
    return 1.0 if outlook.basis is Basis.minimiser else outlook.network.view_reliability


def basis(outlook: Outlook) -> str:
    if outlook.basis is Basis.exact:
        return "at the optimum"
    if outlook.basis is Basis.minimiser:
        return "of the loss's own minimum"
    who = "of the minimiser" if outlook.network == PERFECT else "of a typical network"
    return f"{who}, a rough estimate" if outlook.by_class else who


def headline(setting: Setting) -> str:
    """The setting in one line."""
    parts = [setting.loss, f"{setting.classes} classes"]
    if setting.class_counts is not None:
        parts.append(f"{min(setting.class_counts)} to {max(setting.class_counts)} instances each")
    elif setting.instances_per_class is not None:
        parts.append(f"{setting.instances_per_class} instances each")
    if setting.sampler == "full":
        parts.append("full batch")
    else:
        drawn = f" from {setting.classes_per_batch} classes" if setting.classes_per_batch else ""
        parts.append(f"{setting.sampler} batches" + (f" of {setting.batch_size}" if setting.batch_size else "") + drawn)
    parts.append(f"{setting.views} view{'s' if setting.views != 1 else ''}")
    if setting.dim is not None:
        parts.append(f"dimension {setting.dim}")
    return ", ".join(parts)
