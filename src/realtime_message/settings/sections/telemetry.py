"""What `[telemetry]` holds."""

from __future__ import annotations

from typing import Annotated

from realtime_message.settings.sections.option import Section, option


class TelemetrySettings(Section, frozen=True, kw_only=True):
    """OpenTelemetry."""

    tracing: Annotated[
        bool,
        option(
            "Whether callback service and workers make OpenTelemetry spans, and the trace goes "
            "through the stream. Needs the extra `tracing`; the SDK and its exporter are chosen "
            "with the usual OTEL_* variables."
        ),
    ] = False
