"""Findings as text, JSON, GitHub annotations, SARIF and JUnit: one renderer per format, all from the same report."""

from __future__ import annotations

from importlib import import_module

from ssem_advisor.lint.run import Report

FORMATS = ("text", "json", "github", "sarif", "junit")


def render(report: Report, form: str, *, color: bool = False) -> str:
    """The whole report in one format; ends with a newline unless it is empty. Only text is ever coloured."""
    module = import_module(f"{__name__}.{form}")
    text: str = module.render(report, color) if form == "text" else module.render(report)
    return text
