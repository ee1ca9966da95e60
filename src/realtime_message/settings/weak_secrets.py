"""Secrets that are set but keep nothing secret. Pure."""

from __future__ import annotations

#: What stands in examples, ours and others', where a secret of your own belongs.
_PLACEHOLDER_WORDS = (
    "changeme",
    "example",
    "insertyour",
    "placeholder",
    "replaceme",
    "replacethis",
    "yourkey",
    "yoursecret",
    "yourtoken",
)
_MIN_DIFFERENT_CHARACTERS = 8


def weakness(secret: str) -> str:
    """Return what is wrong with a secret, as the end of a sentence; empty if nothing is seen.

    A text of random characters passes; a placeholder that was copied from an example and a text of
    a few characters over and over do not. Length is checked elsewhere.
    """
    letters = "".join(character for character in secret.lower() if character.isalnum())
    if any(word in letters for word in _PLACEHOLDER_WORDS):
        return "is the placeholder of an example, which everybody knows"
    if len(set(secret)) < _MIN_DIFFERENT_CHARACTERS:
        return f"has fewer than {_MIN_DIFFERENT_CHARACTERS} different characters"
    return ""
