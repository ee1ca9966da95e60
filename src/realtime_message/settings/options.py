"""All settings: the sections, put together."""

from __future__ import annotations

import msgspec

from realtime_message.settings.sections.callback import CallbackSettings
from realtime_message.settings.sections.channels import ChannelDurability, ChannelRule, Who
from realtime_message.settings.sections.console import ConsoleSettings
from realtime_message.settings.sections.gateway import GatewaySettings
from realtime_message.settings.sections.log import LogSettings
from realtime_message.settings.sections.option import Section
from realtime_message.settings.sections.redis import Durability, RedisSettings
from realtime_message.settings.sections.telemetry import TelemetrySettings
from realtime_message.settings.sections.tokens import SubscriptionTokenSettings, TokenSettings
from realtime_message.settings.sections.worker import WorkerSettings

__all__ = [
    "CallbackSettings",
    "ChannelDurability",
    "ChannelRule",
    "ConsoleSettings",
    "Durability",
    "GatewaySettings",
    "LogSettings",
    "RedisSettings",
    "Section",
    "Settings",
    "SubscriptionTokenSettings",
    "TelemetrySettings",
    "TokenSettings",
    "Who",
    "WorkerSettings",
]


class Settings(Section, frozen=True, kw_only=True):
    """All settings."""

    redis: RedisSettings = msgspec.field(default_factory=RedisSettings)
    callback: CallbackSettings = msgspec.field(default_factory=CallbackSettings)
    tokens: TokenSettings = msgspec.field(default_factory=TokenSettings)
    subscription_tokens: SubscriptionTokenSettings = msgspec.field(
        default_factory=SubscriptionTokenSettings
    )
    worker: WorkerSettings = msgspec.field(default_factory=WorkerSettings)
    gateway: GatewaySettings = msgspec.field(default_factory=GatewaySettings)
    console: ConsoleSettings = msgspec.field(default_factory=ConsoleSettings)
    log: LogSettings = msgspec.field(default_factory=LogSettings)
    telemetry: TelemetrySettings = msgspec.field(default_factory=TelemetrySettings)
