"""`ssem-advisor explore`: the interactive page, one file that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ssem_advisor.cli._output import tell
from ssem_advisor.cli._setting import setting_of, takes_setting


@takes_setting
def explore(
    given: dict[str, Any],
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write.")] = Path("explorer.html"),
) -> None:
    """Write the interactive page, opened at your setting.

    Its phase diagram and every number follow the sliders. One file, which needs no network.
    """
    from ssem_advisor.report import explorer

    explorer.write(output, setting_of(given) if given else None)
    tell(f"wrote {output}; open it in a browser")
