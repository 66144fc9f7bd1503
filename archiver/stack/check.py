"""Everything that is configured, looked at once. One part's failure is that part's finding, never the run's."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import httpx

from archiver.model import Finding, Fix, Look, Verdict
from archiver.stack import alertmanager, alerts, compose, composefile, logdirs, loki, objectstore, prometheus, supabase
from archiver.stack.targets import (
    Access,
    AlertmanagerTarget,
    AlertServiceTarget,
    ComposeTarget,
    LokiTarget,
    PrometheusTarget,
    StackTargets,
)
from archiver.stack.web import open_client
from archiver.stack.words import Unknown

ClientFactory = Callable[[Access], httpx.Client]
EXIT_NOT_KEPT = 4


def check_stack(
    targets: StackTargets, now: datetime, *, client_for: ClientFactory = open_client
) -> tuple[Finding, ...]:
    """Look at all targets and judge what they say.

    Args:
        now: Aware. Ages are measured by it.
        client_for: How a server is reached.

    Returns:
        In the order of the targets' fields. Nothing that the world does is raised: whatever could not be looked at
        is a ``cannot_tell`` finding with its reason. No finding holds a secret or a log line.
    """
    run = _Run(now, client_for)
    for prometheus_target in targets.prometheus:
        run.of_server("prometheus", prometheus_target, partial(run.ask_prometheus, prometheus_target))
    for loki_target in targets.loki:
        run.of_server("loki", loki_target, partial(run.ask_loki, loki_target))
    for alertmanager_target in targets.alertmanager:
        run.of_server(
            "alertmanager", alertmanager_target, partial(run.ask_alertmanager, alertmanager_target, targets.compose)
        )
    for service in targets.alerts:
        run.of_server("alerts", service, partial(alerts.check, service, now=now))
    for compose_target in targets.compose:
        run.contained("compose", str(compose_target.file), partial(compose.check, compose_target, run.running()))
    for directory in targets.log_directories:
        run.contained("logs", str(directory.path), partial(logdirs.check, directory, now))
    for bucket in targets.buckets:
        run.contained("store", bucket.location, partial(objectstore.judge, bucket, now))
    for project in targets.supabase:
        run.contained("supabase", project.location, partial(supabase.judge, project, now))
    return tuple(run.findings)


def exit_status(findings: Iterable[Finding]) -> int:
    """0: every check that ran passed. 4: one is broken, or cannot be told to be kept."""
    return 0 if all(finding.verdict is Verdict.OK for finding in findings) else EXIT_NOT_KEPT


def _alertmanager_flag(targets: tuple[ComposeTarget, ...]) -> str | Unknown | None:
    """No API gives the flag: it is known only from the compose file."""
    flag: str | Unknown | None = Unknown(Look.NO_API(), Fix.NAME_COMPOSE())
    for target in targets:
        flag = compose.alertmanager_flag(composefile.read(target.file))
        if not isinstance(flag, Unknown):
            return flag
    return flag


@dataclass(slots=True)
class _Run:
    now: datetime
    client_for: ClientFactory
    findings: list[Finding] = field(default_factory=list)
    prometheus_answers: list[prometheus.Answers] = field(default_factory=list)
    loki_answers: list[loki.Answers] = field(default_factory=list)

    def ask_prometheus(self, target: PrometheusTarget, client: httpx.Client) -> tuple[Finding, ...]:
        answers = prometheus.ask(target, client, self.now)
        self.prometheus_answers.append(answers)
        return prometheus.judge(target, answers, self.now)

    def ask_loki(self, target: LokiTarget, client: httpx.Client) -> tuple[Finding, ...]:
        answers = loki.ask(target, client, self.now)
        self.loki_answers.append(answers)
        return loki.judge(target, answers, self.now)

    def ask_alertmanager(
        self, target: AlertmanagerTarget, files: tuple[ComposeTarget, ...], client: httpx.Client
    ) -> tuple[Finding, ...]:
        return alertmanager.check(target, client, self.now, flag=_alertmanager_flag(files))

    def running(self) -> compose.Running:
        """What a compose file is compared with. With several servers of a kind nobody knows which one is its."""
        return compose.Running(
            prometheus=self.prometheus_answers[0] if len(self.prometheus_answers) == 1 else None,
            loki=self.loki_answers[0] if len(self.loki_answers) == 1 else None,
        )

    def of_server(
        self,
        kind: str,
        target: PrometheusTarget | LokiTarget | AlertmanagerTarget | AlertServiceTarget,
        look: Callable[[httpx.Client], tuple[Finding, ...]],
    ) -> None:
        def ask() -> tuple[Finding, ...]:
            with self.client_for(target) as client:
                return look(client)

        self.contained(kind, target.address, ask)

    def contained(self, kind: str, subject: str, look: Callable[[], tuple[Finding, ...]]) -> None:
        """Add the findings of one part; what stops that part stops no other, and is a finding itself."""
        try:
            results = look()
        except Exception as exc:  # noqa: BLE001 - the other parts must still be looked at, and this one is reported
            results = (
                Finding(
                    check=f"{kind}.check",
                    subject=subject,
                    observed=(Look.CHECK_FAILED(error=type(exc).__name__),),
                    verdict=Verdict.CANNOT_TELL,
                    fix=(Fix.DEFECT(),),
                ),
            )
        self.findings += results
