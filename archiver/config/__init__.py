"""Settings: the only reader of the environment.

- ``settings``: the tree, with what each setting does and why its default is what it is
- ``sources``: where values come from, in which order, and what is wrong with them
- ``consistency``: settings that do not go together
- ``times``: dates, ages and durations as people write them
- ``template``: the file that ``archiver init`` writes
"""

from archiver.config.consistency import Contradiction, contradictions, secret_files
from archiver.config.settings import DatasetSettings, Location, Settings
from archiver.config.sources import Origin, describe, load
from archiver.config.template import template
from archiver.config.times import format_duration, parse_duration, parse_since

__all__ = [
    "Contradiction",
    "DatasetSettings",
    "Location",
    "Origin",
    "Settings",
    "contradictions",
    "describe",
    "format_duration",
    "load",
    "parse_duration",
    "parse_since",
    "secret_files",
    "template",
]
