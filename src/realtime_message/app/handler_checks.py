"""Whether a worker can run an app, and what it needs for it; asked before anything is opened."""

from __future__ import annotations

from realtime_message.app.app import App
from realtime_message.app.parameters import Source, read_parameters
from realtime_message.app.payloads import decoder_of
from realtime_message.errors import AppError


def check_handlers(app: App) -> None:
    """Refuse an app that a worker cannot run.

    Raises:
        AppError: there is no handler, or one of them asks for what nothing fits.
    """
    if not app.message_handlers.values:
        raise AppError(_without_handlers(app))
    for handler in app.message_handlers.values:
        for parameter in read_parameters(handler, app.resources):
            if parameter.source is Source.payload:
                decoder_of(parameter.type, f"the handler {handler.name}")


def takes_context(app: App) -> bool:
    """Whether a handler or a middleware gets a Context, with which it could publish.

    Raises:
        AppError: a handler asks for what nothing fits.
    """
    return bool(app.middlewares) or any(
        parameter.source is Source.context
        for handler in app.message_handlers.values
        for parameter in read_parameters(handler, app.resources)
    )


def _without_handlers(app: App) -> str:
    declare = "declare one with @app.on_message()"
    if not any(app.hooks()):
        return f"the app has no handler: {declare}"
    return (
        f"the app has hooks but no handler; hooks run in `rtm callback {app.name or 'APP'}`; for a "
        f"worker {declare}"
    )
