"""The certificate with which the service answers over HTTPS."""

from __future__ import annotations

import ssl

from realtime_message.errors import ConfigurationError
from realtime_message.settings import CallbackSettings


def make_tls_context(settings: CallbackSettings) -> ssl.SSLContext | None:
    """Return what the settings' certificate needs to be served; None without one.

    Only HTTP/1.1 is offered: Centrifugo would negotiate HTTP/2, which is not spoken here.

    Raises:
        ConfigurationError: a file is missing or cannot be used, or one is named without the other.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if not certificate and not key:
        return None
    if not certificate or not key:
        missing = "tls_key" if certificate else "tls_certificate"
        raise ConfigurationError(
            f"callback.{missing} is missing: TLS needs both files, the certificate and its key"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"callback.tls_certificate {certificate} and callback.tls_key {key} cannot be used: "
            f"{error.strerror or error}; both are files in PEM form that belong together"
        ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context
