"""`ssem-advisor rule`: what a rule looks for, why, and what to do about it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ssem_advisor.cli._output import say

if TYPE_CHECKING:
    from ssem_advisor.documents import RuleShown


class PageFormat(StrEnum):
    text = "text"
    json = "json"
    md = "md"


def rule(
    code: Annotated[
        str | None, typer.Argument(help="Code, beginning of codes, or name of a rule.", show_default=False)
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Print the pages of all rules.")] = False,
    form: Annotated[PageFormat, typer.Option("--format", "-f", help="How to print the page.")] = PageFormat.text,
) -> None:
    """Print the page of a rule."""
    from ssem_advisor.lint import all_rules, rules_matching
    from ssem_advisor.lint.pages import page

    if all_ == (code is not None):
        raise typer.BadParameter("give a rule, or --all")
    rules = all_rules() if code is None else rules_matching(code)
    if code is not None and not rules:
        from difflib import get_close_matches

        names = [word for r in all_rules() for word in (r.code, r.name)]
        near = get_close_matches(code, names, 1) or get_close_matches(code.upper(), names, 1)
        hint = f"did you mean {near[0]}?" if near else "rule --all prints them all"
        raise typer.BadParameter(f"{code}: no such rule; {hint}")
    if form is PageFormat.json:
        import json

        listed: list[RuleShown] = [
            {
                "code": r.code,
                "name": r.name,
                "severity": r.severity,
                "fixable": r.fixable,
                "theorem": r.theorem or None,
                "summary": r.summary,
                "page": page(r),
            }
            for r in rules
        ]
        say(json.dumps({"version": 1, "rules": listed}, indent=2, ensure_ascii=False))
    else:
        say("\n".join(page(r) for r in rules))
