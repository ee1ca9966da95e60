"""Whether a caller is our gateway: it knows the shared secret, or is on this machine."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from time import monotonic

from realtime_message.telemetry.callback_metrics import CallbackMetrics
from realtime_message.telemetry.logs import get_logger

#: The header in which the gateway sends the secret.
SECRET_HEADER = "X-Callback-Secret"  # noqa: S105 - the name of the header

_WARN_EVERY_SECONDS = 10.0

_WRONG_SECRET = (
    f"the {SECRET_HEADER} header holds no secret of this service: the gateway's configuration and "
    "callback.secret must agree"
)
_NOT_LOCAL = (
    "without callback.secret only callers on the same machine are served: set it here and in the "
    "gateway's configuration"
)

_log = get_logger("callback.authenticate")


class Authentication:
    """Decides whom to serve.

    Args:
        secret: what the gateway must send; empty serves callers on this machine alone.
        previous_secret: accepted as well, while the secret is changed; empty for none.
        metrics: where strangers are counted.
    """

    def __init__(self, secret: str, previous_secret: str, metrics: CallbackMetrics) -> None:
        self._secrets = [text.encode() for text in (secret, previous_secret) if text]
        self._needs_secret = bool(secret)
        self._metrics = metrics
        self._warn_again_at = 0.0

    def refusal(self, host: str | None, secret: bytes | None) -> str | None:
        """Return why a caller is not served; None if it is.

        Args:
            host: the caller's address.
            secret: what its X-Callback-Secret header holds; None if it sent none.
        """
        if self._needs_secret:
            if secret is not None and self._is_ours(secret):
                return None
            reason = _WRONG_SECRET
        else:
            if is_loopback(host):
                return None
            reason = _NOT_LOCAL
        self._metrics.unauthenticated()
        now = monotonic()
        if now >= self._warn_again_at:
            self._warn_again_at = now + _WARN_EVERY_SECONDS
            _log.warning("caller.refused", caller=host, reason=reason)
        return reason

    def _is_ours(self, secret: bytes) -> bool:
        # All are compared, each in constant time: the time taken tells nothing about any of them.
        matches = [hmac.compare_digest(secret, known) for known in self._secrets]
        return any(matches)


def is_loopback(host: str | None) -> bool:
    """Whether an address is this machine's own, also in the IPv6 form of an IPv4 address."""
    if not host:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
