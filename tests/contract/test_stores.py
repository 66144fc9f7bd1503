"""What every object store promises. A new store is done when it is added to ``STORES``.

The store that ignores conditions (rclone) passes everything except the race for one key: that is what its facts say,
and why nobody lets it order writers.
"""

import io
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from archiver.contracts import ObjectStore, PendingUpload, Removal
from archiver.errors import AccessDenied, ConfigError, IntegrityError, ObjectExists, ObjectMissing, TransientError
from archiver.neighbours.local.store import LocalStore
from archiver.neighbours.s3.connection import S3Options
from archiver.neighbours.s3.store import S3Store
from archiver.section import MIB
from tests.support.buckets import BIG, bucket_name, client_of, create, digest, keys, options
from tests.support.faulty import FaultyStore
from tests.support.s3 import S3Server


@dataclass
class Case:
    """A store, and what is known about it without asking it.

    Attributes:
        begin_upload: Leaves a pending upload under a key, as a crash would.
    """

    name: str
    store: ObjectStore
    begin_upload: Callable[[str], None]
    conditional: bool = True
    versioning: bool = False
    encryption: str | None = None
    closing: list[Callable[[], None]] = field(default_factory=list)


def s3_case(name: str, server: S3Server, *, kind: str = "plain", conditional: bool = True) -> Case:
    client = client_of(server)
    bucket = bucket_name(client, kind)
    store = S3Store(options(server, bucket), conditional=conditional)

    def begin_upload(key: str) -> None:
        client.create_multipart_upload(Bucket=bucket, Key=f"{store.options.prefix}/{key}")

    return Case(
        name=name,
        store=store,
        begin_upload=begin_upload,
        conditional=conditional,
        versioning=kind == "versioned",
        encryption="",
        closing=[store.close, client.close],
    )


def local_case(root: Path) -> Case:
    store = LocalStore(root)
    store.install()

    def begin_upload(key: str) -> None:
        (root / ".tmp").mkdir(mode=0o700, exist_ok=True)
        (root / ".tmp" / f"{secrets.token_hex(8)}~{key.replace('/', '%2F')}").write_bytes(b"half")

    return Case(name="local", store=store, begin_upload=begin_upload)


def fake_case() -> Case:
    store = FaultyStore()

    def begin_upload(key: str) -> None:
        store.leave_pending(key, secrets.token_hex(8))

    return Case(name="fake", store=store, begin_upload=begin_upload)


STORES = ("local", "seaweedfs", "seaweedfs-versioned", "rclone", "fake")


@pytest.fixture(params=STORES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    match request.param:
        case "local":
            made = local_case(tmp_path / "archive")
        case "seaweedfs":
            made = s3_case("seaweedfs", request.getfixturevalue("seaweedfs"))
        case "seaweedfs-versioned":
            made = s3_case("seaweedfs-versioned", request.getfixturevalue("seaweedfs"), kind="versioned")
        case "rclone":
            made = s3_case("rclone", request.getfixturevalue("rclone_s3"), conditional=False)
        case _:
            made = fake_case()
    yield made
    for close in made.closing:
        close()


@pytest.fixture
def store(case: Case) -> ObjectStore:
    return case.store


# ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("data", [b"", b"\x00\xff\r\n", "ä🙂".encode(), b"x" * 70_000])
def test_bytes_come_back_as_they_went(store: ObjectStore, data: bytes) -> None:
    create(store, "data/x", data)
    assert store.read("data/x", size_bytes_max=len(data)) == data


@pytest.mark.parametrize("data", [b"", b"small", BIG])
def test_files_come_back_as_they_went(store: ObjectStore, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "part"
    path.write_bytes(data)
    store.create("data/x", path, sha256=digest(data))
    with store.open("data/x") as stream:
        assert digest(stream.read()) == digest(data)
    found = store.stat("data/x")
    assert found is not None
    assert found.size_bytes == len(data)
    assert list(store.pending_uploads("")) == []


@pytest.mark.parametrize("data", [b"small", BIG])
def test_the_same_bytes_again_are_success(store: ObjectStore, data: bytes) -> None:
    create(store, "data/x", data)
    before = store.stat("data/x")
    create(store, "data/x", data)
    assert store.stat("data/x") == before


@pytest.mark.parametrize("first", [b"first", BIG])
@pytest.mark.parametrize("second", [b"other", b"longer than the first", BIG + b"!"])
def test_other_bytes_under_a_taken_key_are_refused(store: ObjectStore, first: bytes, second: bytes) -> None:
    create(store, "data/x", first)
    with pytest.raises(ObjectExists, match="data/x"):
        create(store, "data/x", second)
    assert store.read("data/x", size_bytes_max=len(BIG)) == first
    assert list(store.pending_uploads("")) == []


def test_of_many_writers_one_wins(case: Case) -> None:
    """Eight writers with different bytes meet at one key."""
    if not case.conditional:
        assert not case.store.probe("00").conditional_create, "a store that orders no writers must be found out"
        return
    start = threading.Barrier(8)

    def write(number: int) -> bool:
        start.wait()
        for _ in range(20):
            try:
                create(case.store, "ledger/0", f"writer {number}".encode())
            except ObjectExists:
                return False
            except TransientError:
                # Some stores answer "conflict" while another write is under way.
                continue
            return True
        raise AssertionError("twenty conflicts in a row")

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))
    assert won.count(True) == 1
    assert case.store.read("ledger/0", size_bytes_max=100) == f"writer {won.index(True)}".encode()


