"""Every option, declared once: its type, default, unit, environment name and help."""

from realtime_message.settings.options import (
    CallbackSettings,
    ChannelRule,
    GatewaySettings,
    LogSettings,
    RedisSettings,
    Settings,
    WorkerSettings,
)

__all__ = [
    "CallbackSettings",
    "ChannelRule",
    "GatewaySettings",
    "LogSettings",
    "RedisSettings",
    "Settings",
    "WorkerSettings",
]
