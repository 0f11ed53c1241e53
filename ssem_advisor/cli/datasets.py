"""`datasets`: the table behind --dataset."""

from __future__ import annotations

from ssem_advisor.cli._output import say


def datasets() -> None:
    """List the data sets that --dataset knows, with their source."""
    from ssem_advisor import catalogue

    for data in catalogue.every():
        counts = data.class_counts
        if counts is not None:
            size = f"{min(counts)} to {max(counts)}"
        else:
            size = "unlimited" if data.instances_per_class is None else str(data.instances_per_class)
        say(f"{data.name:<16} {data.classes:>6} classes   {size:>14} each   {data.source}")
        if data.note:
            say(f"{'':<16} {data.note}")
