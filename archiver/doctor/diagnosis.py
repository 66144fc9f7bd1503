"""One thing that was looked at, what was found, and what a person does about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from archiver.errors import ArchiverError, ConfigError, Partial, worst

REPORT_IT: Final = "correct what is named; if it is nothing of yours, report it as a defect of archiver"


class Severity(StrEnum):
    """What follows from it."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found about one subject, in words for a person.

    Attributes:
        check: Stable name for machines: ``database.grants``. Each stands in docs/doctor.md.
        subject: What it is about: a location without credentials, a path, a dataset, a setting.
        fact: What was found. Never a secret, a row or a subject.
        exit: The status that a command ends with because of it; 3 for a warning, 0 when all is well.
        fix: The next step for a person: a command, a statement, a setting. Empty only when all is well.
    """

    check: str
    subject: str
    fact: str
    severity: Severity = Severity.OK
    exit: int = 0
    fix: str = ""

    def __post_init__(self) -> None:
        """A problem without a fix is refused."""
        assert bool(self.fix) == (self.severity is not Severity.OK), self.check
        assert bool(self.exit) == (self.severity is not Severity.OK), self.check


def ok(check: str, subject: str, fact: str) -> Diagnosis:
    """All is well, or nothing can be done about it."""
    return Diagnosis(check=check, subject=subject, fact=fact)


def warning(check: str, subject: str, fact: str, fix: str) -> Diagnosis:
    """Every command does its work, and something is not as it should be."""
    return Diagnosis(
        check=check, subject=subject, fact=fact, severity=Severity.WARNING, exit=Partial.exit_status, fix=fix
    )


def problem(check: str, subject: str, fact: str, fix: str, *, exit_status: int = ConfigError.exit_status) -> Diagnosis:
    """A command will not do its work."""
    return Diagnosis(check=check, subject=subject, fact=fact, severity=Severity.PROBLEM, exit=exit_status, fix=fix)


def of_error(check: str, subject: str, error: ArchiverError) -> Diagnosis:
    """What a command would have said and ended with."""
    return problem(check, subject, error.message, error.hint or REPORT_IT, exit_status=error.exit_status)


def exit_status(diagnoses: Iterable[Diagnosis]) -> int:
    """That of the worst problem; where there is none, 3 for a warning; else 0."""
    listed = list(diagnoses)
    problems = {diagnosis.exit for diagnosis in listed if diagnosis.severity is Severity.PROBLEM}
    return worst(problems or {diagnosis.exit for diagnosis in listed})
