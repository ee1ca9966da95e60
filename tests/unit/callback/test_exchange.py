"""Each proxy event gets one answer, in time."""

import asyncio
import json

import pytest

from realtime_message.callback import exchange as exchange_module
from realtime_message.callback.exchange import InFlight
from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.replies import Code
from realtime_message.errors import Disconnect, Refuse
from realtime_message.telemetry.callback_metrics import MetricsBlock, Outcome

PUBLISH = EventKind.publish


def keep(answers: list[bytes]):
    """What takes an answer and keeps its body."""
    return lambda _outcome, body: answers.append(body)


@pytest.fixture
def block():
    return MetricsBlock(tuple(EventKind), tuple(Code))


@pytest.fixture
def moment(monkeypatch):
    """A clock to be moved by hand: a list with the time in it."""
    now = [1000.0]
    monkeypatch.setattr(exchange_module, "monotonic", lambda: now[0])
    return now


async def test_only_the_first_answer_counts(block) -> None:
    """Later ones change nothing, neither at the client nor in the numbers."""
    answers = []
    opened = InFlight(10, 1.0, block.part()).open(PUBLISH, keep(answers))
    opened.answer(Outcome.appended, b"1")
    opened.answer(Outcome.appended, b"2")
    opened.refuse(Code.FORBIDDEN, "no")
    opened.fail(Code.UNAVAILABLE, "no")
    opened.obey(Refuse(400, "no"))
    assert answers == [b"1"]
    assert block.outcomes(PUBLISH) == {
        "received": 1,
        "appended": 1,
        "duplicate": 0,
        "accepted": 0,
        "rejected": 0,
        "failed": 0,
        "in_flight": 0,
    }


async def test_errors_and_signals_are_answers(block) -> None:
    """Each way to refuse has its outcome and its body."""
    in_flight = InFlight(10, 1.0, block.part())
    answers = []
    in_flight.open(PUBLISH, keep(answers)).refuse(Code.FORBIDDEN, "a")
    in_flight.open(PUBLISH, keep(answers)).fail(Code.UNAVAILABLE, "b")
    in_flight.open(PUBLISH, keep(answers)).obey(Refuse(1000, "c", temporary=True))
    in_flight.open(PUBLISH, keep(answers)).obey(Disconnect(4501, "d"))
    assert [json.loads(body) for body in answers] == [
        {"error": {"code": 403, "message": "a"}},
        {"error": {"code": 503, "message": "b", "temporary": True}},
        {"error": {"code": 1000, "message": "c", "temporary": True}},
        {"disconnect": {"code": 4501, "reason": "d"}},
    ]
    assert block.outcomes(PUBLISH)["rejected"] == 3
    assert block.outcomes(PUBLISH)["failed"] == 1


async def test_more_than_the_maximum_is_answered_at_once(block) -> None:
    """Overload is a temporary error now, not a wait."""
    in_flight = InFlight(2, 1.0, block.part())
    first, second = (in_flight.open(PUBLISH, lambda *_: None) for _ in range(2))
    answers = []
    assert in_flight.open(PUBLISH, keep(answers)) is None
    assert json.loads(answers[0])["error"] == {
        "code": 503,
        "message": "too many requests are being worked on; try again",
        "temporary": True,
    }
    first.answer(Outcome.appended, b"")
    assert in_flight.open(PUBLISH, lambda *_: None) is not None
    assert second is not None
    assert len(in_flight) == 2
    assert block.outcomes(PUBLISH) == {
        "received": 4,
        "appended": 1,
        "duplicate": 0,
        "accepted": 0,
        "rejected": 0,
        "failed": 1,
        "in_flight": 2,
    }


async def test_a_deadline_that_has_passed_is_a_temporary_error(block, moment) -> None:
    """The oldest are given up, the younger ones stay."""
    in_flight = InFlight(10, 0.9, block.part())
    old, young = [], []
    in_flight.open(PUBLISH, keep(old))
    moment[0] += 0.5
    in_flight.open(PUBLISH, keep(young))
    moment[0] += 0.39
    in_flight.sweep()
    assert (old, young) == ([], [])
    moment[0] += 0.02
    in_flight.sweep()
    assert json.loads(old[0])["error"]["code"] == 504
    assert json.loads(old[0])["error"]["temporary"] is True
    assert young == []
    assert len(in_flight) == 1


async def test_an_append_that_is_confirmed_too_late_is_counted(block, moment) -> None:
    """It failed for the client, yet the entry is there: the numbers must say so."""
    in_flight = InFlight(10, 0.9, block.part())
    answers = []
    opened = in_flight.open(PUBLISH, keep(answers))
    moment[0] += 1
    in_flight.sweep()
    opened.answer(Outcome.appended, b"late")
    assert len(answers) == 1
    text = {
        sample.name: sample.value
        for metric in block.collect()
        for sample in metric.samples
        if not sample.labels
    }
    assert text["rtm_callback_late_appends_total"] == 1


async def test_the_task_of_an_overdue_exchange_is_cancelled(block, moment) -> None:
    """A hook that hangs does not hang on."""
    in_flight = InFlight(10, 0.9, block.part())
    opened = in_flight.open(PUBLISH, lambda *_: None)
    opened.run(asyncio.Event().wait())
    await asyncio.sleep(0)
    moment[0] += 1
    in_flight.sweep()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await opened.task


async def test_whatever_a_task_raises_is_an_answer(block) -> None:
    """An exit of some library ends neither the service nor the wait of the client with nothing."""
    answers = []
    opened = InFlight(10, 1.0, block.part()).open(PUBLISH, keep(answers))

    async def work() -> None:
        raise SystemExit(1)

    opened.run(work())
    await opened.task
    assert json.loads(answers[0])["error"]["code"] == Code.INTERNAL_ERROR


async def test_sweeping_goes_on_by_itself(block) -> None:
    """With real time, an exchange is answered soon after its deadline."""
    in_flight = InFlight(10, 0.01, block.part())
    sweeping = asyncio.create_task(in_flight.keep_sweeping())
    answer = asyncio.get_running_loop().create_future()
    in_flight.open(PUBLISH, lambda _, body: answer.set_result(body))
    async with asyncio.timeout(5):
        assert json.loads(await answer)["error"]["code"] == 504
    sweeping.cancel()
