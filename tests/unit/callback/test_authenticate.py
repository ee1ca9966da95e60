"""Who is served."""

import pytest
from structlog.testing import capture_logs

from realtime_message.callback.authenticate import Authentication, is_loopback
from realtime_message.callback.serving import make_metrics


def authentication(secret: str = "", previous: str = "") -> Authentication:
    return Authentication(secret, previous, make_metrics().part())


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("128.0.0.1", False),
        ("fe80::1", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
def test_without_a_secret_only_this_machine(host, expected) -> None:
    """Loopback addresses in any form; everything else is refused with what to do."""
    assert is_loopback(host) is expected
    refusal = authentication().refusal(host, None)
    assert (refusal is None) is expected
    if refusal is not None:
        assert "callback.secret" in refusal


def test_with_a_secret_the_address_is_nothing() -> None:
    """Being on this machine does not replace the secret, nor the other way round."""
    known = authentication("s3cret")
    assert known.refusal("10.0.0.1", b"s3cret") is None
    assert known.refusal("127.0.0.1", None) is not None
    assert known.refusal("127.0.0.1", b"wrong") is not None


def test_both_secrets_during_a_change() -> None:
    """The current and the previous one; an empty previous one is none."""
    known = authentication("new", "old")
    assert known.refusal(None, b"new") is None
    assert known.refusal(None, b"old") is None
    assert authentication("new").refusal(None, b"") is not None
    assert authentication("", "old").refusal("10.0.0.1", b"old") is not None


def test_strangers_are_logged_now_and_then_without_what_they_sent() -> None:
    """A flood of them is one line, which holds no secret."""
    known = authentication("s3cret")
    with capture_logs() as logs:
        for _ in range(100):
            known.refusal("10.0.0.1", b"guess")
    (line,) = logs
    assert (line["event"], line["caller"]) == ("caller.refused", "10.0.0.1")
    assert "guess" not in str(line)
    assert "s3cret" not in str(line)