@pytest.mark.parametrize(
    "key",
    ["", "/", "/x", "x/", "a//b", ".", "..", "../x", "a/../b", "a/./b", "a/..", ".tmp/x", "a\nb", "a\x00b", "x" * 256],
)
def test_a_key_that_means_something_else_elsewhere_is_refused(store: ObjectStore, key: str) -> None:
    for call in (
        lambda: create(store, key),
        lambda: store.read(key, size_bytes_max=1),
        lambda: store.stat(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(IntegrityError):
            call()
    with pytest.raises(IntegrityError), store.open(key):
        pass
    assert keys(store) == []


# ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_there_is_missing(store: ObjectStore) -> None:
    create(store, "data/x")
    with pytest.raises(ObjectMissing, match="data/y"):
        store.read("data/y", size_bytes_max=1)
    with pytest.raises(ObjectMissing, match="data/y"), store.open("data/y"):
        pass
    assert store.stat("data/y") is None
    assert store.stat("data") is None
    assert store.delete("data").versions_deleted == 0


def test_an_object_larger_than_expected_is_not_read(store: ObjectStore) -> None:
    create(store, "data/x", b"12345")
    assert store.read("data/x", size_bytes_max=5) == b"12345"
    with pytest.raises(IntegrityError, match="data/x"):
        store.read("data/x", size_bytes_max=4)


def test_a_stream_gives_fewer_bytes_only_at_its_end(store: ObjectStore) -> None:
    create(store, "data/x", BIG)
    sizes = []
    with store.open("data/x") as stream:
        while chunk := stream.read(1_000_003):
            sizes.append(len(chunk))
    assert set(sizes[:-1]) == {1_000_003}
    assert sum(sizes) == len(BIG)


def test_a_stream_may_be_left_early(store: ObjectStore) -> None:
    create(store, "data/x", BIG)
    for _ in range(3):
        with store.open("data/x") as stream:
            assert stream.read(10) == BIG[:10]
    assert store.stat("data/x") is not None


def test_a_stat_says_size_and_time(store: ObjectStore) -> None:
    create(store, "data/x", b"12345")
    found = store.stat("data/x")
    assert found is not None
    assert (found.key, found.size_bytes) == ("data/x", 5)
    assert found.modified_at.utcoffset() == timedelta(0)
    assert [reference.size_bytes for reference in store.list("data/")] == [5]


def test_many_threads_read_at_once(store: ObjectStore) -> None:
    names = [f"ledger/{number:04d}" for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: create(store, name, name.encode()), names))
        read = list(pool.map(lambda name: store.read(name, size_bytes_max=100), names))
    assert read == [name.encode() for name in names]


# ── Listing ────────────────────────────────────────────────────────────────────────────────────────────────────

TREE = sorted(
    [
        "a-b",
        "a.b",
        "a/b",
        "a/c/d",
        "a/c-d",
        "a0",
        "archive.json",
        "data/app/date=2026-01-01/part-0000-ab.parquet",
        "data/app/date=2026-01-02/part-0000-ab.parquet",
        "data/app/tenant=a%2Fb/date=2026-01-01/part-0000-ab.parquet",
        "data/app/tenant=ä b+c/date=2026-01-01/part-0000-ab.parquet",
        "data/app_x/date=__HIVE_DEFAULT_PARTITION__/part-0000-ab.parquet",
        "ledger-pack/0000000000-0000000255-ab.ndjson",
        "ledger/0000000000.json",
        "ledger/0000000001.json",
        "z&<>'\"=?#",
    ],
    key=str.encode,
)


def test_a_listing_is_in_the_order_of_the_keys_bytes(store: ObjectStore) -> None:
    for key in reversed(TREE):
        create(store, key)
    assert keys(store) == TREE


@pytest.mark.parametrize(
    "prefix", ["", "a", "a/", "a/c", "data/", "data/app", "data/app/", "ledger", "no", "no/where/"]
)
def test_a_listing_begins_at_its_prefix_and_after_its_mark(case: Case, prefix: str) -> None:
    for key in TREE:
        create(case.store, key)
    for after in ("", "a/", "a/b", "a/c", "data/app", "ledger-", "ledger/0000000000.json", "zz"):
        expected = [key for key in TREE if key.startswith(prefix) and key.encode() > after.encode()]
        assert keys(case.store, prefix, after) == expected, after


def test_a_listing_longer_than_a_page_is_whole(store: ObjectStore) -> None:
    """S3 gives 1000 keys a page."""
    names = [f"ledger/{number:06d}" for number in range(1205)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: create(store, name), names))
    assert keys(store, "ledger/") == names
    assert keys(store, "ledger/", after=names[1100]) == names[1101:]


