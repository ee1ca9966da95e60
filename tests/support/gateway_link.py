"""A TCP link between a client and the gateway that a test can cut, restore and mute."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class GatewayLink:
    """Forwards a loopback port to the gateway's; a context manager.

    Args:
        gateway_port: where the gateway listens on 127.0.0.1.

    Attributes:
        port: where clients connect.
    """

    def __init__(self, gateway_port: int) -> None:
        self._gateway_port = gateway_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._is_up = threading.Event()
        self._hears_replies = threading.Event()
        self.restore()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()
        self.cut()
        self._hears_replies.set()

    def cut(self) -> None:
        """End every connection, and each new one, until restore()."""
        self._is_up.clear()
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Let clients connect again, and let them hear replies."""
        self._is_up.set()
        self._hears_replies.set()

    def hold_replies(self) -> None:
        """Keep back what the gateway says; what clients say still gets through."""
        self._hears_replies.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client:
            if not self._is_up.is_set():
                return
            with socket.create_connection(("127.0.0.1", self._gateway_port)) as gateway:
                ends = {client, gateway}
                self._open |= ends
                back = threading.Thread(target=self._pump, args=(gateway, client, True))
                back.start()
                self._pump(client, gateway, False)
                back.join()
                self._open -= ends

    def _pump(self, source: socket.socket, target: socket.socket, are_replies: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                if are_replies:
                    self._hears_replies.wait()
                target.sendall(chunk)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
