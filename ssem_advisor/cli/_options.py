"""Options that several commands share: one spelling, one type, one help text each."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How a command prints its answer: for people, or as JSON with a published schema."""

    text = "text"
    json = "json"


class NetworkChoice(StrEnum):
    """The networks that need no measurement: as trained on real images, and the minimiser of the loss."""

    typical = "typical"
    perfect = "perfect"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the answer.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Read the setting from a training config or launch script. Options take precedence over it.",
    ),
]
MixOption = Annotated[
    str | None,
    typer.Option(
        "--mix",
        metavar="FORM[:WEIGHTS]",
        help="How your code writes the mixture; the answer then gives its own weights. Examples: mixed, "
        "mixed:0.05, two-weights:1,0.3; --mix list shows all.",
    ),
]
