"""Who may use which channel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_message.callback.admit import Admission
from realtime_message.centrifugo.replies import Code
from realtime_message.errors import ConfigurationError, Refuse
from realtime_message.partitions import partition_of
from realtime_message.settings import CallbackSettings, ChannelRule

# A busy machine is no fault of what is tested.
untimed = settings(deadline=None)


def admission(*rules: ChannelRule, **settings) -> Admission:
    return Admission(CallbackSettings(channels=list(rules), **settings), 8)


def refusal_of(check, *args) -> tuple[int, str] | None:
    """The code and text with which a check refuses; None if it does not."""
    try:
        check(*args)
    except Refuse as refusal:
        return refusal.code, refusal.message
    return None


def may_publish(name: str, user: str, *rules: ChannelRule) -> bool:
    return refusal_of(admission(*rules).channel(name).check_publish, user) is None


def may_subscribe(name: str, user: str, *rules: ChannelRule) -> bool:
    return refusal_of(admission(*rules).channel(name).check_subscribe, user) is None


def test_a_channel_knows_its_partition() -> None:
    """The partition is the one of the wire format."""
    assert admission().channel("chat:index").partition == partition_of("chat:index", 8)


@pytest.mark.parametrize(
    ("who", "anonymous", "other", "owner"),
    [
        ("anyone", True, True, True),
        ("users", False, True, True),
        ("owner", False, False, True),
        ("nobody", False, False, False),
    ],
)
def test_rules_say_who(who, anonymous, other, owner) -> None:
    """Each word admits whom it names, for publish and subscribe alike."""
    publish = ChannelRule(pattern="u:*", publish=who, subscribe="nobody")
    subscribe = ChannelRule(pattern="u:*", subscribe=who, publish="nobody")
    for user, expected in (("", anonymous), ("7", other), ("42", owner)):
        assert may_publish("u:42", user, publish) is expected
        assert may_subscribe("u:42", user, subscribe) is expected
        assert not may_subscribe("u:42", user, publish)
        assert not may_publish("u:42", user, subscribe)


def test_personal_channels_belong_to_their_user_by_default() -> None:
    """`user:42` is user 42's alone; other channels are open to users, not to anonymous ones."""
    default = Admission(CallbackSettings(), 8)
    personal = default.channel("user:42")
    other = default.channel("news")
    assert refusal_of(personal.check_publish, "42") is None
    assert refusal_of(personal.check_publish, "4") == (
        Code.FORBIDDEN,
        "you may not publish to this channel",
    )
    assert refusal_of(personal.check_subscribe, "4") == (
        Code.FORBIDDEN,
        "you may not subscribe to this channel",
    )
    assert refusal_of(other.check_publish, "4") is None
    assert refusal_of(other.check_publish, "") is not None


@pytest.mark.parametrize(
    ("pattern", "name", "owner"),
    [
        ("user:*", "user:42", "42"),
        ("user:*", "user:42:notes", "42:notes"),
        ("user:*:notes", "user:42:notes", "42"),
        ("*", "42", "42"),
        ("*-inbox", "a b-inbox", "a b"),
    ],
)
def test_the_owner_stands_in_the_place_of_the_star(pattern, name, owner) -> None:
    """Exactly what the `*` stands for is the user id, and nothing shorter or longer."""
    rule = ChannelRule(pattern=pattern, publish="owner")
    assert may_publish(name, owner, rule)
    for other in (owner[:-1], owner + "x", "", name):
        assert other == owner or not may_publish(name, other, rule)


def test_the_anonymous_user_owns_nothing() -> None:
    """Not even the channel whose owner's place is empty."""
    assert not may_publish("user:", "", ChannelRule(pattern="user:*", publish="owner"))


def test_the_most_specific_rule_decides() -> None:
    """A rule for one channel beats a rule for many, whatever their order."""
    rules = (
        ChannelRule(pattern="*", publish="anyone"),
        ChannelRule(pattern="news", publish="nobody"),
        ChannelRule(pattern="news:*", publish="users"),
    )
    assert not may_publish("news", "1", *rules)
    assert may_publish("news:1", "1", *rules)
    assert not may_publish("news:1", "", *rules)
    assert may_publish("other", "", *rules)


@pytest.mark.parametrize("use", [may_publish, may_subscribe])
def test_private_channels_need_a_rule_of_their_own(use) -> None:
    """`$…` is refused unless a rule's pattern begins with `$`; `*` does not name it."""
    everything = ChannelRule(pattern="*", publish="anyone", subscribe="anyone")
    named = ChannelRule(pattern="$room:*", publish="users", subscribe="users")
    assert not use("$room:1", "1")
    assert not use("$room:1", "1", everything)
    assert use("$room:1", "1", everything, named)
    assert not use("$room:1", "", everything, named)
    assert not use("$other", "1", everything, named)


