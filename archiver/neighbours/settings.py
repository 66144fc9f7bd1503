"""``[retry]``: how a neighbour that is away is asked again."""

from pydantic import Field, PositiveFloat, PositiveInt

from archiver.section import Section


class RetrySettings(Section):
    """How often and how long a service that is away is asked again."""

    attempts_max: PositiveInt = Field(6, le=100, description="The first attempt included.")
    wait_first_s: PositiveFloat = Field(
        0.5, description="Upper bound of the first wait; doubled each time. Waits are random below their bound."
    )
    wait_max_s: PositiveFloat = Field(20.0, description="Upper bound of any wait.")
    deadline_s: PositiveFloat = Field(180.0, description="No wait ends later than this after the first attempt.")
