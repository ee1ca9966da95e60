"""What a test gives to a harness: an app, resources, and messages as clients send them."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec

from realtime_message.app import App
from realtime_message.app_import import import_app
from realtime_message.errors import AppError
from realtime_message.message import Message


def given_app(app: App | str) -> App:
    """Return the app that a test means.

    Args:
        app: itself, or its name as `module:attribute`.

    Raises:
        AppError: there is no app of this name.
        TypeError: it is neither.
    """
    if isinstance(app, str):
        return import_app(app)
    if not isinstance(app, App):
        raise TypeError(
            f"WorkerHarness wants an App or its name, such as myapp:app, not {type(app).__name__}"
        )
    return app


def check_replaced(app: App, names: Collection[str]) -> None:
    """Check the names of resources that are given in place of the app's.

    Raises:
        AppError: the app has none of a name, so nothing would be replaced.
    """
    unknown = sorted(set(names) - app.resources.keys())
    if unknown:
        known = f"it has {', '.join(sorted(app.resources))}" if app.resources else "it has none"
        raise AppError(f"the app has no resource {', '.join(unknown)}; {known}")


def made_message(
    channel: str, partition: int, data: Any, *, user: str, user_name: str, client: str, at: float
) -> Message:
    """Return the message that the callback service makes of what a client sent.

    Args:
        channel: its channel.
        partition: the channel's.
        data: anything that is JSON.
        user: the sender.
        user_name: the sender's name; empty: the user id.
        client: the id of the sender's connection.
        at: when, as Unix time.
    """
    text = data.get("text", "") if isinstance(data, dict) else ""
    timestamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return Message(
        id=str(uuid.uuid4()),
        channel=channel,
        partition_id=partition,
        user_id=user,
        user_name=user_name or user,
        text=text if isinstance(text, str) else "",
        timestamp=timestamp.replace("+00:00", "Z"),
        raw=msgspec.json.encode(data).decode(),
        client_id=client,
    )
