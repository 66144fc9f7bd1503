"""What several settings say together and no command is to work by: refused when settings are read."""

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from archiver.config.settings import Settings
from archiver.errors import ConfigError
from archiver.operations.logs.settings import LOGS, LokiSettings
from archiver.section import DURATION_MAX, format_duration

if TYPE_CHECKING:
    from archiver.retention.settings import DatasetSettings

PERIOD_MIN: Final = timedelta(days=1)
"""A shorter period is mostly a slip of the unit, and empties a table: it must be confirmed."""


def refuse(settings: Settings, written: Mapping[str, Any]) -> None:
    """Refuse settings that no command may work by.

    Args:
        written: The same settings as a person wrote them, as a tree.

    Raises:
        ConfigError: The first of them, with what to set instead.
    """
    _shared_relations(settings)
    _short_periods(settings, written)


def _shared_relations(settings: Settings) -> None:
    """One relation has one dataset: a hold on one would not stop the other, and their column policies would differ."""
    names: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for dataset in settings.resolved_datasets():
        names[dataset.source, dataset.namespace, dataset.relation].append(dataset.name)
    for (_, namespace, relation), sharing in names.items():
        if len(sharing) > 1:
            raise ConfigError(
                f"datasets {' and '.join(sharing)} are one relation, {namespace}.{relation}: a hold on one would not"
                " stop the other; nothing was touched",
                hint="merge them into one, or disable all but one: "
                + " or ".join(f"datasets.{name}.enabled = false" for name in sharing),
            )


def _short_periods(settings: Settings, written: Mapping[str, Any]) -> None:
    sections: dict[str, DatasetSettings | LokiSettings] = {LOGS: settings.loki}
    sections |= {f"datasets.{name}": rules for name, rules in settings.all_datasets().items()}
    for section, rules in sections.items():
        for name in ("source_retention", "archive_retention"):
            period = getattr(rules, name)
            if period is not None and period < PERIOD_MIN and not rules.short_periods:
                text = _written(written, (*section.split("."), name)) or format_duration(period)
                raise ConfigError(
                    f"{section}.{name} = {text} is less than a day, and nothing confirms it; nothing was touched",
                    hint=f"did you mean {in_days(text)}? If {text} is meant, set {section}.short_periods = true",
                )


def in_days(text: str) -> str:
    """The period that was likely meant by a duration in another unit: the same number, of days."""
    number = int(re.sub(r"\D", "", text))
    return f"{min(number, DURATION_MAX.days)}d"


def _written(tree: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    node: Any = tree
    for part in path:
        node = node.get(part) if isinstance(node, Mapping) else None
    return node if isinstance(node, str) else None
