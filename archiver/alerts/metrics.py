"""The page of metrics: counts, times and states; no label of an alert is on it."""

from collections.abc import Iterator

from archiver import __version__
from archiver.alerts.nouns import Episode
from archiver.alerts.relay import CRITICAL
from archiver.alerts.service import Service
from archiver.alerts.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SEVERITIES = (CRITICAL, "warning", "info", "none")
OUTCOMES = ("accepted", "unauthorised", "invalid", "too_large", "unavailable")


async def page(service: Service) -> str:
    """Prometheus's text format."""
    firing = await service.stored(Store.firing)
    oldest = await service.stored(Store.oldest)
    size_bytes = await service.stored(Store.size_bytes)
    lines = [f'mcp_alerts_build_info{{version="{__version__}"}} 1']
    lines += _of_alerts(service, firing)
    if oldest is not None:
        lines.append(f"mcp_alerts_oldest_event_timestamp_seconds {oldest.timestamp():.3f}")
    lines.append(f"mcp_alerts_retention_seconds {service.retention.total_seconds():.0f}")
    lines.append(f"mcp_alerts_database_bytes {size_bytes}")
    lines.append(f"mcp_alerts_watchdog_silence_seconds {service.watchdog_silence.total_seconds():.0f}")
    lines.append(f"mcp_alerts_channels {len(service.outside.channels)}")
    if service.alertmanagers.urls:
        lines.append(f"mcp_alerts_alertmanager_up {int(not service.alertmanager_problems)}")
    if service.last_reconciliation is not None:
        seconds = service.last_reconciliation.timestamp()
        lines.append(f"mcp_alerts_last_reconciliation_timestamp_seconds {seconds:.3f}")
    lines += _counters(service)
    return _with_types(lines)


def _of_alerts(service: Service, firing: list[Episode]) -> Iterator[str]:
    unsuppressed = [episode for episode in firing if not episode.suppressed]
    for severity in (*SEVERITIES, "other"):
        count = sum(
            (episode.severity if episode.severity in SEVERITIES else "other") == severity for episode in unsuppressed
        )
        yield f'mcp_alerts_firing{{severity="{severity}"}} {count}'
    yield f"mcp_alerts_suppressed {len(firing) - len(unsuppressed)}"
    waiting = sum(
        episode.severity == CRITICAL and not episode.is_acknowledged(service.now()) for episode in unsuppressed
    )
    yield f"mcp_alerts_critical_unacknowledged {waiting}"


def _counters(service: Service) -> Iterator[str]:
    known = {
        ("notifications", "outcome"): OUTCOMES,
        ("transitions", "kind"): ("firing", "resolved"),
        ("messages", "outcome"): ("ok", "failed"),
        ("pings", "outcome"): ("ok", "failed"),
        ("loop_failures", "loop"): ("reconciliation", "relay", "retention"),
    }
    for (metric, label), values in known.items():
        for value in values:
            yield f'mcp_alerts_{metric}_total{{{label}="{value}"}} {service.counts[metric, label, value]}'


def _with_types(lines: list[str]) -> str:
    typed: list[str] = []
    last = ""
    for line in lines:
        name = line.split("{")[0].split(" ")[0]
        if name != last:
            typed.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}")
            last = name
        typed.append(line)
    return "\n".join(typed) + "\n"
