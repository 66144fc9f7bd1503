"""``archiver hold``."""

import sys
from typing import Annotated

import typer

from archiver.app import build
from archiver.app.archive import open_archive
from archiver.app.deletion import holds_of_another_key
from archiver.app.hold import REVIEW_AFTER, HoldAsked, place, said
from archiver.app.outcome import each
from archiver.cli.common import JsonOption, SinceOption, UntilOption, chosen_datasets, context, finish
from archiver.cli.views.deletion import lost_keys
from archiver.cli.views.hold import holds
from archiver.config import parse_since
from archiver.errors import ConfigError
from archiver.operations.archive.hold import release_hold
from archiver.operations.logs.settings import LOGS


def add(
    reason: Annotated[str, typer.Option(help="Why, in words without personal data.")],
    reference: Annotated[str, typer.Option(help="The case's own number, where the rest is kept.")],
    dataset: Annotated[str | None, typer.Option(help="Without: every dataset.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    subject: Annotated[
        bool, typer.Option("--subject", help="Only one person's rows; the identifier is read from standard input.")
    ] = False,
    review: Annotated[str | None, typer.Option(help="The day to look at it again; without: in 90 days.")] = None,
    json_: JsonOption = False,
) -> None:
    """Place a hold: what it covers is not deleted until released.

    Neither purged from the database nor expired from the archive, from the next batch of a deletion at work on.

    Example: archiver hold add --dataset app_audit_log --since 2026-10-01 --reason "claim" --reference 2026-17

    Example: printf %s +4915112345678 | archiver hold add --subject --reason "claim" --reference 2026-17
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    # One that is not exported any more, and Loki's logs, hold what a case may need.
    if dataset is not None and dataset not in {*settings.all_datasets(), LOGS}:
        chosen_datasets(settings, [dataset], with_logs=True)
    now = build.now()
    low = None if since is None else parse_since(since, now, option="--since")
    high = None if until is None else parse_since(until, now, option="--until")
    if low is not None and high is not None and low >= high:
        raise ConfigError(f"--since {since} is not before --until {until}; nothing was done", hint="swap the two")
    day = now + REVIEW_AFTER if review is None else parse_since(review, now, option="--review")
    if day <= now:
        raise ConfigError(f"--review {review} is not in the future; nothing was done", hint="write a date to come")
    asked = HoldAsked(
        dataset=dataset,
        since=low,
        until=high,
        identifier=sys.stdin.read if subject else None,
        reason=reason,
        reference=reference,
        review_on=day,
    )
    finish(output, each(lambda: place(settings, asked)))


def release(
    name: Annotated[str, typer.Argument(metavar="HOLD", help="As `archiver hold list` names it.")],
    reason: Annotated[str, typer.Option(help="Why it ends.")],
) -> None:
    """End a hold. What it covered and is due goes with the next purge and expiry.

    Example: archiver hold release h-1a2b3c4d --reason "the claim was settled"
    """
    output = context.output()
    settings = context.load().settings
    said(reason, "--reason", "why the hold ends")
    with open_archive(settings, "append") as archive:
        release_hold(archive.ledger, name, reason)
    output.answer(f"hold {name} is released")


def show(json_: JsonOption = False) -> None:
    """The holds in force.

    Example: archiver hold list --json
    """
    output = context.output(as_json=json_)
    settings = context.load().settings
    with open_archive(settings, "read") as archive:
        holdings = archive.ledger.holdings
        holds(output, list(holdings.holds.values()), archive.clock())
    lost_keys(output, holds_of_another_key(settings, holdings))
