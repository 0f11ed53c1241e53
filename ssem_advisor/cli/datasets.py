"""`datasets`: the table behind --dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssem_advisor.cli._options import Format, FormatOption
from ssem_advisor.cli._output import say

if TYPE_CHECKING:
    from ssem_advisor.documents import Datasets


def datasets(form: FormatOption = Format.text) -> None:
    """List the data sets that --dataset knows, with their source."""
    from ssem_advisor import catalogue

    if form is Format.json:
        import json

        listed: Datasets = {
            "version": 1,
            "datasets": [
                {
                    "name": data.name,
                    "classes": data.classes,
                    "instances_per_class": data.instances_per_class,
                    "class_counts": None if data.class_counts is None else list(data.class_counts),
                    "source": data.source,
                    "note": data.note,
                    "aliases": list(data.aliases),
                }
                for data in catalogue.every()
            ],
        }
        say(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    for data in catalogue.every():
        counts = data.class_counts
        if counts is not None:
            size = f"{min(counts)} to {max(counts)}"
        else:
            size = "unlimited" if data.instances_per_class is None else str(data.instances_per_class)
        say(f"{data.name:<16} {data.classes:>6} classes   {size:>14} each   {data.source}")
        if data.note:
            say(f"{'':<16} {data.note}")