def test_a_listing_of_nothing_is_empty(store: ObjectStore) -> None:
    assert keys(store) == []
    assert keys(store, "data/") == []
    assert list(store.pending_uploads("")) == []


# ── Deleting ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_deleted_object_is_gone_and_its_key_is_free(store: ObjectStore) -> None:
    create(store, "data/x", b"one")
    create(store, "data/x2", b"kept")
    assert store.delete("data/x").versions_deleted == 1
    assert store.stat("data/x") is None
    assert keys(store) == ["data/x2"]
    with pytest.raises(ObjectMissing):
        store.read("data/x", size_bytes_max=9)


def test_deleting_a_free_key_is_no_error(store: ObjectStore) -> None:
    create(store, "data/xy")
    removal = store.delete("data/x")
    assert (removal.versions_deleted, removal.kept_until) == (0, None)
    assert keys(store) == ["data/xy"]


def day_keys(days: int, dataset: str = "app") -> list[str]:
    """A part for each day, in neighbouring folders, as an archive has them."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        f"data/{dataset}/date={first + timedelta(days=number):%Y-%m-%d}/part-0000-ab.parquet" for number in range(days)
    ]


def create_all(store: ObjectStore, names: Sequence[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: create(store, name, name.encode()), names))


@pytest.mark.parametrize("at_once", [1, 16])
def test_many_keys_are_deleted_and_no_other(store: ObjectStore, at_once: int) -> None:
    """Free keys among them, folders beside them, names that begin alike."""
    names = day_keys(40)
    going = [*names[5:30], "data/app/tenant=a%2Fb ä+&/date=2026-01-01/part-0000-ab.parquet", "data/app", "no/such"]
    staying = [*names[:5], *names[30:], f"{names[6]}x", f"{names[6].rpartition('/')[0]}/part-0001-cd.parquet"]
    create_all(store, [*going[:-2], *staying])
    results = store.delete_many(going, at_once=at_once)
    assert list(results) == going
    assert [result for result in results.values() if not isinstance(result, Removal)] == []
    assert [result.versions_deleted for result in results.values() if isinstance(result, Removal)] == [1] * 26 + [0, 0]
    assert keys(store) == sorted(staying, key=str.encode)
    again = store.delete_many(going, at_once=at_once)
    assert set(again.values()) == {Removal(versions_deleted=0)}
    assert store.delete_many([], at_once=at_once) == {}


def test_nothing_is_deleted_when_one_of_many_is_no_key(store: ObjectStore) -> None:
    create(store, "data/x")
    with pytest.raises(IntegrityError):
        store.delete_many(["data/x", "../x"], at_once=1)
    assert keys(store) == ["data/x"]


# ── Uploads that nobody finished ───────────────────────────────────────────────────────────────────────────────


def test_fault_7_orphaned_uploads_are_found_and_aborted(case: Case) -> None:
    case.begin_upload("data/app/part")
    case.begin_upload("ledger/x")
    (upload,) = case.store.pending_uploads("data/")
    assert upload.key == "data/app/part"
    assert upload.begun_at.utcoffset() == timedelta(0)
    assert len(list(case.store.pending_uploads(""))) == 2
    assert keys(case.store) == []
    case.store.abort_upload(upload)
    assert [left.key for left in case.store.pending_uploads("")] == ["ledger/x"]


def test_aborting_an_upload_that_is_gone_is_no_error(case: Case) -> None:
    case.begin_upload("data/app/part")
    (upload,) = case.store.pending_uploads("")
    case.store.abort_upload(upload)
    case.store.abort_upload(upload)
    assert list(case.store.pending_uploads("")) == []


# ── The probe ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_probe_finds_out_and_leaves_nothing(case: Case) -> None:
    for _ in range(2):
        facts = case.store.probe("token")
        assert facts.conditional_create is case.conditional
        assert facts.versioning is case.versioning
        assert facts.object_lock is False
        assert facts.encryption == case.encryption
        assert facts.public is False
        assert facts.clock_at is not None
        assert facts.clock_at.utcoffset() == timedelta(0)
    assert keys(case.store) == []
    assert list(case.store.pending_uploads("")) == []


def test_a_location_holds_no_credentials(case: Case) -> None:
    assert case.store.location.split("://")[0] in {"file", "s3", "memory"}
    assert "SECRET" not in case.store.location.upper()


# ── S3 alone ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Bucket:
    """A bucket of the server that honours everything, and a store in it."""

    client: Any
    name: str
    store: S3Store

    @property
    def folder(self) -> str:
        """Where the store's objects are, with the slash."""
        return f"{self.store.options.prefix}/"

    def versions(self) -> list[tuple[str, bool]]:
        """Key and whether it is a delete marker, of everything that the store's folder still holds."""
        page = self.client.list_object_versions(Bucket=self.name, Prefix=self.folder)
        held = [(item["Key"], False) for item in page.get("Versions", ())]
        held += [(item["Key"], True) for item in page.get("DeleteMarkers", ())]
        return [(key[len(self.folder) :], marker) for key, marker in held]


