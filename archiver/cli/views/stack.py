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


def findings(output: Output, found: Sequence[Finding], exit_status: int) -> None:
    """All of them, the worst ones last on a terminal, where a person looks; in their own order as JSON.

    Without a terminal, in cron, what is ok is not told.
    """
    counts = Counter(one.verdict for one in found)
    if output.as_json:
        for one in found:
            output.json_line("finding", asdict(one))
        by_verdict = {str(verdict): counts[verdict] for verdict in Verdict}
        output.json_line(
            "summary",
            {"command": "stack check", "findings": len(found), **by_verdict, "exit": exit_status},
        )
        return
    for verdict in reversed(WORST_FIRST):
        for one in found:
            if one.verdict is verdict:
                _tell(output, _block(one), is_ok=verdict is Verdict.OK)
    _tell(output, Text(_summary(counts)), is_ok=counts[Verdict.OK] == len(found))


def _tell(output: Output, text: Text, *, is_ok: bool) -> None:
    if is_ok:
        output.say(text)
    else:
        output.answer(text)


def _block(one: Finding) -> Text:
    shown = Text()
    shown.append(f"{WORDS[one.verdict]:<{LABEL_WIDTH}}", STYLES[one.verdict])
    shown.append(one.check, "bold")
    shown.append(f"  {one.subject}")
    lines = (
        ("promised", one.promised),
        ("configured", one.configured),
        ("in force", one.in_force),
        ("observed", one.observed),
        ("fix", one.fix),
    )
    for label, said in lines:
        if said:
            shown.append(f"\n  {label:<{LABEL_WIDTH - 2}}{english_list(said)}", "bold" if label == "fix" else "")
    return shown


def _summary(counts: Counter[Verdict]) -> str:
    parts = [f"{counts[verdict]} {WORDS[verdict].lower()}" for verdict in WORST_FIRST if counts[verdict]]
    return f"{count_text(sum(counts.values()), 'finding')}: {', '.join(parts)}"
