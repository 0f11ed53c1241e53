"""Options that several commands share: one spelling, one type, one help text each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Format(StrEnum):
    """How a command prints its answer: for people, or as JSON with a published schema."""

    text = "text"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the answer.")]
