"""The trace of a publish request, on the hot route and by the ASGI application."""

from __future__ import annotations

import pytest

from support.callback_thread import CallbackThread, request
from support.proxy_bodies import publish_body
from support.spans import TRACE_ID, TRACE_PARENT, Spans, recorded_spans, trace_id

BODY = publish_body({"text": "hi"})
OTHER_ID = "0af7651916cd43dd8448eb211c80319c"
OTHER_PARENT = f"00-{OTHER_ID}-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Spans:
    recorded = recorded_spans()
    recorded.forget()
    return recorded


@pytest.mark.parametrize("is_hot", [True, False])
def test_publish_belongs_to_the_trace_that_its_request_names(spans, is_hot) -> None:
    """Each request to its own, though their heads come on one connection and may be equal."""
    parents = [TRACE_PARENT, TRACE_PARENT, None, None, OTHER_PARENT, "broken", TRACE_PARENT, None]
    with CallbackThread(is_hot=is_hot, has_tracing=True) as service:
        with service.connect() as wire:
            for parent in parents:
                headers = {} if parent is None else {"Traceparent": parent, "TraceState": "a=1"}
                assert "result" in wire.call(BODY, **headers).json
        traces = service.appender.traces
    sent = spans.of("publish")
    ids = [trace_id(span) for span in sent]
    assert [ids[n] for n in (0, 1, 4, 6)] == [TRACE_ID, TRACE_ID, OTHER_ID, TRACE_ID]
    roots = [ids[n] for n in (2, 3, 5, 7)]
    assert len({*roots, TRACE_ID, OTHER_ID}) == 6
    assert [sent[n].parent for n in (2, 3, 5, 7)] == [None] * 4
    assert [trace.parent.split("-")[1] for trace in traces] == ids
    assert [trace.state for trace in traces] == ["a=1", "a=1", "", "", "a=1", "", "a=1", ""]


def test_requests_that_are_sent_ahead_keep_their_traces(spans) -> None:
    """They wait for each other's answers, each with its own headers."""
    parents = [TRACE_PARENT, OTHER_PARENT, TRACE_PARENT]
    with CallbackThread(has_tracing=True) as service, service.connect() as wire:
        wire.send(b"".join(request(BODY, headers={"Traceparent": p}) for p in parents))
        assert all("result" in wire.answer().json for _ in parents)
    assert [trace_id(span) for span in spans.of("publish")] == [TRACE_ID, OTHER_ID, TRACE_ID]


def test_header_that_comes_twice_is_no_trace(spans) -> None:
    """Which of them counts is anybody's guess."""
    double = request(BODY, headers={"Traceparent": TRACE_PARENT, "traceparent": OTHER_PARENT})
    with CallbackThread(has_tracing=True) as service, service.connect() as wire:
        wire.send(double)
        assert "result" in wire.answer().json
    assert trace_id(spans.of("publish")[0]) not in (TRACE_ID, OTHER_ID)


def test_failed_publish_is_an_error_in_the_trace(spans) -> None:
    """What the gateway got an error for because of us is one."""
    with CallbackThread(has_tracing=True) as service, service.connect() as wire:
        service.appender.failure = RuntimeError("a defect")
        assert "error" in wire.call(BODY, Traceparent=TRACE_PARENT).json
    (sent,) = spans.of("publish")
    assert not sent.status.is_ok
    assert sent.attributes["rtm.outcome"] == sent.attributes["error.type"] == "failed"
