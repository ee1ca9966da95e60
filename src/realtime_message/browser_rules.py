"""What keeps other pages away from the pages that we serve: the host's name, and headers. Pure."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

_LOCAL_SUFFIXES = (".local", ".localhost", ".lan", ".internal", ".home.arpa")


def host_of(host_header: str) -> tuple[str, bool]:
    """Return the name by which a page was asked for, and whether it is a local one.

    Local are IP addresses, names without a dot, this machine's own name, and the suffixes that the
    public DNS does not serve. Under any other name a foreign page could read this one: its owner
    lets it point here (DNS rebinding), and the browser takes both for the same origin.
    """
    try:
        host = urlsplit(f"//{host_header}").hostname or ""
    except ValueError:
        return "", False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_plain = re.fullmatch(r"[a-z0-9._-]+", host) is not None
        is_local = "." not in host or host.endswith(_LOCAL_SUFFIXES)
        return host, is_plain and (is_local or host == socket.gethostname().lower())
    return f"[{host}]" if address.version == 6 else host, True  # noqa: PLR2004 - IPv6


def security_headers(content_security_policy: str) -> dict[str, str]:
    """Return what browsers need to know about every answer.

    Args:
        content_security_policy: what the page may load, and from where.
    """
    return {
        "Content-Security-Policy": content_security_policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
