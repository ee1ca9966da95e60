"""Dead letters: a page of them, by what one looks for, and one of them with all that is kept."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from realtime_message.console.html import Child, Html, element
from realtime_message.console.pages.cells import (
    LONG_CHARACTERS,
    Column,
    command,
    facts,
    letter_path,
    moment,
    number,
    partition_link,
    section,
    short,
    size,
    table,
)
from realtime_message.streams.dead_letters import DeadLetter

_MAX_FIELDS = 50

_COLUMNS = (
    Column("Dead letter"),
    Column("Channel"),
    Column("Attempts", is_number=True),
    Column("First seen"),
    Column("Given up"),
    Column("Error"),
)

#: Name in the query → flag of the command, label, and what may be written.
FILTERS: Mapping[str, tuple[str, str, str]] = {
    "channel": ("--channel", "Channel", "room:*"),
    "error": ("--error", "Error contains", ""),
    "reason": ("--reason", "Reason contains", ""),
    "older_than": ("--older-than", "Older than", "2h"),
    "younger_than": ("--younger-than", "Younger than", "7d"),
    "partition": ("--partition", "Partition", "3"),
}


def letters_content(
    letters: Sequence[DeadLetter], asked: Mapping[str, str], next_after: str | None
) -> list[Child]:
    """Return what the list shows.

    Args:
        letters: the page.
        asked: what was looked for, by the names in FILTERS.
        next_after: after which letter the next page begins; None if this is the last.
    """
    if not letters:
        nothing = "No dead letter fits." if asked else "There are no dead letters."
        return [filter_form(asked), element("p", nothing, class_="calm")]
    rows: list[list[Child]] = [
        [
            element("a", letter.name, href=letter_path(letter.name)),
            short(letter.channel),
            number(letter.attempts),
            moment(letter.first_seen_at),
            moment(letter.buried_at),
            short(letter.error or letter.reason),
        ]
        for letter in letters
    ]
    flags = " ".join(f"{FILTERS[name][0]} {shlex.quote(text)}" for name, text in asked.items())
    return [
        filter_form(asked),
        table("Dead letters", _COLUMNS, rows),
        _next_page(asked, next_after),
        section(
            "Once the cause is mended",
            element("p", command(f"rtm dead-letters replay {flags or '--all'}")),
            element(
                "p",
                "puts all that fit back, in the order in which they first came; with ",
                command("--dry-run"),
                " it only says how many that would be.",
                class_="quiet",
            ),
        ),
    ]


def filter_form(asked: Mapping[str, str], mistake: str = "") -> Html:
    """Return the fields by which one looks for letters.

    Args:
        asked: what was looked for.
        mistake: what is wrong with it; empty if nothing.
    """
    fields = [
        element(
            "label",
            label,
            element(
                "input",
                name=name,
                value=asked.get(name, ""),
                placeholder=example or None,
                autocomplete="off",
                inputmode="numeric" if name == "partition" else None,
            ),
        )
        for name, (_, label, example) in FILTERS.items()
    ]
    return element(
        "form",
        fields,
        element("button", "Find", type="submit"),
        element("a", "Show all", href="/dead-letters") if asked else None,
        element("p", mistake, role="alert", class_="mistake") if mistake else None,
        action="/dead-letters",
        method="get",
        role="search",
    )


def letter_content(letter: DeadLetter) -> list[Child]:
    """Return all that is kept of a letter; of long texts the beginning."""
    return [
        facts(
            [
                ("Channel", short(letter.channel, LONG_CHARACTERS)),
                ("Message", letter.message_id or None),
                ("Entry", letter.entry_id),
                ("Partition", partition_link(letter.partition)),
                ("First seen", moment(letter.first_seen_at)),
                ("Given up", moment(letter.buried_at)),
                ("Attempts", number(letter.attempts)),
                ("Worker", letter.worker or None),
                ("Reason", short(letter.reason, LONG_CHARACTERS)),
            ]
        ),
        section(
            "Once the cause is mended",
            element("p", command(f"rtm dead-letters replay {letter.name}")),
        ),
        section("Error", _long(letter.error.rstrip(), letter.name)) if letter.error else None,
        section("Payload", _long(letter.payload_text, letter.name, len(letter.payload))),
        _further(letter),
    ]


def _further(letter: DeadLetter) -> Html | None:
    names = [name.decode(errors="replace") for name in letter.fields[::2]]
    texts = [value.decode(errors="replace") for value in letter.fields[1::2]]
    rows: list[tuple[str, Child]] = [
        (short(name), short(text))
        for name, text in zip(names, texts, strict=True)
        if name != "payload"
    ]
    return section("Further fields", facts(rows[:_MAX_FIELDS])) if rows else None


def _long(text: str, name: str, count: int | None = None) -> list[Child]:
    shown = element("pre", text[:LONG_CHARACTERS], tabindex=0)
    if len(text) <= LONG_CHARACTERS:
        return [shown]
    whole = f"{size(count)} in all" if count else f"{number(len(text))} characters in all"
    rest = ["The beginning; ", whole, ": ", command(f"rtm dead-letters show {name}")]
    return [shown, element("p", rest, class_="quiet")]


def _next_page(asked: Mapping[str, str], next_after: str | None) -> Html | None:
    if next_after is None:
        return None
    query = urlencode({**asked, "after": next_after})
    return element(
        "nav", element("a", "Next page", href=f"/dead-letters?{query}"), aria_label="Further pages"
    )
