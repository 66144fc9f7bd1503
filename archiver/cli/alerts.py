"""``archiver alerts``. Nothing of ``archiver.alerts`` is imported before one of its commands runs."""

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from archiver.cli.common import JsonOption, context
from archiver.errors import ConfigError
from archiver.section import parse_duration

EXTRA = ("mcp", "uvicorn", "apprise")
ACK_HOURS_MAX = 72

DataOption = Annotated[Path, typer.Option("--data", metavar="DIR", help="Where the service keeps its database.")]
DEFAULT_DATA = Path("/var/lib/archiver-alerts")


def serve(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where it listens.")] = "127.0.0.1:8080",
    data: DataOption = DEFAULT_DATA,
    alertmanager: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Alertmanager's address; once for each member of a cluster.")
    ] = None,
    post_token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Alertmanager's token, shared with it; made if there is none.")
    ] = None,
    notify_urls: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Apprise addresses, one a line: who is told. Mode 0600.")
    ] = None,
    ping_url: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds an address to ping as long as the Watchdog comes.")
    ] = None,
    allowed_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further name by which it is reached.")
    ] = None,
    escalate_after: Annotated[str, typer.Option(help="How long a critical alert may wait for somebody.")] = "15m",
    repeat_every: Annotated[str, typer.Option(help="How often it is told again.")] = "1h",
    watchdog_after: Annotated[str, typer.Option(help="How long the Watchdog may stay away; off: for ever.")] = "15m",
    retention: Annotated[str, typer.Option(help="How long events and ended alerts are kept.")] = "30d",
) -> None:
    """Take in alerts and answer questions about them.

    Takes what Alertmanager sends to /alerts, answers MCP clients at /mcp. Runs until it is stopped.

    Example: archiver alerts serve --listen 127.0.0.1:8080 --data /var/lib/archiver-alerts --alertmanager http://127.0.0.1:9093
    """
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the alert service needs {', '.join(missing)}; nothing was started",
            hint="pip install 'archiver[alerts]', or requirements/alerts.txt with --require-hashes",
        )
    host, port = _host_and_port(listen)
    from archiver.alerts.relay import Rules
    from archiver.alerts.server import Settings, run

    run(
        Settings(
            host=host,
            port=port,
            data=data,
            alertmanagers=tuple(alertmanager or ()),
            post_token_file=post_token_file,
            notify_urls_file=notify_urls,
            ping_url_file=ping_url,
            allowed_hosts=tuple(allowed_host or ()),
            rules=Rules(
                escalate_after=_duration(escalate_after, "--escalate-after"),
                repeat_every=_duration(repeat_every, "--repeat-every"),
                watchdog_after=timedelta(0)
                if watchdog_after == "off"
                else _duration(watchdog_after, "--watchdog-after"),
            ),
            retention=_duration(retention, "--retention"),
        )
    )


def show(
    data: DataOption = DEFAULT_DATA,
    ended: Annotated[bool, typer.Option("--ended", help="What has ended, too.")] = False,
    json_: JsonOption = False,
) -> None:
    """What fires, from the service's database.

    Example: archiver alerts list --data /var/lib/archiver-alerts
    """
    from archiver.alerts.foreign import shown, shown_pairs

    output = context.output(as_json=json_)
    now = datetime.now(UTC)
    with _opened(data) as store:
        alerts = [*store.firing(), *(store.ended(500) if ended else ())]
    for alert in alerts:
        if json_:
            output.json_line(
                "alert",
                {
                    "fingerprint": alert.fingerprint,
                    "name": alert.name,
                    "severity": alert.severity,
                    "component": alert.component,
                    "status": "firing" if alert.is_firing else "resolved",
                    "suppressed": alert.suppressed,
                    "starts_at": alert.starts_at,
                    "ends_at": alert.ends_at,
                    "acknowledged_by": alert.ack.by if alert.ack and alert.is_acknowledged(now) else None,
                    "labels": shown_pairs(alert.labels),
                    "annotations": shown_pairs(alert.annotations),
                },
            )
            continue
        state = alert.suppressed or ("firing" if alert.is_firing else "resolved")
        if alert.ack is not None and alert.is_acknowledged(now):
            state += f", acknowledged by {shown(alert.ack.by, 60)}"
        output.answer(
            f"{alert.fingerprint}  {shown(alert.severity or '-', 20):<9} {shown(alert.name, 60)}"
            f"  since {alert.starts_at:%Y-%m-%d %H:%M} UTC  {state}"
        )
    if json_:
        output.json_line("summary", {"command": "alerts list", "alerts": len(alerts), "exit": 0})
    elif not alerts:
        output.say("nothing fires")


