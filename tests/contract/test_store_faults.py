"""Faults between us and a real S3 server, one at a time, at the last place that we own: the HTTP session.

``Wire`` sends a request on or keeps it back, and then answers in the server's place or not at all. What the server
holds afterwards is asked of the server itself.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import botocore.awsrequest
import botocore.exceptions
import pytest

from archiver.contracts import ObjectStore, Removal
from archiver.errors import AccessDenied, ArchiverError, ConfigError, ObjectExists, OutcomeUnknown, TransientError
from archiver.neighbours.retry import RetryingStore, RetryPolicy
from archiver.neighbours.s3.store import S3Store
from tests.support.buckets import BIG, bucket_name, client_of, create, keys, options
from tests.support.s3 import S3Server

Kind = Literal[
    "PutObject", "UploadPart", "CompleteMultipartUpload", "DeleteObject", "DeleteObjects", "GetObject", "HeadObject",
    "List", "Versions",
]  # fmt: skip


@dataclass
class Fault:
    """What happens to the next ``times`` requests of a kind.

    Attributes:
        sent: The server carries the request out.
        status: Answered in the server's place; None: no answer comes.
    """

    kind: Kind
    sent: bool
    status: int | None = None
    body: bytes = b""
    times: int = 1


def kind_of(request: Any) -> Kind | None:  # noqa: PLR0911 (one kind after another)
    query = request.url.partition("?")[2]
    match request.method:
        case "PUT":
            return "UploadPart" if "partNumber" in query else "PutObject"
        case "POST" if "uploadId" in query:
            return "CompleteMultipartUpload"
        case "POST" if "delete" in query:
            return "DeleteObjects"
        case "DELETE" if "uploadId" not in query:
            return "DeleteObject"
        case "GET":
            return "List" if "list-type" in query else "Versions" if "versions" in query else "GetObject"
        case "HEAD":
            return "HeadObject"
    return None


@dataclass
class Wire:
    """Stands between botocore and the network."""

    send: Any
    faults: list[Fault] = field(default_factory=list)
    seen: list[Kind | None] = field(default_factory=list)

    def __call__(self, request: Any) -> Any:
        kind = kind_of(request)
        self.seen.append(kind)
        fault = next((fault for fault in self.faults if fault.kind == kind and fault.times > 0), None)
        if fault is None:
            return self.send(request)
        fault.times -= 1
        if fault.sent:
            self.send(request).content  # noqa: B018 (reading it frees the connection)
        if fault.status is None:
            raise botocore.exceptions.ReadTimeoutError(endpoint_url=request.url)
        answer = botocore.awsrequest.AWSResponse(request.url, fault.status, {}, None)
        answer._content = fault.body
        return answer


def error_xml(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>text</Message></Error>'.encode()


@dataclass
class Wired:
    store: S3Store
    wire: Wire

    @property
    def retrying(self) -> RetryingStore:
        return RetryingStore(self.store, RetryPolicy(attempts_max=4, sleep=lambda _: None))

    def fault(self, kind: Kind, *, sent: bool, status: int | None = None, body: bytes = b"", times: int = 1) -> None:
        self.wire.faults.append(Fault(kind, sent, status, body, times))


@pytest.fixture
def wired(seaweedfs: S3Server) -> Iterator[Wired]:
    client = client_of(seaweedfs)
    store = S3Store(options(seaweedfs, bucket_name(client, "plain")))
    store.stat("nothing")  # the bucket has been seen, so that faults meet the calls they are meant for
    session = store._client._endpoint.http_session
    wire = Wire(session.send)
    session.send = wire
    yield Wired(store, wire)
    store.close()
    client.close()


BUSY = [(500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable"), (429, "TooManyRequests")]


@pytest.mark.parametrize(("status", "code"), BUSY)
def test_fault_5_a_busy_store_is_asked_again(wired: Wired, status: int, code: str) -> None:
    for kind in ("PutObject", "HeadObject", "GetObject", "List", "DeleteObject"):
        wired.fault(kind, sent=False, status=status, body=error_xml(code), times=2)
    store = wired.retrying
    create(store, "data/x")
    assert store.stat("data/x") is not None
    assert store.read("data/x", size_bytes_max=1) == b"x"
    assert keys(store) == ["data/x"]
    store.delete("data/x")
    assert keys(store) == []


@pytest.mark.parametrize(("status", "code"), BUSY)
def test_fault_5_a_store_that_stays_busy_fails_and_nothing_is_deleted(wired: Wired, status: int, code: str) -> None:
    create(wired.store, "data/x")
    before = len(wired.wire.seen)
    wired.fault("DeleteObject", sent=False, status=status, body=error_xml(code), times=99)
    wired.fault("PutObject", sent=False, status=status, body=error_xml(code), times=99)
    with pytest.raises((TransientError, OutcomeUnknown), match="gave up after 4 attempts"):
        wired.retrying.delete("data/x")
    assert wired.wire.seen[before:].count("DeleteObject") == 4
    with pytest.raises((TransientError, OutcomeUnknown), match="gave up after 4 attempts"):
        create(wired.retrying, "data/y")
    assert keys(wired.store) == ["data/x"]


NAMES = [f"data/app/date=2026-01-0{number}/part" for number in range(1, 7)]
GONE = Removal(versions_deleted=1)


def remove(store: ObjectStore) -> Mapping[str, Removal | ArchiverError]:
    return store.delete_many(NAMES, at_once=4)


@pytest.fixture
def filled(wired: Wired) -> Wired:
    """With some objects in neighbouring folders, and one beside them."""
    for name in NAMES:
        create(wired.store, name)
    create(wired.store, "data/app/other")
    wired.wire.seen.clear()
    return wired


def nothing_but_the_other_is_left(wired: Wired) -> bool:
    return keys(wired.store) == ["data/app/other"]


@pytest.mark.parametrize("sent", [False, True])
def test_fault_8_a_deletion_of_many_without_an_answer_is_unknown_and_asked_again(filled: Wired, sent: bool) -> None:
    for kind in ("DeleteObjects", "Versions"):
        filled.fault(kind, sent=sent)
    results = filled.store.delete_many(NAMES, at_once=4)
    assert {type(result) for result in results.values()} == {TransientError}, "nobody was told what there is"
    results = remove(filled.store)
    assert {type(result) for result in results.values()} == {OutcomeUnknown}
    assert nothing_but_the_other_is_left(filled) is sent
    filled.fault("DeleteObjects", sent=False)
    assert set(remove(filled.retrying).values()) == {Removal(versions_deleted=0) if sent else GONE}
    assert nothing_but_the_other_is_left(filled)


@pytest.mark.parametrize(("status", "code"), BUSY)
def test_fault_5_a_store_that_stays_busy_keeps_its_many_objects(filled: Wired, status: int, code: str) -> None:
    filled.fault("DeleteObjects", sent=False, status=status, body=error_xml(code), times=99)
    with pytest.raises((TransientError, OutcomeUnknown), match="gave up after 4 attempts"):
        remove(filled.retrying)
    assert filled.wire.seen.count("DeleteObjects") == 4
    assert filled.wire.seen.count("DeleteObject") == 0, "a busy store is not asked a thousand times instead"
    assert keys(filled.store) == [*NAMES, "data/app/other"]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("DeleteObjects", 501, "NotImplemented"),
        ("DeleteObjects", 405, "MethodNotAllowed"),
        ("DeleteObjects", 400, "MalformedXML"),
        ("DeleteObjects", 403, "AccessDenied"),
        ("DeleteObjects", 404, "NoSuchKey"),
        ("Versions", 501, "NotImplemented"),
    ],
)
def test_a_store_without_a_question_about_many_is_asked_one_by_one(
    filled: Wired, kind: Kind, status: int, code: str
) -> None:
    filled.fault(kind, sent=False, status=status, body=error_xml(code), times=99)
    assert remove(filled.store) == dict.fromkeys(NAMES, GONE)
    assert filled.wire.seen.count("DeleteObject") == len(NAMES)
    assert nothing_but_the_other_is_left(filled)


def test_a_right_that_is_missing_is_said_of_each_key_and_nothing_is_gone(filled: Wired) -> None:
    for kind in ("DeleteObjects", "DeleteObject"):
        filled.fault(kind, sent=False, status=403, body=error_xml("AccessDenied"), times=99)
    assert {type(result) for result in remove(filled.store).values()} == {AccessDenied}
    assert keys(filled.store) == [*NAMES, "data/app/other"]


def deleted_xml(faults: Mapping[str, str]) -> bytes:
    """An answer to DeleteObjects that names these keys' faults and claims that the others are gone."""
    errors = "".join(f"<Error><Key>{key}</Key><Code>{code}</Code></Error>" for key, code in faults.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult>{errors}</DeleteResult>'.encode()


def test_an_answer_that_claims_too_much_is_not_believed(filled: Wired) -> None:
    """Nothing was deleted: what is still listed is deleted one by one."""
    filled.fault("DeleteObjects", sent=False, status=200, body=deleted_xml({}))
    assert remove(filled.store) == dict.fromkeys(NAMES, GONE)
    assert filled.wire.seen.count("DeleteObject") == len(NAMES)
    assert nothing_but_the_other_is_left(filled)


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_fault_6_one_of_many_that_failed_is_unknown_and_asked_again(filled: Wired, code: str) -> None:
    faults = {f"{filled.store.options.prefix}/{NAMES[2]}": code, "another key": "AccessDenied"}
    filled.fault("DeleteObjects", sent=False, status=200, body=deleted_xml(faults))
    results = remove(filled.store)
    assert isinstance(results[NAMES[2]], OutcomeUnknown)
    assert {result for name, result in results.items() if name != NAMES[2]} == {GONE}
    assert keys(filled.store) == [NAMES[2], "data/app/other"]
    filled.fault("DeleteObjects", sent=False, status=200, body=deleted_xml(faults))
    assert remove(filled.retrying)[NAMES[2]] == GONE
    assert nothing_but_the_other_is_left(filled)


def test_one_of_many_that_is_refused_is_asked_about_by_its_name(filled: Wired) -> None:
    faults = {f"{filled.store.options.prefix}/{NAMES[2]}": "AccessDenied"}
    filled.fault("DeleteObjects", sent=True, status=200, body=deleted_xml(faults))
    filled.fault("DeleteObject", sent=False, status=403, body=error_xml("AccessDenied"))
    assert remove(filled.store) == dict.fromkeys(NAMES, GONE), "it is gone after all: the listing decides"
    assert filled.wire.seen.count("DeleteObject") == 0


@pytest.mark.parametrize("nth", [1, 2])
def test_fault_5_a_listing_that_fails_before_or_after_leaves_everything_open(filled: Wired, nth: int) -> None:
    """Deleted and not looked for is not gone."""
    real, listings = filled.store._pages, []

    def pages(operation: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        listings.append(operation)
        if len(listings) == nth:
            raise TransientError("away")
        return real(operation, **arguments)

    filled.store._pages = pages  # type: ignore[method-assign]
    assert {type(result) for result in remove(filled.store).values()} == {TransientError}
    assert nothing_but_the_other_is_left(filled) is (nth == 2)
    assert set(remove(filled.retrying).values()) == {GONE if nth == 1 else Removal(versions_deleted=0)}


def listing_xml(token: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated>'
        f"{token and f'<NextContinuationToken>{token}</NextContinuationToken>'}</ListBucketResult>"
    ).encode()


@pytest.mark.parametrize(
    ("token", "said"), [("", "says that more follows, and not where"), ("again", "PaginationError")]
)
def test_a_listing_that_does_not_come_to_its_end_is_never_taken_for_a_whole_one(
    wired: Wired, token: str, said: str
) -> None:
    wired.fault("List", sent=False, status=200, body=listing_xml(token), times=99)
    with pytest.raises(ConfigError, match=said):
        keys(wired.store)


def test_fault_5_botocore_does_not_retry_by_itself(wired: Wired) -> None:
    wired.fault("PutObject", sent=False, status=503, body=error_xml("SlowDown"), times=99)
    with pytest.raises(TransientError):
        create(wired.store, "data/x")
    assert wired.wire.seen.count("PutObject") == 1


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_fault_6_an_error_inside_a_200_reply_is_a_failure(wired: Wired, code: str) -> None:
    wired.fault("CompleteMultipartUpload", sent=False, status=200, body=error_xml(code))
    with pytest.raises((TransientError, OutcomeUnknown)):
        create(wired.store, "data/x", BIG)
    assert keys(wired.store) == []
    create(wired.retrying, "data/x", BIG)
    assert hashlib.sha256(wired.store.read("data/x", size_bytes_max=len(BIG))).digest() == hashlib.sha256(BIG).digest()


@pytest.mark.parametrize("body", [b"", b"<html>502 Bad Gateway</html>", b"<CompleteMultipartUploadResult><Buck", b"\0"])
def test_fault_6_a_200_reply_that_is_no_result_is_a_failure(wired: Wired, body: bytes) -> None:
    wired.fault("CompleteMultipartUpload", sent=False, status=200, body=body)
    with pytest.raises(OutcomeUnknown):
        create(wired.store, "data/x", BIG)
    assert keys(wired.store) == []
    create(wired.retrying, "data/x", BIG)
    assert keys(wired.store) == ["data/x"]


def test_fault_7_a_failed_part_aborts_its_upload(wired: Wired) -> None:
    wired.fault("UploadPart", sent=True, status=None)
    with pytest.raises(TransientError):
        create(wired.store, "data/x", BIG)
    assert list(wired.store.pending_uploads("")) == []
    assert keys(wired.store) == []


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("data", [b"small", BIG])
def test_fault_8_a_write_without_an_answer_is_repaired_by_asking_again(wired: Wired, data: bytes, sent: bool) -> None:
    kind: Kind = "PutObject" if data == b"small" else "CompleteMultipartUpload"
    wired.fault(kind, sent=sent)
    with pytest.raises(OutcomeUnknown):
        create(wired.store, "data/x", data)
    assert keys(wired.store) == (["data/x"] if sent else [])
    written = wired.store.stat("data/x")
    create(wired.store, "data/x", data)
    assert wired.store.read("data/x", size_bytes_max=len(data)) == data
    if sent:
        assert wired.store.stat("data/x") == written
        assert list(wired.store.pending_uploads("")) == []


def test_fault_8_a_lost_upload_stays_visible_until_it_is_aborted(wired: Wired) -> None:
    """Aborting what may be about to complete could take its parts away."""
    wired.fault("CompleteMultipartUpload", sent=False)
    with pytest.raises(OutcomeUnknown):
        create(wired.store, "data/x", BIG)
    (upload,) = wired.store.pending_uploads("data/")
    assert upload.key == "data/x"
    wired.store.abort_upload(upload)
    assert list(wired.store.pending_uploads("")) == []


@pytest.mark.parametrize("data", [b"small", BIG])
def test_fault_8_the_hash_decides_not_the_reply(wired: Wired, data: bytes) -> None:
    """A write went unanswered and another writer's bytes stand there: that is not our success."""
    create(wired.store, "data/x", data[:-1] + b"?")
    wired.fault("PutObject" if data == b"small" else "CompleteMultipartUpload", sent=False)
    with pytest.raises(ObjectExists):
        create(wired.retrying, "data/x", data)
    assert wired.store.read("data/x", size_bytes_max=len(data)) == data[:-1] + b"?"


@pytest.mark.parametrize("status", [409, 412])
def test_fault_8_a_conflict_is_resolved_by_reading_back(wired: Wired, status: int) -> None:
    """412: it stands there. 409: another write is under way; both are read back and compared."""
    code = "PreconditionFailed" if status == 412 else "ConditionalRequestConflict"
    wired.fault("PutObject", sent=False, status=status, body=error_xml(code))
    with pytest.raises(TransientError, match="another writer is at work"):
        create(wired.store, "data/x")
    wired.fault("PutObject", sent=True, status=status, body=error_xml(code))
    create(wired.store, "data/x")
    assert wired.store.read("data/x", size_bytes_max=1) == b"x"


def test_an_answer_that_ends_early_is_transient(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends in the middle of a body; nothing shorter is ever taken for the object."""
    create(wired.store, "data/x", BIG)
    real = wired.store._call

    def cut(operation: str, **arguments: Any) -> dict[str, Any]:
        answer = real(operation, **arguments)
        if operation == "GetObject":
            answer["ContentLength"] += 1
        return answer

    monkeypatch.setattr(wired.store, "_call", cut)
    with pytest.raises(TransientError, match="the connection ended after"), wired.store.open("data/x") as stream:
        while stream.read(1 << 20):
            pass
    with pytest.raises(ArchiverError):
        wired.store.read("data/x", size_bytes_max=len(BIG) + 1)