def bucket_of(server: S3Server, kind: str, **creation: Any) -> Iterator[Bucket]:
    client = client_of(server)
    name = bucket_name(client, kind, **creation)
    store = S3Store(options(server, name))
    yield Bucket(client, name, store)
    store.close()
    client.close()


@pytest.fixture
def bucket(seaweedfs: S3Server) -> Iterator[Bucket]:
    yield from bucket_of(seaweedfs, "plain")


@pytest.fixture
def versioned(seaweedfs: S3Server) -> Iterator[Bucket]:
    yield from bucket_of(seaweedfs, "versioned")


@pytest.fixture
def locked(seaweedfs: S3Server) -> Iterator[Bucket]:
    yield from bucket_of(seaweedfs, "locked", ObjectLockEnabledForBucket=True)


def test_fault_9_a_store_that_ignores_conditions_is_found_out(rclone_s3: S3Server) -> None:
    """Also when the store is believed to honour them: the probe tries."""
    client = client_of(rclone_s3)
    store = S3Store(options(rclone_s3, bucket_name(client, "plain")), conditional=True)
    assert store.probe("token").conditional_create is False
    store.close()
    client.close()


def test_every_version_and_marker_is_deleted(versioned: Bucket) -> None:
    key = f"{versioned.folder}data/x"
    for number in range(5):
        versioned.client.put_object(Bucket=versioned.name, Key=key, Body=f"version {number}".encode())
        if number % 2:
            versioned.client.delete_object(Bucket=versioned.name, Key=key)
    versioned.client.put_object(Bucket=versioned.name, Key=f"{key}y", Body=b"another object")
    assert versioned.store.delete("data/x").versions_deleted == 7
    assert versioned.versions() == [("data/xy", False)]
    assert versioned.store.delete("data/x").versions_deleted == 0


def test_fault_27_what_a_lock_keeps_is_hidden_and_its_end_is_told(locked: Bucket) -> None:
    create(locked.store, "data/x", b"locked")
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    locked.client.put_object_retention(
        Bucket=locked.name,
        Key=f"{locked.folder}data/x",
        Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
    )
    for _ in range(2):
        removal = locked.store.delete("data/x")
        assert (removal.versions_deleted, removal.kept_until) == (0, until)
        assert locked.store.stat("data/x") is None
    assert keys(locked.store) == []
    assert ("data/x", False) in locked.versions()
    assert locked.store.probe("token").object_lock is True


