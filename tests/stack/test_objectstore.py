"""Buckets: old versions that stay, rules that contradict, locks, public access; the facts from a real S3 server."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archiver.contracts import BucketKeeping, LifecycleRule
from archiver.errors import ConfigError, TransientError
from archiver.model import Failure, Verdict
from archiver.neighbours.s3.connection import S3Options
from archiver.neighbours.s3.lifecycle import default_lock, lifecycle_rules
from archiver.neighbours.s3.store import S3Store
from archiver.stack.objectstore import judge
from archiver.stack.targets import BucketFacts
from archiver.words import english_list
from tests.stack.answers import NOW, of, verdicts, well_formed
from tests.support.program import new_program

if TYPE_CHECKING:
    from pathlib import Path

    from archiver.model import Finding
    from tests.support.s3 import S3Server

OK, BREACH, CANNOT_TELL = Verdict.OK, Verdict.BREACH, Verdict.CANNOT_TELL
DAY = timedelta(days=1)


def look(**changes: Any) -> tuple[Finding, ...]:
    facts: dict[str, Any] = {
        "location": "s3://bucket/logs",
        "prefix": "logs",
        "archive_retention": 365 * DAY,
        "versioning": False,
        "rules": (),
        "public": False,
        "lock_period": timedelta(0),
    }
    findings = judge(BucketFacts(**{**facts, **changes}), NOW)
    well_formed(findings)
    return findings


def rule(**changes: Any) -> LifecycleRule:
    return LifecycleRule(**{"name": "r", **changes})


def test_a_plain_bucket_is_ok() -> None:
    assert verdicts(look()) == {"store.versions": OK, "store.public": OK}


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        ((), BREACH),
        (None, CANNOT_TELL),
        ((rule(noncurrent_after=7 * DAY),), OK),
        ((rule(noncurrent_after=30 * DAY),), OK),
        ((rule(noncurrent_after=90 * DAY),), BREACH),
        ((rule(noncurrent_after=90 * DAY), rule(noncurrent_after=7 * DAY, prefix="logs/")), OK),
        ((rule(noncurrent_after=7 * DAY, enabled=False),), BREACH),
        ((rule(noncurrent_after=7 * DAY, filtered=True),), BREACH),
        ((rule(noncurrent_after=7 * DAY, prefix="logs/data/"),), BREACH),
        ((rule(noncurrent_after=7 * DAY, prefix="other/"),), BREACH),
        ((rule(prefix="tmp/", expires_after=DAY),), BREACH),
    ],
)
def test_old_versions(rules: tuple[LifecycleRule, ...] | None, verdict: Verdict) -> None:
    assert of(look(versioning=True, rules=rules), "store.versions").verdict is verdict


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (rule(expires_after=30 * DAY), "ledger entries after 30 d"),
        (rule(expires_after=30 * DAY, prefix="logs/data/"), "but they are to be held 365 d"),
        (rule(expires_after=400 * DAY, prefix="logs/data/"), ""),
        (rule(expires_after=30 * DAY, prefix="logs/data/app_audit_log/"), "but they are to be held 365 d"),
        (rule(expires_after=30 * DAY, prefix="other/"), ""),
        (rule(expires_after=30 * DAY, prefix="l"), "ledger entries"),
        (rule(expires_after=30 * DAY, enabled=False), ""),
        (rule(archives_after=90 * DAY), "must be restored before they can be verified"),
        (rule(archives_after=90 * DAY, prefix="logs/ledger/"), "must be restored"),
    ],
)
def test_rules_that_contradict(found: LifecycleRule, said: str) -> None:
    findings = [one for one in look(rules=(found,)) if one.check == "store.lifecycle"]
    assert bool(findings) == bool(said)
    for one in findings:
        assert one.verdict is BREACH
        assert said in english_list(one.in_force)


def test_a_rule_behind_the_ledgers_back() -> None:
    """As long as no period was chosen, nobody but archiver may delete."""
    finding = of(
        look(rules=(rule(expires_after=900 * DAY, prefix="logs/data/"),), archive_retention=None), "store.lifecycle"
    )
    assert "behind the ledger's back" in english_list(finding.in_force)


def test_loki_s_bucket_may_be_emptied_by_a_rule_and_may_not_keep_versions() -> None:
    findings = look(holds_archive=False, rules=(rule(expires_after=30 * DAY),), versioning=True)
    assert verdicts(findings) == {"store.versions": BREACH, "store.public": OK}


@pytest.mark.parametrize(
    ("days", "held", "is_late"), [(0, 365, False), (300, 365, False), (400, 365, True), (9, None, False)]
)
def test_a_lock_longer_than_the_retention(days: int, held: int | None, is_late: bool) -> None:
    findings = look(lock_period=days * DAY, archive_retention=None if held is None else held * DAY)
    assert ("store.lock" in verdicts(findings)) == is_late


@pytest.mark.parametrize(("public", "verdict"), [(True, BREACH), (None, CANNOT_TELL), (False, OK)])
def test_public_access(public: bool | None, verdict: Verdict) -> None:
    assert of(look(public=public), "store.public").verdict is verdict


def test_what_a_store_does_not_tell_is_never_ok() -> None:
    findings = look(versioning=None, rules=None, public=None, lock_period=None)
    assert set(verdicts(findings).values()) == {CANNOT_TELL}


def test_a_store_that_is_away() -> None:
    (finding,) = look(problem=Failure.TRANSIENT())
    assert (finding.check, finding.verdict) == ("store.reachable", CANNOT_TELL)


# -- the store's answers


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"Prefix": "a/", "Expiration": {"Days": 3}}, rule(prefix="a/", expires_after=3 * DAY)),
        ({"Filter": {"Prefix": "a/"}, "Expiration": {"Days": 3}}, rule(prefix="a/", expires_after=3 * DAY)),
        ({"Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}}, rule()),
        (
            {"Filter": {"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}]}}, "Expiration": {"Days": 3}},
            rule(prefix="a/", filtered=True, expires_after=3 * DAY),
        ),
        (
            {"Filter": {"ObjectSizeGreaterThan": 1}, "Expiration": {"Days": 3}},
            rule(filtered=True, expires_after=3 * DAY),
        ),
        ({"Expiration": {"Date": datetime(2027, 1, 1, tzinfo=UTC)}}, rule(expires_after=timedelta(0))),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 7}}, rule(noncurrent_after=7 * DAY)),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 7, "NewerNoncurrentVersions": 3}}, rule()),
        (
            {"Transitions": [{"Days": 90, "StorageClass": "GLACIER"}, {"Days": 180, "StorageClass": "DEEP_ARCHIVE"}]},
            rule(archives_after=90 * DAY),
        ),
        # Infrequent access is read like any other class: nothing has to be restored.
        ({"Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}]}, rule()),
    ],
)
def test_rules_are_read(written: dict[str, Any], expected: LifecycleRule) -> None:
    assert lifecycle_rules({"Rules": [{"ID": "r", "Status": "Enabled", **written}]}) == (expected,)


def test_rules_that_are_off_or_have_no_name() -> None:
    (found,) = lifecycle_rules({"Rules": [{"Status": "Disabled"}]})
    assert (found.name, found.enabled) == ("number 1", False)
    assert lifecycle_rules({}) == ()


@pytest.mark.parametrize(("retention", "days"), [({"Days": 30}, 30), ({"Years": 2}, 730), ({}, 0), (None, 0)])
def test_locks_are_read(retention: dict[str, int] | None, days: int) -> None:
    written = {} if retention is None else {"Rule": {"DefaultRetention": retention}}
    assert default_lock({"ObjectLockConfiguration": written}) == days * DAY
    assert default_lock({}) == timedelta(0)


# -- a real server


def store_of(server: S3Server, bucket: str, **changes: Any) -> S3Store:
    options: dict[str, Any] = {
        "bucket": bucket,
        "prefix": "logs",
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
    }
    return S3Store(S3Options(**{**options, **changes}))


def keeping(server: S3Server, bucket: str, **changes: Any) -> BucketKeeping:
    with closing(store_of(server, bucket, **changes)) as store:
        return store.keeping()


def test_a_real_bucket(seaweedfs: S3Server) -> None:
    bucket = seaweedfs.new_bucket("keeping-plain")
    found = keeping(seaweedfs, bucket)
    assert found == BucketKeeping(versioning=False, rules=(), public=False, lock_period=timedelta(0))


def test_a_real_bucket_with_versions_rules_and_strangers(seaweedfs: S3Server) -> None:
    bucket = seaweedfs.new_bucket("keeping-all")
    with seaweedfs.client() as client:
        client.put_object(Bucket=bucket, Key="logs/archive.json", Body=b"{}")
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        client.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={
                "Rules": [
                    {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}},
                ]
            },
        )
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
            ],
        }
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    found = keeping(seaweedfs, bucket)
    assert found.versioning is True
    assert found.public is True
    assert found.rules is not None
    assert [(one.prefix, one.expires_after) for one in found.rules] == [("logs/", 30 * DAY)]


def test_a_store_that_knows_no_versions_and_no_rules(rclone_s3: S3Server) -> None:
    """It has none of them, and says so by an answer without any."""
    bucket = rclone_s3.new_bucket("keeping-rclone")
    found = keeping(rclone_s3, bucket)
    assert (found.versioning, found.rules, found.public) == (False, (), False)


def test_wrong_credentials_and_a_bucket_that_is_not_there(seaweedfs: S3Server) -> None:
    bucket = seaweedfs.new_bucket("keeping-refused")
    found = keeping(seaweedfs, bucket, secret_access_key="wrong")
    assert (found.versioning, found.rules, found.lock_period) == (None, None, None)
    with pytest.raises(ConfigError):
        keeping(seaweedfs, "keeping-no-such-bucket")
    with pytest.raises(TransientError):
        keeping(seaweedfs, bucket, endpoint_url="http://127.0.0.1:9", connect_timeout_s=2.0)


def test_the_buckets_of_the_settings(tmp_path: Path, seaweedfs: S3Server) -> None:
    """The archive's and Loki's, from the command line; one that is not there is a finding, and no secret is shown."""
    bucket = seaweedfs.new_bucket("keeping-cli")
    with seaweedfs.client() as client:
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    program = new_program(
        tmp_path, **seaweedfs.environment, ARCHIVER_STORE=f"s3://{bucket}/logs", ARCHIVER_LOKI_STORE="s3://keeping-none"
    )
    done = program.run("stack", "check", "--json")
    assert done.status == 4
    found = {(one["check"], one["subject"]): one["verdict"] for one in done.lines[:-1]}
    assert found[("store.versions", f"s3://{bucket}/logs")] == "breach"
    assert found[("store.reachable", "s3://keeping-none")] == "cannot_tell"
    assert seaweedfs.secret_access_key not in done.out + done.err
    assert program.having(ARCHIVER_STACK__BUCKETS__ENABLED="false").run("stack", "check").status == 2
