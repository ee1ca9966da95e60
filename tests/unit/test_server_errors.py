"""Every complaint of Redis and redis-py has a meaning of ours."""

import inspect

import pytest
import redis.exceptions

from realtime_message.errors import (
    StreamsError,
    StreamsFullError,
    StreamsRefusedError,
    StreamsUnavailableError,
)
from realtime_message.streams.server_errors import (
    CommandForbiddenError,
    CommandUnknownError,
    GroupMissingError,
    LoginRefusedError,
    NotDoneError,
    ReadOnlyServerError,
    RedirectError,
    ScriptMissingError,
    from_client,
    from_reply,
)

#: What redis-py's exceptions mean. A class of a later redis-py that is not here fails the test
#: below: decide what it means.
MEANING = {
    "AskError": StreamsUnavailableError,
    "AuthenticationError": LoginRefusedError,
    "AuthenticationWrongNumberOfArgsError": LoginRefusedError,
    "AuthorizationError": LoginRefusedError,
    "BusyLoadingError": StreamsUnavailableError,
    "ChildDeadlockedError": StreamsRefusedError,
    "ClusterCrossSlotError": StreamsRefusedError,
    "ClusterDownError": StreamsUnavailableError,
    "ClusterError": StreamsUnavailableError,
    "ConnectionError": StreamsUnavailableError,
    "CrossSlotTransactionError": StreamsRefusedError,
    "DataError": StreamsRefusedError,
    "ExecAbortError": StreamsRefusedError,
    "ExternalAuthProviderError": StreamsUnavailableError,
    "IncorrectPolicyType": StreamsRefusedError,
    "InvalidPipelineStack": StreamsRefusedError,
    "InvalidResponse": StreamsUnavailableError,
    "LockError": StreamsRefusedError,
    "LockNotOwnedError": StreamsRefusedError,
    "MasterDownError": StreamsUnavailableError,
    "MaxConnectionsError": StreamsUnavailableError,
    "ModuleError": StreamsRefusedError,
    "MovedError": StreamsUnavailableError,
    "NoPermissionError": CommandForbiddenError,
    "NoScriptError": ScriptMissingError,
    "NoSuchFieldsetError": StreamsRefusedError,
    "OutOfMemoryError": StreamsFullError,
    "PubSubError": StreamsRefusedError,
    "ReadOnlyError": ReadOnlyServerError,
    "RedisClusterException": StreamsRefusedError,
    "RedisError": StreamsRefusedError,
    "ResponseError": StreamsRefusedError,
    "SlotNotCoveredError": StreamsUnavailableError,
    "TimeoutError": StreamsUnavailableError,
    "TryAgainError": StreamsUnavailableError,
    "WatchError": StreamsRefusedError,
}

CLIENT_ERRORS = [
    (name, error)
    for name, error in vars(redis.exceptions).items()
    if inspect.isclass(error) and issubclass(error, Exception)
]


@pytest.mark.parametrize(("name", "error"), CLIENT_ERRORS)
def test_every_exception_of_the_client_library_is_mapped(name: str, error: type[Exception]) -> None:
    """Each exception of redis-py becomes the one of ours that its meaning calls for."""
    assert name in MEANING, f"redis-py has a new exception {name}: say here what it means"
    raised = error.__new__(error)
    mapped = from_client(raised, "redis://h:1")
    assert type(mapped) is MEANING[name]
    assert "redis://h:1" in str(mapped)


@pytest.mark.parametrize("error", [OSError("no route"), TimeoutError(), ConnectionResetError()])
def test_errors_of_the_network_pass(error: Exception) -> None:
    """What the network raises may pass, so it is unavailability."""
    assert type(from_client(error, "redis://h:1")) is StreamsUnavailableError


def test_own_errors_stay_as_they_are() -> None:
    """An error that is ours already is not wrapped."""
    error = StreamsUnavailableError("x")
    assert from_client(error, "redis://h:1") is error


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", StreamsFullError),
        ("READONLY You can't write against a read only replica.", ReadOnlyServerError),
        ("MISCONF Redis is configured to save RDB snapshots, …", StreamsRefusedError),
        ("NOREPLICAS Not enough good replicas to write.", StreamsRefusedError),
        ("WRONGTYPE Operation against a key holding the wrong kind", StreamsRefusedError),
        ("EXECABORT Transaction discarded because of previous errors.", StreamsRefusedError),
        ("NOAUTH Authentication required.", LoginRefusedError),
        ("WRONGPASS invalid username-password pair or user is disabled.", LoginRefusedError),
        ("NOPERM User rtm has no permissions to run the 'xadd' command", CommandForbiddenError),
        ("NOGROUP No such key 'x' or consumer group 'y'", GroupMissingError),
        ("NOSCRIPT No matching script.", ScriptMissingError),
        ("LOADING Redis is loading the dataset in memory", NotDoneError),
        ("MASTERDOWN Link with MASTER is down", NotDoneError),
        ("CLUSTERDOWN The cluster is down", NotDoneError),
        ("MOVED 3999 127.0.0.1:6381", RedirectError),
        ("BUSY Redis is busy running a script.", StreamsUnavailableError),
        ("ERR max number of clients reached", StreamsUnavailableError),
        ("ERR unknown command 'XADD', with args beginning with:", CommandUnknownError),
        ("ERR something else", StreamsRefusedError),
        ("", StreamsRefusedError),
    ],
)
def test_error_replies_are_mapped(reply: str, meaning: type[StreamsError]) -> None:
    """The first word of an error reply decides; the server's own text is kept."""
    mapped = from_reply(reply)
    assert type(mapped) is meaning
    assert reply in str(mapped)


def test_refused_transaction_means_what_refused_it() -> None:
    """EXEC that is refused itself tells why; one that breaks off because of a command does not."""
    reply = "EXECABORT Transaction discarded because of: NOPERM User u may not run 'exec'"
    assert type(from_reply(reply)) is CommandForbiddenError
    plain = "EXECABORT Transaction discarded because of previous errors."
    assert type(from_reply(plain)) is StreamsRefusedError
