"""``[data_api]``: how the data API is reached, and how much it is asked for at once."""

from pydantic import Field, PositiveFloat, PositiveInt

from archiver.section import Section


class DataApiSettings(Section):
    """How Supabase's data API is reached. Its address is SUPABASE_URL, its key SUPABASE_SECRET_KEY."""

    jobs: PositiveInt = Field(
        4,
        le=64,
        description="As export.jobs, through the data API, where every page waits for its answer. Each takes one"
        " connection of PostgREST's pool (`db-pool`, 10 unless configured), which the application uses too.",
    )
    connect_timeout_s: PositiveFloat = Field(10.0, description="For one connection.")
    read_timeout_s: PositiveFloat = Field(
        60.0, description="Between two pieces of an answer; the first one comes when the database has answered."
    )
    purge_rows_max: PositiveInt = Field(
        10_000,
        description="As purge.batch_rows_max, which is lowered to this: keys and versions travel in one question.",
    )
