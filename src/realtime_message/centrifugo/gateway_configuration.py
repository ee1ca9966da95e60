"""The options of a Centrifugo v6 configuration that the embedded gateway implements.

The tree, the names, the types and the defaults are Centrifugo's own; only a duration's field ends
in `_seconds` here and not in the file. What is absent from this tree is refused by the reader.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from realtime_message.centrifugo.durations import Seconds
from realtime_message.centrifugo.proxy_configuration import (
    Count,
    Name,
    NamedProxy,
    Proxy,
    Section,
    SwitchedProxy,
)
from realtime_message.centrifugo.token_keys import TokenKeys


class HttpServer(Section, frozen=True):
    """Where the gateway listens; an internal port takes health and server API off the first."""

    address: str = ""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    internal_address: str = ""
    internal_port: str = ""


class ClientProxies(Section, frozen=True):
    """The proxy events of a connection."""

    connect: SwitchedProxy = SwitchedProxy()
    refresh: SwitchedProxy = SwitchedProxy()


class Token(TokenKeys, Section, frozen=True):
    """How tokens are verified."""


class SubscriptionToken(Token, frozen=True):
    """How subscription tokens are verified, where that differs from connection tokens."""

    enabled: bool = False


class Client(Section, frozen=True):
    """Connections: authentication, limits, times."""

    proxy: ClientProxies = ClientProxies()
    allowed_origins: list[str] = msgspec.field(default_factory=list)
    token: Token = Token()
    subscription_token: SubscriptionToken = SubscriptionToken()
    allow_anonymous_connect_without_token: bool = False
    disallow_anonymous_connection_tokens: bool = False
    ping_interval_seconds: Seconds = Seconds(25)
    pong_timeout_seconds: Seconds = Seconds(8)
    expired_close_delay_seconds: Seconds = Seconds(25)
    expired_sub_close_delay_seconds: Seconds = Seconds(25)
    stale_close_delay_seconds: Seconds = Seconds(10)
    presence_update_interval_seconds: Seconds = Seconds(27)
    channel_position_check_delay_seconds: Seconds = Seconds(40)
    channel_limit: Count = 128
    queue_max_size: Count = 1_048_576
    user_connection_limit: Count = 0
    connect_include_server_time: bool = False
    history_max_publication_limit: Count = 300
    recovery_max_publication_limit: Count = 300
    # One command at a time is all that the embedded gateway does; 0 and 1 both mean that.
    concurrency: Literal[0, 1] = 0


DataFormat = Literal["", "json", "json_object", "binary"]


class ChannelOptions(Section, frozen=True):
    """What holds for the channels of one namespace."""

    presence: bool = False
    join_leave: bool = False
    force_push_join_leave: bool = False
    history_size: Count = 0
    history_ttl_seconds: Seconds = Seconds(0)
    history_meta_ttl_seconds: Seconds = Seconds(0)
    force_positioning: bool = False
    allow_positioning: bool = False
    force_recovery: bool = False
    allow_recovery: bool = False
    force_recovery_mode: Literal["", "stream"] = ""
    allow_subscribe_for_anonymous: bool = False
    allow_subscribe_for_client: bool = False
    allow_publish_for_anonymous: bool = False
    allow_publish_for_subscriber: bool = False
    allow_publish_for_client: bool = False
    allow_presence_for_anonymous: bool = False
    allow_presence_for_subscriber: bool = False
    allow_presence_for_client: bool = False
    allow_history_for_anonymous: bool = False
    allow_history_for_subscriber: bool = False
    allow_history_for_client: bool = False
    allow_user_limited_channels: bool = False
    channel_regex: str = ""
    publication_data_format: DataFormat = ""
    subscription_type: Literal["", "stream"] = ""
    subscribe_proxy_enabled: bool = False
    subscribe_proxy_name: str = "default"
    publish_proxy_enabled: bool = False
    publish_proxy_name: str = "default"
    sub_refresh_proxy_enabled: bool = False
    sub_refresh_proxy_name: str = "default"

    @property
    def has_history(self) -> bool:
        """Whether publications are kept."""
        return self.history_size > 0 and self.history_ttl_seconds > 0


class Namespace(ChannelOptions, frozen=True, kw_only=True):
    """Channels whose name starts with the namespace's name and the boundary."""

    name: Name


class ChannelProxies(Section, frozen=True):
    """The proxies called `default`, by event."""

    subscribe: Proxy = Proxy()
    publish: Proxy = Proxy()
    sub_refresh: Proxy = Proxy()


class Channel(Section, frozen=True):
    """Channels: names, namespaces, proxies."""

    proxy: ChannelProxies = ChannelProxies()
    without_namespace: ChannelOptions = ChannelOptions()
    namespaces: list[Namespace] = msgspec.field(default_factory=list)
    history_meta_ttl_seconds: Seconds = Seconds(2_592_000)
    publication_data_format: DataFormat = ""
    max_length: Count = 255
    private_prefix: str = "$"
    namespace_boundary: str = ":"
    user_boundary: str = "#"
    user_separator: str = ","


class RpcOptions(Section, frozen=True):
    """What holds for the RPC methods of one namespace."""

    proxy_enabled: bool = False
    proxy_name: str = "default"


class RpcNamespace(RpcOptions, frozen=True, kw_only=True):
    """RPC methods whose name starts with the namespace's name and the boundary."""

    name: Name


class Rpc(Section, frozen=True):
    """Client RPC."""

    proxy: Proxy = Proxy()
    without_namespace: RpcOptions = RpcOptions()
    namespaces: list[RpcNamespace] = msgspec.field(default_factory=list)
    namespace_boundary: str = ":"


class HttpApi(Section, frozen=True):
    """The server API."""

    disabled: bool = False
    handler_prefix: str = "/api"
    key: str = ""
    error_mode: Literal["", "transport"] = ""
    external: bool = False
    insecure: bool = False


class WebSocket(Section, frozen=True):
    """The WebSocket transport."""

    handler_prefix: str = "/connection/websocket"
    write_timeout_seconds: Seconds = Seconds(1)
    message_size_limit: Annotated[int, Meta(ge=1)] = 65536


class Health(Section, frozen=True):
    """The health endpoint."""

    enabled: bool = False
    handler_prefix: str = "/health"


class Engine(Section, frozen=True):
    """Where history and presence live; the embedded gateway has only its own memory."""

    type: Literal["memory"] = "memory"


class Node(Section, frozen=True):
    """How the gateway calls itself in the server API's `info`."""

    name: str = ""


class Shutdown(Section, frozen=True):
    """How long a stop may take."""

    timeout_seconds: Seconds = Seconds(30)


class GatewayConfiguration(Section, frozen=True):
    """A whole configuration."""

    http_server: HttpServer = HttpServer()
    client: Client = Client()
    channel: Channel = Channel()
    rpc: Rpc = Rpc()
    proxies: list[NamedProxy] = msgspec.field(default_factory=list)
    http_api: HttpApi = HttpApi()
    websocket: WebSocket = WebSocket()
    health: Health = Health()
    engine: Engine = Engine()
    node: Node = Node()
    shutdown: Shutdown = Shutdown()
