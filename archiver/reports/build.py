"""Entries to a report. Pure: the same entries, period and places give the same report."""

from collections.abc import Iterable
from dataclasses import dataclass

from archiver import __version__
from archiver.ledger.entries import SignedEntry
from archiver.model import RulesStated
from archiver.reports import assess
from archiver.reports.facts import collect
from archiver.reports.model import REPORT_FORMAT, Chain, PeriodFacts, Report
from archiver.reports.period import Period

ARCHIVE_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a report needs besides the entries.

    Attributes:
        store, anchor: Where they are, without credentials.
        stated: The rules of the present configuration, for a ledger that never stated any.
    """

    store: str
    anchor: str
    stated: RulesStated | None = None


def build_report(entries: Iterable[SignedEntry], period: Period, context: Context) -> Report:
    """The report on a period.

    Args:
        entries: The whole ledger from entry 0 on, each checked against the one before. What was written after the
            period's end is not looked at.

    Raises:
        LedgerBroken: An entry contradicts the ones before it.
    """
    previous = period.previous()
    *before, now = collect(entries, (period,) if previous is None else (previous, period), context.stated)
    remarks = assess.remarks(now)
    compared = next((earlier for earlier in before if earlier.chain is not None), None)
    return Report(
        format=REPORT_FORMAT,
        number=_number(now),
        written_by=f"archiver {__version__}",
        store=context.store,
        anchor=context.anchor,
        verify_command=_command(now.chain),
        verdict=assess.verdict(remarks),
        remarks=remarks,
        compared_with=None if compared is None else compared.period,
        verdict_before=None if compared is None else assess.verdict(assess.remarks(compared)),
        changes=() if compared is None else assess.changes(compared, now),
        measures=assess.measures(compared, now),
        gaps=assess.gaps(now),
        facts=now,
    )


def _number(facts: PeriodFacts) -> str:
    """Of the archive, the period and the state of the ledger: another report on them has the same number."""
    if facts.chain is None:
        return f"none-{facts.period.label}"
    return f"{facts.chain.archive_id[:ARCHIVE_DIGITS]}-{facts.period.label}-{facts.chain.head_seq}"


def _command(chain: Chain | None) -> str:
    return "" if chain is None else f"archiver verify --offline ./copy --public-key {chain.public_key} --deep"
