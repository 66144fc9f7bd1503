"""Every text of a report that is no statement of the ledger, in German and English side by side.

``{rows}`` is a fact, written in the language's own way; ``{rows|row|rows}`` is a number with its noun.
"""

from collections.abc import Mapping

from archiver.reports.catalogue_findings import FINDINGS
from archiver.reports.catalogue_names import NAMES
from archiver.reports.catalogue_sections import SECTIONS
from archiver.words import Message

CATALOGUE: Mapping[str, Message] = {**FINDINGS, **SECTIONS, **NAMES}
"""By key. A test holds it together with the code: nothing missing, nothing left over."""
