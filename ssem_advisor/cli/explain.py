"""`explain`: the theorems, with the numbers of a setting put in."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ssem_advisor.cli._options import Format, FormatOption
from ssem_advisor.cli._output import columns, paint, say, tell
from ssem_advisor.cli._setting import setting_of, takes_setting
from ssem_advisor.domain import SettingError


@takes_setting
def explain(
    given: dict[str, Any],
    theorem: Annotated[
        str | None, typer.Argument(help="Key of a theorem. Without a key, all theorems are listed.", show_default=False)
    ] = None,
    form: FormatOption = Format.text,
) -> None:
    """Show a theorem: statement, assumptions (met or not here), formula with numbers put in, source and proof."""
    from ssem_advisor.report import theorems as report

    if theorem is None:
        if form is Format.json:
            say(report.json_list())
        else:
            say(report.text_list())
        return
    from ssem_advisor.theory.registry import theorem as find

    found = find(theorem)
    setting = None
    if {"classes", "class_counts"} & given.keys():
        from ssem_advisor.advice import complete

        setting, filled = complete(setting_of(given))
        if filled and form is Format.text:
            tell(f"Assumed: batch size {setting.batch_size}, {setting.sampler} sampler.")
    elif given:
        raise SettingError("classes: missing; a setting needs --classes, --class-counts or --dataset")
    if form is Format.json:
        say(report.json_one(found, setting))
    else:
        say(report.text_one(found, setting, paint(), columns()))
