"""The pages of the rules: for `ssem-advisor rule`, and written to docs/rules by `python -m ssem_advisor.lint.pages`."""

from __future__ import annotations

import sys
from pathlib import Path

from ssem_advisor.lint.core import Rule, all_rules

_FAMILIES = {
    "SSM1": "Weight and temperature",
    "SSM2": "Form of the loss",
    "SSM3": "Batch",
    "SSM4": "Classes and space",
    "SSM5": "Numbers",
    "SSM9": "Files and exceptions",
}
_NOTE = "<!-- Made by `python -m ssem_advisor.lint.pages`; edit the rule instead. -->"


def page(rule: Rule) -> str:
    """One rule in Markdown."""
    facts = [f"Severity: {rule.severity}", f"fixable: {'yes' if rule.fixable else 'no'}"]
    if rule.theorem:
        facts.append(f"rests on: {rule.theorem}")
    body = rule.page.partition("\n")[2].strip()
    references = (
        f"\n\n## References\n\n`ssem-advisor explain {rule.theorem}` prints the theorem with its assumptions and its "
        f"proof's place. In the documentation this page is `rules/{rule.code}`."
        if rule.theorem
        else ""
    )
    return f"# {rule.code} {rule.name}\n\n{rule.summary}\n\n{'; '.join(facts)}.\n\n{body}{references}\n"


def index() -> str:
    """All rules by family, in Markdown."""
    parts = [
        "# Rules\n\n`ssem-advisor check` looks for the following. `--select` and `--ignore` take the code of a rule, "
        "the beginning of a code, or the name of a rule.\n"
    ]
    for prefix, title in _FAMILIES.items():
        rows = [
            f"| [{r.code}]({r.code}.md) {r.name} | {r.severity}{', fixable' if r.fixable else ''} | {r.summary} |"
            for r in all_rules()
            if r.code.startswith(prefix)
        ]
        parts.append(f"\n## {title}\n\n| Rule | Severity | What it reports |\n|---|---|---|\n")
        parts.append("\n".join(rows) + "\n")
    return "".join(parts)


def _linked(rule: Rule) -> str:
    """The page in the documentation: its theorem is a link, as the theorem links to the rule."""
    return page(rule).replace(
        f"rests on: {rule.theorem}.", f"rests on: [{rule.theorem}](../theorems.md#{rule.theorem})."
    )


def files() -> dict[str, str]:
    """File name -> content of docs/rules."""
    pages = {f"{rule.code}.md": _linked(rule) for rule in all_rules()}
    return {name: f"{_NOTE}\n\n{text}" for name, text in {"index.md": index(), **pages}.items()}


def write(folder: Path) -> None:
    """Write every page, and remove the pages of rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = files()
    for stale in folder.glob("*.md"):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/rules"))
