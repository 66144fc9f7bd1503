"""Whether rows may be deleted where that does more than delete them: what it would change, and who agreed to what."""

from collections.abc import Collection, Sequence

from archiver.contracts import SideEffect
from archiver.model import RowsChanged

_REWRITES = {"cascade": "deletes", "set_null": "sets to NULL", "set_default": "sets to their default"}


def obstacles(
    effects: Sequence[SideEffect], may_change: Collection[str], *, leaving_first: Collection[str] = ()
) -> tuple[str, ...]:
    """Why nothing may be deleted, each reason naming the obstacle; empty when nothing does.

    Args:
        may_change: Relations that a person has declared not to be archived, as ``schema.relation``.
        leaving_first: Relations whose own rows are purged before; what is left of them is seen when it is deleted.
    """
    reasons = []
    for effect in effects:
        where = f"{effect.name} of {effect.relation}" if effect.name else effect.relation
        is_agreed = effect.relation in may_change
        match effect.kind:
            case "cascade" | "set_null" | "set_default" if effect.rows and not is_agreed:
                if effect.relation not in leaving_first:
                    reasons.append(f"{where} {_REWRITES[effect.kind]} {effect.rows} rows with it, which nothing proves")
            case "restrict" if effect.rows and effect.relation not in leaving_first:
                reasons.append(f"{where} refers to it with {effect.rows} rows and does not let them go")
            case "instead_rule":
                reasons.append(f"the rule {where} does something else instead of deleting")
            case "child_columns" if not is_agreed:
                reasons.append(
                    f"its child {effect.relation} has columns that it lacks ({effect.name}): they would go unarchived"
                )
            case "hidden_columns" if not is_agreed:
                reasons.append(
                    f"it is a view of {effect.relation}, whose {effect.name} it does not show: they would go unarchived"
                )
            case "no_replica_identity":
                reasons.append(
                    f"the publication {effect.name} needs a replica identity, which {effect.relation} does not have"
                )
            case "foreign":
                reasons.append(f"{effect.relation} is a foreign table: what else its server does nobody sees here")
    return tuple(reasons)


def notes(effects: Sequence[SideEffect], may_change: Collection[str]) -> tuple[str, ...]:
    """What a person should know of effects that forbid nothing by themselves."""
    remarks = []
    for effect in effects:
        where = f"{effect.name} of {effect.relation}"
        if effect.kind in ("trigger", "rule"):
            remarks.append(
                f"the {effect.kind} {where} runs for what is deleted: a deletion that changes more is rolled back"
            )
        elif effect.kind in _REWRITES and effect.relation in may_change:
            remarks.append(f"{where} {_REWRITES[effect.kind]} rows with it, as purge_may_change allows")
        elif effect.kind in _REWRITES and effect.rows is None:
            remarks.append(f"{where} {_REWRITES[effect.kind]} rows with it; a deletion that finds any is rolled back")
    return tuple(remarks)


def unagreed(changes: Sequence[RowsChanged], may_change: Collection[str]) -> tuple[str, ...]:
    """Of what a deletion changed besides the compared rows, that which nobody agreed to, in words."""
    return tuple(describe(change) for change in changes if change.altered or change.relation not in may_change)


def describe(change: RowsChanged) -> str:
    """What would happen to one relation."""
    if change.altered:
        return f"{change.relation} would be emptied or altered"
    counts = ((change.deleted, "deleted"), (change.updated, "updated"), (change.inserted, "inserted"))
    return f"{change.relation}: " + ", ".join(f"{rows} rows {what}" for rows, what in counts if rows)