def test_fault_27_a_legal_hold_has_no_end_until_it_is_lifted(locked: Bucket) -> None:
    create(locked.store, "data/x", b"held")
    held = {"Bucket": locked.name, "Key": f"{locked.folder}data/x"}
    held["VersionId"] = locked.client.head_object(**held)["VersionId"]
    locked.client.put_object_legal_hold(**held, LegalHold={"Status": "ON"})
    kept_until = locked.store.delete("data/x").kept_until
    assert kept_until is not None
    assert kept_until.year == 9999
    locked.client.put_object_legal_hold(**held, LegalHold={"Status": "OFF"})
    assert locked.store.delete("data/x").kept_until is None
    assert locked.versions() == []


def test_more_keys_than_a_page_and_a_request_hold_are_deleted_with_few_questions(versioned: Bucket) -> None:
    names = day_keys(1_020)
    create_all(versioned.store, names)
    asked: list[str] = []
    versioned.client.put_object(Bucket=versioned.name, Key=f"{versioned.folder}data/app/other", Body=b"another object")
    versioned.store._client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    results = versioned.store.delete_many(names, at_once=16)
    assert set(results.values()) == {Removal(versions_deleted=1)}
    assert versioned.versions() == [("data/app/other", False)]
    assert len(asked) < 40, asked


def test_every_version_and_marker_of_many_keys_is_deleted(versioned: Bucket) -> None:
    names = day_keys(3)
    for name in names:
        for number in range(4):
            key = f"{versioned.folder}{name}"
            versioned.client.put_object(Bucket=versioned.name, Key=key, Body=b"version")
            if number % 2:
                versioned.client.delete_object(Bucket=versioned.name, Key=key)
    results = versioned.store.delete_many(names, at_once=16)
    assert results == dict.fromkeys(names, Removal(versions_deleted=6))
    assert versioned.versions() == []


def test_fault_27_what_a_lock_keeps_of_many_is_hidden_and_its_end_is_told(locked: Bucket) -> None:
    """Its older version goes, its marker stays, and the others go as if there were no lock."""
    names = day_keys(4)
    create_all(locked.store, names)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    for name, body in ((names[1], b"newer"), (names[2], b"newer")):
        locked.client.put_object(Bucket=locked.name, Key=f"{locked.folder}{name}", Body=body)
        locked.client.put_object_retention(
            Bucket=locked.name,
            Key=f"{locked.folder}{name}",
            Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
        )
    locked.client.delete_object(Bucket=locked.name, Key=f"{locked.folder}{names[2]}")
    kept = Removal(versions_deleted=1, kept_until=until)
    gone = Removal(versions_deleted=1)
    results = locked.store.delete_many(names, at_once=16)
    assert results == dict(zip(names, [gone, kept, kept, gone], strict=True))
    assert keys(locked.store) == []
    assert sorted(locked.versions()) == [(names[1], False), (names[1], True), (names[2], False), (names[2], True)]
    assert set(locked.store.delete_many(names[1:3], at_once=16).values()) == {
        Removal(versions_deleted=0, kept_until=until)
    }
    assert keys(locked.store) == []


