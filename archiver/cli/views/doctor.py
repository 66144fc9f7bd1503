"""Diagnoses: a block for each on a terminal, a line for each as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from rich.text import Text

from archiver.cli.views.console import Output, count_text
from archiver.doctor import Diagnosis, Severity

STYLES = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.PROBLEM: "bold red"}
WORST_LAST = (Severity.OK, Severity.WARNING, Severity.PROBLEM)
LABEL_WIDTH = 9


def diagnoses(output: Output, found: Sequence[Diagnosis], exit_status: int) -> None:
    """All of them, the worst ones last on a terminal, where a person looks; in their own order as JSON.

    Without a terminal what is ok is not told, as everywhere.
    """
    counts = Counter(one.severity for one in found)
    if output.as_json:
        for one in found:
            output.json_line("diagnosis", asdict(one))
        by_severity = {str(severity): counts[severity] for severity in WORST_LAST}
        output.json_line("summary", {"command": "doctor", "looked_at": len(found), **by_severity, "exit": exit_status})
        return
    for severity in WORST_LAST:
        for one in found:
            if one.severity is severity:
                _tell(output, _block(one), is_ok=severity is Severity.OK)
    parts = [f"{counts[severity]} {severity}" for severity in reversed(WORST_LAST) if counts[severity]]
    summary = Text(f"{count_text(len(found), 'thing')} looked at: {', '.join(parts)}")
    _tell(output, summary, is_ok=counts[Severity.OK] == len(found))


def _tell(output: Output, text: Text, *, is_ok: bool) -> None:
    if is_ok:
        output.say(text)
    else:
        output.answer(text)


def _block(one: Diagnosis) -> Text:
    shown = Text()
    shown.append(f"{one.severity:<{LABEL_WIDTH}}", STYLES[one.severity])
    shown.append(one.check, "bold")
    shown.append(f"  {one.subject}")
    indent = f"\n{' ' * LABEL_WIDTH}"
    if one.severity is Severity.OK:
        shown.append(f": {one.fact}")
    else:
        shown.append(f"{indent}{one.fact}")
        shown.append(f"{indent}fix: {one.fix}", "bold")
    return shown
