"""The gateway's configuration against the settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from realtime_message.doctor.findings import Finding
from realtime_message.settings import LoadedSettings
from realtime_message.stack.configuration_check import check_document, read_document
from realtime_message.stack.gateway_launch import gateway_configuration


def review_gateway_file(path: Path | None, loaded: LoadedSettings) -> Iterator[Finding]:
    """Yield what does not fit.

    Args:
        path: the operator's own configuration; None for the one that the settings make.
        loaded: the settings.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    document = read_document(path) if path else gateway_configuration(loaded.settings)
    for found in check_document(document, loaded, os.environ):
        yield Finding(found.severity, f"{found.where}: {found.what}", "", found.fix)
