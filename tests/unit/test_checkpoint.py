"""A checkpoint's text: one form, read back strictly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import IntegrityError
from archiver.model import Checkpoint
from archiver.neighbours import checkpoint as codec

CHECKPOINT = Checkpoint(archive_id="a-1", seq=7, hash="ab" * 32, signature="cd" * 64)
TEXT = json.dumps(
    {"archive_id": "a-1", "hash": "ab" * 32, "seq": 7, "signature": "cd" * 64}, separators=(",", ":")
).encode()


def test_the_text_is_canonical() -> None:
    assert codec.encode(CHECKPOINT) == TEXT


@given(
    st.builds(
        Checkpoint,
        archive_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        seq=st.integers(0, 2**53 - 1),
        hash=st.binary(min_size=32, max_size=32).map(bytes.hex),
        signature=st.binary(max_size=64).map(bytes.hex),
    )
)
def test_what_is_written_is_read_back(checkpoint: Checkpoint) -> None:
    assert codec.decode(codec.encode(checkpoint), where="here") == checkpoint


def changed(**changes: object) -> bytes:
    fields: dict[str, object] = {**json.loads(TEXT), **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        TEXT[:-1],
        b'{"seq":1,' + TEXT[1:],
        b"[" * 100_000,
        *(changed(**{name: ...}) for name in ("archive_id", "hash", "seq", "signature")),
        changed(more=1),
        *(changed(archive_id=value) for value in ("", 1, None)),
        *(changed(hash=value) for value in ("AB" * 32, "ab" * 31, "ab" * 33, "ab" * 32 + "\n", 7, None)),
        *(changed(seq=value) for value in (-1, 7.0, "7", True, None, 2**53)),
        *(changed(signature=value) for value in ("abc", "zz", None)),
    ],
)
def test_anything_else_is_an_integrity_error_that_names_the_place(text: bytes) -> None:
    with pytest.raises(IntegrityError, match="file:///anchor: what stands there is not a checkpoint"):
        codec.decode(text, where="file:///anchor")