def test_parts_are_stored_in_their_order_and_checked(bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "part"
    data = b"".join(bytes([number]) * MIB for number in range(17))
    path.write_bytes(data)
    bucket.store.create("data/x", path, sha256=digest(data))
    assert bucket.store.read("data/x", size_bytes_max=len(data)) == data


def test_a_file_that_changed_is_not_stored_and_its_parts_are_aborted(bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(BIG)
    with pytest.raises(Exception, match="was announced"):
        bucket.store.create("data/x", path, sha256=digest(b"another"))
    assert keys(bucket.store) == []
    assert list(bucket.store.pending_uploads("")) == []


def test_folder_markers_of_consoles_are_no_objects(bucket: Bucket) -> None:
    for key in ("", "data/"):
        bucket.client.put_object(Bucket=bucket.name, Key=f"{bucket.folder}{key}", Body=b"")
    create(bucket.store, "data/x")
    assert keys(bucket.store) == ["data/x"]


def test_another_prefix_of_the_bucket_is_another_archive(bucket: Bucket, seaweedfs: S3Server) -> None:
    other = S3Store(options(seaweedfs, bucket.name, prefix=f"{bucket.store.options.prefix}-more"))
    whole = S3Store(options(seaweedfs, bucket.name, prefix=bucket.folder.partition("/")[0]))
    create(bucket.store, "data/x")
    create(other, "data/y")
    assert keys(bucket.store) == ["data/x"]
    assert keys(other) == ["data/y"]
    assert keys(whole) == ["archive-more/data/y", "archive/data/x"]
    other.close()
    whole.close()


def test_encryption_is_asked_for_with_every_object(seaweedfs: S3Server, bucket: Bucket, tmp_path: Path) -> None:
    store = S3Store(options(seaweedfs, bucket.name, sse="AES256"))
    path = tmp_path / "part"
    path.write_bytes(BIG)
    create(store, "data/small")
    store.create("data/large", path, sha256=digest(BIG))
    for key in ("small", "large"):
        head = bucket.client.head_object(Bucket=bucket.name, Key=f"{store.options.prefix}/data/{key}")
        assert head["ServerSideEncryption"] == "AES256"
    with store.open("data/large") as stream:
        assert digest(stream.read()) == digest(BIG)
    assert store.probe("token").encryption == "AES256"
    store.close()


@pytest.fixture
def public(seaweedfs: S3Server) -> Iterator[Bucket]:
    yield from bucket_of(seaweedfs, "public")


def test_a_public_bucket_is_called_public(public: Bucket) -> None:
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],'
        f'"Resource":["arn:aws:s3:::{public.name}/*"]}}]}}'
    )
    public.client.put_bucket_policy(Bucket=public.name, Policy=policy)
    assert public.store.probe("token").public is True


# ── Bad settings ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("server_name", ["seaweedfs", "rclone_s3"])
def test_a_wrong_bucket_is_named_and_not_made(request: pytest.FixtureRequest, server_name: str) -> None:
    server: S3Server = request.getfixturevalue(server_name)
    calls: list[Callable[[S3Store], object]] = [
        lambda store: store.probe("token"),
        lambda store: create(store, "data/x"),
        lambda store: store.stat("data/x"),
    ]
    for call in calls:
        store = S3Store(options(server, "no-such-bucket"))
        with pytest.raises(ConfigError, match=r"s3://no-such-bucket.*there is no such bucket"):
            call(store)
        store.close()
    client = client_of(server)
    assert "no-such-bucket" not in [item["Name"] for item in client.list_buckets()["Buckets"]]
    client.close()


@pytest.mark.parametrize("server_name", ["seaweedfs", "rclone_s3"])
@pytest.mark.parametrize("wrong", [{"secret_access_key": "wrong-secret"}, {"access_key_id": "wrong-key"}])
def test_wrong_keys_are_access_denied(request: pytest.FixtureRequest, server_name: str, wrong: dict[str, str]) -> None:
    server: S3Server = request.getfixturevalue(server_name)
    client = client_of(server)
    name = bucket_name(client, "plain")
    client.close()
    store = S3Store(options(server, name, **wrong))
    calls: list[Callable[[], object]] = [
        lambda: store.probe("token"),
        lambda: create(store, "data/x"),
        lambda: store.read("data/x", size_bytes_max=1),
        lambda: store.delete("data/x"),
        lambda: keys(store),
    ]
    for call in calls:
        with pytest.raises(AccessDenied) as raised:
            call()
        assert "wrong-secret" not in str(raised.value) + raised.value.hint
    store.close()


def test_an_endpoint_that_nobody_serves_is_transient() -> None:
    store = S3Store(
        S3Options(
            bucket="b",
            endpoint_url="http://127.0.0.1:1",
            access_key_id="key-id",
            secret_access_key=SecretStr("secret-key"),
        )
    )
    for call in (lambda: store.probe("t"), lambda: create(store, "x"), lambda: keys(store)):
        with pytest.raises(TransientError, match="cannot be reached"):
            call()
    store.close()


def test_an_unknown_upload_id_is_no_error(bucket: Bucket) -> None:
    bucket.store.abort_upload(PendingUpload(key="data/x", upload_id="0" * 32, begun_at=datetime.now(UTC)))


def test_bytes_and_streams_agree(bucket: Bucket) -> None:
    create(bucket.store, "data/x", b"line 1\nline 2\n")
    with bucket.store.open("data/x") as stream:
        assert list(io.TextIOWrapper(stream)) == ["line 1\n", "line 2\n"]
