"""Internet addresses without the part that tells one household from another: /24 of IPv4, /48 of IPv6. Pure.

=====================================  ==========================
``192.0.2.77``, ``192.0.2.77/32``      ``192.0.2.0/24``
``10.9.8.7/8``: wider already          ``10.0.0.0/8``
``2001:db8:1:2::7``                    ``2001:db8:1::/48``
``::ffff:192.0.2.77``, IPv4 in IPv6    ``192.0.2.0/24``
``fe80::1%eth0``                       ``fe80::/48``
``192.0.2.77:8080``, ``[2001:db8::7]:443``  as without the port
``192.0.2.77, 10.9.8.7``: a list       each of them
``{192.0.2.77,NULL}``: a Postgres array  each of them, NULL stays
the empty text                         stays
anything else                          ``invalid``: what is no address may be anything, and is not kept
=====================================  ==========================

What was truncated is truncated to itself, and Postgres reads it as ``inet`` and ``cidr``.
"""

import ipaddress
import re

IPV4_BITS = 24
IPV6_BITS = 48
MAPPED_BITS = 96
"""Of an IPv4 address inside of an IPv6 address, before its own 32."""

INVALID = "invalid"

_ELEMENT = re.compile(r'"(?:[^"\\]|\\.)*"|[^{},"\s][^{},"]*')
_BOUNDS = re.compile(r"(?:\[-?\d+:-?\d+\])+=")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::\d+)?")
_WITH_PORT = re.compile(r"([0-9.]+):\d+")


def truncated(text: str) -> str:
    """An address, a list of them or a Postgres array of them, each truncated."""
    bounds = _BOUNDS.match(text)
    start = bounds[0] if bounds else ""
    body = text[len(start) :]
    if start or body.startswith("{"):
        return start + _ELEMENT.sub(_element, body) if body.startswith("{") and body.endswith("}") else INVALID
    if "," in text:
        return ", ".join(_one(part.strip()) for part in text.split(","))
    return _one(text.strip()) if text else text


def _element(match: re.Match[str]) -> str:
    element = match[0]
    if element == "NULL":
        return element
    if element.startswith('"'):
        # What is quoted is text that holds a comma, a brace or a blank; an address in quotes needs none.
        inner = re.sub(r"\\(.)", r"\1", element[1:-1])
        written = truncated(inner) if inner and not inner.startswith(("{", "[")) else INVALID if inner else ""
        return f'"{written}"' if not written or "," in written else written
    return _one(element.strip())


def _one(text: str) -> str:
    bracketed, with_port = _BRACKETED.fullmatch(text), _WITH_PORT.fullmatch(text)
    host = bracketed[1] if bracketed else with_port[1] if with_port else text
    try:
        address = ipaddress.ip_interface(host)
    except ValueError:
        return INVALID
    bits = address.network.prefixlen
    if isinstance(address, ipaddress.IPv4Interface):
        return str(ipaddress.IPv4Network((int(address.ip), min(bits, IPV4_BITS)), strict=False))
    mapped = address.ip.ipv4_mapped
    if mapped is not None and bits >= MAPPED_BITS:
        return str(ipaddress.IPv4Network((int(mapped), min(bits - MAPPED_BITS, IPV4_BITS)), strict=False))
    return str(ipaddress.IPv6Network((int(address.ip), min(bits, IPV6_BITS)), strict=False))