def ack(
    fingerprint: Annotated[str, typer.Argument(help="As `archiver alerts list` gives it.")],
    data: DataOption = DEFAULT_DATA,
    note: Annotated[str, typer.Option(help="Why, for whoever looks next.")] = "",
    by: Annotated[str, typer.Option(help="Who has taken it on; stands in the history.")] = "command-line",
    hours: Annotated[float, typer.Option(min=0.01, max=ACK_HOURS_MAX, help="Then it is nobody's again.")] = 8.0,
) -> None:
    """Take a firing alert on: nobody is called for it until then.

    Example: archiver alerts ack 1a2b3c4d5e6f7081 --note "disk ordered" --hours 24
    """
    from archiver.alerts.store import NoSuchAlert
    from archiver.alerts.tokens import checked_name

    now = datetime.now(UTC)
    with _opened(data) as store:
        try:
            done = store.acknowledge(
                fingerprint, by=checked_name(by), note=note, until=now + timedelta(hours=hours), now=now
            )
        except NoSuchAlert as problem:
            raise ConfigError(str(problem), hint=f"archiver alerts list --data {data}") from None
    assert done.ack is not None
    context.output().say(f"{done.fingerprint} is acknowledged until {done.ack.until:%Y-%m-%d %H:%M} UTC")


def token_add(
    name: Annotated[str, typer.Argument(help="Who it is for; stands in the history.")],
    scope: Annotated[
        list[str], typer.Option(metavar="SCOPE", help="alerts:read, alerts:write (reads too) or alerts:post.")
    ],
    data: DataOption = DEFAULT_DATA,
    expires: Annotated[str | None, typer.Option(help="After how long it ends, such as 90d; without: never.")] = None,
) -> None:
    """Make a token and print it, once: the last line. Only its hash is kept.

    A running service knows it at once.

    Example: archiver alerts token add claude --scope alerts:write --data /var/lib/archiver-alerts
    """
    from archiver.alerts.store import Store
    from archiver.alerts.tokens import checked_name, checked_scopes, digest, new

    token, scopes = new(), checked_scopes(scope)
    now = datetime.now(UTC)
    expires_at = None if expires is None else now + _duration(expires, "--expires")
    checked_name(name)
    store = Store.open(data)
    try:
        store.add_token(name, digest(token), scopes, now, expires_at=expires_at)
    finally:
        store.close()
    output = context.output()
    output.say(f"{name}: {', '.join(sorted(scopes))}; it is shown this once:")
    output.answer(token)


def token_list(data: DataOption = DEFAULT_DATA, json_: JsonOption = False) -> None:
    """Names and scopes; the tokens themselves are nowhere.

    Example: archiver alerts token list --data /var/lib/archiver-alerts
    """
    output = context.output(as_json=json_)
    with _opened(data) as store:
        for token in store.tokens():
            if json_:
                output.json_line(
                    "token",
                    {
                        "name": token.name,
                        "scopes": sorted(token.scopes),
                        "created_at": token.created_at,
                        "expires_at": token.expires_at,
                    },
                )
            else:
                end = "" if token.expires_at is None else f", until {token.expires_at:%Y-%m-%d %H:%M} UTC"
                output.answer(
                    f"{token.name}  {', '.join(sorted(token.scopes))}, since {token.created_at:%Y-%m-%d}{end}"
                )


def token_remove(
    name: Annotated[str, typer.Argument(help="As `archiver alerts token list` gives it.")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Forget a token: it counts no longer, from the next request on.

    Example: archiver alerts token remove claude --data /var/lib/archiver-alerts
    """
    with _opened(data) as store:
        if not store.remove_token(name):
            raise ConfigError(f"there is no token {name}; nothing was changed", hint="archiver alerts token list")
    context.output().say(f"{name} is removed")


def _opened(data: Path) -> Any:
    """The database of a service that has run there; closed with the block."""
    from contextlib import closing

    from archiver.alerts.store import Store

    return closing(Store.open(data, must_exist=True))


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the last port
        raise ConfigError(
            f"--listen {text!r} is no HOST:PORT; nothing was started", hint="such as 127.0.0.1:8080 or [::1]:8080"
        )
    return host, int(port)


def _duration(text: str, option: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as problem:
        raise ConfigError(f"{option}: {problem}; nothing was done", hint="such as 90m, 24h or 30d") from None
