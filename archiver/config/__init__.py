"""Settings: the only reader of the environment.

- ``settings``: the tree; what a setting does and why its default is what it is says the room that works by it
- ``sources``: where values come from, in which order, and what is wrong with them
- ``refusals``: what is refused because settings do not go together
- ``consistency``: settings that go together and do something else than was meant
- ``times``: dates and ages as people write them
- ``template``: the file that ``archiver init`` writes
"""

from archiver.config.consistency import Contradiction, contradictions, secret_files
from archiver.config.settings import Location, Settings
from archiver.config.sources import Origin, describe, load
from archiver.config.template import template
from archiver.config.times import parse_since

__all__ = [
    "Contradiction",
    "Location",
    "Origin",
    "Settings",
    "contradictions",
    "describe",
    "load",
    "parse_since",
    "secret_files",
    "template",
]
