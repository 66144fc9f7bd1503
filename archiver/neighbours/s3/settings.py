"""``[s3]``: how the bucket is reached."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from archiver.section import MIB, Section


class S3Settings(Section):
    """How the bucket is reached. Credentials come from the usual AWS_… variables."""

    path_style: bool | None = Field(
        None, description="https://host/bucket instead of https://bucket.host. Unset: with an own endpoint yes."
    )
    sse: Literal["", "AES256", "aws:kms"] = Field(
        "", description="Server-side encryption asked for with every object. Empty: the bucket's own default applies."
    )
    kms_key_id: str | None = Field(None, description="The key for aws:kms; unset: the account's default key.")
    checksums: bool = Field(
        True, description="Send a SHA-256 with every object, which the store checks. Off only for a store that refuses."
    )
    multipart_threshold_bytes: int = Field(16 * MIB, ge=5 * MIB, description="Larger files are uploaded in parts.")
    part_bytes: int = Field(
        16 * MIB, ge=5 * MIB, description="Size of an upload's part: what one upload holds in memory."
    )
    connect_timeout_s: PositiveFloat = Field(10.0, description="For one connection.")
    read_timeout_s: PositiveFloat = Field(60.0, description="Between two pieces of an answer, not for a whole one.")
    connections_max: PositiveInt = Field(16, le=256, description="Kept open at once.")
