"""``[postgres]``: how the database is reached."""

from pydantic import Field, PositiveFloat

from archiver.section import Section


class PostgresSettings(Section):
    """How the database is reached. The address is SUPABASE_DB_URL."""

    connect_timeout_s: PositiveFloat = Field(10.0, description="For one connection.")
    statement_timeout_s: PositiveFloat | None = Field(
        None, description="Unset: the role's own. A scan that runs into it is asked again in smaller pieces."
    )
    anchor_schema: str = Field("archiver", min_length=1, description="The schema of the anchor's table.")
