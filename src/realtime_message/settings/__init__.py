"""Every option, declared once: its type, default, unit, environment name and help."""

from realtime_message.settings.checks import check_settings, require_token_secret
from realtime_message.settings.load import Layer, LoadedSettings, load_settings
from realtime_message.settings.options import (
    CallbackSettings,
    ChannelDurability,
    ChannelRule,
    ConsoleSettings,
    Durability,
    GatewaySettings,
    LogSettings,
    RedisSettings,
    Settings,
    SubscriptionTokenSettings,
    TelemetrySettings,
    TokenSettings,
    WorkerSettings,
)
from realtime_message.settings.redaction import redacted

__all__ = [
    "CallbackSettings",
    "ChannelDurability",
    "ChannelRule",
    "ConsoleSettings",
    "Durability",
    "GatewaySettings",
    "Layer",
    "LoadedSettings",
    "LogSettings",
    "RedisSettings",
    "Settings",
    "SubscriptionTokenSettings",
    "TelemetrySettings",
    "TokenSettings",
    "WorkerSettings",
    "check_settings",
    "load_settings",
    "redacted",
    "require_token_secret",
]
