"""The hot route with the headers that a trace comes in by. Loaded only where tracing is on."""

from __future__ import annotations

from realtime_message.callback.protocol import CallbackProtocol
from realtime_message.telemetry.trace_context import TRACE_PARENT, TRACE_STATE

_TRACE_HEADERS = (TRACE_PARENT.encode(), TRACE_STATE.encode())


class TracedProtocol(CallbackProtocol):
    """One connection; a head that carries a trace is parsed each time."""

    def _decide(self) -> None:
        self._headers = None
        super()._decide()

    def _on_hot_header(self, name: bytes, value: bytes) -> None:
        if name not in _TRACE_HEADERS:
            super()._on_hot_header(name, value)
            return
        kept = self._headers = self._headers or {}
        text, before = value.decode("latin-1"), kept.get(name.decode())
        kept[name.decode()] = text if before is None else f"{before},{text}"

    def on_message_complete(self) -> None:
        """Let a hot request begin: its body is there."""
        super().on_message_complete()
        if self._headers:
            self._is_usual = False  # or the next one would seem to belong to the same trace
