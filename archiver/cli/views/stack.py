"""Findings of `stack check`: a block for each on a terminal, a line for each as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from rich.text import Text

from archiver.cli.views.console import Output, count_text
from archiver.model import Finding, Verdict
from archiver.words import english_list

STYLES = {Verdict.OK: "green", Verdict.BREACH: "bold red", Verdict.CANNOT_TELL: "yellow"}
WORDS = {Verdict.OK: "ok", Verdict.BREACH: "BREACH", Verdict.CANNOT_TELL: "cannot tell"}
WORST_FIRST = (Verdict.BREACH, Verdict.CANNOT_TELL, Verdict.OK)
LABEL_WIDTH = 13


def findings(output: Output, checked: Sequence[Finding], exit_status: int) -> None:
    """All of them, the worst ones last on a terminal, where a person looks; in their own order as JSON.

    Without a terminal, as in cron, what is ok is not printed.
    """
    counts = Counter(finding.verdict for finding in checked)
    if output.as_json:
        for finding in checked:
            output.json_line("finding", asdict(finding))
        by_verdict = {str(verdict): counts[verdict] for verdict in Verdict}
        output.json_line(
            "summary",
            {"command": "stack check", "findings": len(checked), **by_verdict, "exit": exit_status},
        )
        return
    for verdict in reversed(WORST_FIRST):
        for finding in checked:
            if finding.verdict is verdict:
                _tell(output, _block(finding), is_ok=verdict is Verdict.OK)
    _tell(output, Text(_summary(counts)), is_ok=counts[Verdict.OK] == len(checked))


def _tell(output: Output, text: Text, *, is_ok: bool) -> None:
    if is_ok:
        output.say(text)
    else:
        output.answer(text)


def _block(finding: Finding) -> Text:
    shown = Text()
    shown.append(f"{WORDS[finding.verdict]:<{LABEL_WIDTH}}", STYLES[finding.verdict])
    shown.append(finding.check, "bold")
    shown.append(f"  {finding.subject}")
    lines = (
        ("promised", finding.promised),
        ("configured", finding.configured),
        ("in force", finding.in_force),
        ("observed", finding.observed),
        ("fix", finding.fix),
    )
    for label, said in lines:
        if said:
            shown.append(f"\n  {label:<{LABEL_WIDTH - 2}}{english_list(said)}", "bold" if label == "fix" else "")
    return shown


def _summary(counts: Counter[Verdict]) -> str:
    parts = [f"{counts[verdict]} {WORDS[verdict].lower()}" for verdict in WORST_FIRST if counts[verdict]]
    return f"{count_text(sum(counts.values()), 'finding')}: {', '.join(parts)}"
