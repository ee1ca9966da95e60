"""Settings as they may be shown."""

from __future__ import annotations

from typing import Any

import msgspec

from realtime_message.settings.declarations import all_settings
from realtime_message.settings.load import LoadedSettings
from realtime_message.settings.masking import mask


def redacted(loaded: LoadedSettings) -> dict[str, Any]:
    """Return every setting's value by its path, secrets and passwords masked.

    Values are what JSON can hold.
    """
    return {
        path: mask(loaded.value(path))
        if setting.is_secret
        else msgspec.to_builtins(loaded.value(path))
        for path, setting in all_settings().items()
    }
