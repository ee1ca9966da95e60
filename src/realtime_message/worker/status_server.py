"""/metrics and /health of a worker, from a thread, so that they also answer when the loop hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from realtime_message.errors import PortInUseError
from realtime_message.telemetry.worker_metrics import WorkerMetrics

#: Returns whether all is well, and what to show.
Health = Callable[[], tuple[bool, dict[str, Any]]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks up the host's full name, with a DNS that may be away.
        TCPServer.server_bind(self)


class StatusServer:
    """Serves on a port of its own.

    Args:
        host: the address to listen on.
        port: the port; 0 lets the system choose.
        metrics: what `/metrics` shows.
        health: what `/health` shows; status 503 when it is not well.

    Raises:
        PortInUseError: another program listens there.
    """

    def __init__(self, host: str, port: int, metrics: WorkerMetrics, health: Health) -> None:
        registry = CollectorRegistry()
        registry.register(metrics)

        class Handler(BaseHTTPRequestHandler):
            """Answers GET."""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif path == "/health":
                    is_well, shown = health()
                    body = msgspec.json.encode(shown)
                    self._answer(200 if is_well else 503, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"there are /metrics and /health\n")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name there
                """Say nothing: a probe every few seconds is no news."""

        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            raise PortInUseError(
                f"the worker cannot serve its metrics on {host}:{port} ({error.strerror}): choose "
                "another worker.metrics_port, or 0 for none"
            ) from None
        #: The port it listens on.
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="status server", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
