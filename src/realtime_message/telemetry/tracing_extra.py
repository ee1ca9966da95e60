"""Opens tracing where its package is installed. Loaded only when the setting is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_message.errors import ConfigurationError

if TYPE_CHECKING:
    from realtime_message.telemetry.tracing import Tracing


def open_tracing() -> Tracing:
    """Return what makes spans, and tell in the log if they go nowhere.

    Raises:
        ConfigurationError: the package of OpenTelemetry's API is not installed.
    """
    try:
        from realtime_message.telemetry.tracing import Tracing  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "opentelemetry":
            raise
        raise ConfigurationError(
            "telemetry.tracing is on, and opentelemetry-api is not installed: "
            "pip install 'centrifuge-realtime-message[tracing]'"
        ) from None
    tracing = Tracing()
    tracing.tell_of_missing_sdk()
    return tracing
