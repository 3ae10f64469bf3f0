"""Which addresses of the internet we send to: public ones, and no other.

An endpoint's name is its owner's to point anywhere. So what counts is the address that is connected to: it
must be one that anybody in the internet could reach. What is inside our own network, or a cloud's service of
metadata, is refused in all its spellings.
"""

import ipaddress
from typing import Final

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""What the internet uses of IPv6 (RFC 4291); everything outside of it is for something else."""
_REFUSED: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # behind a carrier's translation, RFC 6598; also a cloud's service of metadata
        "192.88.99.0/24",  # relays of 6to4, RFC 7526
        "168.63.129.16/32",  # Azure's own services, at a public address
        "2001::/23",  # protocols: Teredo, benchmarks, ORCHID; RFC 2928
        "3fff::/20",  # documentation, RFC 9637
    )
)
_CARRIES_IPV4: Final = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)
"""Networks whose addresses lead to an IPv4 address, and how many bits stand behind it."""


def read_address(text: str) -> Address | None:
    """An address as a resolver gives it; None for anything else, one with a zone included."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether the whole internet could reach it. An address that carries one of IPv4 is judged by that."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        carried = _carried(address)
        if carried is not None:
            return is_public(carried)
        if address not in _GLOBAL_UNICAST:
            return False
    if address.is_multicast or not address.is_global:
        return False
    return not any(address in network for network in _REFUSED if network.version == address.version)


def is_loopback(address: Address) -> bool:
    """Whether it is this machine."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    for network, behind in _CARRIES_IPV4:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> behind & 0xFFFF_FFFF)
    return None
