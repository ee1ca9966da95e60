"""What a user declares: handlers, hooks, resources, middleware. No HTTP, no Redis."""

from realtime_message.app.app import App
from realtime_message.app.handler import BatchRule, Handler
from realtime_message.app.handler_checks import check_handlers, takes_context
from realtime_message.app.opening import open_resources
from realtime_message.app.parameters import Parameter, Source, read_parameters
from realtime_message.app.payloads import decoder_of
from realtime_message.app.resource import Resource, in_opening_order

__all__ = [
    "App",
    "BatchRule",
    "Handler",
    "Parameter",
    "Resource",
    "Source",
    "check_handlers",
    "decoder_of",
    "in_opening_order",
    "open_resources",
    "read_parameters",
    "takes_context",
]
