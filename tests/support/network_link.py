"""A loopback link to a server that can be cut: nothing passes, and nobody is told."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class NetworkLink:
    """Forwards connections to a port, from threads, until it is cut. A context manager.

    Args:
        target_port: where the server listens.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._passes = threading.Event()
        self._passes.set()
        self._is_closed = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed = True
        self._passes.set()
        # Closing alone would not wake a thread that accepts or receives.
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(timeout=5)

    @property
    def url(self) -> str:
        """Redis behind the link."""
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """Let nothing pass: connections stay open and silent, new ones too."""
        self._passes.clear()

    def mend(self) -> None:
        """Let everything pass again, also what was on its way."""
        self._passes.set()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                here, _ = self._listener.accept()
                there = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                continue
            self._sockets += [here, there]
            for source, sink in ((here, there), (there, here)):
                thread = threading.Thread(target=self._forward, args=(source, sink), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._passes.wait()
                sink.sendall(data)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
