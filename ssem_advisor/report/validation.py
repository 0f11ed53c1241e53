"""The report of `validate`: the same mapping as text for a terminal, and as one self-contained page with pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssem_advisor.printing import WIDTH, Meaning, Paint, table, uncoloured, wrapped
from ssem_advisor.report.evidence_pictures import STYLE, agreement, free_of, panels, points_of

if TYPE_CHECKING:
    from ssem_advisor.documents import ClaimShown, CurveShown, OverSeeds, RunRecorded, Suite, Validate

_MARKS = {"confirmed": "+", "refuted": "-", "undecided": "?", "not tested": " ", "not trained": "?"}
_MEANINGS: dict[str, Meaning] = {"confirmed": "safe", "refuted": "collapse"}
_COLUMNS = (
    "free spread: what instances of one class differ in beside the classes; typical: expected of a typical network; "
    "estimate: with the view reliability and directions that were measured"
)
_ENDED = {
    "interrupted": "Interrupted: this report holds what was finished, and its verdict stays open.",
    "budget": "The budget of minutes ran out: this report holds what was finished.",
}


def text(report: Validate, paint: Paint = uncoloured, width: int = WIDTH) -> str:
    """The report for a terminal of so many columns."""

    def verdict(word: str) -> str:
        return paint(word, _MEANINGS.get(word.lower(), "estimate"))

    lines = wrapped(
        f"{verdict(report['verdict'].upper())}  {', '.join(s['suite'] for s in report['suites'])}; "
        f"{duration(report['seconds'])} on {report['device']}{_threads(report)}",
        width,
    )
    if report["ended"] in _ENDED:
        lines += wrapped(_ENDED[report["ended"]], width)
    for suite in report["suites"]:
        lines += ["", f"{suite['suite']}: {verdict(suite['verdict'])}", *wrapped(describe(suite), width, "  ")]
        for claim in suite["claims"]:
            title = f"{claim['number']}. {claim['title']}: {verdict(claim['verdict'])}"
            lines += ["", *wrapped(title, width, f"{_MARKS[claim['verdict']]} ", "     ")]
            lines += wrapped(claim["summary"], width, "     ")
            if claim["control"]:
                lines += wrapped(f"control: {claim['control']}: {control_outcome(claim)}", width, "     ")
            for check in claim["checks"]:
                if not check.get("control") and check["verdict"] != "confirmed":
                    said = f"{verdict(check['verdict'])}: {check['curve']}, {check['what']}: {interval(check)}"
                    lines += wrapped(said, width, "     ")
        if suite["suite"] != "embeddings":
            for curve in suite["curves"]:
                lines += ["", *_table(suite, curve, width)]
    return "\n".join(lines) + "\n"


def _threads(report: Validate) -> str:
    threads = report.get("environment", {}).get("threads", {})
    if "each" not in threads:  # recorded before this was told
        return ""
    named = [
        f"{number} {name if number == 1 else plural}"
        for number, name, plural in (
            (threads["processes"], "process", "processes"),
            (threads["each"], "thread", "threads"),
        )
    ]
    return ", " + " of ".join(named)


def _table(suite: Suite, curve: CurveShown, width: int) -> list[str]:
    where = f"temperature {curve['temperature']:g}"
    if "class_openings" in curve:
        pairs = zip(curve["class_counts"], curve["class_openings"], strict=True)
        openings = ", ".join(f"{count}: {_number(alpha)}" for count, alpha in pairs)
        head = f"{where}, classes open by size {openings}"
    else:
        head = f"{where}, collapse threshold {_number(curve['threshold'])}, read off the training {_read_off(curve)}"
    points = points_of(suite, curve)
    rows = [("alpha ", "typical", "estimate", "measured free spread", "fine probe")]
    for point in points:
        probe = _number(point["probe_fine"]["mean"] if "probe_fine" in point else None)
        estimate = _number(None if point["estimate"] is None else point["estimate"]["mean"])
        alpha = f"{point['alpha']:.3f}{'*' if point['recommended'] else ' '}"
        rows.append((alpha, _number(point["typical"]), estimate, interval(free_of(point)), probe))
    lines = [*wrapped(head, width, "  "), *table(rows, gap=2 if width >= 66 else 1, indent="  ")]
    if any(point["recommended"] for point in points):
        lines.append("  * the recommended weight at this temperature")
    return lines + wrapped(_COLUMNS, width, "  ")


def describe(suite: Suite) -> str:
    """One sentence on what a suite trains and how much of it is done."""
    protocol, tasks = suite["protocol"], suite["tasks"]
    seeds = "1 seed" if protocol["seeds"] == 1 else f"{protocol['seeds']} seeds"
    if suite["suite"] == "embeddings":
        loss = protocol["loss"] or "every loss"
        what = f"free unit vectors, {loss}, every sampler, {seeds}; {len(suite['runs'])} minimisations"
    else:
        batch = (
            "full batch"
            if protocol["sampler"] == "full"
            else f"{protocol['sampler']} batches of {protocol['batch_size']}"
        )
        what = (
            f"{protocol['classes']} classes, {protocol['dim']} dimensions, {protocol['loss']}, {batch}, "
            f"{protocol['views']} views, {protocol['epochs']} epochs, {seeds}; {len(suite['runs'])} models trained"
        )
    if suite["stopped_early"]:
        what += "; stopped early, further seeds would not change the verdict"
    elif tasks["done"] < tasks["planned"]:
        what += f"; {tasks['done']} of {tasks['planned']} parts finished"
    return what


def control_outcome(claim: ClaimShown) -> str:
    return "fails, as it must" if claim["control_failed"] else "does NOT fail"


def interval(values: OverSeeds) -> str:
    """Mean and 95 % interval; the mean alone where there is no interval."""
    if values["low"] is None:
        return f"{values['mean']:.4g}"
    return f"{values['mean']:.4f} [{values['low']:.4f}, {values['high']:.4f}]"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _read_off(curve: CurveShown) -> str:
    found = curve.get("read_off") or []
    return f"{sum(found) / len(found):.3f}" if found else "nothing yet"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


# -- the page ----------------------------------------------------------------------------------------------------------


def html(report: Validate) -> str:
    """One HTML page that needs no other file: verdicts, tables and pictures. Needs jinja2."""
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ssem_advisor", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "duration": duration,
        "interval": interval,
        "number": _number,
        "svg": markupsafe.Markup,
    }
    template = environment.get_template("validation.html.j2")
    return template.render(
        report=report, ended=_ENDED.get(report["ended"]), describe=describe, control_outcome=control_outcome,
        panels=panels, scatter=scatter, points_of=points_of, free_of=free_of, read_off=_read_off, views_of=views_of,
        agreement=agreement, style=STYLE,
    )  # fmt: skip


def views_of(suite: Suite) -> list[RunRecorded]:
    """The trainings whose embeddings are shown: collapsed first, recommended second, by temperature."""
    shown = [r for r in suite["runs"] if "view" in r]
    return sorted(shown, key=lambda r: (r["temperature"], r["alpha"]))


def scatter(view: dict[str, Any]) -> str:
    """The first two principal components of one embedding; colour = fine label."""
    size, reach = 220, 1.1
    dots: list[str] = []
    for (x, y), fine in zip(view["points"], view["fine"], strict=True):
        px, py = (size / 2 * (1 + x / reach), size / 2 * (1 - y / reach))
        dots.append(f'<circle class="fill hue{fine % 10}" cx="{px:.1f}" cy="{py:.1f}" r="2.2"/>')
    body = "".join(dots)
    label = 'role="img" aria-label="embedding, two principal components"'
    return f'<svg class="scatter" viewBox="0 0 {size} {size}" {label}>{body}</svg>'
