"""Who may open a WebSocket, and what stands above it."""

from __future__ import annotations

import re
from fnmatch import translate

from websockets.http11 import Request

from realtime_message.gateway.connection import Connection
from realtime_message.gateway.engine import Engine
from realtime_message.gateway.handlers import HANDLERS
from realtime_message.gateway.websocket import (
    Endpoint,
    WebSocket,
    offered_subprotocols,
    path_of,
    query_of,
)


class ConfiguredAdmission:
    """Decides by path, origin and protocol.

    Args:
        engine: the gateway's state.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        websocket = engine.configuration.websocket
        self.message_size_limit = websocket.message_size_limit
        self._path = websocket.handler_prefix
        self._origins = [
            re.compile(translate(pattern.lower())) for pattern in engine.client.allowed_origins
        ]

    def refuse(self, request: Request) -> tuple[int, str] | None:
        """Return the HTTP status and text that refuse a handshake, or None."""
        if path_of(request) != self._path:
            return 404, "404 page not found\n"
        origin = request.headers.get("Origin", "").lower()
        if origin and not any(pattern.match(origin) for pattern in self._origins):
            return 403, "Forbidden\n"
        query = query_of(request)
        offered = offered_subprotocols(request)
        wants_protobuf = (
            query.get("format") == ["protobuf"]
            or query.get("cf_protocol") == ["protobuf"]
            or ("centrifuge-protobuf" in offered and "centrifuge-json" not in offered)
        )
        if wants_protobuf:
            return 400, "the embedded gateway speaks JSON only; use the client's JSON protocol\n"
        if query.get("cf_ws_frame_ping_pong") == ["true"]:
            return 400, "the embedded gateway has no native ping and pong frames\n"
        return None

    def make_endpoint(self, websocket: WebSocket) -> Endpoint:
        """Return what stands above a new WebSocket."""
        return Connection(self._engine, websocket, HANDLERS)
