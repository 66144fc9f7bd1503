"""Expiry on a real S3 server that keeps old versions, and where a lock keeps what was to be deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.postgres import Database
from tests.support.program import fill, new_program
from tests.support.s3 import S3Server


def test_fault_27_every_version_goes_or_its_last_date_is_recorded(
    database: Database, seaweedfs: S3Server, tmp_path: Path
) -> None:
    fill(database, audit=1, events=4, days=38)
    bucket = f"expire-{abs(hash(tmp_path)) % 10**9}"
    with seaweedfs.client() as client:
        client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        program = new_program(tmp_path, SUPABASE_DB_URL=database.dsn, **seaweedfs.environment)
        program.init("--store", f"s3://{bucket}/archive", "--archive-retention", "36d")
        program.run("export", "log_workflow_events").succeeded()
        program.run("verify").succeeded()
        program.run("purge", "log_workflow_events", "--execute").succeeded()

        due = versions(client, bucket)[:2]
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)
        client.put_object_retention(
            Bucket=bucket, Key=due[0], Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until}
        )
        held = {"Bucket": bucket, "Key": due[1]}
        client.put_object_legal_hold(**held, LegalHold={"Status": "ON"})

        done = program.run("expire", "log_workflow_events", "--execute")
        assert done.status == 3, done
        assert f"{due[0].removeprefix('archive/')}: a lock keeps a version until {until:%Y-%m-%d}" in done.out
        assert f"{due[1].removeprefix('archive/')}: a lock keeps a version without an end (a legal hold)" in done.out
        assert versions(client, bucket)[:2] == due, "the versions are there, and hidden"
        assert keys(client, bucket).isdisjoint(due)
        program.run("verify", "--deep").succeeded()

        # The hold ends; the lock does not, and is named in every run without being a failure of each.
        version = next(v for v in client.list_object_versions(Bucket=bucket, Prefix=due[1])["Versions"])
        client.put_object_legal_hold(**held, VersionId=version["VersionId"], LegalHold={"Status": "OFF"})
        done = program.run("expire", "log_workflow_events", "--execute").succeeded()
        assert "1 object of earlier runs, of which a lock had kept a version, left the store for good" in done.out
        assert f"a lock keeps a version until {until:%Y-%m-%d}" in done.out
        assert versions(client, bucket)[0] == due[0]
        assert due[1] not in versions(client, bucket)


def versions(client: Any, bucket: str) -> list[str]:
    """Keys of the data objects of which any version is there, oldest day first."""
    page = client.list_object_versions(Bucket=bucket, Prefix="archive/data/")
    return sorted({item["Key"] for item in page.get("Versions", ())})


def keys(client: Any, bucket: str) -> set[str]:
    return {item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix="archive/data/").get("Contents", ())}
