"""What a host's name alone tells."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host as configured is this computer, where alone a connection may be unencrypted (T1)."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_address(host: str) -> bool:
    """Whether a host is an IP address, which needs no look-up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
