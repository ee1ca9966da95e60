"""Who may subscribe and publish: channel names and access rules, checked before any hook.

Centrifugo itself guards a `$private` or a `user#limited` channel only against subscribing without a
token or by a user who is not listed; a publish to one, and the length and characters of a name that
is published to, it leaves to the callback. They are guarded here, for both.
"""

from __future__ import annotations

from realtime_message.centrifugo.replies import Code
from realtime_message.errors import ConfigurationError, Refuse
from realtime_message.partitions import partition_of
from realtime_message.patterns import PatternTable
from realtime_message.settings import CallbackSettings, ChannelRule
from realtime_message.settings.options import ChannelDurability, Who

# Centrifugo's defaults: channel.private_prefix, channel.user_boundary, channel.user_separator.
PRIVATE_PREFIX = "$"
USER_BOUNDARY = "#"
USER_SEPARATOR = ","


# Channels come and go by the million; the answers of the busiest ones are worth keeping.
_REMEMBERED_CHANNELS = 10_000


class Channel:
    """What is known of one channel name: its partition and its rule.

    Attributes:
        name: the channel's name.
        partition: its partition's number.
        takes_any_payload: whether it takes every JSON value, not only chat messages.
        durability: what must have happened before its messages are acknowledged.
    """

    __slots__ = (
        "_is_open_to_users",
        "_listed",
        "_owner",
        "_publish",
        "_subscribe",
        "durability",
        "name",
        "partition",
        "takes_any_payload",
    )

    def __init__(self, name: str, partition: int, rule: ChannelRule) -> None:
        self.name = name
        self.partition = partition
        self.takes_any_payload = rule.payload == "any"
        self.durability: ChannelDurability = rule.durability
        is_private = name.startswith(PRIVATE_PREFIX) and not rule.pattern.startswith(PRIVATE_PREFIX)
        self._publish: Who = "nobody" if is_private else rule.publish
        self._subscribe: Who = "nobody" if is_private else rule.subscribe
        self._owner = _owner(name, rule)
        self._listed = None if USER_BOUNDARY in rule.pattern else _listed_users(name)
        self._is_open_to_users = self._publish == "users" and self._listed is None

    def check_publish(self, user: str) -> None:
        """Check whether a user may publish.

        Raises:
            Refuse: no.
        """
        if self._is_open_to_users and user:
            return  # what most publishes are, without a further look
        if not self._may(self._publish, user):
            raise Refuse(Code.FORBIDDEN, "you may not publish to this channel")

    def check_subscribe(self, user: str) -> None:
        """Check whether a user may subscribe.

        Raises:
            Refuse: no.
        """
        if not self._may(self._subscribe, user):
            raise Refuse(Code.FORBIDDEN, "you may not subscribe to this channel")

    def _may(self, who: Who, user: str) -> bool:
        if self._listed is not None and user not in self._listed:
            return False
        if who == "users":
            return user != ""
        if who == "owner":
            return user != "" and user == self._owner
        return who == "anyone"


class Admission:
    """Finds out what a channel name is and who may use it.

    Args:
        settings: the rules, and the longest name.
        partition_count: how many partitions there are.

    Raises:
        ConfigurationError: two rules have one pattern, or `owner` is said of a pattern in which
            not exactly one `*` stands for the user id.
    """

    def __init__(self, settings: CallbackSettings, partition_count: int) -> None:
        self._max_length = settings.max_channel_length
        self._partition_count = partition_count
        self._rules: PatternTable[ChannelRule] = PatternTable()
        self._remembered: dict[str, Channel] = {}
        for rule in settings.channels:
            _check_owner(rule)
            try:
                self._rules.add(rule.pattern, rule)
            except ValueError as error:
                raise ConfigurationError(
                    f"callback.channels: {error}; keep one of the two rules"
                ) from None

    def use_partition_count(self, partition_count: int) -> None:
        """Go by another partition count from now on: the streams were resized."""
        self._partition_count = partition_count
        self._remembered.clear()

    def channel(self, name: str) -> Channel:
        """Return what is known of a channel.

        Raises:
            Refuse: no channel can have this name.
        """
        known = self._remembered.get(name)
        if known is not None:
            return known
        self._check_name(name)
        rule = self._rules.find(name) or _OPEN_TO_USERS
        channel = Channel(name, partition_of(name, self._partition_count), rule)
        if len(self._remembered) >= _REMEMBERED_CHANNELS:
            self._remembered.clear()
        self._remembered[name] = channel
        return channel

    def _check_name(self, name: str) -> None:
        if not name:
            raise Refuse(Code.INVALID_CHANNEL, "the channel name is empty")
        if len(name) > self._max_length:
            raise Refuse(
                Code.INVALID_CHANNEL,
                f"the channel name has {len(name)} characters; at most {self._max_length} fit",
            )
        if not (name.isascii() and name.isprintable()):
            raise Refuse(
                Code.INVALID_CHANNEL, "a channel name is made of printable ASCII characters"
            )


_OPEN_TO_USERS = ChannelRule(pattern="*")


def _check_owner(rule: ChannelRule) -> None:
    if "owner" in (rule.subscribe, rule.publish) and rule.pattern.count("*") != 1:
        raise ConfigurationError(
            f'callback.channels: the rule for "{rule.pattern}" says owner, so its pattern needs '
            'exactly one * where the user id stands, as in "user:*"'
        )


def _owner(name: str, rule: ChannelRule) -> str | None:
    """Return what stands in the place of the pattern's one `*`; the rule matches the name."""
    before, star, after = rule.pattern.partition("*")
    if not star or "*" in after:
        return None
    return name[len(before) : len(name) - len(after)]


def _listed_users(name: str) -> frozenset[str] | None:
    """Return the users of a user-limited name: `dm#57,56` is for 57 and 56; None for others."""
    _, boundary, users = name.rpartition(USER_BOUNDARY)
    if not boundary:
        return None
    return frozenset(users.split(USER_SEPARATOR)) - {""}
