"""``[report]``: what the report says besides what the ledger says, and where it is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from archiver.section import Duration, Section


class ReportSettings(Section):
    """What the audit report and the record of processing say besides what the ledger says. All of it is printed."""

    directory: Path | None = Field(
        None, description="Where reports are written. Unset: `reports` in the working directory."
    )
    languages: tuple[Literal["de", "en"], ...] = Field(
        ("de",), min_length=1, description="Of the reports: de, en; a file for each."
    )
    formats: tuple[Literal["html", "pdf", "json", "csv"], ...] = Field(
        ("html", "pdf", "json", "csv"), min_length=1, description="What a report is written as."
    )
    controller: str = Field(
        "", description="Who is responsible (Art. 4(7)): name and address of the company, and who represents it."
    )
    processor: str = Field("", description="Who works on their behalf (Art. 28): hosting, database, object storage.")
    officer: str = Field("", description="How the data protection officer is reached; the office, not the person.")
    record: str = Field("", description="The number of this processing in the record of processing activities.")
    recipients: tuple[str, ...] = Field((), description="To whom the data are disclosed (Art. 30(1)(d)).")
    transfers: tuple[str, ...] = Field(
        (), description="Third countries that data go to, each with its safeguard (Art. 30(1)(e)). Empty: not stated."
    )
    measures: tuple[str, ...] = Field(
        (), description="Technical and organisational measures besides those that archiver knows of itself."
    )
    residuals: Mapping[str, Duration] = Field(
        default_factory=dict,
        description="Copies that outlive a deletion elsewhere, each with how long: backups, exports. Supabase's own"
        " follow from stack.supabase.plan and stack.supabase.recovery_period.",
    )
