"""Whether a part starts again."""

from realtime_message.stack.restarts import GiveUp, RestartRule, StartAgain, describe_exit


def test_waits_grow_within_a_minute() -> None:
    """The first restart is quick, each further one waits twice as long."""
    rule = RestartRule()
    waits = [rule.decide(1, died_at=float(moment)) for moment in range(5)]
    assert waits == [StartAgain(0.1 * 2**n) for n in range(5)]


def test_sixth_death_within_a_minute_is_the_last() -> None:
    """More than five deaths in a minute are no accident."""
    rule = RestartRule()
    decisions = [rule.decide(-9, died_at=float(moment)) for moment in range(6)]
    assert isinstance(decisions[-1], GiveUp)
    assert "6 times within 60 s" in decisions[-1].reason


def test_old_deaths_are_forgotten() -> None:
    """One death a quarter of an hour is restarted for ever, each time at once."""
    rule = RestartRule()
    decisions = [rule.decide(1, died_at=900.0 * n) for n in range(20)]
    assert decisions == [StartAgain(0.1)] * 20


def test_failed_start_is_given_up_at_once() -> None:
    """Exit code 3 says that nothing changes by trying again."""
    assert isinstance(RestartRule().decide(3, died_at=0.0), GiveUp)


def test_exit_is_told_in_words() -> None:
    """Signals have names."""
    assert describe_exit(1) == "exit code 1"
    assert describe_exit(-9) == "killed by SIGKILL"
    assert describe_exit(-250) == "killed by signal 250"