@pytest.mark.parametrize("use", [may_publish, may_subscribe])
def test_user_limited_channels_are_for_listed_users(use) -> None:
    """`dm#57,56` is for 57 and 56, as Centrifugo guards subscribing to it."""
    anyone = ChannelRule(pattern="*", publish="anyone", subscribe="anyone")
    for rules in ((), (anyone,)):
        assert use("dm#57,56", "56", *rules)
        assert use("dm#57,56", "57", *rules)
        assert not use("dm#57,56", "5", *rules)
        assert not use("dm#57,56", "57,56", *rules)
        assert not use("dm#", "", *rules)
        assert not use("dm#,", "", *rules)
        # What counts stands behind the last boundary.
        assert use("a#1#2", "2", *rules)
        assert not use("a#1#2", "1", *rules)


def test_a_listed_user_still_needs_the_rule() -> None:
    """Being listed does not open what a rule closes."""
    assert not may_publish("dm#57", "57", ChannelRule(pattern="dm*", publish="nobody"))


def test_a_rule_that_names_the_boundary_replaces_the_list() -> None:
    """Whoever writes a rule for `room#*` decides alone who may."""
    rule = ChannelRule(pattern="room#*", publish="users")
    assert may_publish("room#57", "1", rule)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "the channel name is empty"),
        ("x" * 256, "the channel name has 256 characters; at most 255 fit"),
        ("x" * 10_000, "the channel name has 10000 characters; at most 255 fit"),
        ("a\nb", "a channel name is made of printable ASCII characters"),
        ("a\x00b", "a channel name is made of printable ASCII characters"),
        ("a\x7f", "a channel name is made of printable ASCII characters"),
        ("канал", "a channel name is made of printable ASCII characters"),
        ("a\u2028", "a channel name is made of printable ASCII characters"),
    ],
)
def test_names_that_no_channel_has(name, text) -> None:
    """Empty, long, and unprintable names are refused with their own code, each with the reason."""
    assert refusal_of(admission().channel, name) == (Code.INVALID_CHANNEL, text)


@pytest.mark.parametrize(
    "name", ["a:b:c", "news", ":x", "a::b", "x&y", "*", "a/b?c", "a b", "~", "x" * 255]
)
def test_names_that_centrifugo_takes_are_taken(name) -> None:
    """Whatever reached the callback on a running Centrifugo and is printable."""
    assert admission().channel(name).name == name


def test_the_longest_name_is_a_setting() -> None:
    """`max_channel_length` counts characters."""
    assert refusal_of(admission(max_channel_length=3).channel, "abc") is None
    assert refusal_of(admission(max_channel_length=3).channel, "abcd") is not None


def test_two_rules_with_one_pattern() -> None:
    """The mistake is named, with its setting and what to do."""
    with pytest.raises(
        ConfigurationError, match=r'callback.channels: the channel pattern "a:\*" is there twice'
    ):
        admission(ChannelRule(pattern="a:*"), ChannelRule(pattern="a:*"))


@pytest.mark.parametrize("pattern", ["news", "a:*:b:*", "**"])
@pytest.mark.parametrize("field", ["publish", "subscribe"])
def test_owner_needs_one_star(pattern, field) -> None:
    """Without exactly one `*` nobody could tell whose channel it is."""
    with pytest.raises(ConfigurationError, match="exactly one \\* where the user id stands"):
        admission(ChannelRule(pattern=pattern, **{field: "owner"}))


def test_remembered_channels_are_bounded() -> None:
    """Names come from clients: remembering them must not grow for ever."""
    known = admission()
    for number in range(25_000):
        known.channel(f"room:{number}")
    assert len(known._remembered) <= 10_000


names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*,#$"), max_size=60
)


@untimed
@given(owner=names.filter(bool), user=names, prefix=names, suffix=names)
def test_only_the_owner_passes_an_owner_rule(owner, user, prefix, suffix) -> None:
    """Whatever the ids look like, no other user gets through."""
    rule = ChannelRule(pattern=f"{prefix}*{suffix}", publish="owner", subscribe="owner")
    name = f"{prefix}{owner}{suffix}"
    found = admission(rule, max_channel_length=1024).channel(name)
    assert (refusal_of(found.check_publish, user) is None) is (user == owner)
    assert refusal_of(found.check_publish, owner) is None


@untimed
@given(users=st.lists(names, min_size=1, max_size=4), user=names, before=names)
def test_only_listed_users_pass_a_user_limited_name(users, user, before) -> None:
    """Whatever the ids look like, only those listed get through."""
    name = f"{before}#{','.join(users)}"
    found = admission(ChannelRule(pattern="*", publish="anyone"), max_channel_length=1024).channel(
        name
    )
    assert (refusal_of(found.check_publish, user) is None) is (user != "" and user in users)


@untimed
@given(name=st.text())
def test_any_name_has_an_answer(name) -> None:
    """A name is a channel or refused; nothing is raised, and only printable ASCII is a channel."""
    is_printable = 0 < len(name) <= 255 and all(" " <= c <= "~" for c in name)
    assert (refusal_of(admission().channel, name) is None) is is_printable
