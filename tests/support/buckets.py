"""Buckets of the running S3 servers, and what tests put into any store."""

import hashlib
import secrets
from typing import Any

import boto3
import botocore.config

from archiver.contracts import ObjectStore
from archiver.neighbours.s3.connection import S3Options
from archiver.section import MIB
from tests.support.s3 import S3Server

BIG = (b"0123456789abcde\n" * (11 * MIB // 16)) + b"the last part is short"
"""Three parts of at most 5 MiB."""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def create(store: ObjectStore, key: str, data: bytes = b"x") -> None:
    store.create(key, data, sha256=digest(data))


def keys(store: ObjectStore, prefix: str = "", after: str = "") -> list[str]:
    return [reference.key for reference in store.list(prefix, after=after)]


def client_of(server: S3Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
        config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def bucket_name(client: Any, kind: str, **creation: Any) -> str:
    """One bucket of each kind for the whole run: SeaweedFS gives every new one volumes of its own, and runs out."""
    name = f"contract-{kind}"
    if name not in [item["Name"] for item in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=name, **creation)
        if kind == "versioned":
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def options(server: S3Server, bucket: str, **changes: Any) -> S3Options:
    """Settings with small parts and, unless it is given, a folder that nobody else uses."""
    settings: dict[str, Any] = {
        "bucket": bucket,
        "prefix": f"{secrets.token_hex(6)}/archive",
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        "part_bytes": 5 * MIB,
        "multipart_threshold_bytes": 6 * MIB,
        "read_timeout_s": 20.0,
    }
    return S3Options(**(settings | changes))
