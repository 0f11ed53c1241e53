"""`explain`: the theorems, with the numbers of a setting put in."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ssem_advisor.cli._options import ConfigOption, Format, FormatOption
from ssem_advisor.cli._output import columns, paint, say, tell
from ssem_advisor.cli._setting import setting_of, takes_setting
from ssem_advisor.domain import Setting, SettingError


@takes_setting
def explain(
    given: dict[str, Any],
    theorem: Annotated[
        str | None, typer.Argument(help="Key of a theorem. Without a key, all theorems are listed.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Show a theorem, with the numbers of your setting put in.

    Its statement, its assumptions and whether your setting meets them, its formula, its source and its proof. What the
    setting leaves open is taken as `recommend` would set it. Without a key: the list of all theorems.
    """
    from ssem_advisor.report import theorems as report

    if theorem is None:
        if form is Format.json:
            say(report.json_list())
        else:
            say(report.text_list(columns()))
        return
    from ssem_advisor.theory.registry import theorem as find

    found = find(theorem)
    if config is not None:
        from ssem_advisor.cli._config import adopted

        adopted(config, given)
    setting = None
    if {"classes", "class_counts"} & given.keys():
        setting = _filled(setting_of(given), found.symbols, form)
    elif given:
        raise SettingError("classes: missing; a setting needs --classes, --class-counts or --dataset")
    if form is Format.json:
        say(report.json_one(found, setting))
    else:
        say(report.text_one(found, setting, paint(), columns()))


def _filled(setting: Setting, symbols: tuple[str, ...], form: Format) -> Setting:
    """The setting with what `recommend` would assume and set in the places left open, and a remark that says so."""
    from ssem_advisor import advice as advisor
    from ssem_advisor.advice.choice import USUAL_TEMPERATURE

    setting, filled = advisor.complete(setting)
    notes = [f"batch size {setting.batch_size}, {setting.sampler} sampler"] if filled else []
    missing = [name for name in ("temperature", "alpha") if getattr(setting, name) is None]
    wanted = {"temperature": "tau", "alpha": "alpha"}
    if any(wanted[name] in symbols for name in missing) or ("v" in symbols and missing):
        point = None if setting.extras else advisor.recommend(setting).recommended
        if point is not None:
            setting = setting.with_(alpha=point.alpha, temperature=point.temperature)
            notes.append(f"{' and '.join(f'{name} {getattr(setting, name):.3g}' for name in missing)}, as recommended")
        elif "temperature" in missing:
            setting = setting.with_(temperature=USUAL_TEMPERATURE)
            notes.append(f"temperature {USUAL_TEMPERATURE:g}")
    if notes and form is Format.text:
        tell(f"Assumed: {'; '.join(notes)}.")
    return setting
