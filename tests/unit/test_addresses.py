"""Addresses without their end, in every way in which they are written."""

import ipaddress

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import PolicyAction
from archiver.privacy.addresses import truncated
from archiver.privacy.columns import in_form


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("192.0.2.77/32", "192.0.2.0/24"),
        ("192.0.2.77/24", "192.0.2.0/24"),
        ("10.9.8.7/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:db8:1:2::7", "2001:db8:1::/48"),
        ("2001:DB8:1:2::7/128", "2001:db8:1::/48"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::1", "::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("::ffff:c000:24d", "192.0.2.0/24"),
        ("::ffff:192.0.2.77/112", "192.0.0.0/16"),
        ("::ffff:192.0.2.77/64", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("192.0.2.77:8080", "192.0.2.0/24"),
        ("[2001:db8:1:2::7]:443", "2001:db8:1::/48"),
        ("[2001:db8:1:2::7]", "2001:db8:1::/48"),
        (" 192.0.2.77 ", "192.0.2.0/24"),
        ("192.0.2.77, 2001:db8:1:2::7", "192.0.2.0/24, 2001:db8:1::/48"),
        ("192.0.2.77,unknown", "192.0.2.0/24, invalid"),
        ("", ""),
        ("unknown", "invalid"),
        ("192.0.2.256", "invalid"),
        ("192.0.2.7 is Anna", "invalid"),
        ("192.0.2.077", "invalid"),
        ("3221226061", "invalid"),
        ("{}", "{}"),
        ("{192.0.2.77,NULL,2001:db8:1:2::7/64}", "{192.0.2.0/24,NULL,2001:db8:1::/48}"),
        ("{{192.0.2.77},{10.0.0.1}}", "{{192.0.2.0/24},{10.0.0.0/24}}"),
        ("[0:1]={192.0.2.77,10.0.0.1}", "[0:1]={192.0.2.0/24,10.0.0.0/24}"),
        ('{"192.0.2.77, 10.0.0.1",""}', '{"192.0.2.0/24, 10.0.0.0/24",""}'),
        ('{"Anna {x}","\\"192.0.2.77\\""}', "{invalid,invalid}"),
        ('{"{192.0.2.77}"}', "{invalid}"),
        ("{192.0.2.77", "invalid"),
        ("[0:1]=Anna={192.0.2.77}", "invalid"),
        ('{192.0.2.77,"Anna', "invalid"),
    ],
)
def test_the_end_goes_and_nothing_else_comes_through(written: str, left: str) -> None:
    assert truncated(written) == left
    assert truncated(left) == left, "what was truncated stays as it is"


def test_a_column_of_addresses_is_truncated_as_each_of_them_is() -> None:
    written = [
        "1.2.3.4",
        "1.2.3.4",
        "01.2.3.4",
        "255.255.255.255/32",
        "1.2.3.4/31",
        "1.2.3.256",
        "1.2.3.4\n",
        None,
        "",
        "x",
    ]
    written += ["::ffff:1.2.3.4", "{1.2.3.4,NULL}", "1.2.3.4, 5.6.7.8", "1.2.3.4:80", "1.2.3", "1.2.3.4.5"]
    column = in_form(pa.array(written, pa.string()), PolicyAction.TRUNCATE_IP, None)
    assert column.to_pylist() == [None if one is None else truncated(one) for one in written]
    empty = in_form(pa.array([], pa.string()), PolicyAction.TRUNCATE_IP, None)
    assert (len(empty), empty.type) == (0, pa.string())


@given(st.text(st.sampled_from('{},"\\ abN0127.:/[]%='), max_size=24) | st.text(max_size=24))
def test_any_text_is_truncated_to_itself_and_holds_nothing_but_networks(text: str) -> None:
    left = truncated(text)
    assert truncated(left) == left
    for word in left.translate(str.maketrans('{},"', "    ")).split():
        bare = word.rpartition("=")[2] if word.startswith("[") else word
        assert bare in ("", "NULL", "invalid") or ipaddress.ip_network(bare).prefixlen <= 48


@given(st.ip_addresses(v=4), st.ip_addresses(v=6))
def test_every_address_of_a_network_becomes_that_network(
    four: ipaddress.IPv4Address, six: ipaddress.IPv6Address
) -> None:
    assert ipaddress.ip_network(truncated(str(four))) == ipaddress.ip_network(f"{four}/24", strict=False)
    if six.ipv4_mapped is None:
        assert ipaddress.ip_network(truncated(str(six))) == ipaddress.ip_network(f"{six}/48", strict=False)
