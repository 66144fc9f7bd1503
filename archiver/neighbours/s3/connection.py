"""How a bucket is reached: where it is, as whom, with which client."""

from pathlib import Path
from typing import Any

import boto3
import botocore
import botocore.config
from pydantic import SecretStr, model_validator

from archiver.errors import ConfigError, IntegrityError
from archiver.neighbours.keys import check_key
from archiver.neighbours.s3.errors import FAILURES, one_line, refuse
from archiver.neighbours.s3.settings import S3Settings


class S3Options(S3Settings):
    """How to reach a bucket, and what to ask of it: the settings, and which bucket, where, as whom.

    Attributes:
        prefix: Folder of the archive in the bucket; empty: the bucket is the archive's alone.
        endpoint_url: None: AWS.
        region: None: what boto3's own configuration says, else ``us-east-1``.
        access_key_id, secret_access_key, session_token: None: boto3's own chain (environment, profile, instance).
        ca_bundle: Certificates to trust instead of the system's.

    Raises:
        ConfigError: They are no place in a bucket, or half of a credential.
    """

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    ca_bundle: Path | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "S3Options":
        if not self.bucket:
            raise ConfigError("S3 store: no bucket is named; nothing was read or written")
        if self.prefix.strip("/"):
            try:
                check_key(self.prefix.strip("/"))
            except IntegrityError as error:
                raise ConfigError(
                    f"S3 store: prefix {self.prefix!a} is not a folder's name; nothing was read or written"
                ) from error
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ConfigError(
                "S3 store: only one of access key id and secret access key is set; nothing was read or written",
                hint="set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither",
            )
        return self


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def connect(options: S3Options, *, signed: bool) -> Any:
    """A client of botocore's, without its own retries; unsigned: as anybody may ask.

    Raises:
        ConfigError: The settings are no endpoint, region or profile that botocore knows.
    """
    path_style = options.endpoint_url is not None if options.path_style is None else options.path_style
    try:
        session = boto3.Session(
            aws_access_key_id=options.access_key_id,
            aws_secret_access_key=_plain(options.secret_access_key),
            aws_session_token=_plain(options.session_token),
        )
        return session.client(
            "s3",
            endpoint_url=options.endpoint_url,
            region_name=options.region or session.region_name or "us-east-1",
            verify=None if options.ca_bundle is None else str(options.ca_bundle),
            config=botocore.config.Config(
                signature_version="s3v4" if signed else botocore.UNSIGNED,
                connect_timeout=options.connect_timeout_s,
                read_timeout=options.read_timeout_s,
                max_pool_connections=options.connections_max,
                tcp_keepalive=True,
                retries={"total_max_attempts": 1, "mode": "standard"},
                # Newer defaults send CRC32 trailers that many S3 clones refuse; we send SHA-256 ourselves.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if path_style else "virtual"},
                user_agent_appid="archiver",
            ),
        )
    except ValueError as error:
        raise ConfigError(
            f"s3://{options.bucket}: {one_line(error)}; nothing was read or written",
            hint="check AWS_ENDPOINT_URL_S3, the region and the CA bundle",
        ) from error
    except FAILURES as error:
        raise refuse(error, "CreateClient", f"s3://{options.bucket}") from error
