"""Which IP addresses are public: those of no private, local, special or translated network.

The table is our own, because that of Python differs between versions and calls addresses global that lead to private ones
(NAT64, 6to4). Sources: the IANA registries of special-purpose addresses (RFC 6890, RFC 8190) and the RFCs in the comments.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

__all__ = ["is_public"]

_NOT_PUBLIC_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # between providers and their customers; in it the metadata service of Alibaba Cloud
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # the host of virtual machines of Azure
            "169.254.0.0/16",  # link-local; in it the metadata service of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
#: Everything else is not assigned, local, or carries an IPv4 address (mapped, compatible, NAT64: RFC 6052, RFC 8215).
_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments; in it Teredo, which carries IPv4 addresses
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which carries an IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
#: Interface identifiers that carry an IPv4 address (ISATAP, RFC 5214 section 6.1).
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})


def is_public(address: str) -> bool:
    """Whether ``address``, as :func:`socket.getaddrinfo` writes it, is public. An address with a zone is not.

    NOT known: the prefix by which a network of your own translates IPv4 addresses (NAT64), if it is not the well-known one.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC_IPV4)
    return _is_public_ipv6(found)


def _is_public_ipv6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in _PUBLIC_IPV6:
        return False
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return False
    return not any(address in network for network in _NOT_PUBLIC_IPV6)
