"""What a person or a program sees of a look at the application and the nightly run. Decides nothing."""

from archiver.app.health import Looked
from archiver.cli.views.console import Output, show


@show.register
def _looked(outcome: Looked, output: Output) -> None:
    for problem in outcome.unsent:
        output.warn(problem)
    for finding in outcome.findings:
        if output.as_json:
            output.json_line(
                "finding", {"check": finding.check, "ok": finding.is_ok, "fact": finding.fact, "fix": finding.fix}
            )
        elif finding.is_ok:
            output.say(f"ok: {finding.fact}")
        else:
            output.warn(f"{finding.fact}; {finding.fix}")
    if output.as_json:
        output.json_line("summary", {"command": "health", "exit": outcome.exit_status})
