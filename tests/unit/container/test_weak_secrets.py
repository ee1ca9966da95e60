"""Secrets that are set but keep nothing secret."""

import secrets

import pytest

from realtime_message.settings.weak_secrets import weakness


@pytest.mark.parametrize(
    "secret",
    [
        "your-secret",
        "your-secret-key-goes-here",
        "change-me-to-a-long-random-string",
        "CHANGE_ME_CHANGE_ME_CHANGE_ME",
        "placeholder-placeholder",
        "replace-me-with-your-own-secret",
        "example-secret-for-documentation",
    ],
)
def test_placeholder_of_an_example_is_weak(secret):
    """What was copied from a page is known to everyone who read the page."""
    assert "placeholder" in weakness(secret)


@pytest.mark.parametrize("secret", ["a" * 64, "abcabcabcabcabcabcabc", "0123012301230123"])
def test_few_characters_over_and_over_are_weak(secret):
    """Length alone makes no secret."""
    assert "different characters" in weakness(secret)


@pytest.mark.parametrize("make", [secrets.token_hex, secrets.token_urlsafe])
def test_random_secrets_pass(make):
    """What openssl or Python's secrets makes is never refused."""
    assert [weakness(make(32)) for _ in range(500)] == [""] * 500
