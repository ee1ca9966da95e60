"""Who is served."""

import pytest
from structlog.testing import capture_logs

from realtime_message.callback.addresses import is_loopback
from realtime_message.callback.authenticate import Authentication
from realtime_message.callback.serving import make_metrics
from realtime_message.errors import ConfigurationError
from realtime_message.settings import CallbackSettings


def authentication(secret: str = "", previous: str = "", proxies=()) -> Authentication:
    settings = CallbackSettings(
        secret=secret, previous_secret=previous, trusted_proxies=list(proxies)
    )
    return Authentication(settings, make_metrics().part())


def refusal(known: Authentication, host, secret=None, forwarded_for=None) -> str | None:
    return known.refusal(host, secret, forwarded_for)


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
    ],
)
def test_without_a_secret_only_this_machine(host, expected) -> None:
    """Loopback addresses in any form; everything else is refused with what to do."""
    assert is_loopback(host) is expected
    text = refusal(authentication(), host)
    assert (text is None) is expected
    if text is not None:
        assert "callback.secret" in text


def test_with_a_secret_the_address_is_nothing() -> None:
    """Being on this machine does not replace the secret, nor the other way round."""
    known = authentication("s3cret")
    assert refusal(known, "10.0.0.1", b"s3cret") is None
    assert refusal(known, "127.0.0.1", None) is not None
    assert refusal(known, "127.0.0.1", b"wrong") is not None


def test_both_secrets_during_a_change() -> None:
    """The current and the previous one; an empty previous one is none."""
    known = authentication("new", "old")
    assert refusal(known, None, b"new") is None
    assert refusal(known, None, b"old") is None
    assert refusal(authentication("new"), None, b"") is not None
    assert refusal(authentication("", "old"), "10.0.0.1", b"old") is not None


def test_strangers_are_logged_now_and_then_without_what_they_sent() -> None:
    """A flood of them is one line, which holds no secret."""
    known = authentication("s3cret")
    with capture_logs() as logs:
        for _ in range(100):
            refusal(known, "10.0.0.1", b"guess")
    (line,) = logs
    assert (line["event"], line["caller"]) == ("caller.refused", "10.0.0.1")
    assert "guess" not in str(line)
    assert "s3cret" not in str(line)


@pytest.mark.parametrize(
    ("proxies", "host", "forwarded_for", "is_served"),
    [
        # Nobody is believed: the header may come from anywhere, so the request may too.
        ([], "127.0.0.1", b"127.0.0.1", False),
        ([], "127.0.0.1", b"10.0.0.1", False),
        # A proxy on this machine is believed, for better or worse.
        (["127.0.0.1"], "127.0.0.1", b"127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.1", b"10.0.0.1", False),
        (["127.0.0.1"], "127.0.0.1", None, True),
        # What a stranger wrote before the proxy added its caller counts for nothing.
        (["127.0.0.1"], "127.0.0.1", b"127.0.0.1, 10.0.0.1", False),
        (["127.0.0.1", "10.0.0.0/8"], "10.1.2.3", b"127.0.0.1, 10.0.0.1", True),
        (["10.0.0.0/8"], "10.1.2.3", b"203.0.113.9, 10.0.0.1", False),
        (["10.0.0.0/8"], "10.1.2.3", b"::1", True),
        (["10.0.0.0/8"], "11.0.0.1", b"127.0.0.1", False),
        (["10.0.0.0/8"], "10.1.2.3", b"rubbish", False),
        (["10.0.0.0/8"], "10.1.2.3", b"", False),
        (["10.0.0.0/8"], None, b"127.0.0.1", False),
    ],
)
def test_who_asks_through_a_proxy(proxies, host, forwarded_for, is_served) -> None:
    """The last address that no trusted proxy has is the caller."""
    known = authentication(proxies=proxies)
    assert (refusal(known, host, None, forwarded_for) is None) is is_served


def test_with_a_secret_proxies_are_nothing() -> None:
    """The secret is what counts."""
    assert refusal(authentication("s3cret"), "10.0.0.1", b"s3cret", b"10.0.0.2") is None


def test_a_trusted_proxy_that_is_no_address() -> None:
    """The text says what fits."""
    with pytest.raises(ConfigurationError, match=r"callback\.trusted_proxies: 'proxy'"):
        authentication(proxies=["proxy"])
