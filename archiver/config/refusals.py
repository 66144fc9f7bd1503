"""What several settings say together and no command could work by: refused when settings are read."""

from collections import defaultdict

from archiver.config.settings import Settings
from archiver.errors import ConfigError


def refuse(settings: Settings) -> None:
    """Let pass what can be worked by.

    Raises:
        ConfigError: The first that cannot, with what to set instead.
    """
    _shared_relations(settings)


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
