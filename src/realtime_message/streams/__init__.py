"""The seam between the callback service and the workers: the only package that speaks Redis."""

from realtime_message.streams.redis_streams import Streams, open_streams

__all__ = ["Streams", "open_streams"]
