"""`ssem-advisor explore`: the interactive page, one file that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ssem_advisor.cli._output import Waiting, tell
from ssem_advisor.cli._setting import setting_of, takes_setting


@takes_setting
def explore(
    given: dict[str, Any],
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write.")] = Path("explorer.html"),
) -> None:
    """Write the interactive page, opened at your setting.

    Its phase diagram and every number follow the sliders. One file, which needs no network. With classes of different
    sizes, or more classes than dimensions, it holds the collapse thresholds of your setting.
    """
    from ssem_advisor.report import explorer

    setting = setting_of(given) if given else None
    if setting is not None:
        Waiting.about(f"Working out the thresholds of {setting.classes} classes at some 16 temperatures")
    explorer.write(output, setting, _sizes(given))
    tell(f"wrote {output}; open it in a browser")


def _sizes(given: dict[str, Any]) -> str | None:
    """The data set that class sizes come from, as an option; None where they were given themselves."""
    from ssem_advisor import catalogue

    name = given.get("dataset")
    if name is None or given.get("class_counts") != catalogue.get(name).class_counts:
        return None
    return f"--dataset {name}"
