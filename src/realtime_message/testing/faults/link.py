"""A loopback link to a server that can be cut, held and slowed. It runs in threads of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_PIECE_BYTES = 65536
_JOIN_SECONDS = 5.0


class FaultyLink:
    """Forwards connections to a port of this machine until it is told to do harm.

    A context manager. Let the program under test connect to `port`, or to `url_of` its URL.

    Args:
        target_port: where the server listens on 127.0.0.1.

    Attributes:
        port: where the link listens on 127.0.0.1.
        delay_seconds: how long each piece of data is held, in either direction.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._passes = threading.Event()
        self._passes.set()
        self._is_closed = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.delay_seconds = 0.0
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url_of(self, url: str) -> str:
        """Return a URL of the server with the link's address instead."""
        parts = urlsplit(url)
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{self.port}"))

    def cut(self) -> None:
        """Close every connection now; new ones are served."""
        with self._lock:
            ended, self._sockets = self._sockets, []
        for each in ended:
            _end(each)

    def hold(self) -> None:
        """Let nothing pass: connections stay open and silent, new ones too."""
        self._passes.clear()

    def release(self) -> None:
        """Let everything pass again, also what was held."""
        self._passes.set()

    def close(self) -> None:
        """End everything."""
        self._is_closed = True
        self._passes.set()
        _end(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join(timeout=_JOIN_SECONDS)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                here, _ = self._listener.accept()
            except OSError:
                continue
            try:
                there = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                _end(here)
                continue
            with self._lock:
                self._sockets += [here, there]
            self._run(self._forward, here, there)
            self._run(self._forward, there, here)

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE_BYTES):
                if self.delay_seconds:
                    time.sleep(self.delay_seconds)
                self._passes.wait()
                sink.sendall(data)
        for each in (source, sink):
            _end(each)

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def _end(each: socket.socket) -> None:
    # Closing alone would not wake a thread that accepts or receives.
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
