"""Which rules hold for a channel or a method, by its name alone."""

from __future__ import annotations

import re

import msgspec

from realtime_message.centrifugo.gateway_configuration import (
    Channel,
    ChannelOptions,
    DataFormat,
    Rpc,
    RpcOptions,
)
from realtime_message.gateway import codes
from realtime_message.gateway.codes import CommandError


class ChannelRules:
    """Finds the options of a channel and checks names and data against them.

    Args:
        channel: the configuration's `channel` section.
        rpc: its `rpc` section.
    """

    def __init__(self, channel: Channel, rpc: Rpc) -> None:
        self._channel = channel
        self._rpc = rpc
        self._namespaces: dict[str, ChannelOptions] = {one.name: one for one in channel.namespaces}
        self._rpc_namespaces: dict[str, RpcOptions] = {one.name: one for one in rpc.namespaces}
        patterns = {one.channel_regex for one in (channel.without_namespace, *channel.namespaces)}
        self._patterns = {text: re.compile(text) for text in patterns if text}

    def options(self, name: str) -> ChannelOptions:
        """Return the options of a channel.

        Raises:
            CommandError: its namespace does not exist (102).
        """
        namespace, _ = self._split(name)
        if not namespace:
            return self._channel.without_namespace
        found = self._namespaces.get(namespace)
        if found is None:
            raise CommandError(codes.UNKNOWN_CHANNEL)
        return found

    def checked_options(self, name: str) -> ChannelOptions:
        """Return the options of a channel that a client named.

        Raises:
            CommandError: its namespace does not exist (102), or the name has a character that is
                not allowed (107): without a pattern, anything beyond ASCII.
        """
        options = self.options(name)
        if not self.is_valid_name(name, options):
            raise CommandError(codes.BAD_REQUEST)
        return options

    def is_valid_name(self, name: str, options: ChannelOptions) -> bool:
        """Whether the characters of a channel name are allowed."""
        if not options.channel_regex:
            return name.isascii()
        _, rest = self._split(name)
        return self._patterns[options.channel_regex].search(rest) is not None

    def check_data(self, data: bytes, options: ChannelOptions) -> None:
        """Check what is to be published.

        Raises:
            CommandError: it is empty, or not what the data format asks for (107).
        """
        data_format = options.publication_data_format or self._channel.publication_data_format
        if not _fits(data, data_format):
            raise CommandError(codes.BAD_REQUEST)

    def is_private(self, name: str) -> bool:
        """Whether a subscription needs a token: `$name`."""
        prefix = self._channel.private_prefix
        return bool(prefix) and name.startswith(prefix)

    def is_user_limited(self, name: str, options: ChannelOptions) -> bool:
        """Whether the name ends with the users who may subscribe: `name#1,2`."""
        boundary = self._channel.user_boundary
        return options.allow_user_limited_channels and bool(boundary) and boundary in name

    def is_named_in(self, user: str, name: str) -> bool:
        """Whether a user-limited channel names the user."""
        users = name.rpartition(self._channel.user_boundary)[2]
        return user in users.split(self._channel.user_separator)

    def rpc_options(self, method: str) -> RpcOptions:
        """Return the options of an RPC method.

        Raises:
            CommandError: its namespace does not exist (104).
        """
        namespace, found, _ = method.partition(self._rpc.namespace_boundary)
        if not found or not namespace:
            return self._rpc.without_namespace
        options = self._rpc_namespaces.get(namespace)
        if options is None:
            raise CommandError(codes.METHOD_NOT_FOUND)
        return options

    def _split(self, name: str) -> tuple[str, str]:
        """Return a channel's namespace, empty for none, and the rest of its name."""
        bare = name.removeprefix(self._channel.private_prefix)
        namespace, found, rest = bare.partition(self._channel.namespace_boundary)
        return (namespace, rest) if found else ("", name)


def _fits(data: bytes, data_format: DataFormat) -> bool:
    if data_format == "binary":
        return True
    if data_format in ("json", "json_object"):
        try:
            value = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return False
        return data_format == "json" or isinstance(value, dict)
    return bool(data)
