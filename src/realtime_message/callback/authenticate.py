"""Whether a caller is our gateway: it knows the shared secret, or is on this machine."""

from __future__ import annotations

import hmac
from time import monotonic

from realtime_message.callback.addresses import TrustedProxies, is_loopback
from realtime_message.settings import CallbackSettings
from realtime_message.telemetry.callback_metrics import CallbackMetrics
from realtime_message.telemetry.logs import get_logger

#: The header in which a proxy says for whom it asks.
FORWARDED_HEADER = "X-Forwarded-For"
#: The header in which the gateway sends the secret.
SECRET_HEADER = "X-Callback-Secret"  # noqa: S105 - the name of the header

_WARN_EVERY_SECONDS = 10.0

_WRONG_SECRET = (
    f"the {SECRET_HEADER} header holds no secret of this service: the gateway's configuration and "
    "callback.secret must agree"
)
_FORWARDED = (
    "a request with X-Forwarded-For may come from anywhere: set callback.secret here and in the "
    "gateway's configuration, or name the proxy in callback.trusted_proxies"
)
_NOT_LOCAL = (
    "without callback.secret only callers on the same machine are served: set it here and in the "
    "gateway's configuration"
)

_log = get_logger("callback.authenticate")


class Authentication:
    """Decides whom to serve.

    Args:
        settings: the secrets, and the proxies that are believed.
        metrics: where strangers are counted.

    Raises:
        ConfigurationError: a trusted proxy is neither an address nor a network.
    """

    def __init__(self, settings: CallbackSettings, metrics: CallbackMetrics) -> None:
        secrets = (settings.secret, settings.previous_secret)
        self._secrets = [secret.encode() for secret in secrets if secret]
        self._needs_secret = bool(settings.secret)
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._metrics = metrics
        self._warn_again_at = 0.0

    def refusal(
        self, host: str | None, secret: bytes | None, forwarded_for: bytes | None
    ) -> str | None:
        """Return why a caller is not served; None if it is.

        Args:
            host: the address that the connection comes from.
            secret: what its X-Callback-Secret header holds; None if it sent none.
            forwarded_for: what its X-Forwarded-For header holds; None if it sent none.
        """
        if self._needs_secret:
            if secret is not None and self._is_ours(secret):
                return None
            reason = _WRONG_SECRET
        else:
            caller = self._proxies.caller(host, forwarded_for)
            if caller is not None and is_loopback(caller):
                return None
            reason = _NOT_LOCAL if caller is not None else _FORWARDED
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
