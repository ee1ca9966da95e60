"""Where a request comes from: the connection's address, or what a trusted proxy says."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from realtime_message.errors import ConfigurationError


class TrustedProxies:
    """The proxies whose word is believed.

    Args:
        names: addresses and networks.

    Raises:
        ConfigurationError: one of them is neither.
    """

    def __init__(self, names: Sequence[str]) -> None:
        try:
            self._networks = [ip_network(name) for name in names]
        except ValueError as error:
            raise ConfigurationError(
                f"callback.trusted_proxies: {error}; use addresses such as 10.0.0.5 and networks "
                "such as 10.0.0.0/8"
            ) from None

    def caller(self, host: str | None, forwarded_for: bytes | None) -> str | None:
        """Return where a request comes from; None if a stranger says that it is for someone else.

        Args:
            host: the address that the connection comes from.
            forwarded_for: what the X-Forwarded-For header holds; None if there is none.
        """
        if forwarded_for is None:
            return host or ""
        if not self._is_trusted(host):
            return None
        # Each proxy puts the address that it was called from at the end. What stands before the
        # last one that no trusted proxy has is a stranger's word.
        addresses = [part.strip() for part in forwarded_for.decode("latin-1").split(",")]
        strangers = [address for address in addresses if not self._is_trusted(address)]
        return strangers[-1] if strangers else addresses[0]

    def _is_trusted(self, host: str | None) -> bool:
        address = _parse(host)
        return address is not None and any(address in network for network in self._networks)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, also in the IPv6 form of an IPv4 address."""
    address = _parse(host)
    return address is not None and address.is_loopback


def _parse(host: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
