"""Findings as text, JSON, GitHub annotations, SARIF and JUnit: one renderer per format, all from the same report."""

from __future__ import annotations

from importlib import import_module

from ssem_advisor.lint.checking import Report

FORMATS = ("text", "json", "github", "sarif", "junit")


def render(report: Report, form: str, *, color: bool = False, width: int | None = None) -> str:
    """The whole report in one format; ends with a newline unless it is empty. Only text has colour and a width."""
    module = import_module(f"{__name__}.{form}")
    text: str = module.render(report, color, width) if form == "text" else module.render(report)
    return text
