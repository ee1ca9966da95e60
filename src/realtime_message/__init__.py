"""Every message people send over Centrifugo reaches your Python code.

None is lost, order is kept per channel, on as many workers as the load needs.
"""

from realtime_message.app import App
from realtime_message.centrifugo.events import (
    ConnectEvent,
    PublishEvent,
    RefreshEvent,
    RpcEvent,
    SubRefreshEvent,
    SubscribeEvent,
)
from realtime_message.centrifugo.replies import (
    ConnectReply,
    Override,
    PublishReply,
    RefreshReply,
    RpcReply,
    SubRefreshReply,
    SubscribeReply,
    SubscriptionOptions,
)
from realtime_message.context import Context
from realtime_message.errors import Disconnect, Refuse, Reject, Retry, Skip
from realtime_message.message import Message

__all__ = [
    "App",
    "ConnectEvent",
    "ConnectReply",
    "Context",
    "Disconnect",
    "Message",
    "Override",
    "PublishEvent",
    "PublishReply",
    "RefreshEvent",
    "RefreshReply",
    "Refuse",
    "Reject",
    "Retry",
    "RpcEvent",
    "RpcReply",
    "Skip",
    "SubRefreshEvent",
    "SubRefreshReply",
    "SubscribeEvent",
    "SubscribeReply",
    "SubscriptionOptions",
]
