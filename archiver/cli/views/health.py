"""What a person or a program sees of a look at the application and the nightly run. Decides nothing."""

from archiver.app.health import Looked
from archiver.cli.views.console import Output, show


@show.register
def _looked(outcome: Looked, output: Output) -> None:
    for problem in outcome.unsent:
        output.warn(problem)
    for one in outcome.findings:
        if output.as_json:
            output.json_line("finding", {"check": one.check, "ok": one.is_ok, "fact": one.fact, "fix": one.fix})
        elif one.is_ok:
            output.say(f"ok: {one.fact}")
        else:
            output.warn(f"{one.fact}; {one.fix}")
    if output.as_json:
        output.json_line("summary", {"command": "health", "exit": outcome.exit_status})
