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


def diagnoses(output: Output, examined: Sequence[Diagnosis], exit_status: int) -> None:
    """All of them, the worst ones last on a terminal, where a person looks; in their own order as JSON.

    Without a terminal, what is ok is not printed, as everywhere.
    """
    counts = Counter(diagnosis.severity for diagnosis in examined)
    if output.as_json:
        for diagnosis in examined:
            output.json_line("diagnosis", asdict(diagnosis))
        by_severity = {str(severity): counts[severity] for severity in WORST_LAST}
        output.json_line(
            "summary", {"command": "doctor", "looked_at": len(examined), **by_severity, "exit": exit_status}
        )
        return
    for severity in WORST_LAST:
        for diagnosis in examined:
            if diagnosis.severity is severity:
                _tell(output, _block(diagnosis), is_ok=severity is Severity.OK)
    parts = [f"{counts[severity]} {severity}" for severity in reversed(WORST_LAST) if counts[severity]]
    summary = Text(f"{count_text(len(examined), 'thing')} looked at: {', '.join(parts)}")
    _tell(output, summary, is_ok=counts[Severity.OK] == len(examined))


def _tell(output: Output, text: Text, *, is_ok: bool) -> None:
    if is_ok:
        output.say(text)
    else:
        output.answer(text)


def _block(diagnosis: Diagnosis) -> Text:
    shown = Text()
    shown.append(f"{diagnosis.severity:<{LABEL_WIDTH}}", STYLES[diagnosis.severity])
    shown.append(diagnosis.check, "bold")
    shown.append(f"  {diagnosis.subject}")
    indent = f"\n{' ' * LABEL_WIDTH}"
    if diagnosis.severity is Severity.OK:
        shown.append(f": {diagnosis.fact}")
    else:
        shown.append(f"{indent}{diagnosis.fact}")
        shown.append(f"{indent}fix: {diagnosis.fix}", "bold")
    return shown
