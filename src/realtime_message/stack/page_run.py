"""The chat page's web server as a process."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import uvicorn

from realtime_message.errors import PortInUseError
from realtime_message.settings import Settings
from realtime_message.stack.page_server import create_page_app


def run_page(settings: Settings, *, port: int, rooms: Sequence[str]) -> None:
    """Serve the chat page until SIGTERM or SIGINT.

    Args:
        settings: the gateway's port and host, the key for tokens, the receipts channel.
        port: where to listen.
        rooms: the channels that the page opens at first.

    Raises:
        PortInUseError: another program listens there.
    """
    app = create_page_app(
        gateway_port=settings.gateway.port,
        token_secret=settings.callback.token_secret,
        rooms=rooms,
        receipts_channel=settings.worker.receipts_channel,
    )
    host = settings.gateway.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise PortInUseError(
                f"port {port} for the chat page cannot be used ({error.strerror}); choose another "
                "with --page-port"
            ) from None
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[listener])
