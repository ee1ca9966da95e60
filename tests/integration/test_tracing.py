"""One trace from the caller through the callback service and Valkey to the handler and beyond."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from realtime_message import App, Context, Message
from realtime_message.callback.serving import serve_callback
from realtime_message.settings import (
    CallbackSettings,
    GatewaySettings,
    RedisSettings,
    Settings,
    TelemetrySettings,
    WorkerSettings,
)
from realtime_message.streams import open_streams
from realtime_message.streams.letter_selection import LetterPlace
from realtime_message.worker.lifecycle import StopRequest
from realtime_message.worker.run import serve
from support.api_server import ApiServer
from support.callback_process import CallbackProcesses
from support.callback_thread import TOKEN_SECRET, Wire
from support.eventually import eventually
from support.proxy_bodies import publish_body
from support.spans import TRACE_ID, TRACE_PARENT, Spans, is_child, recorded_spans, trace_id
from support.worker_process import WorkerProcess, wait_until


@pytest.fixture
def spans() -> Spans:
    recorded = recorded_spans()
    recorded.forget()
    return recorded


@asynccontextmanager
async def running(app: App, settings: Settings) -> AsyncIterator[str]:
    """Callback service and worker in this event loop; gives the service's URL."""
    stop = StopRequest()
    async with serve_callback(settings, app) as serving:
        worker = asyncio.create_task(serve(settings, app, stop))
        try:
            yield serving.url
        finally:
            stop.ask()
            await worker


async def publish(url: str, channel: str) -> None:
    body = publish_body({"text": "hi"}, channel=channel)
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{url}/centrifugo/publish", content=body, headers={"traceparent": TRACE_PARENT}
        )
    assert "result" in answer.json()


def traced(redis: RedisSettings, api_url: str = "http://127.0.0.1:9/api") -> Settings:
    return Settings(
        redis=redis,
        callback=CallbackSettings(port=0, token_secret=TOKEN_SECRET),
        gateway=GatewaySettings(api_url=api_url, api_key="key"),
        worker=WorkerSettings(
            metrics_port=0, max_attempts=2, backoff_initial_seconds=0.01, backoff_max_seconds=0.01
        ),
        telemetry=TelemetrySettings(tracing=True),
    )


async def test_one_trace_goes_through_valkey_and_on_to_the_server_api(
    redis_settings, spans
) -> None:
    """A retried message: both attempts are children of the publish, and its reply goes on."""
    app = App()

    @app.on_message("room:*")
    async def handle(message: Message, context: Context) -> None:
        if context.attempt == 1:
            raise ValueError("no")
        await context.publish("replies", {"n": 1})

    async with ApiServer() as api, running(app, traced(redis_settings, api.url)) as url:
        await publish(url, "room:1")
        await eventually(lambda: asyncio.sleep(0, len(spans.of("process")) == 2))
    (sent,), (first, second) = spans.of("publish"), spans.of("process")
    assert {trace_id(span) for span in spans.all} == {TRACE_ID}
    assert is_child(first, sent)
    assert is_child(second, sent)
    assert [s.attributes["rtm.outcome"] for s in (sent, first, second)] == [
        "appended",
        "retry",
        "ack",
    ]
    assert second.attributes["rtm.entry.id"] == sent.attributes["rtm.entry.id"]
    ((_, _, headers),) = api.calls
    assert headers["traceparent"].split("-")[1:3] == [
        TRACE_ID,
        f"{second.context.span_id:016x}",
    ]


async def test_dead_letter_and_replay_stay_in_the_trace(redis_settings, spans) -> None:
    """Also after an operator has put the message back."""
    app, is_mended = App(), []

    @app.on_message("room:*")
    async def handle(message: Message) -> None:
        if not is_mended:
            raise ValueError("no")

    async with running(app, traced(redis_settings)) as url:
        await publish(url, "room:1")
        await eventually(lambda: asyncio.sleep(0, len(spans.of("dead_letter")) == 1))
        is_mended.append(True)
        streams = await open_streams(redis_settings)
        for partition in streams.dead_letters.partitions:
            async for letter in streams.dead_letters.scan(partition):
                await streams.replayer.replay(LetterPlace((0, 0), partition, letter.id))
        await streams.close()
        await eventually(lambda: asyncio.sleep(0, len(spans.of("process")) == 3))
    assert {trace_id(span) for span in spans.all} == {TRACE_ID}
    outcomes = [span.attributes["rtm.outcome"] for span in spans.of("process")]
    assert outcomes == ["retry", "dead_letter", "ack"]


@pytest.mark.parametrize("is_on", [False, True])
def test_switched_off_nothing_is_loaded_and_entries_hold_their_payload_alone(
    valkey, redis_settings, tmp_path, is_on
) -> None:
    """Off is what it was before there was tracing, though the packages are installed."""
    switch = {"RTM_TELEMETRY__TRACING": "true"} if is_on else {}
    history, name = tmp_path / "history", "support.tracing_app:app"
    worker = WorkerProcess(redis_settings, tmp_path / "log", history, app=name, environment=switch)
    service = CallbackProcesses(
        valkey.url, redis_settings.prefix, app="tracing_app:app", environment=switch
    )
    try:
        with service, Wire(service.port) as wire:
            reply = wire.call(publish_body({"text": "hi"}), Traceparent=TRACE_PARENT).json
        wait_until(history.exists, 30)
        wait_until(lambda: bool(history.read_text()), 30)
    finally:
        worker.close()
    assert bool(reply["result"]["data"]["loaded"]) == is_on
    assert (history.read_text() != "[]\n") == is_on
    client = valkey.client()
    names = client.keys(f"{redis_settings.prefix}:partition:*")
    ((_, fields),) = [row for name in names for row in client.xrange(name)]
    assert list(fields) == (["payload", "traceparent"] if is_on else ["payload"])


def test_setting_without_its_package_ends_the_start(redis_settings, tmp_path) -> None:
    """One sentence, with what to install, and exit code 3."""
    package = tmp_path / "opentelemetry"
    package.mkdir()
    (package / "__init__.py").write_text(
        "raise ModuleNotFoundError('none', name='opentelemetry')\n"
    )
    worker = WorkerProcess(
        redis_settings,
        tmp_path / "log",
        tmp_path / "history",
        environment={"RTM_TELEMETRY__TRACING": "true", "PYTHONPATH": f"{tmp_path}:tests"},
    )
    try:
        assert worker.process.wait(30) == 3
    finally:
        worker.close()
    assert worker.log_path.read_text().splitlines()[-1] == (
        "rtm: telemetry.tracing is on, and opentelemetry-api is not installed: "
        "pip install 'centrifuge-realtime-message[tracing]'"
    )
