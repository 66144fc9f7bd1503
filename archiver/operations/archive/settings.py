"""``[verify]``, ``[sweep]``: how the archive itself is looked after."""

from datetime import timedelta

from pydantic import Field, PositiveInt

from archiver.section import Duration, Section


class VerifySettings(Section):
    """How a verification works."""

    jobs: PositiveInt = Field(2, le=64, description="Objects read at the same time.")


class SweepSettings(Section):
    """How litter leaves the store."""

    grace: Duration = Field(
        timedelta(days=3), description="Objects that no entry names stay this long: another run may be at work on them."
    )
