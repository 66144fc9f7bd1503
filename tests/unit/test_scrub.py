"""Line policies: what is found, what is left, and that nothing between two finds is lost."""

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.privacy.key import PrivacyKey
from archiver.privacy.lines import LineScrub, Pattern

KEY = PrivacyKey(bytes(32))
ALL = LineScrub(dict.fromkeys(Pattern, "drop"), None)
FOUND = {
    "from +491749462231 to": "from <phone> to",
    '"from":"491749462231",': '"from":"<phone>",',
    "Tel. +49 (174) 946-2231!": "Tel. <phone>!",
    "0049 174 9462231": "<phone>",
    "0174/9462231, 0174 9462231": "<phone>, <phone>",
    "030 / 901820 und (030) 901820": "<phone> und <phone>",
    "01749462231 01749462232": "<phone> <phone>",
    "+4917494622311 +4917494622322": "<phone> <phone>",
    "an Max.Muster+x@mail.example.de.": "an <email>.",
    "a@b.de,c@d.org": "<email>,<email>",
    "client: 203.0.113.7, server": "client: <ipv4>, server",
    "203.0.113.7:443 10.0.0.1": "<ipv4>:443 <ipv4>",
    "addr=2001:db8::8a2e:370:7334 x": "addr=<ipv6> x",
    "[::1]:80 fe80::1": "[<ipv6>]:80 <ipv6>",
    "2001:0db8:85a3:0000:0000:8a2e:0370:7334": "<ipv6>",
    "::ffff:192.0.2.1": "<ipv6>",
    "Authorization: Bearer abcdefgh.ijkl-mnop=": "Authorization: <bearer>",
    "t=eyJhbGciOi.eyJzdWIiOi.c2ln": "t=<bearer>",
    "ä +491749462231 ü\n+491749462231": "ä <phone> ü\n<phone>",
}
LEFT = [
    "2026-03-07T08:03:37.800Z took 287 ms",
    '{"level":30,"time":1772870617800,"pid":1003}',
    "12:34:56 std::vector<int> a.b.c 1.2.3",
    "bot_38f504 wamid.SDrrBS6TLj0rrENplUzYrIHG30opRh6GI00=",
    "trace 269aad7136ebdc6290a3592191b984b",
    "bearer of news",
    "",
]


@pytest.mark.parametrize(("line", "clean"), FOUND.items())
def test_found(line: str, clean: str) -> None:
    scrubbed, counts = ALL.scrub(pa.array([line, None, "x"]))
    assert scrubbed.to_pylist() == [clean, None, "x"]
    assert sum(one.lines for one in counts) == 1


@pytest.mark.parametrize("line", LEFT)
def test_left(line: str) -> None:
    scrubbed, counts = ALL.scrub(pa.array([line]))
    assert scrubbed.to_pylist() == [line]
    assert not counts


def test_one_number_has_one_digest_however_it_is_written() -> None:
    scrub = LineScrub({Pattern.PHONE: "hmac"}, KEY.digest)
    ways = ["+491749462231", "0049 174 9462231", "0174/9462231", "491749462231", "+49 (174) 946 22 31"]
    scrubbed, (count,) = scrub.scrub(pa.array([f"call {way}" for way in ways]))
    assert set(scrubbed.to_pylist()) == {f"call <phone:{KEY.digest('+491749462231')}>"}
    assert (count.pattern, count.action, count.lines) == ("phone", "hmac", 5)


def test_bytes_that_are_no_text_are_scrubbed_too() -> None:
    scrubbed, _ = ALL.scrub(pa.array([b"\xff +491749462231 \xfe", None]))
    assert scrubbed.to_pylist() == [b"\xff <phone> \xfe", None]


def test_a_digest_needs_a_key() -> None:
    with pytest.raises(ValueError, match="digest"):
        LineScrub({Pattern.PHONE: "hmac"}, None)


@given(st.lists(st.text(alphabet="0123456789+-/() .:@abcf\n", max_size=60), max_size=5))
def test_what_stands_between_marks_stood_there(lines: list[str]) -> None:
    scrubbed, _ = ALL.scrub(pa.array(lines, pa.string()))
    for line, clean in zip(lines, scrubbed.to_pylist(), strict=True):
        at = 0
        for piece in re.split(r"<[a-z0-9]+>", clean):
            at = line.index(piece, at) + len(piece)
